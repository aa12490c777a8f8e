"""From hits to the sentences that answer: the least text that a small model needs, and the most that can be quoted.

On a few dozen training questions a 135M model gave the right words more often from three well-chosen sentences than from the whole
passages, and sooner. A list that a sentence announces ("has three drawbacks:") is followed to its end, because the
sentences of its items need not resemble the question at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from wellread.cite import Evidence, closeness
from wellread.index.store import Store
from wellread.models.base import Embedder, Reader
from wellread.recipe import Widen
from wellread.retrieve.widen import widened
from wellread.sentences import sentence_spans
from wellread.types import Document, Hit
from wellread.words import cjk_share, content_words, is_english

_LEXICAL_WEIGHT = 0.5
_RANK_WEIGHT = 0.1
_READ_WEIGHT = 1.0
"""What a sentence gains that certainly holds the answer, as a reader sees it; from .75 to 2 all is the same on held-out questions."""

_NUMBER_WEIGHT = 0.1
"""What a sentence with a number gains when the question asks for one."""

_SHORT = 30
"""A sentence of fewer characters ("Retrieval Challenges.") is read together with the one after it; a CJK character counts three."""

_LONG = 500
_LONG_COSTS = 0.15
"""What a "sentence" of more than `_LONG` characters loses: it is a table or a list of references more often than a sentence."""

_LIST_REACH = 4000
"""Characters after an announcement in which its list is looked for."""

_ITEM_GAP = 1500
"""Characters of an item's own text after which the next item must have come."""

_MAX_ITEMS = 12
_BULLET = re.compile(
    r"(?:[-*+•‣◦▪●]\s|[①-⑳]|[（(]?(?:\d{1,2}|[a-z]|[ivx]{1,4})(?:[)）、]|\.(?=\s))|[（(]?[一二三四五六七八九十]{1,2}[)）、.])"
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand|million|billion)\b|[一二三四五六七八九十百千万]",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\[\d{1,3}\]\s+[A-Z][\w.-]*[. ,]")
_PARAGRAPH = re.compile(r"\n\s*\n|\f")
_LETTERS = re.compile(r"[^\W\d_]+")
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|often|far|large|big)\b|\bwhen\b|\bwhat (?:year|date|number|percentage|time)\b"
    r"|多少|几[个种年]|何时|哪一?年|什么时候",
    re.IGNORECASE,
)
_TITLE_WORD = re.compile(r"[A-Z0-9][\w'’/-]*|of|and|the|for|in|to|with|a|an|&|or|on|by|from|vs")


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence that may answer, or an announcement together with the `items` of its list. `score` orders them, best first."""

    evidence: Evidence
    score: float
    items: tuple[Evidence, ...] = ()

    @property
    def all(self) -> tuple[Evidence, ...]:
        return (self.evidence, *self.items)


@dataclass(frozen=True, slots=True)
class Located:
    """The words that answer, as a span of a document, and the logarithm of the odds that they do and not that nothing does."""

    document: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Selection:
    """What the hits say to a question: `found` best first, and how well the best of it fits.

    `coverage` is the share of the question's word weight that the best passage holds, `closeness` how near in meaning the nearest
    sentence is (0: unrelated, 1: the same). The documents are loaded ones, by id. Where a reader could read them, `located` is what it
    found best.
    """

    found: tuple[Found, ...]
    coverage: float
    closeness: float
    documents: Mapping[str, Document]
    located: Located | None = None


def readable(question: str, texts: Sequence[str]) -> bool:
    """Whether a reader can be asked about these texts: it knows English only."""
    return cjk_share(question) == 0 and is_english(" ".join(texts))


def select(
    question: str, hits: Sequence[Hit], store: Store, embedder: Embedder, *, reader: Reader | None = None, widen: Widen = "none"
) -> Selection:
    """Rank the sentences of the hits' chunks, and of what lies around them, by how well they answer the question.

    A `reader` may be given where question and hits are `readable`.
    """
    documents = {document: store.document(document) for document in {hit.chunk.document for hit in hits}}
    placed: dict[tuple[str, int, int], tuple[int, int]] = {}  # a sentence that lies around several hits belongs to the best of them
    for rank, hit in enumerate(hits):
        document = documents[hit.chunk.document]
        for start, end in units_of(document.text, *widened(hit.chunk, document, widen)):
            if _says_something(document, start, end):
                placed.setdefault((document.id, start, end), (rank, hit.chunk.id))
    units = [(rank, chunk, *span) for span, (rank, chunk) in placed.items()]
    if not units:
        return Selection((), 0.0, 0.0, documents)
    texts = [documents[document].text[start:end] for _, _, document, start, end in units]
    vectors = embedder.embed(texts)
    cosines = closeness(vectors @ embedder.embed([question], query=True)[0], embedder.unrelated)
    contexts = [f"{hit.title} {hit.heading or ''} {hit.chunk.text}" for hit in hits]
    weights = _weights(question, [hit.chunk.text for hit in hits])
    number = _NUMBER_WEIGHT if _ASKS_NUMBER.search(question) else 0.0
    readings = _read(question, hits, reader)
    found = [
        Found(
            Evidence(chunk, document, start, end, text, vector, contexts[rank]),
            float(cosine)
            + _LEXICAL_WEIGHT * _held(weights, text)
            + _RANK_WEIGHT / (1 + rank)
            + number * _has_number(text)
            + _READ_WEIGHT * _answers(readings, document, start, end)
            - _LONG_COSTS * (len(text) > _LONG),
        )
        for (rank, chunk, document, start, end), text, vector, cosine in zip(units, texts, vectors, cosines, strict=True)
    ]
    found.sort(key=lambda one: (-one.score, one.evidence.document, one.evidence.start))
    coverage = max(_held(weights, context) for context in contexts)
    best = max(readings, key=lambda one: one.score, default=None)
    return Selection(_with_lists(found, documents, store, embedder), coverage, float(cosines.max()), documents, best)


def _read(question: str, hits: Sequence[Hit], reader: Reader | None) -> list[Located]:
    """The words that answer, as a reader sees it, in each hit."""
    if reader is None:
        return []
    texts, titles = [hit.chunk.text for hit in hits], [hit.heading or hit.title for hit in hits]
    readings = zip(hits, reader.read(question, texts, titles), strict=True)
    return [
        Located(hit.chunk.document, hit.chunk.start + one.start, hit.chunk.start + one.end, one.score)
        for hit, one in readings
        if one.end > one.start
    ]


def _answers(readings: Sequence[Located], document: str, start: int, end: int) -> float:
    """The probability that a sentence holds the answer: that of the best answer which lies in it."""
    held = [located.score for located in readings if located.document == document and start <= located.start < end]
    return float(1 / (1 + exp(-max(held)))) if held else 0.0


def units_of(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Sentences as units of evidence: one too short to say anything by itself is joined with the next one of its paragraph."""
    units: list[tuple[int, int]] = []
    held: int | None = None
    spans = sentence_spans(text, start, end)
    for at, (low, high) in enumerate(spans):
        low = held if held is not None else low
        held = None
        following = spans[at + 1][0] if at + 1 < len(spans) else None
        joins = following is not None and not _PARAGRAPH.search(text, high, following) and not _BULLET.match(text, following)
        if joins and _length(text[low:high]) < _SHORT:
            held = low
            continue
        units.append((low, high))
    return units


def _says_something(document: Document, start: int, end: int) -> bool:
    """Whether a unit can answer anything: not a heading, a page number, a label in a figure, an entry of a bibliography."""
    if any(section.start == start and end - start <= len(section.title) + 12 for section in document.sections):
        return False
    text = document.text[start:end]
    if _REFERENCE.match(text):
        return False
    named = len(_LETTERS.findall(text))
    return bool(named) and (
        named >= 4 or any(char.isdigit() or char in ":：=" for char in text) or (cjk_share(text) > 0.5 and len(text) >= 6)
    )


def _length(text: str) -> int:
    return len(text) + int(2 * cjk_share(text) * len(text))


def _weights(question: str, passages: Sequence[str]) -> dict[str, float]:
    """How much each content word of the question tells: the rarer among the passages, the more."""
    counts = Counter(word for passage in passages for word in set(content_words(passage)))
    return {word: log(1 + (len(passages) + 1) / (counts[word] + 0.5)) for word in content_words(question)}


def _held(weights: Mapping[str, float], text: str) -> float:
    """The share of the weights whose words a text holds."""
    total = sum(weights.values())
    held = set(content_words(text))
    return sum(weight for word, weight in weights.items() if word in held) / total if total else 0.0


def _has_number(text: str) -> bool:
    return _NUMBER.search(text) is not None


def _with_lists(found: list[Found], documents: Mapping[str, Document], store: Store, embedder: Embedder) -> tuple[Found, ...]:
    """The best few announcements get their lists; items of a list are not repeated as sentences of their own."""
    result, taken = [], set[tuple[str, int]]()
    for at, one in enumerate(found):
        evidence = one.evidence
        if (evidence.document, evidence.start) in taken:
            continue
        spans = list_after(documents[evidence.document], evidence.end) if at < 5 and evidence.text.rstrip()[-1:] in ":：" else []
        if spans:
            text = documents[evidence.document].text
            vectors = embedder.embed([text[start:end] for start, end in spans])
            items = tuple(
                Evidence(evidence.chunk, evidence.document, start, end, text[start:end], vector, evidence.context)
                for (start, end), vector in zip(spans, vectors, strict=True)
            )
            taken |= {(item.document, item.start) for item in items}
            one = Found(evidence, one.score, items)
        result.append(one)
    return tuple(one for one in result if (one.evidence.document, one.evidence.start) not in taken)


def list_after(document: Document, end: int) -> list[tuple[int, int]]:
    """The items of the list that the text ending at `end` announces, as spans; empty when no list follows.

    An item begins with a bullet or number, or with a run-in title ("Retrieval Challenges. The retrieval phase ..."). The list ends
    with its section, or when no further item comes for a while.
    """
    heading = min((section.start for section in document.sections if section.start >= end), default=len(document.text))
    units = units_of(document.text, end, min(heading, end + _LIST_REACH))
    if not units:
        return []
    kinds = [_item_kind(document.text, start, stop) for start, stop in units]
    if kinds[0] is None:
        return []
    items = [units[0]]
    for (start, stop), kind in zip(units[1:], kinds[1:], strict=True):
        first, last = items[-1]
        if start - last > _ITEM_GAP or (kind == kinds[0] and len(items) == _MAX_ITEMS):
            break
        if kind == kinds[0]:
            items.append((start, stop))
        elif kinds[0].startswith("bullet") and stop - first <= _LONG and not _PARAGRAPH.search(document.text, last, start):
            items[-1] = (first, stop)  # a bullet goes on to its end
    return items if len(items) > 1 else []


def _item_kind(text: str, start: int, end: int) -> str | None:
    """How a unit begins as a list item: "title", "bullet" and its style, or None when it does not."""
    if bullet := _BULLET.match(text, start, end):
        # "(a)", "1." and "-" are three styles: an item of another one belongs to another list
        return "bullet " + re.sub(r"[一二三四五六七八九十①-⑳]+", "一", re.sub(r"[a-z]+", "a", re.sub(r"\d+", "1", bullet.group().strip())))
    first_start, first_end = sentence_spans(text, start, end)[0]
    title = text[first_start:first_end]
    colon = title.find(":")
    words = (title[:colon] if colon > 0 else title.rstrip(".")).split()
    run_in = (0 < colon < len(title) - 1) or (title.endswith(".") and first_end < end)
    capitals = sum(word[0].isupper() for word in words)
    if run_in and 0 < len(words) <= 6 and capitals and all(_TITLE_WORD.fullmatch(word) for word in words):
        return "title"
    return None


def lead(found: Sequence[Found], *, span: float = 0.15, limit: int = 3) -> list[Found]:
    """The evidence worth quoting by itself: the best, and what is nearly as good."""
    if not found:
        return []
    return [one for one in found[:limit] if one.score >= found[0].score - span]
