"""How a library does as it grows: made-up documents are added until it has each of the sizes asked for, and at each everything is measured.

Milliseconds and seconds are processor time of the one process unless their name says `wall`. Files lie in the system's cache, as those of
a library in use do. Texts and vectors are made up (`wellread.bench.synthetic`); embedding them is left out, of ingestion and of questions.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.bench.synthetic import DIMENSIONS, Passages, Question, Synthetic
from wellread.index.filters import parse_filter
from wellread.index.index import Index, open_index
from wellread.index.keyword import KeywordIndex
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
from wellread.index.within import Within
from wellread.retrieve.search import retrieve
from wellread.types import Progress, silent

POOL = 100
"""Passages that each index is asked for alone, as fusion asks for them."""

PARTS = ("store", "keyword", "passages", "vector")
"""The database, the words of chunks, those of passages (four chunks in a row), and the vectors."""

_RESULTS = 10
_TOGETHER = 100
"""Documents put in one transaction."""
_REMOVED = 100
"""Of so many documents one is removed."""
_TENTH = "source:/synthetic/3"
_FRESH = 100
"""Questions asked in a fresh process before its memory is looked at."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What a question takes, in milliseconds."""

    p50_ms: float
    p95_ms: float
    wall_p50_ms: float
    wall_p95_ms: float


@dataclass(frozen=True, slots=True)
class Removal:
    """Documents taken out: seconds until the database is without them and until the indexes are, and how many of their passages were
    found afterwards.
    """

    documents: int
    chunks: int
    store_s: float
    catch_up_s: float
    catch_up_wall_s: float
    still_found: int


@dataclass(frozen=True, slots=True)
class ScalePoint:
    """What was measured at one size.

    `ingest_cpu_s` is what it took from the size before to this one, by part (`PARTS`), and `one_change_ms` what one
    changed document takes of each; `filtered` is hybrid search in a tenth of the documents and `filter_ms` finding out which these are;
    `recall_at_10` compares vector search with all vectors. In a fresh process, `open_s` go from opening the files to the first hybrid
    result and `start_s` from the start of the process to it; `rss_mb` and `peak_mb` are its resident memory after a hundred
    questions and at most, mapped files among it.
    """

    chunks: int
    documents: int
    ingest_cpu_s: Mapping[str, float]
    one_change_ms: Mapping[str, float]
    keyword: Latency
    vector: Latency
    hybrid: Latency
    filtered: Latency
    filter_ms: float
    recall_at_10: float
    open_s: float
    open_wall_s: float
    start_s: float
    start_wall_s: float
    rss_mb: float
    peak_mb: float
    disk_mb: Mapping[str, float]
    removal: Removal


def measure(sizes: Sequence[int], folder: Path, *, queries: int = 200, progress: Progress = silent) -> list[ScalePoint]:
    """Make one library in `folder` (which is empty), let it grow from size to size, and measure it at each."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Store(folder / "library.db")) as store:
        growing = _Growing(folder, store)
        points = []
        for size in sorted(set(sizes)):
            spent = growing.grow(size, progress)
            points.append(growing.point(spent, queries, progress))
        return points


def as_json(points: Sequence[ScalePoint]) -> list[dict[str, Any]]:
    """The points as values that JSON can hold."""
    return [dataclasses.asdict(point) for point in points]


class _Growing:
    """A library on its way from size to size."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._made = Synthetic()
        self._index = _opened(folder, store)
        self._documents = 0
        self._gone: list[int] = []

    def grow(self, size: int, progress: Progress) -> dict[str, float]:
        """Add documents until there are `size` passages, and those that were taken out again; seconds by part."""
        store = self._index.store
        spent = dict.fromkeys(PARTS, 0.0)
        self._put([self._made.document(number) for number in self._gone], spent)
        self._gone = []
        while (count := store.chunk_count()) < size:
            progress(f"growing to {size:,} chunks, in thousands", count // 1000, size // 1000)
            some: list[Passages] = []
            while len(some) < _TOGETHER and count < size:
                some.append(self._made.document(self._documents))
                self._documents += 1
                count += len(some[-1].spans)
            self._put(some, spent)
        progress(f"indexing {size:,} chunks", 0, 0)
        self._catch_up(spent)
        return spent

    def point(self, spent: Mapping[str, float], queries: int, progress: Progress) -> ScalePoint:
        store, keyword, vector = self._index.store, self._index.keyword, self._index.vector
        chunks = store.chunk_count()
        one_change = self._one_change()
        asked = [self._made.question(number, self._documents) for number in range(queries)]
        embedder = _Told({question.text: question.vector for question in asked})
        with _timed() as filtering:
            within = store.within(parse_filter(_TENTH))

        def timed(what: str, ask: Callable[[Question], object]) -> Latency:
            progress(f"asking {chunks:,} chunks: {what}", 0, 0)
            return _latency(asked, ask)

        def hybrid(question: Question, within: Within | None) -> object:
            with store.snapshot():
                return retrieve(question.text, self._index, embedder, limit=_RESULTS, within=within)

        return ScalePoint(
            chunks=chunks,
            documents=self._documents,
            ingest_cpu_s=dict(spent),
            one_change_ms=one_change,
            keyword=timed("keyword", lambda question: keyword.search(question.text, limit=POOL)),
            vector=timed("vector", lambda question: vector.search(question.vector, store, limit=POOL)),
            hybrid=timed("hybrid", lambda question: hybrid(question, None)),
            filtered=timed("filtered hybrid", lambda question: hybrid(question, within)),
            filter_ms=1000 * filtering[0],
            recall_at_10=self._recall(asked, progress),
            **_in_fresh_process(self._folder, asked[: _FRESH + 1]),
            disk_mb=_disk(self._folder),
            removal=self._remove(progress),
        )

    def _put(self, some: Sequence[Passages], spent: dict[str, float]) -> None:
        store = self._index.store
        with _timed() as took, store.together():
            for one in some:
                store.put(one.document, one.spans, one.vectors, one.source)
        spent["store"] += took[0]

    def _catch_up(self, spent: dict[str, float]) -> None:
        index = self._index
        parts: dict[str, KeywordIndex | VectorIndex] = {"keyword": index.keyword, "passages": index.passages, "vector": index.vector}
        for name, part in parts.items():
            with _timed() as took:
                part.catch_up(index.store)
            spent[name] += took[0]

    def _one_change(self) -> dict[str, float]:
        """The last document gets another title; milliseconds by part."""
        spent = dict.fromkeys(PARTS, 0.0)
        last = self._made.document(self._documents - 1)
        self._put([dataclasses.replace(last, document=dataclasses.replace(last.document, title="Another title"))], spent)
        self._catch_up(spent)
        return {name: 1000 * took for name, took in spent.items()}

    def _recall(self, asked: Sequence[Question], progress: Progress) -> float:
        """The share of each question's ten nearest of all stored vectors, as floats, that are among the ten that vector search finds."""
        store = self._index.store
        vectors = np.stack([question.vector for question in asked])
        ids, cosines = np.zeros((len(asked), 0), np.int64), np.zeros((len(asked), 0), np.float32)
        total, seen = store.chunk_count(), 0
        for some, rows in store.vectors_since(0, store.change):
            cosines = np.concatenate([cosines, vectors @ rows.T], axis=1)
            ids = np.concatenate([ids, np.broadcast_to(some, (len(asked), len(some)))], axis=1)
            best = np.argsort(-cosines, axis=1)[:, :_RESULTS]
            cosines, ids = np.take_along_axis(cosines, best, 1), np.take_along_axis(ids, best, 1)
            seen += len(some)
            progress("comparing with all vectors, in thousands", seen // 1000, total // 1000)
        found = [list(self._index.vector.search(question.vector, store, limit=POOL))[:_RESULTS] for question in asked]
        return float(np.mean([len(set(mine) & set(exact.tolist())) / len(exact) for mine, exact in zip(found, ids, strict=True)]))

    def _remove(self, progress: Progress) -> Removal:
        """Take out one document in a hundred, and ask for what they said."""
        store = self._index.store
        self._gone = list(range(min(7, self._documents - 1), self._documents, _REMOVED))
        gone = [self._made.document(number) for number in self._gone[:_FRESH]]
        progress("removing documents", 0, 0)
        before = store.change
        with _timed() as storing:
            store.unlink([self._made.path(number) for number in self._gone])
        with _timed() as catching:
            self._index.catch_up()
        removed = frozenset(store.removed_since(before))
        still = 0
        for one in gone:
            span, vector = one.spans[0], one.vectors[0]
            text = one.document.text[span.start : span.end]
            found = {*self._index.keyword.search(text, limit=POOL).scores, *self._index.vector.search(vector, store, limit=POOL)}
            hits = retrieve(text, self._index, _Told({text: vector}), limit=_RESULTS)
            still += len(removed & {*found, *(hit.chunk.id for hit in hits)})
        return Removal(len(self._gone), len(removed), storing[0], catching[0], catching[1], still)


class _Told:
    """An embedder that was told the vectors of its texts."""

    name = "synthetic"
    revision = "1"
    dimensions = DIMENSIONS
    unrelated = 0.0

    def __init__(self, vectors: Mapping[str, np.ndarray]) -> None:
        self._vectors = vectors

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        return np.stack([self._vectors[text] for text in texts])


def _opened(folder: Path, store: Store) -> Index:
    index = open_index(folder, store, DIMENSIONS)
    index.catch_up()
    return index


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Yields a list that holds, in the end, the seconds of processor time and on the clock."""
    took: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield took
    took += [time.process_time() - cpu, time.perf_counter() - wall]


def _latency(asked: Sequence[Question], ask: Callable[[Question], object]) -> Latency:
    for question in asked[:10]:
        ask(question)
    took = []
    for question in asked:
        with _timed() as one:
            ask(question)
        took.append(one)
    low, high = 1000 * np.quantile(np.array(took), [0.5, 0.95], axis=0)
    return Latency(float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _disk(folder: Path) -> dict[str, float]:
    """Megabytes of the database, with its log, and of each index."""
    sizes = {"store": sum(path.stat().st_size for path in folder.glob("library.db*"))}
    for name in PARTS[1:]:
        sizes[name] = sum(path.stat().st_size for path in (folder / "index" / name).rglob("*") if path.is_file())
    return {name: size / 1e6 for name, size in sizes.items()}


# --- in a fresh process


def _in_fresh_process(folder: Path, asked: Sequence[Question]) -> dict[str, float]:
    """The fields of `ScalePoint` that only a process which has done nothing else can tell."""
    np.savez(folder / "questions.npz", texts=np.array([one.text for one in asked]), vectors=np.stack([one.vector for one in asked]))
    command = [sys.executable, "-m", "wellread.bench.scale", str(folder), repr(time.time())]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    (folder / "questions.npz").unlink()
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def _fresh(folder: Path, started: float) -> dict[str, float]:
    with np.load(folder / "questions.npz") as kept:
        texts, vectors = kept["texts"].tolist(), kept["vectors"]
    embedder = _Told(dict(zip(texts, vectors, strict=True)))
    with _timed() as opening:
        store = Store(folder / "library.db")
        index = _opened(folder, store)
        retrieve(texts[0], index, embedder, limit=_RESULTS)
    start, start_wall = time.process_time(), time.time() - started
    for text in texts:
        retrieve(text, index, embedder, limit=_RESULTS)
    rss, peak = _memory()
    store.close()
    return {"open_s": opening[0], "open_wall_s": opening[1], "start_s": start, "start_wall_s": start_wall, "rss_mb": rss, "peak_mb": peak}


def _memory() -> tuple[float, float]:
    """Megabytes of this process that are resident, now and at most; where the system does not tell the first, the second for both."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) / 1000, int(lines["VmHWM"].split()[0]) / 1000
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1000)
    return peak, peak


if __name__ == "__main__":
    print(json.dumps(_fresh(Path(sys.argv[1]), float(sys.argv[2]))))
