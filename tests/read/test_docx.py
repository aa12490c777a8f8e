"""Word documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def cell(text: str) -> str:
    return f"<w:tc>{paragraph(text)}</w:tc>"


BODY = (
    paragraph("Findings", "Heading1")
    + paragraph("Elks eat &lt;leaves&gt;.")
    + f"<w:tbl><w:tr>{cell('Name')}{cell('Size')}</w:tr><w:tr>{cell('Elk')}{cell('2 m')}</w:tr></w:tbl>"
)


def test_paragraphs_headings_and_tables(make_docx: Callable[..., bytes]) -> None:
    document = parse(make_docx(BODY), "x.docx", "x", Limits())
    assert document.text == "Findings\n\nElks eat <leaves>.\n\nName | Size\nElk | 2 m"
    assert [(section.level, section.title, section.start) for section in document.sections] == [(1, "Findings", 0)]
    assert document.title == "Findings"


def test_the_title_comes_from_the_properties(make_docx: Callable[..., bytes]) -> None:
    assert parse(make_docx(BODY, title="On elks"), "x.docx", "x", Limits()).title == "On elks"
    assert parse(make_docx(BODY, title="draft.docx"), "x.docx", "x", Limits()).title == "Findings"


def test_comments_are_not_lost_in_silence(make_docx: Callable[..., bytes]) -> None:
    comments = b'<w:comments xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:comment w:id="0"/></w:comments>'
    document = parse(make_docx(BODY, extra={"word/comments.xml": comments}), "x.docx", "x", Limits())
    assert any("comments in the margin" in warning for warning in document.warnings)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(make_docx: Callable[..., bytes]) -> None:
    bomb = make_docx(BODY, extra={"word/media/image1.png": b"\x00" * 20_000_000})
    with pytest.raises(ReadError, match="times its size") as caught:
        parse(bomb, "x.docx", "x", Limits())
    assert caught.value.reason == "too_large"
    with pytest.raises(ReadError, match="unpacks to") as caught:
        parse(bomb, "x.docx", "x", Limits(unpacked_bytes=10_000_000))
    assert caught.value.reason == "too_large"


def test_an_archive_of_too_many_parts_is_refused(make_docx: Callable[..., bytes]) -> None:
    many = make_docx(BODY, extra={f"word/part{n}.xml": b"x" for n in range(60)})
    with pytest.raises(ReadError, match="parts") as caught:
        parse(many, "x.docx", "x", Limits(unpacked_entries=50))
    assert caught.value.reason == "too_large"


def test_every_cut_is_refused_as_damaged(make_docx: Callable[..., bytes]) -> None:
    whole = make_docx(BODY)
    for length in range(10, len(whole) - 1, 97):
        with pytest.raises(ReadError) as caught:
            parse(whole[:length], "x.docx", "x", Limits())
        assert caught.value.reason == "damaged"


def test_broken_xml_is_damaged(make_docx: Callable[..., bytes]) -> None:
    with pytest.raises(ReadError) as caught:
        parse(make_docx("<w:p>"), "x.docx", "x", Limits())
    assert caught.value.reason == "damaged"
