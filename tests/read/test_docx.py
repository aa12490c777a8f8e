"""Word documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


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


def test_a_table_is_a_region(make_docx: Callable[..., bytes]) -> None:
    document = parse(make_docx(BODY), "x.docx", "x", Limits())
    assert [(document.text[region.start : region.end], region.kind) for region in document.regions] == [("Name | Size\nElk | 2 m", "table")]


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>", "x^2"),
        ("<m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>", "(a+b)/2"),
        ("<m:rad><m:deg/><m:e><m:r><m:t>x</m:t></m:r></m:e></m:rad>", "√(x)"),
        (
            '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub><m:r><m:t>i=1</m:t></m:r></m:sub>'
            "<m:sup><m:r><m:t>n</m:t></m:r></m:sup><m:e><m:r><m:t>i</m:t></m:r></m:e></m:nary>",
            "∑_(i=1)^n i",
        ),
        ('<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val=""/></m:dPr><m:e><m:r><m:t>x</m:t></m:r></m:e></m:d>', "[x"),
        (
            "<m:m><m:mr><m:e><m:r><m:t>1</m:t></m:r></m:e><m:e><m:r><m:t>0</m:t></m:r></m:e></m:mr>"
            "<m:mr><m:e><m:r><m:t>0</m:t></m:r></m:e><m:e><m:r><m:t>1</m:t></m:r></m:e></m:mr></m:m>",
            "[1, 0; 0, 1]",
        ),
    ],
)
def test_formulas_stand_in_their_sentence(make_docx: Callable[..., bytes], xml: str, text: str) -> None:
    formula = f'<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">{xml}</m:oMath>'
    before, after = (f'<w:r><w:t xml:space="preserve">{words}</w:t></w:r>' for words in ("Since ", " holds."))
    assert parse(make_docx(f"<w:p>{before}{formula}{after}</w:p>"), "x.docx", "x", Limits()).text == f"Since {text} holds."


SHOWN = {
    "a field": ('<w:fldSimple w:instr="DATE"><w:r><w:t>today</w:t></w:r></w:fldSimple>', "today"),
    "a reading aid": (
        "<w:r><w:ruby><w:rt><w:r><w:t>tou</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>today</w:t></w:r></w:rubyBase></w:ruby></w:r>",
        "today",
    ),
    "inserted text": ('<w:ins w:id="1"><w:r><w:t>today</w:t></w:r></w:ins>', "today"),
    "deleted text": ('<w:r><w:t>today</w:t></w:r><w:del w:id="1"><w:r><w:delText>never</w:delText></w:r></w:del>', "today"),
    "moved text": ('<w:moveFrom w:id="1"><w:r><w:t>never</w:t></w:r></w:moveFrom><w:r><w:t>today</w:t></w:r>', "today"),
    "hidden text": ("<w:r><w:rPr><w:vanish/></w:rPr><w:t>never</w:t></w:r><w:r><w:t>today</w:t></w:r>", "today"),
    "a text box": (
        "<w:r><w:t>today</w:t><w:drawing><x><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></x></w:drawing></w:r>",
        "today\n\nin a box",
    ),
    "a text box with a picture for old programs": (
        '<w:r><w:t>today</w:t></w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice>'
        "<w:r><w:drawing><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:drawing></w:r>"
        "</mc:Choice><mc:Fallback><w:r><w:pict/></w:r></mc:Fallback></mc:AlternateContent>",
        "today\n\nin a box",
    ),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_a_reader_sees_is_read_and_nothing_else(make_docx: Callable[..., bytes], case: str) -> None:
    xml, text = SHOWN[case]
    document = parse(make_docx(f"<w:p>{xml}</w:p>"), "x.docx", "x", Limits())
    assert document.text == text
    assert ("hidden text was left out (1)" in document.warnings) == (case == "hidden text")


def test_the_margins_come_last_and_give_no_title(make_docx: Callable[..., bytes]) -> None:
    comments = f'<w:comments {W}><w:comment w:id="0" w:author="Ann">{paragraph("Is that so?")}</w:comment></w:comments>'
    header = f"<w:hdr {W}>{paragraph('Elk Society')}{paragraph('Elk Society')}</w:hdr>"
    footer = f"<w:ftr {W}><w:p><w:r><w:t>Page 3</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r></w:p></w:ftr>"
    extra = {"word/comments.xml": comments.encode(), "word/header1.xml": header.encode(), "word/footer1.xml": footer.encode()}
    document = parse(make_docx(paragraph("Elks are tall."), extra=extra), "x.docx", "x", Limits())
    assert document.text == "Elks are tall.\n\nHeaders and footers\n\nElk Society\n\nComments\n\nAnn: Is that so?"
    assert document.title == "x.docx"
    assert [section.title for section in document.sections] == ["Headers and footers", "Comments"]


def test_entities_are_refused(make_docx: Callable[..., bytes]) -> None:
    bomb = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' + f"<w:styles {W}>&b;</w:styles>"
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(ReadError, match="declares entities") as caught:
            parse(make_docx(BODY, extra={"word/styles.xml": bomb.encode(encoding)}), "x.docx", "x", Limits())
        assert caught.value.reason == "damaged"


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
