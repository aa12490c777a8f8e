"""All of a document's passages, and the sentences in them that can be quoted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wellread.cite import Evidence
from wellread.evidence import units_of
from wellread.index.store import Store
from wellread.index.within import Within
from wellread.models.base import Embedder
from wellread.types import Chunk, Document

_BATCH = 500
_LEAST_LETTERS, _LEAST_LETTERS_CHINESE = 15, 6
_MOST_CHARS = 400
_LETTERS = 0.6
"""The least share of letters: what has fewer is a formula or a row of numbers."""

_LETTER = re.compile(r"[^\W\d_]")
_CJK = re.compile(r"[\u3400-\u9fff]")
_REFERENCE = re.compile(
    r"\[?\d{1,3}[\].]\s+[A-Z][\w.-]*[. ,].*(?:\d{4}|et al)|\bet al\.,? (?:\d{4}|in )|arXiv:|doi\.org|^https?:", re.IGNORECASE
)
_ITEM = re.compile(r"(?:[-*+•‣◦▪●]|[（(]?\d{1,2}[)）、.])\s")
_SENTENCE_END = (".", "!", "?", "。", "！", "？", "”", '"', "）", ")", "；", ";")


@dataclass(frozen=True, slots=True)
class Passages:
    """A document and all of its chunks in reading order, with their stored vectors: float32 [len(chunks), d]."""

    document: Document
    chunks: tuple[Chunk, ...]
    vectors: np.ndarray


def passages_of(document: str, store: Store, within: Within | None = None) -> Passages:
    """Everything that is kept of a document, or what of it a filter lets through. Raises `LibraryError` when it is not here."""
    chunks = store.chunks_of(document)
    if within is not None:
        held = within.holds(np.array([chunk.id for chunk in chunks], np.int64))
        chunks = [chunk for chunk, holds in zip(chunks, held, strict=True) if holds]
    vectors: dict[int, np.ndarray] = {}
    for low in range(0, len(chunks), _BATCH):
        vectors |= store.vectors([chunk.id for chunk in chunks[low : low + _BATCH]])
    together = np.stack([vectors[chunk.id] for chunk in chunks]) if chunks else np.zeros((0, 1), np.float32)
    return Passages(store.document(document), tuple(chunks), together)


def sentences(document: Document, chunks: Sequence[Chunk], embedder: Embedder, *, prose: bool = True) -> list[Evidence]:
    """The sentences of some chunks as evidence, in the order of the chunks; with `prose`, without what does not stand by itself."""
    spans = [
        (chunk, start, end)
        for chunk in chunks
        for start, end in units_of(document.text, chunk.start, chunk.end)
        if not prose or (chunk.kind == "text" and is_prose(document, start, end))
    ]
    if not spans:
        return []
    vectors = embedder.embed([document.text[start:end] for _, start, end in spans])
    return [
        Evidence(chunk.id, document.id, start, end, document.text[start:end], vector, context(document, chunk))
        for (chunk, start, end), vector in zip(spans, vectors, strict=True)
    ]


def quoted(passages: Passages, start: int, end: int) -> Evidence:
    """A span as evidence that is quoted and never held against anything, so that it needs no vector."""
    at = max(0, bisect_right([chunk.start for chunk in passages.chunks], start) - 1)
    document = passages.document
    return Evidence(passages.chunks[at].id, document.id, start, end, document.text[start:end], np.zeros(1, np.float32))


def context(document: Document, chunk: Chunk) -> str:
    """A chunk's words with its title and heading, as the checker wants them."""
    heading = document.sections[chunk.section].title if chunk.section is not None else ""
    return f"{document.title} {heading} {chunk.text}"


def is_prose(document: Document, start: int, end: int) -> bool:
    """Whether a span is a sentence that can be quoted by itself: no heading, no item of a list, no row of a table, no entry of a
    bibliography, no page header."""
    text = document.text[start:end]
    letters = len(_LETTER.findall(text))
    enough = letters >= (_LEAST_LETTERS_CHINESE if _CJK.search(text) else _LEAST_LETTERS)
    heading = any(section.start == start and end - start <= len(section.title) + 12 for section in document.sections)
    part = heading or _ITEM.match(text) or _REFERENCE.search(text) or not text.rstrip().endswith(_SENTENCE_END)
    return enough and not part and len(text) <= _MOST_CHARS and letters >= _LETTERS * len(text.replace(" ", ""))
