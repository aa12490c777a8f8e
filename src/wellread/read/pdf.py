"""PDF, by way of PDFium: the text of each page in reading order, with paragraphs, headings, labels and what is amiss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.decode import clean
from wellread.read.limits import Limits
from wellread.read.pdf_flow import PARAGRAPH, separators
from wellread.read.pdf_headings import Bookmark, Paragraph, anchored, detected, shown_title
from wellread.read.pdf_hyphens import joint, word_counts
from wellread.read.pdf_lines import Box, Line, page_lines
from wellread.read.refuse import refusal
from wellread.types import Page

_PASSWORD_ERROR = 4
_FEW = 25  # a page with fewer characters than this is looked at for a scan
_FILE_NAME = re.compile(r"\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|xlsx?|rtf|odt|html?|ps|txt)$", re.IGNORECASE)
_NO_TITLE = re.compile(
    r"(?:microsoft (?:word|powerpoint) - |untitled|document\d*$|title$|slide \d+$|layout \d|\(anonymous\)|about:blank)", re.I
)
_UNMAPPED = re.compile("[\ufffd\ue000-\uf8ff\x01-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str, limits: Limits) -> Content:
    """The text that a person sees on the pages; text outside the visible part of a page is left out.

    Raises `ReadError` "encrypted", "damaged", "too_many_pages", "too_large" or "no_text".
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _refused(error, name) from error
    try:
        count = len(document)
        if count > limits.pages:
            raise refusal("too_many_pages", name, f"{count:,}, and the limit is {limits.pages:,}")
        if not count:
            raise refusal("damaged", name, "it has no pages")
        return _content(document, name, limits)
    finally:
        document.close()


def _refused(error: Exception, name: str) -> ReadError:
    if getattr(error, "err_code", None) == _PASSWORD_ERROR:
        return refusal("encrypted", name)
    return refusal("damaged", name, "it is not a whole PDF, it may be cut short")


def _content(document: Any, name: str, limits: Limits) -> Content:
    sheets, sizes, scans, broken = _sheets(document, name, limits)
    if len(broken) == len(sheets):
        raise refusal("damaged", name, "none of its pages can be read")
    _mark_running(sheets)
    pages, paragraphs, text = _assemble(sheets, sizes, [_label(document, index) for index in range(len(sheets))])
    if not text.strip():
        raise refusal("no_text", name, ": its pages are pictures" if scans else "")
    bookmarks = _bookmarks(document)
    starts = [page.start for page in pages]
    headings = anchored(bookmarks, paragraphs, starts) or detected(paragraphs)
    return Content(
        text=text,
        title=_title(document, paragraphs, name),
        pages=tuple(pages),
        headings=tuple(headings),
        warnings=tuple(_warnings(pages, text, scans, broken)),
    )


def _sheets(document: Any, name: str, limits: Limits) -> tuple[list[list[Line]], list[tuple[float, float] | None], list[int], list[int]]:
    """The lines and the size of every page, and the indexes of those that look like scans and of those that cannot be read."""
    import pypdfium2

    sheets: list[list[Line]] = []
    sizes: list[tuple[float, float] | None] = []
    scans, broken = [], []
    total = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            sheets.append([])
            sizes.append(None)
            broken.append(index)
            continue
        try:
            lines = page_lines(page, _crop(page))
            if sum(len(line.text) for line in lines) < _FEW and _is_scan(page):
                scans.append(index)
            sizes.append(tuple(page.get_size()))
        except pypdfium2.PdfiumError:
            lines = []
            sizes.append(None)
            broken.append(index)
        finally:
            page.close()
        sheets.append(lines)
        total += sum(len(line.text) for line in lines)
        if total > limits.text_chars:
            raise refusal("too_large", name, f"it has more than {limits.text_chars:,} characters of text")
    return sheets, sizes, scans, broken


def _crop(page: Any) -> Box:
    """What is shown of a page: its CropBox, as far as that lies in its MediaBox."""
    left, bottom, right, top = page.get_mediabox()
    crop = page.get_cropbox()
    shown = (max(left, crop[0]), max(bottom, crop[1]), min(right, crop[2]), min(top, crop[3]))
    return shown if shown[0] < shown[2] and shown[1] < shown[3] else (left, bottom, right, top)


def _is_scan(page: Any) -> bool:
    """A page of pictures: images cover a third of it, or hundreds of paths draw what may be letters."""
    from pypdfium2 import raw

    width, height = page.get_size()
    covered, paths = 0.0, 0
    for item in page.get_objects(max_depth=3):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            covered += max(0.0, right - left) * max(0.0, top - bottom)
        elif item.type == raw.FPDF_PAGEOBJ_PATH:
            paths += 1
    return covered > 0.3 * width * height or paths > 200


def _label(document: Any, index: int) -> str:
    label = document.get_page_label(index)
    return clean(label).strip() or str(index + 1)


def _mark_running(sheets: Sequence[list[Line]]) -> None:
    """Mark headers, footers and page numbers: lines at the edge of a page that come again on other pages."""
    edges: list[list[tuple[str, Line]]] = []
    for lines in sheets:
        upright = sorted((line for line in lines if line.upright), key=lambda line: line.base)
        near = {id(line): line for line in [*upright[:2], *upright[-2:]]}.values()
        edges.append([(re.sub(r"\d+|^[ivxlc]+$", "#", " ".join(line.text.lower().split())), line) for line in near])
    seen: Counter[tuple[str, int]] = Counter()
    for edge in edges:
        seen.update({(key, round(line.base / 4)) for key, line in edge})
    for edge in edges:
        for key, line in edge:
            at = round(line.base / 4)
            line.running = sum(seen[key, near] for near in (at - 1, at, at + 1)) >= 3


def _assemble(
    sheets: Sequence[list[Line]], sizes: Sequence[tuple[float, float] | None], labels: Sequence[str]
) -> tuple[list[Page], list[Paragraph], str]:
    """The document's text, its pages and its paragraphs; every line learns its offset."""
    hyphens = any(line.hyphenated for lines in sheets for line in lines)
    counts = word_counts(line.text for lines in sheets for line in lines) if hyphens else Counter[str]()
    pages: list[Page] = []
    paragraphs: list[Paragraph] = []
    texts: list[str] = []
    at = 0
    for index, lines in enumerate(sheets):
        text, spans = _page_text(lines, counts, at)
        pages.append(Page(index=index, label=labels[index], start=at, end=at + len(text), size=sizes[index]))
        for first, after in spans:
            start = lines[first].start
            end = lines[after].start - len(PARAGRAPH) if after < len(lines) else at + len(text)
            body = " ".join(text[start - at : end - at].split())
            paragraphs.append(Paragraph(index, start, end, tuple(lines[first:after]), body))
        texts.append(text)
        at += len(text) + 1
    return pages, paragraphs, "\f".join(texts)


def _page_text(lines: Sequence[Line], counts: Counter[str], at: int) -> tuple[str, list[tuple[int, int]]]:
    """The text of a page that begins at offset `at`, and its paragraphs as ranges of lines."""
    if not lines:
        return "", []
    pieces: list[str] = []
    spans = []
    first = 0
    for position, (line, separator) in enumerate(zip(lines, [*separators(lines), None], strict=True)):
        line.start = at
        piece = clean(line.text).replace("\f", " ")
        if line.hyphenated:
            after = lines[position + 1].text if position + 1 < len(lines) else ""
            piece += joint(line.text, after, counts) if separator == "" else "-"
        piece += separator or ""
        pieces.append(piece)
        at += len(piece)
        if separator == PARAGRAPH or separator is None:
            spans.append((first, position + 1))
            first = position + 1
    return "".join(pieces), spans


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


def _title(document: Any, paragraphs: Sequence[Paragraph], name: str) -> str:
    """The title the file states, else the largest type on the first page, else the file's stem."""
    stated = " ".join(clean(document.get_metadata_value("Title") or "").split())
    stem = PurePath(name).stem
    sensible = 3 < len(stated) <= 300 and sum(char.isalpha() for char in stated) >= 0.5 * len(stated)
    if sensible and not _NO_TITLE.match(stated) and not _FILE_NAME.search(stated) and stated != stem:
        return stated
    return shown_title(paragraphs) or stem


def _warnings(pages: Sequence[Page], text: str, scans: Sequence[int], broken: Sequence[int]) -> list[str]:
    warnings = []
    if scans:
        listed = _listed(pages, scans)
        warnings.append(f"{len(scans)} of {len(pages)} pages hold no text ({listed}): they may be scans, and OCR is not in this version")
    if broken:
        warnings.append(f"{len(broken)} of {len(pages)} pages are damaged and were left out ({_listed(pages, broken)})")
    garbled = [page.index for page in pages if page.end - page.start > 50 and _share_unmapped(text[page.start : page.end]) > 0.2]
    if garbled:
        warnings.append(f"{len(garbled)} of {len(pages)} pages use letters that the file does not name ({_listed(pages, garbled)})")
    return warnings


def _share_unmapped(text: str) -> float:
    return len(_UNMAPPED.findall(text)) / max(1, sum(not char.isspace() for char in text))


def _listed(pages: Sequence[Page], indexes: Sequence[int], most: int = 10) -> str:
    shown = ", ".join(pages[index].label for index in indexes[:most])
    more = f" and {len(indexes) - most} more" if len(indexes) > most else ""
    return f"page{'s' if len(indexes) > 1 else ''} {shown}{more}"
