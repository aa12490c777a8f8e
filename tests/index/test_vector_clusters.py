"""The vector index in clusters: it misses little, hides nothing that is new, and after any history it is what a fresh one is."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wellread
from wellread.index.clusters import assigned, trained
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.index.vector import VectorIndex, damaged_files, read_state
from wellread.index.within import Within
from wellread.types import Document, Span

D = 32
FROM = 200
"""Rows from which the indexes here are divided into clusters."""
ALL = 10**6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vector"


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def topics(seed: int, count: int) -> np.ndarray:
    """Vectors in clouds that overlap, of different sizes, as those of documents are."""
    centres = np.random.default_rng(1).normal(size=(60, D))
    rng = np.random.default_rng(seed)
    return unit(centres[(60 * rng.random(count) ** 2).astype(int)] + 0.8 * rng.normal(size=(count, D)))


def add(store: Store, name: str, vectors: np.ndarray) -> int:
    """A document of one-letter chunks with given vectors; returns the id of its first chunk."""
    text = f"{name} " + "a" * len(vectors)
    start = len(name) + 1
    document = Document(hashlib.sha256(name.encode()).hexdigest(), name, name, "text/plain", text)
    spans = [Span(start + at, start + at + 1) for at in range(len(vectors))]
    store.put(document, spans, vectors, Source(name, document.id, len(text), 1))
    return min(row.chunk for row in store.index_rows(store.change - 1))


def level(folder: Path, store: Store, clustered_from: int = FROM) -> VectorIndex:
    index = VectorIndex(folder, D, clustered_from=clustered_from)
    index.catch_up(store)
    return index


def held(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """All ids and vectors of the store."""
    batches = [(np.zeros(0, np.int64), np.zeros((0, D), np.float32)), *store.vectors_since(0, store.change)]
    return np.concatenate([batch[0] for batch in batches]), np.concatenate([batch[1] for batch in batches])


def recall(index: VectorIndex, store: Store, queries: np.ndarray, limit: int, within: Within | None = None) -> float:
    """The share of what exact search finds, by other means, that the index finds."""
    ids, vectors = held(store)
    if within is not None:
        keep = within.holds(ids)
        ids, vectors = ids[keep], vectors[keep]
    found = 0
    for query in queries:
        best = ids[np.argsort(-(vectors @ query))[:limit]].tolist()
        found += len(set(best) & index.search(query, store, limit=limit, within=within).keys())
    return found / min(limit, len(ids)) / len(queries)


def same_as_fresh(folder: Path, store: Store) -> VectorIndex:
    """It finds everything there is, with the same cosines as an index that is made anew, and no file is left that belongs to none."""
    index = level(folder, store)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        fresh = level(Path(place) / "vector", store)
        for query in topics(99, 3):
            found = index.search(query, store, limit=ALL)
            assert found == fresh.search(query, store, limit=ALL)
            assert list(found) == sorted(found, key=lambda chunk: (-found[chunk], chunk))
            assert sorted(found) == sorted(held(store)[0].tolist())
    state = read_state(folder, D)
    if state is not None:
        assert damaged_files(folder, state, D) == []
        assert {path.name.rpartition("-")[2] for path in folder.iterdir()} == {"state.json", state.generation}
    return index


def test_few_clusters_hold_nearly_all_that_is_near(store: Store, folder: Path) -> None:
    with store.together():
        for number in range(10):
            add(store, f"/{number}", topics(number, 1000))
    index = level(folder, store)
    state = read_state(folder, D)
    assert state is not None
    assert state.clusters == 400
    assert 8 <= state.probes < state.clusters / 2
    queries = topics(1000, 40)
    assert recall(index, store, queries, 10) >= 0.97
    assert recall(index, store, queries, 100) >= 0.97
    for query in queries[:10]:
        found = index.search(query, store, limit=20)
        exact = level(folder, store, ALL).scores(query, store, list(found))
        assert found == pytest.approx(exact, abs=1e-6)
        assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("share", [1, 4, 10, 19])
def test_a_filter_finds_the_best_of_what_it_lets_through(share: int, store: Store, folder: Path) -> None:
    firsts = sorted(add(store, f"/{number}", topics(number, 300)) for number in range(20))
    index = level(folder, store)
    chosen = np.array(sorted(np.random.default_rng(share).choice(firsts, share, replace=False)))
    within = Within(chosen, chosen + 249, share * 250)
    assert recall(index, store, topics(1000, 40), 10, within) >= 0.97
    found = index.search(topics(1, 1)[0], store, limit=ALL, within=within)
    assert sorted(found) == [first + at for first in chosen.tolist() for at in range(250)]
    nothing = Within(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
    assert index.search(topics(1, 1)[0], store, limit=10, within=nothing) == {}
    assert index.search(topics(1, 1)[0], store, limit=10, within=Within(chosen + 300, chosen + 400, 100)) == {}


def test_what_is_new_or_gone_shows_at_once(store: Store, folder: Path) -> None:
    first = add(store, "/old", topics(1, 3000))
    index = level(folder, store)
    generation = read_state(folder, D)
    query = unit(np.eye(D)[:1])[0]
    new = add(store, "/new", unit(query + 0.001 * np.random.default_rng(1).normal(size=(40, D))))
    index.catch_up(store)
    assert set(index.search(query, store, limit=40)) == set(range(new, new + 40))
    old = Within(np.array([first]), np.array([first + 2999]), 3000)
    assert not set(range(new, new + 40)) & index.search(query, store, limit=40, within=old).keys()
    changed = np.concatenate((topics(1, 40), topics(7, 20)))
    assert add(store, "/new", changed) == new  # the same chunks with other vectors
    index.catch_up(store)
    assert next(iter(index.search(changed[50], store, limit=1))) == new + 50
    assert index.search(query, store, limit=ALL)[new] < 0.99
    store.unlink(["/new"])
    index.catch_up(store)
    assert max(index.search(query, store, limit=ALL).values()) < 0.99
    after = read_state(folder, D)
    assert generation is not None and after is not None
    assert after.generation == generation.generation  # all that without writing anything anew
    same_as_fresh(folder, store)


def test_clusters_are_made_again_when_they_no_longer_fit(store: Store, folder: Path) -> None:
    """Put in order from the first row too many on, kept while the rows grow a little, made anew when they grow much, given up when few."""
    seen = []
    index = VectorIndex(folder, D, clustered_from=FROM)
    for number, count in enumerate((FROM - 1, 1, 11, 20, 200)):
        add(store, f"/{number}", topics(number, count))
        index.catch_up(store)
        state = read_state(folder, D)
        assert state is not None
        seen.append((state.rows, state.trained))
        same_as_fresh(folder, store)
    assert seen == [(199, 0), (200, 200), (211, 200), (231, 200), (431, 431)]
    store.unlink(["/0", "/4"])
    index.catch_up(store)
    state = read_state(folder, D)
    assert state is not None
    assert (state.rows, state.clusters, state.probes) == (32, 0, 0)
    same_as_fresh(folder, store)


def test_the_same_vectors_make_the_same_files(store: Store, folder: Path, tmp_path: Path) -> None:
    add(store, "/a", topics(1, 500))
    level(folder, store)
    level(tmp_path / "again", store)
    one, other = (
        {path.name.partition("-")[0]: path.read_bytes() for path in place.iterdir() if path.name != "state.json"}
        for place in (folder, tmp_path / "again")
    )
    assert one.keys() == {"codes", "scales", "ids", "centroids", "bounds"}
    assert one == other


def test_centroids_lie_in_the_midst_of_their_rows() -> None:
    """Clouds far apart: each row shares its centroid only with rows of its own cloud."""
    rng = np.random.default_rng(2)
    vectors = unit(np.repeat(np.eye(D), 100, axis=0) + 0.02 * rng.normal(size=(100 * D, D)))
    codes, scales = np.rint(vectors * 127).astype(np.int8), np.full(len(vectors), 1 / 127, np.float32)
    centroids = trained(codes.__getitem__, scales, np.arange(len(codes)))
    labels = assigned(codes.__getitem__, np.arange(len(codes)), centroids)
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    for label in range(len(centroids)):
        assert len(set((np.flatnonzero(labels == label) // 100).tolist())) <= 1
    assert len(set(labels.tolist())) > D


@given(st.lists(st.tuples(st.sampled_from("++-uck"), st.integers(0, 5)), min_size=5, max_size=14))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_as_a_fresh_index(tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    """Documents come, go, come back with other vectors; one open index takes turns with others, and kills undo what was counted."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as place:
        store, folder = Store(Path(place) / "library.db"), Path(place) / "vector"
        kept = VectorIndex(folder, D, clustered_from=FROM)
        for at, (step, number) in enumerate(steps):
            if step in "+u":
                add(store, f"/{number}", topics(number if step == "+" else 100 + at, 15 + 40 * number))
            elif step == "-":
                store.unlink([f"/{number}"])
            elif step == "c":
                (kept if number % 2 else VectorIndex(folder, D, clustered_from=FROM)).catch_up(store)
            elif (folder / "state.json").exists():
                state = (folder / "state.json").read_bytes()
                level(folder, store)
                (folder / "state.json").write_bytes(state)
        kept.catch_up(store)
        for query in topics(5, 2):
            assert sorted(kept.search(query, store, limit=ALL)) == sorted(held(store)[0].tolist())
        same_as_fresh(folder, store)
        store.close()


# --- kills and other processes

KILLED = """
import os, signal, sys
from pathlib import Path
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
folder, at, seen = Path(sys.argv[1]), int(sys.argv[2]), 0
def watch(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder / "vector")):
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1
store = Store(folder / "library.db")
index = VectorIndex(folder / "vector", 32, clustered_from=200)
sys.addaudithook(watch)
index.catch_up(store)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
@pytest.mark.parametrize("every", [12, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_before_any_file_is_opened_renamed_or_removed(every: int, store: Store, folder: Path, tmp_path: Path) -> None:
    """A catch-up that appends, makes clusters, and clears the generation before away: halted at each step, then done again."""
    add(store, "/a", topics(1, 150))
    add(store, "/b", topics(2, 150))
    level(folder, store)
    shutil.copytree(folder, tmp_path / "before")
    add(store, "/c", topics(3, 200))
    add(store, "/b", topics(4, 150))
    store.unlink(["/a"])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(wellread.__file__).parents[1]), *filter(None, sys.path)])}
    generations: list[str] = []
    for at in range(0, 200, every):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
        ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at)], env=environ, check=False)
        state = read_state(folder, D)
        assert state is not None
        assert damaged_files(folder, state, D) == []  # at every moment something whole is there
        generations.append(state.generation)
        same_as_fresh(folder, store)
        if not ended.returncode:
            break
        assert ended.returncode == -signal.SIGKILL
    assert len(generations) * every >= 20
    assert generations[0] in {path.name.partition("-")[2] for path in (tmp_path / "before").iterdir()}
    assert generations[-1] != generations[0]


@pytest.mark.parametrize("name", ["codes", "scales", "ids", "centroids", "bounds"])
@pytest.mark.parametrize("damage", ["flip first", "flip last", "cut", "missing"])
def test_a_damaged_file_is_noticed_and_made_again(name: str, damage: str, store: Store, folder: Path) -> None:
    add(store, "/a", topics(1, 300))
    level(folder, store)
    add(store, "/b", topics(2, 10))
    level(folder, store)
    state = read_state(folder, D)
    assert state is not None and state.clusters
    path = state.path(folder, name)
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        data[0 if damage == "flip first" else -1] ^= 4
        path.write_bytes(data[:-1] if damage == "cut" else data)
    assert damaged_files(folder, state, D) == [path.name]
    same_as_fresh(folder, store)


def test_an_older_copy_that_was_put_back_is_not_taken_for_what_was_read(store: Store, folder: Path, tmp_path: Path) -> None:
    """The files that an open index knows are gone, and others were made in their place."""
    add(store, "/a", topics(1, 205))
    index = level(folder, store)
    older = (folder / "state.json").read_bytes()
    add(store, "/b", topics(2, 95))
    for _ in range(2):
        level(folder, store)
        (folder / "state.json").write_bytes(older)
    index.catch_up(store)
    assert sorted(index.search(topics(5, 1)[0], store, limit=ALL)) == sorted(held(store)[0].tolist())


def test_one_that_makes_new_clusters_leaves_the_other_right(store: Store, folder: Path) -> None:
    add(store, "/a", topics(1, 400))
    one, other = level(folder, store), level(folder, store)
    query = topics(50, 1)[0]
    before = one.search(query, store, limit=ALL)
    add(store, "/b", topics(2, 400))
    add(store, "/c", topics(3, 5))
    other.catch_up(store)  # another generation; the files that `one` has mapped are deleted
    assert one.search(query, store, limit=ALL) == before
    add(store, "/d", topics(4, 5))
    one.catch_up(store)
    assert sorted(one.search(query, store, limit=ALL)) == sorted(held(store)[0].tolist())
    other.catch_up(store)
    assert other.search(query, store, limit=ALL) == one.search(query, store, limit=ALL)
    same_as_fresh(folder, store)


def test_clustering_that_was_not_finished_is_taken_up(store: Store, folder: Path) -> None:
    """All rows are written and counted, but not yet in order."""
    add(store, "/a", topics(1, 400))
    level(folder, store, ALL)
    index = VectorIndex(folder, D, clustered_from=FROM)
    assert index.catch_up(store)
    state = read_state(folder, D)
    assert state is not None and state.clusters == 80
    assert not index.catch_up(store)
    same_as_fresh(folder, store)
