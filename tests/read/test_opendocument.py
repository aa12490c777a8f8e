"""OpenDocument texts, presentations and spreadsheets, written by hand; and real Office files of all kinds, damaged."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.docx import read_docx
from wellread.read.limits import Limits
from wellread.read.opendocument import read_opendocument
from wellread.read.pptx import read_pptx
from wellread.read.spreadsheet import read_spreadsheet

OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
SPACES = " ".join(
    [f'xmlns:{name}="{OASIS}{name}:1.0"' for name in ("office", "text", "table", "style", "presentation", "chart")]
    + [f'xmlns:draw="{OASIS}drawing:1.0"', f'xmlns:svg="{OASIS}svg-compatible:1.0"', 'xmlns:xlink="http://www.w3.org/1999/xlink"']
    + ['xmlns:dc="http://purl.org/dc/elements/1.1/"', 'xmlns:math="http://www.w3.org/1998/Math/MathML"']
)


def odf(body: str, kind: str = "text", styles: str = "", extra: dict[str, str] | None = None, before: str = "") -> bytes:
    parts = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{OASIS}manifest:1.0"/>',
        "content.xml": f'<?xml version="1.0"?>{before}<office:document-content {SPACES}><office:automatic-styles>{styles}'
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        **(extra or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def read(data: bytes, limits: Limits = Limits()) -> Content:  # noqa: B008
    return read_opendocument(data, "x.odt", limits)


def row(*cells: str, repeat: int = 1) -> str:
    inner = "".join(cell if cell.startswith("<") else f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
    return f'<table:table-row table:number-rows-repeated="{repeat}">{inner}</table:table-row>'


def test_headings_paragraphs_lists_and_tables() -> None:
    style = '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1"/></text:list-style>'
    body = (
        '<text:h text:outline-level="2">Elks</text:h>'
        "<text:p>They are<text:s text:c='9'/>tall,\n  <text:span>and</text:span><text:tab/>old<text:line-break/>too.</text:p><text:p/>"
        '<text:list text:style-name="L1"><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>inner</text:p>'
        "</text:list-item></text:list></text:list-item><text:list-item><text:p>two</text:p></text:list-item></text:list>"
        f"<table:table><table:table-header-rows>{row('Name', 'Size')}</table:table-header-rows>{row('Elk', '2 m')}</table:table>"
    )
    content = read(odf(body, styles=style))
    assert content.text.split("\n\n") == ["Elks", "They are tall, and old\ntoo.", "1. one", "- inner", "2. two", "Name | Size\nElk | 2 m"]
    assert [(heading.level, heading.title, heading.start) for heading in content.headings] == [(2, "Elks", 0)]
    assert [content.text[region.start : region.end] for region in content.regions] == ["Name | Size\nElk | 2 m"]
    assert content.title == "Elks"


def test_the_title_comes_from_the_properties() -> None:
    for title, found in (("On elks", "On elks"), ("draft.odt", "Elks")):
        meta = f"<office:document-meta {SPACES}><office:meta><dc:title>{title}</dc:title></office:meta></office:document-meta>"
        assert read(odf("<text:h>Elks</text:h>", extra={"meta.xml": meta})).title == found


def test_what_a_reader_sees_is_read_once_and_nothing_else() -> None:
    hidden = '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    note = (
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>"
        "<office:annotation><dc:creator>Ann</dc:creator><text:p>Is that so?</text:p></office:annotation>"
    )
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region>"
        f'</text:tracked-changes><text:p>Elks<text:change/> are tall{note}. <text:span text:style-name="H">secret</text:span></text:p>'
        '<text:section text:display="none"><text:p>secret</text:p></text:section>'
        "<text:p>See<draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box><svg:desc>alt</svg:desc></draw:frame>"
        " here.</text:p>"
    )
    assert read(odf(body, styles=hidden)).text.split("\n\n") == [
        "Elks are tall[1].",
        "[1] A note.",
        "See here.",
        "in a box",
        "Comments",
        "Ann: Is that so?",
    ]


def test_formulas_and_charts_that_are_embedded_are_read() -> None:
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>E</mi><annotation>E = m c^2</annotation></semantics></math>'
    table = f"<table:table>{row('', 'Elks')}{row('2019', '8.2')}</table:table>"
    chart = f"<office:document-content {SPACES}><office:body><office:chart><chart:chart>{table}</chart:chart></office:chart></office:body>"
    held = '<draw:frame><draw:object xlink:href="./{}"/></draw:frame>'
    body = f"<text:p>So {held.format('F')} holds.</text:p><text:p>{held.format('C')}</text:p><text:p>{held.format('../../etc')}</text:p>"
    content = read(odf(body, extra={"F/content.xml": formula, "C/content.xml": chart + "</office:document-content>"}))
    assert content.text == "So E = m c^2 holds.\n\n | Elks\n2019 | 8.2"
    assert [content.text[region.start : region.end] for region in content.regions] == [" | Elks\n2019 | 8.2"]


def test_a_sheet_is_a_page_with_values_as_they_are_shown() -> None:
    styles = '<style:style style:name="no"><style:table-properties table:display="false"/></style:style>'
    day = '<table:table-cell office:value-type="date" office:date-value="2024-02-29"><text:p>29.2.24</text:p></table:table-cell>'
    far = '<table:table-cell table:number-columns-repeated="16000"/>'
    body = (
        f'<table:table table:name="Sales">{row("Day", "Share")}{row(day, "25 %", far)}{row(far, repeat=1_000_000)}{row("Sum", repeat=2)}'
        f'</table:table><table:table table:name="Secret" table:style-name="no">{row("secret")}</table:table>'
    )
    content = read(odf(body, "spreadsheet", styles))
    assert content.text == "Sales\n\nDay | Share\n2024-02-29 | 25 %\n\nSum\nSum"
    assert [page.label for page in content.pages] == ["sheet Sales"]
    assert content.warnings == ("hidden sheets were left out: Secret",)


def test_a_slide_is_a_page() -> None:
    styles = '<style:style style:name="no"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'

    def frame(text: str, top: str, kind: str = "") -> str:
        inner = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f'<draw:frame presentation:class="{kind}" svg:y="{top}" svg:x="1cm">{inner}</draw:frame>'

    notes = f"<presentation:notes>{frame('Smile.', '9cm', 'notes')}</presentation:notes>"
    body = (
        f"<draw:page>{frame('lower', '20mm')}<draw:g>{frame('upper', '0.1in')}</draw:g>{frame('Elks', '9cm', 'title')}{notes}</draw:page>"
        f'<draw:page draw:style-name="no">{frame("7", "9cm", "page-number")}{frame("Untitled", "1cm")}</draw:page>'
    )
    content = read(odf(body, "presentation", styles))
    assert content.text == "Elks\n\nupper\n\nlower\n\nNotes: Smile.\fUntitled"
    assert [page.label for page in content.pages] == ["slide 1", "slide 2"]
    assert [heading.title for heading in content.headings] == ["Elks", "Untitled"]
    assert content.title == "Elks"
    assert content.warnings == ("hidden slides were read: 2",)


WIDE = '<table:table-cell table:number-columns-repeated="16384"><text:p>' + "x" * 2000 + "</text:p></table:table-cell>"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (odf(f"<table:table>{row(WIDE)}</table:table>", "spreadsheet"), "too_large"),
        (odf(f"<table:table>{row('x' * 100, repeat=1_000_000)}</table:table>", "spreadsheet"), "too_large"),
        (odf("<text:p>&e;</text:p>", before='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'), "damaged"),
        (odf("<text:p>"), "damaged"),
        (odf("<text:section>" * 400 + "</text:section>" * 400), "damaged"),
        (odf("x", extra={"content.xml": "<a/>"}), "damaged"),
        (odf("x", extra={"META-INF/manifest.xml": "<m><encryption-data/></m>"}), "encrypted"),
    ],
    ids=["wide row", "many rows", "entity", "broken", "deep", "no body", "password"],
)
def test_hostile_files_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(data, Limits(text_chars=20_000_000, unpacked_ratio=10_000))
    assert caught.value.reason == reason


READERS = {
    "docx": read_docx,
    "pptx": read_pptx,
    "xlsx": read_spreadsheet,
    "xls": read_spreadsheet,
    "odt": read_opendocument,
    "ods": read_opendocument,
    "odp": read_opendocument,
}


@pytest.mark.parametrize("kind", READERS)
def test_damage_of_any_kind_is_text_or_a_refusal(docs_set: Path, kind: str) -> None:
    files = sorted((docs_set / kind).glob(f"*.{kind}"))
    assert files
    chance = random.Random(kind)
    for number in range(60):
        data = bytearray(chance.choice(files).read_bytes())
        place = chance.randrange(len(data))
        if number % 3 == 0:
            del data[place:]
        elif number % 3 == 1 or kind == "xls":
            data[place] ^= 1 << chance.randrange(8)
        else:
            data = bytearray(_hurt(bytes(data), chance))
        try:
            content = READERS[kind](bytes(data), f"x.{kind}", Limits())
        except ReadError as error:
            assert error.reason in ("damaged", "encrypted", "too_large", "unsupported")
        else:
            assert all(0 <= region.start < region.end <= len(content.text) for region in content.regions)


def _hurt(data: bytes, chance: random.Random) -> bytes:
    """The archive with one byte, or the rest, of one part's XML changed, and all checksums right."""
    try:
        before = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:  # one is an encrypted workbook
        return data[: len(data) // 2]
    target = chance.choice([name for name in before.namelist() if name.endswith((".xml", ".rels"))])
    out = io.BytesIO()
    with before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            part = bytearray(before.read(name))
            if name == target and part:
                place = chance.randrange(len(part))
                part[place : place + chance.choice((0, 1, len(part)))] = chance.choice((b"", b"9", b"x", b"<", b'"'))
            after.writestr(name, bytes(part))
    return out.getvalue()
