"""Documents into chunks. A chunk is a span of the document, never a copy: `document.text[start:end]` is the chunk.

A chunk ends where a sentence ends, never crosses into another section, and is packed from whole paragraphs where they are short. Tables
are cut between rows and code between lines. Measured at equal context, such chunks of about 400 characters find more than larger ones
or than fixed cuts, and need no overlap. The work grows with the length of the text, whatever the text is made of.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from wellread.sentences import sentence_spans
from wellread.types import Document, Region, Span

CHUNK_CHARS = 500
"""No chunk is longer than this, in characters."""

_HEADER_CHARS = 200  # of the header row that is repeated for each part of a table
_WINDOW = 8192  # sentences are looked for in stretches of this length, so that a giant line costs no more than many short ones
_IN_LINES = ("table", "code")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*|\f\s*")
_PAGE_END = re.compile(r"\f\s*")
_LINE = re.compile(r"[^\n\f]+")
_WORD_LINE = re.compile(r"[^\n\f]*[^\W_][^\n\f]*")
_SOLID = re.compile(r"\S")
_AT_SPACE = re.compile(r".*\s", re.DOTALL)
_AT_MARK = re.compile(r".*[,;|}\])>]", re.DOTALL)
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, a table or a listing, trimmed. What announces it, such as its heading, stands between `start` and `body`."""

    start: int
    body: int
    end: int
    kind: str
    page: int | None
    section: int | None


def split(document: Document, *, chunk_chars: int = CHUNK_CHARS) -> list[Span]:
    """The chunks of a document, in reading order, each at most `chunk_chars` long and with neither end on white space.

    A chunk is of the kind of its region, or "text". A heading without text of its own goes with the text below it, whose section the
    chunk is given. A row of a table is whole in one chunk unless it is too long for any.
    """
    spans = (span for block in _announced(document, chunk_chars) for span in _pieces(document.text, block, chunk_chars))
    return list(_packed(document.text, spans, chunk_chars))


def contexts(document: Document, spans: Sequence[Span]) -> list[str]:
    """What is put before each chunk when it is embedded: its heading, which often names what the chunk only calls "it", and for the
    later parts of a table its header row. Each stands on a line of its own; empty where there is neither.
    """
    tables = sorted((region for region in document.regions if region.kind == "table"), key=lambda region: region.start)
    starts = [table.start for table in tables]
    headers = [_header(document.text, table) for table in tables]
    found = []
    for span in spans:
        context = "" if span.section is None else document.sections[span.section].title + "\n"
        at = bisect_right(starts, span.end - 1) - 1
        if span.kind == "table" and at >= 0 and span.start >= headers[at][1]:
            header = document.text[slice(*headers[at])].strip()
            context += header[:_HEADER_CHARS] + "\n" if header else ""
        found.append(context)
    return found


def _header(text: str, table: Region) -> tuple[int, int]:
    """The first row of a table that has words in it; lines that only draw a border have none."""
    found = _WORD_LINE.search(text, table.start, table.end)
    return found.span() if found else (table.end, table.end)


# --- blocks


def _blocks(document: Document) -> Iterator[_Block]:
    """The paragraphs, tables and listings of a document, none of which crosses a heading or a page."""
    section_starts = [section.start for section in document.sections]
    page_starts = [page.start for page in document.pages]
    text = document.text
    for low, high, kind in _stretches(document, sorted({0, len(text), *section_starts, *page_starts})):
        page, section = _at(page_starts, low), _at(section_starts, low)
        at = low
        for match in (_PAGE_END if kind == "table" else _PARAGRAPH_END).finditer(text, low, high):
            for start, end in _trimmed(text, at, match.start()):
                yield _Block(start, start, end, kind, page, section)
            at = match.end()
        for start, end in _trimmed(text, at, high):
            yield _Block(start, start, end, kind, page, section)


def _stretches(document: Document, cuts: list[int]) -> Iterator[tuple[int, int, str]]:
    """The whole text as stretches of one kind each, cut at `cuts` too."""
    position = 1
    for start, end, kind in _areas(document):
        while start < end:
            while cuts[position] <= start:
                position += 1
            stop = min(end, cuts[position])
            yield start, stop, kind
            start = stop


def _areas(document: Document) -> Iterator[tuple[int, int, str]]:
    """The regions and the text between them. Lines of a picture that follow one another are one area."""
    at = 0
    held: tuple[int, int, str] | None = None
    for region in sorted(document.regions, key=lambda region: region.start):
        start, end = max(region.start, at), min(region.end, len(document.text))
        if start >= end:
            continue
        if held is not None and held[2] == region.kind == "ocr" and not document.text[held[1] : start].strip():
            held = (held[0], end, "ocr")
        else:
            if held is not None:
                yield held
            if start > at:
                yield at, start, "text"
            held = (start, end, region.kind)
        at = end
    if held is not None:
        yield held
    if at < len(document.text):
        yield at, len(document.text), "text"


def _at(starts: list[int], offset: int) -> int | None:
    """Which page or section holds an offset, given where each starts."""
    found = bisect_right(starts, offset) - 1
    return found if found >= 0 else None


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without the white space around it, if anything is left."""
    found = _SOLID.search(text, start, end)
    if found:
        yield found.start(), found.start() + len(text[found.start() : end].rstrip())


def _announced(document: Document, limit: int) -> Iterator[_Block]:
    """The blocks, each together with the headings or the caption that stand before it."""
    held: _Block | None = None
    for block in _blocks(document):
        if held is not None and _announces(document, held, block):
            block = replace(block, start=held.start)
        elif held is not None:
            yield held
        held = block
        if block.end - block.start > limit // 2 or (block.kind in _IN_LINES and not _is_heading(document, block)):
            yield block
            held = None
    if held is not None:
        yield held


def _announces(document: Document, lead: _Block, block: _Block) -> bool:
    """Whether `lead` is a heading of what `block` belongs to, or a few words before a table or a listing."""
    if lead.page != block.page:
        return False
    if lead.section == block.section:
        short = lead.end - lead.start <= CHUNK_CHARS // 4 or document.text[lead.end - 1] in ":："
        return _is_heading(document, lead) or (lead.kind == "text" and block.kind in _IN_LINES and short)
    if lead.section is None or block.section != lead.section + 1 or not _is_heading(document, lead):
        return False
    upper, lower = document.sections[lead.section], document.sections[lead.section + 1]
    return upper.level < lower.level or (upper.level == lower.level and _same_letters(document.text[lead.body : lead.end], upper.title))


def _is_heading(document: Document, block: _Block) -> bool:
    """Whether a block is the line (with Setext or RST, the lines) that its section begins with."""
    if block.section is None or document.sections[block.section].start != block.body:
        return False
    text = document.text[block.body : block.end]
    return "\n" not in text or _same_letters(text, document.sections[block.section].title)


def _same_letters(one: str, other: str) -> bool:
    return _NO_LETTER.sub("", one) == _NO_LETTER.sub("", other)


# --- pieces


def _pieces(text: str, block: _Block, limit: int) -> Iterator[Span]:
    """A block as pieces of about equal length, none over `limit`, cut between sentences (between lines in tables and code)."""
    size = block.end - block.start
    target = size / -(-size // limit)
    at = last = block.start
    for start, end in _units(text, block, limit):
        if last > at and (end - at > limit or last - at >= target):
            yield from _spans(text, block, at, last)
            at = start
        if end - start <= limit:
            last = max(last, end)
            continue
        line = replace(block, start=start, body=start, end=end, kind="text")  # a line too long is cut like prose, by itself
        yield from (replace(span, kind=block.kind) for span in _pieces(text, line, limit))
        at = last = end
    yield from _spans(text, block, at, last)


def _spans(text: str, block: _Block, start: int, end: int) -> Iterator[Span]:
    kind = "text" if end <= block.body else block.kind
    for low, high in _trimmed(text, start, end):
        yield Span(low, high, block.page, block.section, kind)


def _units(text: str, block: _Block, limit: int) -> Iterator[tuple[int, int]]:
    """What a block may be cut between. Only lines of tables and code can be longer than `limit`."""
    if block.end - block.start <= limit:
        yield block.start, block.end
    elif block.kind in _IN_LINES:
        if block.start < block.body:
            yield from _trimmed(text, block.start, block.body)
        yield from (match.span() for match in _LINE.finditer(text, block.body, block.end))
    else:
        first = block.start  # what announces a paragraph goes with its first sentence
        for start, end in _sentences(text, block.body, block.end):
            yield from _hard_cut(text, min(start, first), end, limit)
            first = end


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences of a span, looked for a window at a time."""
    for low, high in _trimmed(text, start, end):
        while low < high:
            stop = min(low + _WINDOW, high)
            found = sentence_spans(text, low, stop)
            if stop < high and len(found) > 1:  # the last may go on behind the window
                stop = found.pop()[0]
            yield from found
            solid = _SOLID.search(text, stop, high)
            low = solid.start() if solid else high


def _hard_cut(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """A sentence too long for a chunk, cut at white space where there is some, else behind a mark, else anywhere."""
    while end - start > limit:
        middle, stop = start + limit // 2 + 1, start + limit
        found = _AT_SPACE.match(text, middle, stop + 1)
        cut = found.end() - 1 if found else None
        if cut is None:
            found = _AT_MARK.match(text, middle, stop)
            cut = found.end() if found else stop
        yield start, cut
        solid = _SOLID.search(text, cut, end)
        start = solid.start() if solid else end
    if start < end:
        yield start, end


# --- packing


def _packed(text: str, spans: Iterable[Span], limit: int) -> Iterator[Span]:
    """Neighbouring short paragraphs of one section joined into chunks; a piece of a long paragraph stays by itself."""
    held: Span | None = None
    for span in spans:
        if held is not None and _may_join(text, held, span, limit):
            longer = held if held.end - held.start >= span.end - span.start else span
            held = replace(held, end=span.end, kind=longer.kind)
            continue
        if held is not None:
            yield held
        held = span
    if held is not None:
        yield held


def _may_join(text: str, held: Span, span: Span, limit: int) -> bool:
    """Join what is short, and what a colon announces; never across a heading or a page, nor a table with anything else."""
    if held.section != span.section or held.page != span.page or span.end - held.start > limit:
        return False
    if held.kind != span.kind and {held.kind, span.kind} != {"text", "code"}:
        return False
    short = limit // 2
    return held.end - held.start < short or span.end - span.start < short // 2 or text[held.end - 1] in ":："
