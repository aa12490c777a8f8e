"""What goes over the wire comes out the same."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read import wire
from wellread.read.limits import Limits
from wellread.types import Document, Page, Section

TEXT = st.text(alphabet=st.characters())  # with lone surrogates, as file names may have
PAGES = st.lists(st.builds(Page, st.integers(0, 9), TEXT, st.integers(0, 9), st.integers(0, 9), st.none() | st.just((612.0, 792.5))))
SECTIONS = st.lists(st.builds(Section, st.integers(1, 6), TEXT, st.integers(0, 9), st.integers(0, 9)))


@given(st.builds(Document, TEXT, TEXT, TEXT, TEXT, TEXT, PAGES.map(tuple), SECTIONS.map(tuple), st.lists(TEXT).map(tuple)))
def test_a_document_survives(document: Document) -> None:
    assert wire.unpack(wire.pack(document)) == document


@given(TEXT, TEXT, st.none() | TEXT)
def test_an_error_survives(message: str, reason: str, hint: str | None) -> None:
    back = wire.unpack(wire.pack(ReadError(message, reason=reason, hint=hint)))
    assert isinstance(back, ReadError)
    assert (back.message, back.reason, back.hint) == (message, reason, hint)


@given(st.binary(), TEXT, st.integers(1, 1 << 40))
def test_a_task_survives(data: bytes, name: str, size: int) -> None:
    stream = io.BytesIO()
    wire.send_task(stream, data, name, "there", Limits(file_bytes=size))
    stream.seek(0)
    assert wire.receive_task(stream) == (data, name, "there", Limits(file_bytes=size))
    assert wire.receive_task(stream) is None


@given(st.binary(max_size=40))
def test_a_stream_cut_short_is_its_end(data: bytes) -> None:
    stream = io.BytesIO()
    wire.send(stream, data)
    whole = stream.getvalue()
    for length in range(len(whole)):
        assert wire.receive(io.BytesIO(whole[:length])) is None
    assert wire.receive(io.BytesIO(whole)) == data
