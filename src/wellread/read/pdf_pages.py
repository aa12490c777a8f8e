"""The pages of a PDF, one after another: by PDFium, by pdfminer.six where that loses text, by OCR where there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wellread.read.limits import Limits
from wellread.read.ocr_installed import available
from wellread.read.ocr_text import ocr_text
from wellread.read.pdf_lines import Box, Line, page_lines
from wellread.read.pdf_miner import MinedPage, Miner, Spent
from wellread.read.pdf_rows import rows, text_of
from wellread.read.refuse import refusal
from wellread.read.scan import needs_ocr, ocr_page

_SHARE_OF_TIME = 0.6  # of the wall clock that OCR may use: what was read by then is kept
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LOOKED_AT = 2_000  # objects of a page


@dataclass(slots=True)
class Sheet:
    """A page as it was read: lines, or for a page that PDFium does not read its `text`, and in it the spans that have `boxes`."""

    lines: list[Line] = field(default_factory=list)
    size: tuple[float, float] | None = None
    text: str = ""
    boxes: list[tuple[int, int, Box]] = field(default_factory=list)


@dataclass(slots=True)
class Sheets:
    """All pages, and the indexes of those of which something is amiss.

    `hidden` counts the characters of each page that lie outside its visible part. `pictures` were not read for want of OCR, `unread`
    because it would have taken too long; `vertical` ones may lack text for the same reason; `broken` ones cannot be read.
    """

    pages: list[Sheet] = field(default_factory=list)
    hidden: dict[int, int] = field(default_factory=dict)
    pictures: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    vertical: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)


class PageReader:
    """Reads the pages of one file: the engines are started when a page needs them, and bounded for the file as a whole."""

    def __init__(self, data: bytes, name: str, limits: Limits) -> None:
        self._data = data
        self._name = name
        self._limits = limits
        self._sheets = Sheets()
        self._miner: Miner | None = None
        self._no_miner = False
        self._ocr: bool | None = None
        self._recognised = 0
        self._ocr_ends = time.monotonic() + _SHARE_OF_TIME * limits.wall_seconds

    def read(self, document: Any) -> Sheets:
        """The pages of a pypdfium2 document. Raises `ReadError` "too_large" when there is too much text."""
        import pypdfium2

        total = 0
        for index in range(len(document)):
            try:
                page = document[index]
            except pypdfium2.PdfiumError:
                self._add(Sheet(), broken=True)
                continue
            try:
                self._add(self._read_page(page, index))
            except pypdfium2.PdfiumError:
                self._add(Sheet(), broken=True)
            finally:
                page.close()
            total += _length(self._sheets.pages[-1])
            if total > self._limits.text_chars:
                raise refusal("too_large", self._name, f"it has more than {self._limits.text_chars:,} characters of text")
        return self._sheets

    def _add(self, sheet: Sheet, broken: bool = False) -> None:
        if broken:
            self._sheets.broken.append(len(self._sheets.pages))
        self._sheets.pages.append(sheet)

    def _read_page(self, page: Any, index: int) -> Sheet:
        textpage = page.get_textpage()
        try:
            lines, hidden = page_lines(page, textpage)
        finally:
            textpage.close()
        sheet = Sheet(lines, page.get_size())
        if hidden:
            self._sheets.hidden[index] = hidden
        if _stacked(lines) or _loses_text(page, sum(len(line.text) for line in lines)):
            self._mine(sheet, index)
        if not sheet.text and min(page.get_size()) > 0:
            self._recognise(sheet, page, index)
        return sheet

    def _mine(self, sheet: Sheet, index: int) -> None:
        """Read a page with pdfminer.six, if that finds more than PDFium found."""
        if self._miner is None and not self._no_miner:
            try:
                self._miner = Miner(self._data)
            except ValueError:
                self._no_miner = True
        if self._miner is None or index >= len(self._miner):
            return
        try:
            mined = self._miner.page(index)
        except ValueError:
            return
        except Spent:
            self._sheets.vertical.append(index)
            return
        text = text_of(rows(mined.glyphs))
        if _letters(text) >= max(1, sum(_letters(line.text) for line in sheet.lines)):
            sheet.lines, sheet.text = [], text
            self._sheets.hidden[index] = mined.hidden

    def _recognise(self, sheet: Sheet, page: Any, index: int) -> None:
        """Read a page by OCR where its text is in pictures; text that it has is kept if that is more."""
        text = "\n".join([line.text for line in sheet.lines])
        if not needs_ocr(page, text):
            return
        if self._ocr is None:
            self._ocr = available()
        if not self._ocr:
            self._sheets.pictures.append(index)
            return
        if self._recognised >= self._limits.ocr_pages or time.monotonic() > self._ocr_ends:
            self._sheets.unread.append(index)
            return
        self._recognised += 1
        found = ocr_page(page, self._limits)
        recognised, spans = ocr_text([line.text for line in found], [line.opens for line in found])
        if _letters(recognised) > _letters(text):
            sheet.lines, sheet.text = [], recognised
            sheet.boxes = [(*span, line.box) for span, line in zip(spans, found, strict=True)]


def mined_sheets(miner: Miner, name: str, limits: Limits) -> Sheets:
    """The pages of a file that PDFium cannot open. Raises `ReadError` "too_large"."""
    sheets = Sheets()
    total = 0
    for index in range(len(miner)):
        mined: MinedPage | None = None
        try:
            mined = miner.page(index)
        except ValueError:
            sheets.broken.append(index)
        except Spent:
            sheets.broken += range(index, len(miner))
            sheets.pages += [Sheet() for _ in range(index, len(miner))]
            break
        sheets.pages.append(Sheet() if mined is None else Sheet(size=mined.size, text=text_of(rows(mined.glyphs))))
        if mined is not None and mined.hidden:
            sheets.hidden[index] = mined.hidden
        total += _length(sheets.pages[-1])
        if total > limits.text_chars:
            raise refusal("too_large", name, f"it has more than {limits.text_chars:,} characters of text")
    return sheets


def _length(sheet: Sheet) -> int:
    return len(sheet.text) + sum(len(line.text) for line in sheet.lines)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _stacked(lines: Sequence[Line]) -> bool:
    """Whether most of the lines are columns of upright Chinese or Japanese, which PDFium does not put in order."""
    stacked = total = 0
    for line in lines:
        length = len(line.text)
        total += length
        if length >= 6 and line.upright and line.right - line.left < 0.4 * length * line.size and _IDEOGRAPHS.search(line.text):
            stacked += length
    return 2 * stacked > total


def _loses_text(page: Any, found: int) -> bool:
    """Whether a page draws text far more often than PDFium found characters: vertical writing in fonts that are not embedded."""
    from pypdfium2 import raw

    count = raw.FPDFPage_CountObjects(page.raw)
    if count <= 3 * found + 20:
        return False
    step = count // _LOOKED_AT + 1
    kind, item = raw.FPDFPageObj_GetType, raw.FPDFPage_GetObject
    texts = sum(kind(item(page.raw, at)) == raw.FPDF_PAGEOBJ_TEXT for at in range(0, count, step))
    return bool(texts * step > 3 * found + 20)
