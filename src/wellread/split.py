"""Documents into chunks. A chunk is a span of the document, never a copy: `document.text[start:end]` is the chunk.

A chunk ends where a sentence ends, never crosses a heading, and is packed from whole paragraphs where they are short. Measured at
equal context, such chunks of about 400 characters find more than larger ones or than fixed cuts, and need no overlap.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from wellread.sentences import sentence_spans
from wellread.types import Document, Span

CHUNK_CHARS = 500
"""No chunk is longer than this, in characters."""

_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*|\f\s*")
_LINE = re.compile(r"[^\n\f]+")


def split(document: Document, *, chunk_chars: int = CHUNK_CHARS) -> list[Span]:
    """The chunks of a document, in reading order, each at most `chunk_chars` long and with neither end on white space."""
    code = document.media_type.startswith("text/x-")
    section_starts = [section.start for section in document.sections]
    page_starts = [page.start for page in document.pages]
    spans = []
    for start, end in _blocks(document.text, _breaks(document)):
        for piece_start, piece_end in _pieces(document.text, start, end, chunk_chars, code):
            spans.append(
                Span(
                    start=piece_start,
                    end=piece_end,
                    page=_at(page_starts, piece_start),
                    section=_at(section_starts, piece_start),
                    kind="code" if code else "text",
                )
            )
    return list(_packed(document.text, spans, chunk_chars))


def _breaks(document: Document) -> list[int]:
    """Offsets that no chunk crosses."""
    return sorted({section.start for section in document.sections} | {0, len(document.text)})


def _at(starts: list[int], offset: int) -> int | None:
    """Which page or section holds an offset, given where each starts."""
    found = bisect_right(starts, offset) - 1
    return found if found >= 0 else None


def _blocks(text: str, breaks: list[int]) -> Iterator[tuple[int, int]]:
    """The paragraphs of a text, cut at `breaks` too, without the white space around them."""
    for low, high in pairwise(breaks):
        at = low
        for match in _PARAGRAPH_END.finditer(text, low, high):
            yield from _trimmed(text, at, match.start())
            at = match.end()
        yield from _trimmed(text, at, high)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _pieces(text: str, start: int, end: int, limit: int, code: bool) -> Iterator[tuple[int, int]]:
    """A paragraph as pieces of about equal length, none over `limit`, cut between sentences (between lines in code)."""
    if end - start <= limit:
        yield start, end
        return
    units = [match.span() for match in _LINE.finditer(text, start, end)] if code else sentence_spans(text, start, end)
    units = [piece for unit in units for piece in _hard_cut(text, *unit, limit)]
    target = (end - start) / -(-(end - start) // limit)
    at, last = units[0]
    for unit_start, unit_end in units[1:]:
        full = unit_end - at > limit or last - at >= target
        if full:
            yield from _trimmed(text, at, last)
            at = unit_start
        last = unit_end
    yield from _trimmed(text, at, last)


def _hard_cut(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """A sentence too long for a chunk, cut at white space where there is some, anywhere otherwise."""
    while end - start > limit:
        cut = next((at for at in range(start + limit, start + limit // 2, -1) if text[at].isspace()), start + limit)
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _packed(text: str, spans: list[Span], limit: int) -> Iterator[Span]:
    """Neighbouring short paragraphs of one section joined into chunks; a piece of a long paragraph stays by itself."""
    held: Span | None = None
    for span in spans:
        if held is not None and _may_join(text, held, span, limit):
            held = Span(held.start, span.end, held.page, held.section, held.kind)
            continue
        if held is not None:
            yield held
        held = span
    if held is not None:
        yield held


def _may_join(text: str, held: Span, span: Span, limit: int) -> bool:
    """Join what is short, and what a colon announces; never across a heading or a page."""
    if held.section != span.section or held.page != span.page or span.end - held.start > limit:
        return False
    short = limit // 2
    return held.end - held.start < short or span.end - span.start < short // 2 or text[held.end - 1] in ":："
