"""What the runners of `bench/peers_*.py` share. Each is run by the Python of the system it measures, with a job in a JSON file:

    PEER/bin/python bench/peers_PEER.py JOB.json

A job is {"mode": "quality" | "ingest" | "query", ...}; what was found is printed as JSON, one object a line. A runner module has

    VARIANTS: name -> function (documents, vectors) -> function (question) -> ids, best first, one for each chunk
    ingest(ids, texts, vectors, folder): index given texts under given vectors, and save that in `folder`
    opened(folder) -> function (vector, limit) -> ids, best first

    TOKENS: where the system cuts off a text that it embeds

where documents are (id, text) pairs and `vectors` is `Vectors`. Only the standard library, numpy and the system itself are imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

DEPTH = 300
"""Chunks that are asked for in a run for quality."""
_SLICE = 2_000
_MEMORY_BYTES = 8 * 1024**3
_CPU_SECONDS = 600
"""What indexing may take. Not set while queries are timed: under this limit, Linux counts processor time in whole ticks."""


class Vectors:
    """Vectors of all-MiniLM-L6-v2 by sentence-transformers in float32, each text embedded once for all systems: they share the weights.

    They lie in a .npz file; missing ones are made by `peers_embed.py`. A text that is longer than `tokens` is cut off there. A whole text
    is kept under its hash, with its length in tokens; one that was cut off under its hash and where that was.
    """

    def __init__(self, python: str, model: str, cache: Path, tokens: int) -> None:
        self._python = python
        self._model = model
        self._cache = cache
        self._tokens = tokens
        self._known: dict[str, tuple[int, Any]] = {}
        if cache.exists():
            import numpy as np

            with np.load(cache) as held:
                rows = zip(held["lengths"].tolist(), held["vectors"], strict=True)
                self._known = dict(zip(held["keys"].tolist(), rows, strict=True))

    def encode(self, texts: list[str]) -> Any:
        """float32 [n, 384], of length 1."""
        import numpy as np

        missing = list(dict.fromkeys(text for text in texts if self._found(text) is None))
        for at in range(0, len(missing), _SLICE):
            self._add(missing[at : at + _SLICE])
        return np.stack([self._found(text) for text in texts])

    def _found(self, text: str) -> Any:
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        length, vector = self._known.get(key, (0, None))
        return vector if length <= self._tokens and vector is not None else self._known.get(f"{key}:{self._tokens}", (0, None))[1]

    def _add(self, texts: list[str]) -> None:
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            asked, made = Path(folder) / "texts.json", Path(folder) / "vectors.npz"
            asked.write_text(json.dumps(texts), encoding="utf-8")
            script = str(Path(__file__).with_name("peers_embed.py"))
            command = [self._python, script, self._model, str(self._tokens), str(asked), str(made)]
            subprocess.run(command, check=True, stdout=sys.stderr)
            with np.load(made) as held:
                for text, vector, length in zip(texts, held["vectors"], held["lengths"].tolist(), strict=True):
                    key = hashlib.sha256(text.encode()).hexdigest()[:24]
                    self._known[key if length <= self._tokens else f"{key}:{self._tokens}"] = (length, vector)
        lengths, vectors = zip(*self._known.values(), strict=True)
        new = self._cache.with_suffix(".new.npz")
        np.savez(new, keys=np.array(list(self._known)), lengths=np.array(lengths), vectors=np.stack(vectors))
        new.replace(self._cache)


def run(peer: ModuleType) -> None:
    """Do the job that is named on the command line."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    if job["mode"] == "ingest":
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    for line in {"quality": _quality, "ingest": _ingest, "query": _query}[job["mode"]](peer, job):
        print(json.dumps(line), flush=True)
    os._exit(0)  # some systems leave threads that wait for ever


def _quality(peer: ModuleType, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    vectors = Vectors(job["embed_python"], job["model"], Path(job["cache"]), peer.TOKENS)
    documents = [(one["id"], one["text"]) for one in job["documents"]]
    vectors.encode([one["text"] for one in job["queries"]])  # all at once, before they are asked for one by one
    for name, build in peer.VARIANTS.items():
        search = build(documents, vectors)
        for query in job["queries"]:
            began = time.process_time()
            ranked = list(dict.fromkeys(search(query["text"])))
            yield {"variant": name, "query": query["id"], "ranked": ranked, "cpu_ms": (time.process_time() - began) * 1000}


def _ingest(peer: ModuleType, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import numpy as np

    with Path(job["texts"]).open(encoding="utf-8") as file:
        texts = [json.loads(line) for line in islice(file, job["count"])]
    ids = [str(number) for number in range(len(texts))]
    vectors = np.load(job["vectors"], mmap_mode="r")[: job["count"]].astype(np.float32)
    folder = Path(job["folder"])
    before = time.process_time()
    peer.ingest(ids, texts, vectors, folder)
    yield {
        "ingest_cpu_s": time.process_time() - before,
        "ingest_rss_mb": _rss_mb(),
        "disk_mb": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
    }


def _query(peer: ModuleType, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`open_s` is the processor time from opening what was saved to the first result; `start_cpu_s` and `start_wall_s` are from the
    start of the process to it, what the system imports included.
    """
    import numpy as np

    asked, truth = np.load(job["queries"]), np.load(job["truth"])
    imported = time.process_time()
    search = peer.opened(Path(job["folder"]))
    search(asked[0], truth.shape[1])
    start_cpu_s, start_wall_s = time.process_time(), time.time() - job["started"]
    times, found = [], 0
    for vector, best in zip(asked, truth, strict=True):
        began = time.process_time()
        ids = search(vector, truth.shape[1])
        times.append((time.process_time() - began) * 1000)
        found += len({int(one) for one in ids} & set(best.tolist()))
    p50, p95 = np.percentile(times, (50, 95))
    yield {
        "open_s": start_cpu_s - imported,
        "start_cpu_s": start_cpu_s,
        "start_wall_s": start_wall_s,
        "p50_ms": p50,
        "p95_ms": p95,
        "recall_at_10": found / truth.size,
        "rss_mb": _rss_mb(),
    }


def _rss_mb() -> float:
    """The most memory this process had at once. `ru_maxrss` is not asked: it begins with what the parent had when it was forked."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
