"""PDF, by way of PDFium: the text of each page in reading order, with paragraphs, headings, labels and what is amiss."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import clean
from wellread.read.limits import Limits
from wellread.read.pdf_headings import Bookmark, Paragraph, anchored, detected, shown_title
from wellread.read.pdf_miner import Miner
from wellread.read.pdf_pages import PageReader, Sheets, mined_sheets
from wellread.read.pdf_text import assemble, mark_running
from wellread.read.refuse import refusal
from wellread.types import Page

_PASSWORD_ERROR = 4
_MOST_MENDED = 10_000_000  # bytes of a broken file that is searched for pages
_FILE_NAME = re.compile(r"\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|xlsx?|rtf|odt|html?|ps|txt)$", re.IGNORECASE)
_NO_TITLE = re.compile(
    r"(?:microsoft (?:word|powerpoint) - |untitled|document\d*$|title$|slide \d+$|layout \d|\(anonymous\)|about:blank)", re.I
)
_UNMAPPED = re.compile("[\ufffd\ue000-\uf8ff\x01-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str, limits: Limits) -> Content:
    """The text that a person sees on the pages; text outside the visible part of a page is left out, pictures of text are read by OCR.

    Raises `ReadError` "encrypted", "damaged", "too_many_pages", "too_large", "no_text", or "needs_ocr" where OCR is not installed.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PASSWORD_ERROR:
            raise refusal("encrypted", name) from error
        return _mended(data, name, limits)
    try:
        _check_count(len(document), name, limits)
        sheets = PageReader(data, name, limits).read(document)
        labels = [_label(document, index) for index in range(len(document))]
        content = _content(sheets, labels, _bookmarks(document), document.get_metadata_value("Title") or "", name)
        return replace(content, date=day(*map(document.get_metadata_value, ("CreationDate", "ModDate"))))
    finally:
        document.close()


def _mended(data: bytes, name: str, limits: Limits) -> Content:
    """What pdfminer.six finds in a file that PDFium does not open."""
    damaged = refusal("damaged", name, "it is not a whole PDF, it may be cut short")
    if len(data) > _MOST_MENDED:
        raise damaged
    try:
        miner = Miner(data)
    except ValueError as error:
        raise damaged from error
    _check_count(len(miner), name, limits)
    sheets = mined_sheets(miner, name, limits)
    if not any(sheet.text for sheet in sheets.pages):
        raise damaged
    content = _content(sheets, [str(index + 1) for index in range(len(miner))], [], "", name)
    return replace(content, warnings=("the file is damaged: some of its text may be missing", *content.warnings))


def _check_count(count: int, name: str, limits: Limits) -> None:
    if count > limits.pages:
        raise refusal("too_many_pages", name, f"{count:,}, and the limit is {limits.pages:,}")
    if not count:
        raise refusal("damaged", name, "it has no pages")


def _content(sheets: Sheets, labels: Sequence[str], bookmarks: Sequence[Bookmark], stated: str, name: str) -> Content:
    if len(sheets.broken) == len(sheets.pages):
        raise refusal("damaged", name, "none of its pages can be read")
    mark_running(sheets.pages)
    pages, paragraphs, regions, text = assemble(sheets.pages, labels)
    if not text.strip():
        raise refusal("needs_ocr" if sheets.pictures else "no_text", name)
    headings = anchored(bookmarks, paragraphs, [page.start for page in pages]) or detected(paragraphs)
    return Content(
        text=text,
        title=_title(stated, paragraphs, name),
        pages=tuple(pages),
        headings=tuple(headings),
        warnings=tuple(_warnings(pages, text, sheets)),
        regions=tuple(regions),
    )


def _label(document: Any, index: int) -> str:
    label = document.get_page_label(index)
    return clean(label).strip() or str(index + 1)


def _bookmarks(document: Any) -> list[Bookmark]:
    import pypdfium2

    marks = []
    try:
        for entry in document.get_toc(max_depth=8):
            target = entry.get_dest()
            page = target.get_index() if target is not None else None
            if page is None:
                continue
            mode, view = target.get_view()
            top = view[1] if mode == pypdfium2.raw.PDFDEST_VIEW_XYZ and len(view) > 1 and view[1] > 0 else None
            marks.append(Bookmark(entry.level + 1, clean(entry.get_title()), page, top))
    except pypdfium2.PdfiumError:
        return marks  # what was read of a broken outline is still true
    return marks


def _title(stated: str, paragraphs: Sequence[Paragraph], name: str) -> str:
    """The title the file states, else the largest type on the first page, else the file's stem."""
    stated = " ".join(clean(stated).split())
    stem = PurePath(name).stem
    sensible = 3 < len(stated) <= 300 and sum(char.isalpha() for char in stated) >= 0.5 * len(stated)
    if sensible and not _NO_TITLE.match(stated) and not _FILE_NAME.search(stated) and stated != stem:
        return stated
    return shown_title(paragraphs) or stem


def _warnings(pages: Sequence[Page], text: str, sheets: Sheets) -> list[str]:
    garbled = [page.index for page in pages if page.end - page.start > 50 and _share_unmapped(text[page.start : page.end]) > 0.2]
    pictures = [index for index in sheets.pictures if index not in garbled]
    told = (
        (pictures, "pictures of text", ' and were not read; to read them: pip install "wellread[ocr]"'),
        (sheets.unread, "pictures of text", " and were not read: OCR would take too long"),
        (sheets.vertical, "vertical text", ", and some of it may be missing: it would take too long"),
        (sheets.broken, "damaged", " and were left out"),
        (garbled, "written in letters that the file does not name", ""),
    )
    warnings = [
        f"{len(those)} of {len(pages)} pages are {what}{outcome} ({_listed(pages, those)})" for those, what, outcome in told if those
    ]
    hidden = sorted(index for index, count in sheets.hidden.items() if count)
    if hidden:
        count = sum(sheets.hidden.values())
        warnings.append(f"{count:,} characters outside the visible part of their pages were left out ({_listed(pages, hidden)})")
    return warnings


def _share_unmapped(text: str) -> float:
    unmapped = len(_UNMAPPED.findall(text))
    return unmapped / max(1, sum(not char.isspace() for char in text)) if unmapped else 0.0


def _listed(pages: Sequence[Page], indexes: Sequence[int], most: int = 10) -> str:
    shown = ", ".join(pages[index].label for index in indexes[:most])
    more = f" and {len(indexes) - most} more" if len(indexes) > most else ""
    return f"page{'s' if len(indexes) > 1 else ''} {shown}{more}"
