"""The generations of embeddings side by side: how well each finds, alone, and how fast it embeds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellread.bench.collection import Collection, read_collection, sample
from wellread.bench.retrieval import document
from wellread.evaluate.ranking import ndcg
from wellread.models.base import Embedder
from wellread.models.catalog import find
from wellread.models.classic.names import classic_name
from wellread.parts import Parts
from wellread.split import contexts, split
from wellread.types import Progress

TRAINED = ("word2vec", "doc2vec")
"""Names without a file stand for a model that is trained on the collection's own documents, questions unseen."""

YEARS: Mapping[str, int] = {
    "tfidf": 1988, "ngram-hash": 2009, "word2vec": 2013, "glove": 2014, "doc2vec": 2014, "all-minilm": 2021, "multilingual-e5-small": 2024,
}  # fmt: skip
"""When a way to embed was published: Salton and Buckley, Weinberger et al., Mikolov et al., Pennington et al., Le and Mikolov, Reimers,
Wang et al."""

_SLICE = 64
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class EmbedderPoint:
    """What was measured of one embedder.

    `ndcg` is nDCG@10 by collection, of its vectors alone; `speed` is chunks a second of processor time, over all collections; `megabytes`
    is the size of its files.
    """

    name: str
    year: int | None
    ndcg: Mapping[str, float]
    speed: float
    megabytes: float
    dimensions: int

    @property
    def mean(self) -> float:
        """Its nDCG@10, the mean over collections."""
        return sum(self.ndcg.values()) / len(self.ndcg)


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The chunks of a collection, as they are embedded, and the row of the document of each."""

    texts: list[str]
    owners: np.ndarray


def measure(
    collections: Sequence[Path], embedders: Sequence[str], parts: Parts, progress: Progress, *, questions: int = 500
) -> list[EmbedderPoint]:
    """Embed each collection by each embedder and rank its documents by their best chunk, for at most so many questions of each.

    `embedders` are names as `--embedder` takes them, and those of `TRAINED`. Raises `UsageError` for one that is not known.
    """
    loaded = [sample(read_collection(folder), questions) for folder in collections]
    chunks = [_chunks(collection) for collection in loaded]
    return [_point(name, loaded, chunks, parts, progress) for name in embedders]


def _point(name: str, collections: Sequence[Collection], chunks: Sequence[_Chunks], parts: Parts, progress: Progress) -> EmbedderPoint:
    found: dict[str, float] = {}
    seconds, count, megabytes, dimensions = 0.0, 0, 0.0, 0
    for collection, held in zip(collections, chunks, strict=True):
        with _embedder(name, held.texts, parts) as (embedder, size):
            embedder.embed(held.texts[:1])  # what is made at first use is no part of the speed
            began = time.process_time()
            vectors = _embedded(embedder, held.texts, f"{name}: {collection.name}", progress)
            seconds += time.process_time() - began
            count += len(held.texts)
            megabytes, dimensions = max(megabytes, size / 1e6), embedder.dimensions
            asked = embedder.embed([query.text for query in collection.queries], query=True)
        found[collection.name] = _quality(collection, held, vectors, asked)
    return EmbedderPoint(name, YEARS.get(name.partition(":")[0]), found, count / max(seconds, 1e-9), megabytes, dimensions)


@contextmanager
def _embedder(name: str, texts: Sequence[str], parts: Parts) -> Iterator[tuple[Embedder, int]]:
    """An embedder, and the bytes of its files."""
    if name in TRAINED:
        from wellread.models.classic.doc2vec import Doc2Vec, train_doc2vec
        from wellread.models.classic.word_vectors import WordVectors, train_word2vec

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vectors"
            (train_word2vec if name == "word2vec" else train_doc2vec)(texts, path)
            yield WordVectors(name, path) if name == "word2vec" else Doc2Vec(name, path), path.stat().st_size
        return
    full = classic_name(name)
    if full is None:
        yield parts.embedder(name), find(name).size
    else:
        path = Path(full.partition(":")[2])
        yield parts.embedder(full), path.stat().st_size if path.name else 0


def _chunks(collection: Collection) -> _Chunks:
    texts, owners = [], []
    for row, entry in enumerate(collection.documents):
        made = document(entry)
        spans = split(made)
        texts += [context + made.text[span.start : span.end] for context, span in zip(contexts(made, spans), spans, strict=True)]
        owners += [row] * len(spans)
    return _Chunks(texts, np.array(owners))


def _embedded(embedder: Embedder, texts: Sequence[str], what: str, progress: Progress) -> np.ndarray:
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for at in range(0, len(texts), _SLICE):
        vectors[at : at + _SLICE] = embedder.embed(texts[at : at + _SLICE])
        progress(what, min(at + _SLICE, len(texts)), len(texts))
    return vectors


def _quality(collection: Collection, chunks: _Chunks, vectors: np.ndarray, asked: np.ndarray) -> float:
    """The mean nDCG@10 of the collection's questions."""
    total = 0.0
    for query, vector in zip(collection.queries, asked, strict=True):
        scores = np.full(len(collection.documents), -np.inf)
        np.maximum.at(scores, chunks.owners, vectors @ vector)
        best = np.argsort(-scores, kind="stable")[:_DEPTH]
        total += ndcg([collection.documents[row].id for row in best], collection.qrels[query.id], _DEPTH)
    return total / len(collection.queries)
