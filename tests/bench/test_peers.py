"""`bench peers`: what the other systems are given is right, and so is what their runners measure; a runner that fails is told of."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellread.bench import peers
from wellread.bench.collection import Collection, Entry, Query
from wellread.errors import UsageError

BENCH = Path(__file__).parents[2] / "bench"

EXACT = """
import sys
import numpy as np
import peers_common

def both_ways(documents, vectors):
    return lambda question: [name for name, text in documents for word in text.split() if word in question.split()]

def ingest(ids, texts, vectors, folder):
    np.save(folder / "vectors.npy", vectors)

def opened(folder):
    vectors = np.load(folder / "vectors.npy")
    return lambda vector, limit: [str(row) for row in np.argsort(-(vectors @ vector))[:limit]]

VARIANTS = {"exact": both_ways}
TOKENS = 256
peers_common.run(sys.modules[__name__])
"""


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Sequence[peers.Given]:
    return peers.prepare([200, 500], tmp_path_factory.mktemp("given"), queries=7, progress=silent)


def runner(tmp_path: Path, job: dict[str, Any]) -> list[dict[str, Any]]:
    """What a runner prints whose system is exact search."""
    (tmp_path / "peers_exact.py").write_text(EXACT)
    (tmp_path / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "PYTHONPATH": str(BENCH)}
    command = [sys.executable, str(tmp_path / "peers_exact.py"), str(tmp_path / "job.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_answers_that_are_given_are_the_nearest_passages(given: Sequence[peers.Given]) -> None:
    vectors = np.load(given[0].vectors).astype(np.float32)
    assert len(given[0].texts.read_text().splitlines()) == len(vectors) == 500
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    for one in given:
        near = np.load(one.queries) @ vectors[: one.count].T
        truth = np.load(one.truth)
        assert np.take_along_axis(near, truth, 1) == pytest.approx(-np.sort(-near, axis=1)[:, :10], abs=1e-4)


def test_a_runner_measures_what_a_system_costs_and_finds(given: Sequence[peers.Given], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    job = {"texts": str(given[0].texts), "vectors": str(given[0].vectors), "count": 200, "folder": str(kept)}
    (made,) = runner(tmp_path, {**job, "mode": "ingest"})
    assert made["disk_mb"] == pytest.approx(200 * 384 * 4 / 1e6, rel=0.01)
    files = {"queries": str(given[0].queries), "truth": str(given[0].truth)}
    (asked,) = runner(tmp_path, {**job, **files, "mode": "query", "started": time.time() - 5})
    point = peers.PeerPoint("exact", 200, **made, **asked)
    assert point.recall_at_10 == 1
    assert 5 < point.start_wall_s < 60
    assert 0 < point.open_s < point.start_cpu_s
    assert 0 < point.p50_ms <= point.p95_ms
    assert 10 < point.rss_mb < 500
    assert "1.000" in peers.scale_table([point])


def test_a_runner_ranks_each_document_once(tmp_path: Path) -> None:
    documents = [{"id": "a", "text": "pear tree"}, {"id": "b", "text": "pear pear"}]
    question = "which pear tree"
    cache = tmp_path / "vectors.npz"  # it holds all that is asked for, so that no model is
    key = hashlib.sha256(question.encode()).hexdigest()[:24]
    np.savez(cache, keys=[key], lengths=[5], vectors=np.ones((1, 384), np.float32))
    job = {"mode": "quality", "embed_python": "", "model": "", "cache": str(cache), "documents": documents}
    lines = runner(tmp_path, {**job, "queries": [{"id": "q", "text": question}]})
    assert [(line["variant"], line["query"], line["ranked"]) for line in lines] == [("exact", "q", ["a", "b"])]


def test_a_text_that_one_system_cuts_off_and_another_does_not_has_two_vectors(tmp_path: Path) -> None:
    embedder = tmp_path / "embedder"  # in the place of `peers_embed.py`: a text has as many tokens as characters, and its vector says it
    embedder.write_text(
        f"""#!{sys.executable}
import json, sys
import numpy as np
tokens, texts = int(sys.argv[3]), json.load(open(sys.argv[4]))
lengths = np.array([min(len(text), tokens + 1) for text in texts])
np.savez(sys.argv[5], lengths=lengths, vectors=np.minimum(lengths, tokens)[:, None].astype(np.float32))
"""
    )
    embedder.chmod(0o755)
    code = (
        "import pathlib, sys, peers_common as p\n"
        "for tokens in map(int, sys.argv[3:]):\n"
        "    vectors = p.Vectors(sys.argv[1], '', pathlib.Path(sys.argv[2]), tokens)\n"
        "    print(*(int(one[0]) for one in vectors.encode(['x' * 3, 'x' * 7, 'x' * 50])))\n"
    )
    command = [sys.executable, "-c", code, str(embedder), str(tmp_path / "cache.npz")]
    for order, told in ((("5", "9", "5"), ["3 5 5", "3 7 9", "3 5 5"]), (("9", "5"), ["3 7 9", "3 5 5"])):
        (tmp_path / "cache.npz").unlink(missing_ok=True)
        done = subprocess.run([*command, *order], env={**os.environ, "PYTHONPATH": str(BENCH)}, capture_output=True, text=True)
        assert done.stdout.splitlines() == told, done.stderr


def test_a_system_that_does_not_get_through_is_told_of(given: Sequence[peers.Given], tmp_path: Path) -> None:
    python = tmp_path / "langchain" / "bin" / "python"
    with pytest.raises(UsageError, match="bin/python"):
        peers.check_root(tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'no such module' >&2\nexit 3\n")
    python.chmod(0o755)
    assert peers.check_root(tmp_path) == ["langchain"]
    point = peers.scale("langchain", given[0], tmp_path)
    assert (point.name, point.chunks, point.problem) == ("langchain", 200, "no such module")
    assert "no such module" in peers.scale_table([point])
    (tmp_path / "points.json").write_text(json.dumps(peers.points_json([point])))
    (row,) = peers.read_points(tmp_path / "points.json")
    assert (row["name"], row["chunks"], row["p50_ms"]) == ("langchain", 200, None)
    collection = Collection("c", (Entry("a", "", "text"),), (Query("q", "text"),), {"q": {"a": 1}})
    with pytest.raises(UsageError, match="weights"):
        peers.quality(collection, "langchain", tmp_path, tmp_path / "cache.npz")
