"""OpenDocument texts, presentations and spreadsheets, as LibreOffice writes them.

Source: OASIS Open Document Format for Office Applications 1.3, part 3.
"""

from __future__ import annotations

import zipfile
from typing import Any

from wellread.read.archive import open_zip
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.odf_flow import Flow, body_kind, q
from wellread.read.ooxml import parse_xml, real_title
from wellread.read.refuse import refusal
from wellread.read.slide_order import in_rows
from wellread.read.whole import whole

_PAGE_FIELDS = ("page-number", "date-time")
_UNITS = {"cm": 72 / 2.54, "mm": 72 / 25.4, "in": 72.0, "pt": 1.0, "pc": 12.0, "px": 0.75}


def read_opendocument(data: bytes, name: str, limits: Limits) -> Content:
    """Texts with headings, lists, tables and notes; slides and sheets as pages. What was deleted with changes recorded is not read."""
    with whole(name, "OpenDocument file"), open_zip(data, name, limits) as archive:
        if "META-INF/manifest.xml" in archive.namelist() and b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise refusal("encrypted", name)
        title, date = _properties(archive)
        draft = Draft(name, limits)
        found, warnings = _read_body(Flow(archive, draft, name, limits), draft)
        return draft.content(title or found, warnings, date)


def _properties(archive: zipfile.ZipFile) -> tuple[str, str | None]:
    """The title in the properties of the file, and the day on which it was last changed or else made."""
    if "meta.xml" not in archive.namelist():
        return "", None
    properties = parse_xml(archive.read("meta.xml"))
    title, changed, made = (
        next((one.text or "" for one in properties.iter(q(name))), "") for name in ("dc:title", "dc:date", "meta:creation-date")
    )
    return real_title(title), day(changed, made)


def _read_body(flow: Flow, draft: Draft) -> tuple[str, list[str]]:
    """Writes the body; a title found in it and warnings come back."""
    kind, body = body_kind(flow.root)
    if kind == "spreadsheet":
        return "", _read_sheets(body, flow, draft)
    if kind == "presentation":
        return _read_slides(body, flow, draft)
    flow.blocks(body)
    title = draft.first_heading
    flow.comments()
    return title, []


def _read_sheets(body: Any, flow: Flow, draft: Draft) -> list[str]:
    hidden, warnings = [], flow.left_out()
    for sheet in body.iterchildren(q("table:table")):
        sheet_name = sheet.get(q("table:name"), "")
        if sheet.get(q("table:style-name")) in flow.hidden_styles:
            hidden.append(sheet_name)
            continue
        draft.page(f"sheet {' '.join(sheet_name.split())}")
        draft.block(sheet_name, level=1)
        draft.table(flow.rows(sheet))
    return [f"hidden sheets were left out: {', '.join(hidden)}", *warnings] if hidden else warnings


def _read_slides(body: Any, flow: Flow, draft: Draft) -> tuple[str, list[str]]:
    titles, hidden, warnings = [], [], flow.left_out()
    for number, slide in enumerate(body.iterchildren(q("draw:page")), start=1):
        draft.page(f"slide {number}", first_line_is_title=True)
        if slide.get(q("draw:style-name")) in flow.hidden_styles:
            hidden.append(str(number))
        shapes = [shape for shape in slide if isinstance(shape.tag, str) and shape.tag != q("presentation:notes")]
        named = [shape for shape in shapes if shape.get(q("presentation:class")) == "title"]
        titles.append(" ".join(flow.paragraphs(named[0])) if named else "")
        draft.block(titles[-1], level=1)
        for shape in in_rows((*_place(shape), shape) for shape in shapes if shape not in named[:1]):
            if shape.get(q("presentation:class")) not in _PAGE_FIELDS:
                flow.blocks([shape])
        for notes in slide.iterchildren(q("presentation:notes")):
            frames = (frame for frame in notes.iter(q("draw:frame")) if frame.get(q("presentation:class")) == "notes")
            draft.notes([text for frame in frames for text in flow.paragraphs(frame)])
    if hidden:
        warnings.append(f"hidden slides were read: {', '.join(hidden)}")
    return next(filter(None, titles), ""), warnings


def _place(shape: Any) -> tuple[float, float]:
    """Top and left of a shape in points; those of its first part for a group."""
    for part in shape.iter():
        if part.get(q("svg:y")) is not None:
            return _points(part.get(q("svg:y"))), _points(part.get(q("svg:x"), ""))
    return 0.0, 0.0


def _points(length: str) -> float:
    try:
        return float(length[:-2]) * _UNITS.get(length[-2:], 1.0)
    except ValueError:
        return 0.0
