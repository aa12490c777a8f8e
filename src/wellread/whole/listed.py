"""What a document lists, and how much of it there is: by its headings, its lists, and the sentences that speak of something."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wellread.cite import Evidence, closeness
from wellread.evidence import list_after, units_of
from wellread.models.base import Embedder
from wellread.types import Section
from wellread.whole.kinds import MENTIONS, STRUCTURE
from wellread.whole.passages import Passages, quoted
from wellread.words import content_words

MOST_SENTENCES = 12
"""Sentences quoted where nothing lists what is asked for."""

_ANNOUNCES = 0.5
"""What an announcement or heading must have of what is asked about, half by words and half by meaning, for its list to be the answer."""

_LOOKED_AT = 16
_HOLDS = 0.6
"""The share of the words asked about that a sentence must hold to speak of them, where they are more than two."""

_LINE_END = re.compile(r"[\n\f]|$")


@dataclass(frozen=True, slots=True)
class Listing:
    """What a document gives to a list: where it is announced, the items, and how they were found.

    `how` is "list" or "headings" (complete, can be counted), "mentions" (`count` times, in `items`), "pages" (`count` of them), or
    "sentences" (`total` that speak of it, of which `items` are the first, and which nobody listed).
    """

    how: str
    items: tuple[Evidence, ...]
    announced: Evidence | None = None
    count: int = 0
    total: int = 0


def listing(passages: Passages, question: str, topic: Sequence[str], embedder: Embedder) -> Listing | None:
    """What a document lists of what a question asks for; None when it says nothing of it."""
    if not passages.chunks:
        return None
    if MENTIONS.search(question):
        return _mentions(passages, topic)
    if STRUCTURE["section"].search(question):
        return _headings(passages)
    if STRUCTURE["page"].search(question):
        pages = passages.document.pages
        return Listing("pages", (), count=len(pages)) if pages else None
    return _announced(passages, question, topic, embedder) or _speaking(passages, topic)


def _mentions(passages: Passages, topic: Sequence[str]) -> Listing | None:
    """How often the words asked about stand together, in this order, and the sentences in which they do."""
    items, count = [], 0
    for start, end in _units(passages):
        said = content_words(passages.document.text[start:end])
        here = sum(list(said[at : at + len(topic)]) == list(topic) for at in range(len(said) - len(topic) + 1)) if topic else 0
        count += here
        if here:
            items.append(quoted(passages, start, end))
    return Listing("mentions", tuple(items), count=count, total=len(items)) if items else None


def _headings(passages: Passages) -> Listing | None:
    """The headings of the highest level that has at least two."""
    sections = passages.document.sections
    levels = sorted({section.level for section in sections})
    for level in levels:
        same = [section for section in sections if section.level == level]
        if len(same) > 1:
            return Listing("headings", tuple(_heading(passages, section) for section in same), count=len(same))
    return None


def _heading(passages: Passages, section: Section) -> Evidence:
    end = _LINE_END.search(passages.document.text, section.start)
    return quoted(passages, section.start, end.start() if end else section.end)


def _announced(passages: Passages, question: str, topic: Sequence[str], embedder: Embedder) -> Listing | None:
    """The list whose announcement or heading is nearest to what is asked for."""
    document, wanted = passages.document, set(topic)
    if not wanted:
        return None
    titles = {section.start: section.title for section in document.sections}
    places = [(start, end, document.text[start:end]) for start, end in _units(passages) if document.text[start:end].rstrip()[-1:] in ":："]
    places += [(one.start, one.end, titles[start]) for start in titles for one in [_heading_at(passages, start)]]
    rated = sorted(places, key=lambda place: -len(wanted & set(content_words(place[2]))))[:_LOOKED_AT]
    if not rated:
        return None
    vectors = embedder.embed([text for _, _, text in rated])
    meaning = np.clip(closeness(vectors @ embedder.embed([question], query=True)[0], embedder.unrelated), 0.0, 1.0)
    best: tuple[float, Listing] | None = None
    for (start, end, text), near in zip(rated, meaning, strict=True):
        fit = (len(wanted & set(content_words(text))) / len(wanted) + float(near)) / 2
        items = [quoted(passages, *span) for span in list_after(document, end)] or _subsections(passages, start)
        if fit >= _ANNOUNCES and len(items) > 1 and (best is None or fit > best[0]):
            best = (fit, Listing("list", tuple(items), quoted(passages, start, end), len(items)))
    return best[1] if best else None


def _heading_at(passages: Passages, start: int) -> Evidence:
    return _heading(passages, next(section for section in passages.document.sections if section.start == start))


def _subsections(passages: Passages, start: int) -> list[Evidence]:
    """The headings one level below the section that begins at `start`."""
    sections = passages.document.sections
    outer = next((section for section in sections if section.start == start), None)
    if outer is None:
        return []
    inner = [section for section in sections if outer.start < section.start < outer.end and section.level > outer.level]
    level = min((section.level for section in inner), default=0)
    return [_heading(passages, section) for section in inner if section.level == level]


def _speaking(passages: Passages, topic: Sequence[str]) -> Listing | None:
    """The sentences that hold the words asked about; nothing lists them, so they are not counted as if they were a list."""
    wanted = set(topic)
    if not wanted:
        return None
    least = 1.0 if len(wanted) <= 2 else _HOLDS
    document = passages.document
    headings = {section.start for section in document.sections}
    found = [
        (start, end)
        for start, end in _units(passages)
        if start not in headings and len(wanted & set(content_words(document.text[start:end]))) >= least * len(wanted)
    ]
    items = tuple(quoted(passages, *span) for span in found[:MOST_SENTENCES])
    return Listing("sentences", items, total=len(found)) if items else None


def _units(passages: Passages) -> list[tuple[int, int]]:
    return [span for chunk in passages.chunks for span in units_of(passages.document.text, chunk.start, chunk.end)]
