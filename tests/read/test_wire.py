"""What goes over the wire comes out the same."""

from __future__ import annotations

import contextlib
import io

from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read import wire
from wellread.read.limits import Limits
from wellread.read.wire import Packed, Result, Task
from wellread.types import Document, Page, Region, Section

TEXT = st.text(alphabet=st.characters())  # with lone surrogates, as file names may have
PAGES = st.lists(st.builds(Page, st.integers(0, 9), TEXT, st.integers(0, 9), st.integers(0, 9), st.none() | st.just((612.0, 792.5))))
SECTIONS = st.lists(st.builds(Section, st.integers(1, 6), TEXT, st.integers(0, 9), st.integers(0, 9)))


BOXES = st.none() | st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4)
REGIONS = st.lists(st.builds(Region, st.integers(0, 9), st.integers(0, 9), TEXT, BOXES))
DOCUMENTS = st.builds(
    Document, TEXT, TEXT, TEXT, TEXT, TEXT, PAGES.map(tuple), SECTIONS.map(tuple), st.lists(TEXT).map(tuple), REGIONS.map(tuple)
)


@given(st.none() | DOCUMENTS, st.booleans())
def test_a_result_survives(document: Document | None, container: bool) -> None:
    assert wire.unpack(wire.pack(Result(document, container))) == Result(document, container)


@given(TEXT, TEXT, st.none() | TEXT)
def test_an_error_survives(message: str, reason: str, hint: str | None) -> None:
    error = ReadError(message, reason=reason, hint=hint)
    result, member = wire.unpack(wire.pack(Result(error))), wire.unpack(wire.pack(Packed("a", b"", error)))
    assert isinstance(result, Result)
    assert isinstance(member, Packed)
    for back in (result.outcome, member.error):
        assert isinstance(back, ReadError)
        assert (back.message, back.reason, back.hint) == (message, reason, hint)


@given(TEXT, st.binary())
def test_a_member_survives(name: str, data: bytes) -> None:
    assert wire.unpack(wire.pack(Packed(name, data))) == Packed(name, data)


@given(st.binary(), TEXT, st.integers(1, 1 << 40), st.booleans())
def test_a_task_survives(data: bytes, name: str, size: int, unpack: bool) -> None:
    stream = io.BytesIO()
    task = Task(data, name, "there", Limits(file_bytes=size), unpack)
    wire.send_task(stream, task)
    stream.seek(0)
    assert wire.receive_task(stream) == task
    assert wire.receive_task(stream) is None


@given(st.binary(max_size=60))
def test_a_frame_that_nobody_made_is_an_error_of_one_kind(frame: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        wire.unpack(frame)


@given(st.binary(max_size=40))
def test_a_stream_cut_short_is_its_end(data: bytes) -> None:
    stream = io.BytesIO()
    wire.send(stream, data)
    whole = stream.getvalue()
    for length in range(len(whole)):
        assert wire.receive(io.BytesIO(whole[:length])) is None
    assert wire.receive(io.BytesIO(whole)) == data
