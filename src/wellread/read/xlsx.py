"""Excel workbooks (.xlsx): a sheet is a page, a row is a line. Rows are read one at a time, wherever on the sheet they stand.

Source: ECMA-376 part 1, SpreadsheetML.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from wellread.read.archive import open_zip
from wellread.read.cell_value import kind_of_format, number_shown
from wellread.read.content import Content
from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.ooxml import core_date, core_title, parse_xml, refuse_entities
from wellread.read.refuse import refusal
from wellread.read.whole import whole

_GAP = 50  # more empty cells in a row are not written down


@dataclass(frozen=True, slots=True)
class _Book:
    """What the cells of all sheets refer to: strings by number, kinds of number formats by style."""

    strings: Sequence[str]
    kinds: Sequence[str]
    since_1904: bool


def read_xlsx(data: bytes, name: str, limits: Limits) -> Content:
    """Sheets in their order, with the values that formulas had when the file was saved; hidden sheets are left out."""
    with whole(name, "Excel workbook"), open_zip(data, name, limits) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise refusal("unsupported", name, "a binary Excel workbook (.xlsb)")
        refuse_entities(archive, name)
        draft = Draft(name, limits)
        warnings = _read_sheets(archive, draft)
        return draft.content(core_title(archive), [*warnings, *_left_out(archive)], core_date(archive))


def _read_sheets(archive: zipfile.ZipFile, draft: Draft) -> list[str]:
    """Writes the sheets; what is left out comes back as warnings."""
    workbook = parse_xml(archive.read("xl/workbook.xml"))
    parts = _parts(archive)
    properties = next(workbook.iter("{*}workbookPr"), None)
    book = _Book(
        strings=_strings(archive, parts),
        kinds=_kinds(archive, parts),
        since_1904=properties is not None and properties.get("date1904") in ("1", "true"),
    )
    hidden, other = [], []
    for sheet in workbook.iter("{*}sheet"):
        label = " ".join(sheet.get("name", "").split())
        kind, part = parts.get(next((value for key, value in sheet.attrib.items() if key.endswith("}id")), ""), ("", ""))
        if sheet.get("state", "visible") != "visible":
            hidden.append(label)
        elif kind != "worksheet":
            other.append(label)
        else:
            draft.page(f"sheet {label}")
            draft.block(label, level=1)
            draft.table(_rows(archive, part, book))
    warnings = [f"hidden sheets were left out: {', '.join(hidden)}"] if hidden else []
    return warnings + ([f"sheets without cells (charts, macros) were left out: {', '.join(other)}"] if other else [])


def _parts(archive: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """The parts that a workbook names: identifier -> (kind, path)."""
    found = {}
    for relation in parse_xml(archive.read("xl/_rels/workbook.xml.rels")).iter("{*}Relationship"):
        target = relation.get("Target", "")
        path = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], path)
    return found


def _elements(archive: zipfile.ZipFile, part: str, kind: str) -> Iterator[Any]:
    """The elements of one kind in a part, each forgotten once it was looked at. Nothing is fetched: that is lxml's default."""
    from lxml import etree

    with archive.open(part) as stream:
        for _, element in etree.iterparse(stream, tag="{*}" + kind, remove_comments=True, remove_pis=True, resolve_entities=False):
            yield element
            element.clear(keep_tail=False)
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]


def _strings(archive: zipfile.ZipFile, parts: dict[str, tuple[str, str]]) -> list[str]:
    part = next((path for kind, path in parts.values() if kind == "sharedStrings"), None)
    return [_text(string) for string in _elements(archive, part, "si")] if part in archive.namelist() and part else []


def _text(element: Any) -> str:
    """The text of a string, without the reading aids that Japanese has."""
    return "".join(text.text or "" for text in element.iter("{*}t") if not text.getparent().tag.endswith("}rPh"))


def _kinds(archive: zipfile.ZipFile, parts: dict[str, tuple[str, str]]) -> list[str]:
    part = next((path for kind, path in parts.values() if kind == "styles"), None)
    if part is None or part not in archive.namelist():
        return []
    styles = parse_xml(archive.read(part))
    codes = {form.get("numFmtId"): form.get("formatCode", "") for form in styles.iter("{*}numFmt")}
    cells = next(styles.iter("{*}cellXfs"), ())
    numbers = [form.get("numFmtId") or "0" for form in cells if isinstance(form.tag, str)]
    return [kind_of_format(int(number), codes.get(number)) if number.isdecimal() and len(number) < 9 else "" for number in numbers]


def _rows(archive: zipfile.ZipFile, part: str, book: _Book) -> Iterator[list[str]]:
    at = 0
    for row in _elements(archive, part, "row"):
        number = row.get("r", "")
        number = int(number) if number.isdecimal() and len(number) < 9 else at + 1
        if number > at + 1:
            yield []
        at = number
        cells: list[str] = []
        column = 0
        for cell in row:
            letters = cell.get("r", "").rstrip("0123456789")
            column = _column(letters) if letters else column + 1
            text = _value(cell, book)
            if text:
                cells += [""] * min(column - 1 - len(cells), _GAP)
                cells.append(text)
        yield cells


@cache
def _column(letters: str) -> int:
    """The number of a column: 1 for A, 27 for AA. Raises ValueError."""
    if not re.fullmatch("[A-Z]{1,3}", letters):
        raise ValueError(letters)
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _value(cell: Any, book: _Book) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    text = next((child.text for child in cell if child.tag.endswith("}v")), None) or ""
    if kind == "s":
        return book.strings[int(text)] if text.isdecimal() and len(text) < 9 and int(text) < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if text == "1" else "FALSE"
    if kind != "n" or not text:
        return text.removesuffix("T00:00:00") if kind == "d" else text
    try:
        number = float(text)
    except ValueError:
        return text
    style = cell.get("s", "0")
    known = style.isdecimal() and len(style) < 9 and int(style) < len(book.kinds)
    return number_shown(number, book.kinds[int(style)] if known else "", book.since_1904)


def _left_out(archive: zipfile.ZipFile) -> list[str]:
    """Warnings of what is written beside the cells."""
    names = [part for part in archive.namelist() if part.endswith(".xml")]
    notes = sum(archive.read(part).count(b"<comment ") for part in names if part.startswith("xl/comments"))
    shapes = sum(archive.read(part).count(b"<xdr:txBody") for part in names if part.startswith("xl/drawings/"))
    warnings = [f"notes on cells were left out ({notes})"] if notes else []
    return warnings + ([f"text in shapes was left out ({shapes})"] if shapes else [])
