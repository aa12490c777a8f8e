"""Documents into the store: split, embedded a handful at a time, written together. What is written stays, whatever comes after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.models.base import Embedder
from wellread.split import contexts, split
from wellread.types import Document, Progress, Span

SAMPLE = 8
"""Documents looked at before an embedder is chosen."""

_CHUNKS = 64
_SECONDS = 1.0
"""What waits is written when it comes to so many chunks, or has waited so long."""

_SLICE = 64
"""Chunks of a long document that are embedded between two signs of life."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    document: Document
    spans: Sequence[Span]
    source: Source


class Ingest:
    """Takes documents as they are read. `close` writes the last of them; whoever is interrupted simply does not call it.

    `choose_embedder` is given the first documents and asked once. `reader` is noted as what read the documents.
    """

    def __init__(
        self, store: Store, choose_embedder: Callable[[list[Document]], Embedder], progress: Progress, *, reader: str = ""
    ) -> None:
        self._store = store
        self._choose = choose_embedder
        self._progress = progress
        self._reader = reader
        self._embedder: Embedder | None = None
        self._waiting: dict[str, _Waiting] = {}
        self._links: list[Source] = []
        self._chunks = 0
        self._since = time.monotonic()

    def take(self, document: Document, source: Source) -> None:
        """Store a document, now or a little later. The same document from a second source is not embedded again."""
        if document.id in self._waiting:
            self._links.append(source)
            return
        if not self._waiting:
            self._since = time.monotonic()
        spans = split(document)
        self._waiting[document.id] = _Waiting(document, spans, source)
        self._chunks += len(spans)
        if self._embedder is None and len(self._waiting) < SAMPLE:
            return
        if self._chunks >= _CHUNKS or time.monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write everything that was taken, in one transaction."""
        waiting = list(self._waiting.values())
        if waiting:
            if self._embedder is None:
                self._embedder = self._choose([one.document for one in waiting])
            vectors = embedded(self._embedder, [(one.document, one.spans) for one in waiting], self._progress)
            with self._store.together():
                at = 0
                for one in waiting:
                    self._store.put(one.document, one.spans, vectors[at : at + len(one.spans)], one.source, reader=self._reader)
                    at += len(one.spans)
                self._store.link(*self._links)
        self._waiting, self._links, self._chunks = {}, [], 0


def embedded(embedder: Embedder, documents: Sequence[tuple[Document, Sequence[Span]]], progress: Progress) -> np.ndarray:
    """Vectors of all chunks, each embedded under its heading, which often names what the chunk only calls "it"."""
    texts = [
        context + document.text[span.start : span.end]
        for document, spans in documents
        for context, span in zip(contexts(document, spans), spans, strict=True)
    ]
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for at in range(0, len(texts), _SLICE):
        vectors[at : at + _SLICE] = embedder.embed(texts[at : at + _SLICE])
        if len(texts) > 4 * _SLICE:
            progress("embedding", min(at + _SLICE, len(texts)), len(texts))
    return vectors
