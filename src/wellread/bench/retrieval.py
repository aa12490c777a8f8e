"""How well and how fast documents are found: rankings of a collection's documents for its questions, judged by its judgements.

A collection becomes a library as its documents would by `add`: every entry is a document whose title is its first heading. It is kept
between runs under the hash of what was embedded, so that only a new splitter, embedder or collection costs that time again. A document
ranks where its best chunk does.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from wellread import __version__
from wellread.bench.collection import Collection, Entry
from wellread.errors import UsageError, suggest
from wellread.evaluate import ranking
from wellread.index import locks
from wellread.index.index import Index, open_index
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.ingest import Ingest
from wellread.models.base import Embedder
from wellread.recipe import By, Recipe
from wellread.retrieve.search import POOL, ranked, retrieve
from wellread.split import contexts, split
from wellread.types import Document, Progress, Section, silent
from wellread.words import cjk_share

METHODS: tuple[By, ...] = ("hybrid", "keyword", "dense", "rrf")
"""`hybrid` is what Wellread does, `keyword` and `dense` are its two lists alone, `rrf` joins them by their ranks."""

METRICS: Mapping[str, Callable[[Sequence[str], Mapping[str, int]], float]] = {
    "nDCG@10": ranking.ndcg,
    "recall@5": lambda ranked, relevant: ranking.recall(ranked, relevant, 5),
    "recall@10": lambda ranked, relevant: ranking.recall(ranked, relevant, 10),
    "recall@100": lambda ranked, relevant: ranking.recall(ranked, relevant, 100),
    "MRR@10": ranking.reciprocal_rank,
}
"""What a ranking is judged by, the first being what systems are compared by."""

_SEEN = 30
"""Passages that are asked for as a person would ask: among so many are 10 documents, as a rule."""

_POOL = 300
"""The length of the lists in which 100 documents are looked for."""

_TIMED = 100
_CHINESE = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one collection.

    `scores` holds for each method and metric a score for each question, float [n] in the order of `queries` (ids). `cpu_ms` is the median
    processor time of one question: "embed", "keyword", "dense", "rest" (fusing the lists and fetching the passages) and "all".
    """

    name: str
    embedder: str
    documents: int
    chunks: int
    queries: tuple[str, ...]
    scores: Mapping[str, Mapping[str, np.ndarray]]
    cpu_ms: Mapping[str, float]


class _Remembering:
    """An embedder that embeds a question once, however many methods ask for it."""

    def __init__(self, embedder: Embedder) -> None:
        self.name: str = embedder.name
        self.revision: str = embedder.revision
        self.dimensions: int = embedder.dimensions
        self.unrelated: float = embedder.unrelated
        self._embedder = embedder
        self._last: tuple[list[str], np.ndarray] | None = None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        if not query:
            return self._embedder.embed(texts)
        if self._last is None or self._last[0] != list(texts):
            self._last = (list(texts), self._embedder.embed(texts, query=True))
        return self._last[1]


def methods_named(names: Sequence[str]) -> tuple[By, ...]:
    """The methods by name, in the order of `METHODS`. Raises `UsageError` for one that there is not."""
    for name in names:
        if name not in METHODS:
            raise UsageError(f'there is no way to search "{name}".', hint=suggest(name, METHODS) or f"choose from {', '.join(METHODS)}")
    return tuple(method for method in METHODS if method in names)


def is_chinese(collection: Collection) -> bool:
    """Whether documents or questions are Chinese to a notable part, so that an embedder for English does not do."""
    documents = "".join(entry.text[:5000] for entry in collection.documents[:8])
    return cjk_share(documents) > _CHINESE or cjk_share("".join(query.text for query in collection.queries[:100])) > _CHINESE


def measure(collection: Collection, embedder: Embedder, cache: Path, methods: Sequence[By], progress: Progress) -> Measured:
    """Rank the collection's documents for each of its questions by every method. The library is made in, or found in, `cache`."""
    asking = _Remembering(embedder)
    with _library(collection, embedder, cache, progress) as index:
        owners = _owners(index.store)
        found: dict[str, dict[str, list[float]]] = {method: {metric: [] for metric in METRICS} for method in methods}
        for done, query in enumerate(collection.queries, 1):
            for method in methods:
                order = _ranked(method, query.text, index, asking, owners)
                for metric, judge in METRICS.items():
                    found[method][metric].append(judge(order, collection.qrels[query.id]))
            progress(f"{collection.name}: questions", done, len(collection.queries))
        return Measured(
            name=collection.name,
            embedder=embedder.name,
            documents=len(collection.documents),
            chunks=index.store.chunk_count(),
            queries=tuple(query.id for query in collection.queries),
            scores={method: {metric: np.array(values) for metric, values in by.items()} for method, by in found.items()},
            cpu_ms=_cpu_ms([query.text for query in islice(collection.queries, _TIMED)], index, embedder),
        )


# --- the library


def document(entry: Entry) -> Document:
    """An entry as a reader would hand it over: its title is the first heading, and `source` is its id."""
    text = f"{entry.title}\n\n{entry.text}" if entry.title else entry.text
    text = text.replace("\r\n", "\n").replace("\0", "")
    return Document(
        id=hashlib.sha256(f"{entry.id}\n{text}".encode()).hexdigest(),
        source=entry.id,
        title=entry.title,
        media_type="text/plain",
        text=text,
        sections=(Section(1, entry.title, 0, len(text)),) if entry.title else (),
    )


@contextmanager
def _library(collection: Collection, embedder: Embedder, cache: Path, progress: Progress) -> Iterator[Index]:
    """The collection as a library, made where it is not there yet; one that was begun is gone on with."""
    documents = [document(entry) for entry in collection.documents]
    folder = cache / f"{collection.name}-{_key(documents, embedder)}"
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "library.db")
    try:
        with locks.writing(folder), locks.indexing(folder):
            ingest = Ingest(store, lambda _: embedder, silent)
            for done, one in enumerate(documents, 1):
                if not store.has(one.id):
                    ingest.take(one, Source(one.source, one.id, 0, 0))
                progress(f"{collection.name}: documents", done, len(documents))
            ingest.flush()
            index = open_index(folder, store, embedder.dimensions)
            index.catch_up()
        yield index
    finally:
        store.close()


def _key(documents: Sequence[Document], embedder: Embedder) -> str:
    """What tells one library from another: the texts that are embedded, and by what."""
    digest = hashlib.sha256(f"{__version__} {embedder.name} {embedder.revision}".encode())
    for one in documents:
        spans = split(one)
        digest.update(repr((one.id, one.title, [(span.start, span.end) for span in spans], contexts(one, spans))).encode())
    return digest.hexdigest()[:16]


def _owners(store: Store) -> dict[int, str]:
    """The entry that each chunk is of."""
    entries = {listed.id: listed.sources[0] for listed in store.documents()}
    owners: dict[int, str] = {}
    for ids, _ in store.vectors_since(0, store.change):
        owners |= {chunk.id: entries[chunk.document] for chunk in store.chunks(ids.tolist()).values()}
    return owners


# --- rankings


def _ranked(method: By, question: str, index: Index, embedder: Embedder, owners: Mapping[int, str]) -> list[str]:
    """Ids of entries, best first. The first are those of the passages that a person sees; longer lists, which a search without passages
    joins, only add what stands behind them.
    """
    recipe = Recipe(by=method)
    best = [hit.chunk.id for hit in retrieve(question, index, embedder, recipe=recipe, limit=_SEEN)]
    more = ranked(question, index, embedder, recipe, pool=_POOL).ids
    return list(dict.fromkeys(owners[chunk] for chunk in [*best, *more]))


def _cpu_ms(questions: Sequence[str], index: Index, embedder: Embedder) -> dict[str, float]:
    """The median processor time of each stage, in milliseconds."""
    rows = []
    for question in questions:
        at = [time.process_time()]
        vector = embedder.embed([question], query=True)[0]
        at.append(time.process_time())
        index.keyword.search(question, limit=POOL)
        at.append(time.process_time())
        index.vector.search(vector, index.store, limit=POOL)
        at.append(time.process_time())
        retrieve(question, index, embedder)
        at.append(time.process_time())
        parts = np.diff(at) * 1000
        rows.append([*parts[:3], max(0.0, parts[3] - parts[:3].sum()), parts[3]])
    medians = np.median(np.array(rows), axis=0)
    return dict(zip(("embed", "keyword", "dense", "rest", "all"), medians.tolist(), strict=True))
