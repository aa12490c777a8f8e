"""The text of a PDF, made of the lines of its pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from wellread.read.pdf_flow import PARAGRAPH, separators
from wellread.read.pdf_headings import Paragraph
from wellread.read.pdf_hyphens import joint, word_counts
from wellread.read.pdf_lines import Line
from wellread.read.pdf_pages import Sheet
from wellread.types import Page, Region


def mark_running(sheets: Sequence[Sheet]) -> None:
    """Mark headers, footers and page numbers: lines at the edge of a page that come again on other pages."""
    edges: list[list[tuple[str, Line]]] = []
    for sheet in sheets:
        upright = sorted((line for line in sheet.lines if line.upright), key=lambda line: line.base)
        near = {id(line): line for line in [*upright[:2], *upright[-2:]]}.values()
        edges.append([(re.sub(r"\d+|^[ivxlc]+$", "#", " ".join(line.text.lower().split())), line) for line in near])
    seen: Counter[tuple[str, int]] = Counter()
    for edge in edges:
        seen.update({(key, round(line.base / 4)) for key, line in edge})
    for edge in edges:
        for key, line in edge:
            at = round(line.base / 4)
            line.running = sum(seen[key, near] for near in (at - 1, at, at + 1)) >= 3


def assemble(sheets: Sequence[Sheet], labels: Sequence[str]) -> tuple[list[Page], list[Paragraph], list[Region], str]:
    """The document's pages, its paragraphs, its recognised lines, and its text; every line learns its offset."""
    hyphens = any(line.hyphenated for sheet in sheets for line in sheet.lines)
    counts = word_counts(line.text for sheet in sheets for line in sheet.lines) if hyphens else Counter[str]()
    pages: list[Page] = []
    paragraphs: list[Paragraph] = []
    regions: list[Region] = []
    texts: list[str] = []
    at = 0
    for index, sheet in enumerate(sheets):
        lines = sheet.lines
        text, spans = (sheet.text, []) if sheet.text else _page_text(lines, counts, at)
        pages.append(Page(index=index, label=labels[index], start=at, end=at + len(text), size=sheet.size))
        regions += [Region(at + start, at + end, "ocr", box) for start, end, box in sheet.boxes]
        for first, after in spans:
            start = lines[first].start
            end = lines[after].start - len(PARAGRAPH) if after < len(lines) else at + len(text)
            body = " ".join(text[start - at : end - at].split())
            paragraphs.append(Paragraph(index, start, end, tuple(lines[first:after]), body))
        texts.append(text)
        at += len(text) + 1
    return pages, paragraphs, regions, "\f".join(texts)


def _page_text(lines: Sequence[Line], counts: Counter[str], at: int) -> tuple[str, list[tuple[int, int]]]:
    """The text of a page that begins at offset `at`, and its paragraphs as ranges of lines."""
    if not lines:
        return "", []
    pieces: list[str] = []
    spans = []
    first = 0
    for position, (line, separator) in enumerate(zip(lines, [*separators(lines), None], strict=True)):
        line.start = at
        piece = line.text
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
