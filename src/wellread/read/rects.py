"""Where a span of a document stands on its pages, for highlighting: found again in the file when it is asked for, never stored."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wellread.errors import UsageError, WellreadError
from wellread.read import media
from wellread.read.pdf_lines import Box, Line, page_box, page_lines, turned
from wellread.read.pdf_miner import Miner, Spent
from wellread.read.pdf_rows import rows
from wellread.types import Document, Page

_lock = threading.Lock()  # PDFium serves one thread at a time


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle on a page; `page` is the page's index.

    Points (or what else `Page.size` is given in) from the lower left corner of the page as it is shown: the CropBox is the page, and
    it is turned as its /Rotate says. So `left / width` and `1 - top / height` with the `size` of the page place it on any picture of
    the page, such as the canvas of PDF.js, at every zoom; a viewer that lets people turn pages further turns the rectangles with them.
    """

    page: int
    left: float
    bottom: float
    right: float
    top: float


def rects(data: bytes, document: Document, start: int, end: int) -> tuple[Rect, ...]:
    """The rectangles around `document.text[start:end]`, in the order of the text; `data` is the file that the document was read from.

    A line (or column) of a page gives one, or a few where it has gaps; a recognised line of a picture gives the whole of its box.
    Documents without places, like web pages, have none. The file was read before in a process of its own; this runs in the caller's.

    Raises `UsageError` for a span that is not in the document, and `WellreadError` if the file is no longer the one that was read.
    """
    if not 0 <= start <= end <= len(document.text):
        raise UsageError(f"The span {start} to {end} is not in {document.title}, which has {len(document.text):,} characters.")
    pages = [page for page in document.pages if page.start < end and start < page.end]
    if not pages:
        return ()
    if hashlib.sha256(data).hexdigest() != document.id:
        raise _changed(document)
    boxed = {page.index: _boxes(document, page, start, end) for page in pages}
    if document.media_type != media.PDF:
        return tuple(Rect(index, *box) for index, boxes in boxed.items() for box in boxes or ())
    found: list[Rect] = []
    with _lock, _File(data) as file:
        for page in pages:
            boxes = boxed[page.index]
            if boxes is None:
                text = document.text[page.start : page.end]
                boxes = file.boxes(page.index, text, max(start, page.start) - page.start, min(end, page.end) - page.start)
            if boxes is None:
                raise _changed(document)
            found += [Rect(page.index, *box) for box in boxes]
    return tuple(found)


def _changed(document: Document) -> WellreadError:
    return WellreadError(
        f"{document.title} is no longer the file that was read, so its words cannot be found on the page.",
        hint="run: wellread sync",
    )


def _boxes(document: Document, page: Page, start: int, end: int) -> list[Box] | None:
    """The boxes that the document holds itself for a span on this page: None when it holds none of this page."""
    held = [region for region in document.regions if region.box is not None and page.start <= region.start < page.end]
    return [region.box for region in held if region.box is not None and region.start < end and start < region.end] if held else None


class _File:
    """A PDF, opened by the library that is needed."""

    def __init__(self, data: bytes) -> None:
        import pypdfium2

        self._data = data
        self._miner: Miner | None = None
        try:
            self._document: Any = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError:
            self._document = None

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        if self._document is not None:
            self._document.close()

    def boxes(self, index: int, text: str, start: int, end: int) -> list[Box] | None:
        """The boxes of a span of a page's text, or None when the page has another text."""
        boxes = self._drawn(index, text, start, end) if self._document is not None else None
        return self._mined(index, text, start, end) if boxes is None else boxes

    def _drawn(self, index: int, text: str, start: int, end: int) -> list[Box] | None:
        import pypdfium2

        try:
            page = self._document[index]
        except pypdfium2.PdfiumError:
            return None
        textpage = page.get_textpage()
        try:
            lines, _ = page_lines(page, textpage)
            offsets = _offsets([line.text for line in lines], text)
            if offsets is None:
                return None
            crop, degrees = page_box(page), page.get_rotation()
            boxes: list[Box] = []
            for line, at in zip(lines, offsets, strict=True):
                indexes = line.indexes[max(0, start - at) : min(len(line.text), max(0, end - at))]
                parts = (box for run in _runs(indexes) for box in _rectangles(textpage.raw, run))
                merged = _merged(parts, 0 if line.upright else 1)
                placed = [_placed(_raised(box, line), crop, degrees) for box in merged]
                boxes += [box for box in placed if box[0] < box[2] and box[1] < box[3]]
            return boxes
        finally:
            textpage.close()
            page.close()

    def _mined(self, index: int, text: str, start: int, end: int) -> list[Box] | None:
        try:
            self._miner = self._miner or Miner(self._data)
            found = rows(self._miner.page(index).glyphs) if index < len(self._miner) else []
        except (ValueError, Spent):
            return None
        offsets = _offsets([row.text for row in found], text)
        if offsets is None:
            return None
        parts = (row.boxes[max(0, start - at) : max(0, end - at)] for row, at in zip(found, offsets, strict=True))
        return [_around(part) for part in parts if part]


def _offsets(lines: Sequence[str], text: str) -> list[int] | None:
    """Where each line begins in a page's text, which holds nothing else but white space, and hyphens at line ends; None otherwise."""
    offsets: list[int] = []
    at = 0
    for line in lines:
        starts = [_blank(text, at + 1), _blank(text, at)] if text[at : at + 1] == "-" and offsets else [_blank(text, at)]
        found = next((start for start in starts if text.startswith(line, start)), None)
        if found is None:
            return None
        offsets.append(found)
        at = found + len(line)
    return offsets if text[at:].strip() in ("", "-") else None


def _blank(text: str, at: int) -> int:
    """The first place from `at` on that is not white space."""
    while at < len(text) and text[at] in " \n":
        at += 1
    return at


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stretches of indexes that follow one another: the first index and how many."""
    if not indexes:
        return
    first = indexes[0]
    for index, after in pairwise([*indexes, -1]):
        if after != index + 1:
            yield first, index - first + 1
            first = after


def _rectangles(textpage: Any, run: tuple[int, int]) -> Iterator[Box]:
    from ctypes import byref, c_double

    from pypdfium2 import raw

    left, top, right, bottom = (c_double() for _ in range(4))
    for at in range(raw.FPDFText_CountRects(textpage, *run)):
        raw.FPDFText_GetRect(textpage, at, byref(left), byref(top), byref(right), byref(bottom))
        yield left.value, bottom.value, right.value, top.value


def _placed(box: Box, crop: Box, degrees: int) -> Box:
    """A box of the PDF's own space on the page as it is shown, as far as it lies in it."""
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    left, bottom = max(0.0, box[0] - crop[0]), max(0.0, box[1] - crop[1])
    return turned((left, bottom, min(width, box[2] - crop[0]), min(height, box[3] - crop[1])), width, height, degrees)


def _raised(box: Box, line: Line) -> Box:
    """A box that can be seen: PDFium knows no height of the letters of a font that is not in the file, and that of a dash is small."""
    if not line.upright or box[3] - box[1] >= 0.4 * line.size:
        return box
    return box[0], min(box[1], line.base - 0.1 * line.size), box[2], max(box[3], line.base + 0.7 * line.size)


def _merged(boxes: Iterable[Box], axis: int) -> list[Box]:
    """Boxes of one line that runs along an axis (0 is x), those put together that stand next to one another."""
    merged: list[Box] = []
    for box in boxes:
        if merged and _adjoin(merged[-1], box, axis):
            merged[-1] = _around((merged[-1], box))
        else:
            merged.append(box)
    return merged


def _adjoin(box: Box, after: Box, axis: int) -> bool:
    """Whether two boxes lie in one band along the axis with less than the band's height between them."""
    across = 1 - axis
    heights = box[across + 2] - box[across], after[across + 2] - after[across]
    shared = min(box[across + 2], after[across + 2]) - max(box[across], after[across])
    apart = max(box[axis], after[axis]) - min(box[axis + 2], after[axis + 2])
    return shared > 0.5 * min(heights) and apart < max(heights)


def _around(boxes: Sequence[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)
