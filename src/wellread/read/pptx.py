"""PowerPoint presentations: a slide is a page."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from wellread.read.archive import open_zip
from wellread.read.content import Content
from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.ooxml import core_date, core_title, formula_text, is_formula, parse_xml, refuse_entities, repacked
from wellread.read.slide_order import in_rows
from wellread.read.whole import whole

_POINT = 12_700  # English Metric Units
_SHOW = re.compile(rb"(presentationml|ms-powerpoint)\.(?:slideshow|template)\b")
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def read_pptx(data: bytes, name: str, limits: Limits) -> Content:
    """The slides in their order, each with its title, its shapes from the top left to the bottom right, and its notes.

    Tables and the numbers behind charts are tables, the text of diagrams is read, pictures are not. Hidden slides are read, since
    whoever opens the file sees them. Nothing that the file links to is fetched.
    """
    from pptx import Presentation

    with whole(name, "PowerPoint presentation"):
        with open_zip(data, name, limits) as archive:
            refuse_entities(archive, name)
            title, date = core_title(archive), core_date(archive)
            comments = sum(archive.read(part).count(b":cm ") for part in archive.namelist() if part.startswith("ppt/comments/"))
            deck = Presentation(io.BytesIO(_as_presentation(archive, data)))
        size = (deck.slide_width / _POINT, deck.slide_height / _POINT) if deck.slide_width and deck.slide_height else None
        draft = Draft(name, limits)
        hidden, titles = [], []
        for number, slide in enumerate(deck.slides, start=1):
            draft.page(f"slide {number}", size, first_line_is_title=True)
            if slide.element.get("show") in ("0", "false"):
                hidden.append(str(number))
            titles.append(_read_slide(slide, draft))
    warnings = [f"hidden slides were read: {', '.join(hidden)}"] if hidden else []
    if comments:
        warnings.append(f"comments were left out ({comments})")
    return draft.content(title or next(filter(None, titles), ""), warnings, date)


def _as_presentation(archive: zipfile.ZipFile, data: bytes) -> bytes:
    """A show (.ppsx) or a template (.potx) under the type of a presentation, since python-pptx opens nothing else."""
    types = archive.read("[Content_Types].xml")
    renamed = _SHOW.sub(rb"\1.presentation", types)
    return data if renamed == types else repacked(archive, {"[Content_Types].xml": renamed})


def _read_slide(slide: Any, draft: Draft) -> str:
    """Writes a slide; its title comes back."""
    _unfold(slide.element)
    shape = slide.shapes.title
    title = "" if shape is None else " ".join(_paragraphs(shape.text_frame))
    draft.block(title, level=1)
    for other in _in_order(other for other in slide.shapes if shape is None or other.element is not shape.element):
        _read_shape(other, draft)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    draft.notes(_paragraphs(notes) if notes is not None else [])
    return title


def _unfold(slide: Any) -> None:
    """Put in place what lies in alternatives for new programs, as all shapes with formulas do, and the formulas as text."""
    for alternatives in list(slide.iter(_COMPATIBLE + "AlternateContent")):
        choice = alternatives.find(_COMPATIBLE + "Choice")
        for child in list(choice) if choice is not None else ():
            alternatives.addprevious(child)
        alternatives.getparent().remove(alternatives)
    for formula in [element for element in slide.iter() if is_formula(element.tag)]:
        run = formula.makeelement(_DRAWING + "r")
        run.append(formula.makeelement(_DRAWING + "t"))
        run[0].text = formula_text(formula)
        holder = formula
        while holder.getparent().tag != _DRAWING + "p":
            holder = holder.getparent()
        holder.addprevious(run)


def _in_order(shapes: Iterable[Any]) -> list[Any]:
    return in_rows(((shape.top or 0) / _POINT, (shape.left or 0) / _POINT, shape) for shape in shapes)


def _read_shape(shape: Any, draft: Draft) -> None:
    from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

    if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
        for inner in _in_order(shape.shapes):
            _read_shape(inner, draft)
    elif shape.has_table:
        draft.table([[" ".join(_paragraphs(cell.text_frame)) for cell in row.cells] for row in shape.table.rows])
    elif shape.has_chart:
        _read_chart(parse_xml(shape.chart_part.blob), draft)
    elif shape.has_text_frame:
        kind = shape.placeholder_format.type if shape.is_placeholder else None
        if kind in (PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE):
            return
        paragraphs = _paragraphs(shape.text_frame)
        listed = kind in (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT) and len(paragraphs) > 1
        for paragraph in paragraphs:
            draft.block(f"- {paragraph}" if listed else paragraph)
    else:
        for text in _diagram(shape):
            draft.block(text)


def _paragraphs(frame: Any) -> list[str]:
    return [text for paragraph in frame.paragraphs if (text := paragraph.text.strip())]


def _diagram(frame: Any) -> list[str]:
    """The texts of a SmartArt diagram, which lie in a part of their own."""
    relations = frame.element.find(f".//{_DIAGRAM}relIds")
    if relations is None:
        return []
    root = parse_xml(frame.part.related_part(relations.get(_RELATION + "dm")).blob)
    return ["".join(text.text or "" for text in point.iter(_DRAWING + "t")) for point in root.iter(_DIAGRAM + "pt")]


def _read_chart(root: Any, draft: Draft) -> None:
    """The title of a chart, and a row for each category with the value of every series, as saved with the chart.

    Read from its XML: python-pptx knows no charts in three dimensions.
    """
    title = root.find(f"{_CHART}chart/{_CHART}title")
    if title is not None:
        draft.block("".join(text.text or "" for text in title.iter(_DRAWING + "t")))
    series = list(root.iter(_CHART + "ser"))
    columns = [_points(one, "val") or _points(one, "yVal") for one in series]
    names = [" ".join(_points(one, "tx").values()) for one in series]
    categories: dict[int, str] = {}
    for one in series:
        categories = categories or _points(one, "cat") or _points(one, "xVal")
    places: Sequence[int] = sorted(set(categories).union(*columns))
    rows = [[categories.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
    draft.table([["", *names], *rows] if any(names) else rows)


def _points(series: Any, kind: str) -> dict[int, str]:
    holder = series.find(_CHART + kind)
    if holder is None:
        return {}
    points = holder.iter(_CHART + "pt")
    return {int(point.get("idx", "0")): _number(point.findtext(_CHART + "v") or "") for point in points}


def _number(text: str) -> str:
    """A number as people write it: the file has 8.1999999999999993 for 8.2."""
    try:
        return format(float(text), ".15g") if len(text) > 15 else text
    except ValueError:
        return text
