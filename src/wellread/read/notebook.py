"""Jupyter notebooks (nbformat 3 and 4): a cell is a page, its printed results stand below its source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from wellread.read.content import Content
from wellread.read.decode import clean, decode
from wellread.read.limits import Limits
from wellread.read.markdown import markdown_shape
from wellread.read.refuse import refusal
from wellread.read.sections import Heading
from wellread.types import Page, Region

_RESULT_CHARS = 5000  # of one cell; what is printed in a loop says little after that
_ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_STAND_IN = re.compile(r"\s*<[^<>]*>\s*")  # "<Figure size 640x480 with 1 Axes>"
_PLAIN = ("text/plain", "text/markdown", "text/latex", "text", "latex")  # nbformat 3 has the short names


@dataclass
class _Notebook:
    """What was read so far."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    pages: list[Page] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    pictures: int = 0
    cut: int = 0


def read_notebook(data: bytes, name: str, limits: Limits) -> Content:
    """The cells that hold text, in order; pictures and what is shown only in a browser are left out and counted.

    Raises `ReadError` "damaged" where the file is no notebook.
    """
    text, warning = decode(data)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal("damaged", name, "it is not valid JSON") from error
    cells = _cells(raw)
    if cells is None:
        raise refusal("damaged", name, "it has no cells")
    if len(cells) > limits.pages * 10:
        raise refusal("too_many_pages", name, f"{len(cells):,} cells, and the limit is {limits.pages * 10:,}")
    book = _Notebook()
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, dict):
            _add(book, cell, number)
    return Content(
        text="".join(book.parts),
        title=_title(raw, book.headings),
        pages=tuple(book.pages),
        headings=tuple(book.headings),
        warnings=((warning,) if warning else ()) + tuple(_warnings(book)),
        regions=tuple(book.regions),
    )


def _cells(raw: Any) -> list[Any] | None:
    if not isinstance(raw, dict):
        return None
    if isinstance(raw.get("cells"), list):
        return list(raw["cells"])
    sheets = raw.get("worksheets")
    if not isinstance(sheets, list):
        return None
    return [cell for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]


def _title(raw: dict[str, Any], headings: list[Heading]) -> str:
    metadata = raw.get("metadata")
    named = metadata.get("title") if isinstance(metadata, dict) else None
    return named if isinstance(named, str) and named.strip() else next((one.title for one in headings if one.level == 1), "")


def _add(book: _Notebook, cell: dict[str, Any], number: int) -> None:
    kind = cell.get("cell_type")
    source = _text(cell.get("source", cell.get("input")))
    body = "\n\n".join(part for part in (source, _results(book, cell)) if part) if kind == "code" else source
    if not body:
        return
    if book.parts:
        book.parts.append("\f")
        book.length += 1
    at = book.length
    book.parts.append(body)
    book.length += len(body)
    book.pages.append(Page(index=len(book.pages), label=f"cell {number}", start=at, end=book.length))
    if kind == "code":
        book.regions.append(Region(at, book.length, "code"))
    elif kind == "heading":
        level = cell.get("level")
        book.headings.append(Heading(level=level if isinstance(level, int) and 1 <= level <= 6 else 1, title=body, start=at))
    elif kind == "markdown":
        headings, regions = markdown_shape(body)
        book.headings += [Heading(level=one.level, title=one.title, start=at + one.start) for one in headings]
        book.regions += [Region(at + one.start, at + one.end, one.kind) for one in regions]


def _text(value: Any) -> str:
    """A string, or the list of lines that notebooks keep instead, as canonical text."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return clean(value).replace("\f", "\n").strip("\n") if isinstance(value, str) else ""


def _results(book: _Notebook, cell: dict[str, Any]) -> str:
    outputs = cell.get("outputs")
    pieces = [_ANSI.sub("", piece).strip("\n") for piece in _printed(book, outputs if isinstance(outputs, list) else [])]
    text = "\n".join(piece for piece in pieces if piece.strip())
    if len(text) > _RESULT_CHARS:
        book.cut += 1
        text = text[:_RESULT_CHARS].rstrip()
    return text


def _printed(book: _Notebook, outputs: Iterable[Any]) -> Iterator[str]:
    """What the outputs of a cell say in words."""
    for output in outputs:
        if not isinstance(output, dict):
            continue
        if output.get("output_type") in ("stream", "error", "pyerr"):
            yield _text(output.get("text")) or "\n".join(map(_text, _listed(output.get("traceback"))))
            continue
        shown = output["data"] if isinstance(output.get("data"), dict) else output
        words = next((_text(shown[key]) for key in _PLAIN if key in shown), "")
        if any(key in shown for key in shown if key.startswith("image/") or key in ("png", "jpeg", "svg")):
            book.pictures += 1
        if not _STAND_IN.fullmatch(words):
            yield words


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _warnings(book: _Notebook) -> Iterator[str]:
    if book.pictures:
        yield f"pictures left out of the results: {book.pictures}"
    if book.cut:
        yield f"cells whose results are cut after {_RESULT_CHARS:,} characters: {book.cut}"
