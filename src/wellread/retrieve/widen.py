"""More than the chunk that was found: what is read around it once an answer is to be made."""

from __future__ import annotations

from wellread.recipe import Widen
from wellread.sentences import sentence_spans
from wellread.types import Chunk, Document

_SENTENCES = 2
"""Sentences on either side ("sentence window")."""

_NEIGHBOURS = 500
"""Characters on either side that stand for the chunks beside one."""

_PARENT = 2000
_SECTION = 6000
"""The most characters of a parent or of a section."""


def widened(chunk: Chunk, document: Document, how: Widen) -> tuple[int, int]:
    """The span of the document to read for a chunk: (start, end), which holds the chunk and leaves its section only for "neighbours".

    It begins and ends where a sentence does.
    """
    if how == "none":
        return chunk.start, chunk.end
    first, last = _section(chunk, document) if how != "neighbours" else (0, len(document.text))
    room = {"sentences": _NEIGHBOURS, "neighbours": _NEIGHBOURS, "parent": _PARENT // 2, "section": _SECTION // 2}[how]
    low, high = max(first, chunk.start - room), min(last, chunk.end + room)
    spans = sentence_spans(document.text, low, high)
    spans = spans[(low > first) : len(spans) - (high < last)]  # what the room cuts through is left out
    before = [start for start, end in spans if start < chunk.start]
    after = [end for start, end in spans if end > chunk.end]
    if how == "sentences":
        before, after = before[-_SENTENCES:], after[:_SENTENCES]
    return min([chunk.start, *before]), max([chunk.end, *after])


def _section(chunk: Chunk, document: Document) -> tuple[int, int]:
    """The bounds of the chunk's section, stretched where the chunk begins before it."""
    if chunk.section is None:
        return 0, len(document.text)
    section = document.sections[chunk.section]
    return min(section.start, chunk.start), max(section.end, chunk.end)
