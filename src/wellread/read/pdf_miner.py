"""PDF, by way of pdfminer.six: slow, but it knows vertical writing and opens some files that PDFium does not.

It is asked only about pages of which PDFium loses text, and is bounded by what it has drawn: letters and forms, not seconds, so that
a file gives the same text on every machine.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wellread.read.pdf_lines import Box, turned

_MOST_GLYPHS = 300_000  # of a file: about ten seconds
_MOST_FORMS = 5_000


@dataclass(frozen=True, slots=True)
class Glyph:
    """What one code of a font shows; `box` is left, bottom, right, top in points from the lower left corner of the page as shown."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class MinedPage:
    """The glyphs that a page shows, in the order of the file; `hidden` counts those outside its visible part, which are left out."""

    glyphs: tuple[Glyph, ...]
    size: tuple[float, float]
    hidden: int


class Spent(Exception):
    """The file has had its share of time."""


class Miner:
    """A PDF opened with pdfminer.six, of which at most `most` glyphs are drawn.

    Raises `ValueError` if it cannot be opened; the empty password is tried.
    """

    def __init__(self, data: bytes, most: int = _MOST_GLYPHS) -> None:
        from pdfminer.pdfdocument import PDFDocument, PDFXRefStream
        from pdfminer.pdfpage import PDFPage
        from pdfminer.pdfparser import PDFParser

        logging.getLogger("pdfminer").setLevel(logging.CRITICAL)
        with _unbroken():
            document = PDFDocument(PDFParser(io.BytesIO(data)))
            for table in document.xrefs:
                if isinstance(table, PDFXRefStream):
                    promised = sum(count for _, count in table.ranges) * (table.entlen or 0)
                    if promised > len(table.data or b""):  # it would be walked through to its end
                        raise ValueError("a table of objects that is longer than its data")
            self._pages = list(PDFPage.create_pages(document))
        self._glyphs: list[Glyph] = []
        self._left = [most, _MOST_FORMS]
        self._interpreter = _interpreter(self._glyphs, self._left)

    def __len__(self) -> int:
        return len(self._pages)

    def page(self, index: int) -> MinedPage:
        """A page by its index. Raises `ValueError` if it is broken, and `Spent` once the file has taken too long."""
        page = self._pages[index]
        self._glyphs.clear()
        with _unbroken():
            self._interpreter.process_page(page)
            left, bottom, right, top = _visible(page)
        shown = []
        for glyph in self._glyphs:
            x, y = (glyph.box[0] + glyph.box[2]) / 2 - left, (glyph.box[1] + glyph.box[3]) / 2 - bottom
            if 0 <= x <= right - left and 0 <= y <= top - bottom:
                moved = (glyph.box[0] - left, glyph.box[1] - bottom, glyph.box[2] - left, glyph.box[3] - bottom)
                shown.append(Glyph(glyph.text, moved))
        return MinedPage(tuple(shown), (right - left, top - bottom), len(self._glyphs) - len(shown))


@contextmanager
def _unbroken() -> Iterator[None]:
    try:
        yield
    except (MemoryError, Spent):
        raise
    except Exception as error:  # pdfminer meets broken files with errors of every kind
        raise ValueError(str(error)) from error


def _visible(page: Any) -> Box:
    """The page's CropBox within its MediaBox, where pdfminer places the glyphs: turned, with the MediaBox at the origin."""
    left, bottom, right, top = (float(at) for at in page.mediabox)
    crop = [float(at) for at in page.cropbox]
    inner = (max(left, crop[0]) - left, max(bottom, crop[1]) - bottom, min(right, crop[2]) - left, min(top, crop[3]) - bottom)
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        inner = (0.0, 0.0, right - left, top - bottom)
    return turned(inner, right - left, top - bottom, page.rotate)


def _interpreter(glyphs: list[Glyph], left: list[int]) -> Any:
    from pdfminer.layout import LTChar
    from pdfminer.pdfdevice import PDFTextDevice
    from pdfminer.pdffont import PDFUnicodeNotDefined
    from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager

    def spend(what: int) -> None:
        left[what] -= 1
        if left[what] < 0:
            raise Spent

    class Device(PDFTextDevice):
        def begin_figure(self, name: Any, bbox: Any, matrix: Any) -> None:
            spend(1)

        def render_char(
            self, matrix: Any, font: Any, fontsize: float, scaling: float, rise: float, cid: int, ncs: Any, graphicstate: Any
        ) -> float:
            spend(0)
            try:
                text = font.to_unichr(cid)
            except PDFUnicodeNotDefined:  # elsewhere pdfminer writes "(cid:N)" for it
                text = ""
            item = LTChar(matrix, font, fontsize, scaling, rise, text, font.char_width(cid), font.char_disp(cid), ncs, graphicstate)
            if text and not text.startswith("(cid:"):
                glyphs.append(Glyph(text, item.bbox))
            return item.adv

    resources = PDFResourceManager()
    return PDFPageInterpreter(resources, Device(resources))
