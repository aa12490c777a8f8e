"""The vector index: as good as exact search, level with the store, and nothing that cannot be made again."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wellread.errors import LibraryError
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.index.vector import VectorIndex, _quantised, read_rows, read_state, superseded
from wellread.models.fake import HashEmbedder
from wellread.types import Document, Span

Put = Callable[..., Document]
D = 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index" / "vector"


def level(folder: Path, store: Store, dimensions: int = D) -> VectorIndex:
    index = VectorIndex(folder, dimensions)
    index.catch_up(store)
    return index


def put_vectors(store: Store, path: str, vectors: np.ndarray) -> None:
    """A document of one-letter chunks with given vectors."""
    text = path.ljust(64, "x")[:64] + "a" * len(vectors)
    document = Document(text[:64], path, path, "text/plain", text)
    store.put(document, [Span(64 + at, 65 + at) for at in range(len(vectors))], vectors, Source(path, document.id, len(text), 1))


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def file(folder: Path, name: str) -> Path:
    """That file of the generation that holds."""
    return folder / f"{name}-{json.loads((folder / 'state.json').read_text())['generation']}"


def rows(folder: Path) -> list[int]:
    """The ids in the files, of rows that went too, but not of those that have a later row."""
    count = json.loads((folder / "state.json").read_text())["rows"] if (folder / "state.json").exists() else 0
    every = np.fromfile(file(folder, "ids"), np.int64, count) if count else np.zeros(0, np.int64)
    return [int(one) for one in np.delete(every, superseded(every))]


def ids(store: Store, *paths: str) -> list[int]:
    """The chunks of the documents at these paths."""
    sources = store.sources()
    wanted = {sources[path].document for path in paths}
    every = store.chunks([row.chunk for row in store.index_rows(0)]).values()
    return sorted(chunk.id for chunk in every if chunk.document in wanted)


def numbered(numbers: range) -> list[str]:
    return [f"/{number}" for number in numbers]


def codes(folder: Path) -> dict[int, bytes]:
    """The code of each row, by its id."""
    if not rows(folder):
        return {}
    data = file(folder, "codes").read_bytes()
    return {int(chunk): data[at * D : (at + 1) * D] for at, chunk in enumerate(np.fromfile(file(folder, "ids"), np.int64))}


def everything(index: VectorIndex, store: Store) -> dict[int, float]:
    return index.search(HashEmbedder(D).embed(["common"])[0], store, limit=10**6)


def test_search_agrees_with_exact_search(store: Store, folder: Path) -> None:
    """Vectors in clusters, as those of documents are: hard to order, for many lie near the query."""
    rng = np.random.default_rng(3)
    centres = unit(rng.normal(size=(40, 128)))
    vectors = unit(centres[rng.integers(40, size=4000)] + 0.08 * rng.normal(size=(4000, 128)))
    for at in range(0, 4000, 500):
        put_vectors(store, f"/{at}", vectors[at : at + 500])
    index = level(folder, store, 128)
    stored = {
        chunk: vector for some, batch in store.vectors_since(0, store.change) for chunk, vector in zip(some.tolist(), batch, strict=True)
    }
    known, matrix = np.array(list(stored)), np.stack(list(stored.values()))
    found_of_ten, queries = 0, unit(centres[rng.integers(40, size=60)] + 0.08 * rng.normal(size=(60, 128)))
    for query in queries:
        exact = matrix @ query
        best = known[np.argsort(-exact)[:10]].tolist()
        found = index.search(query, store, limit=10)
        found_of_ten += len(set(best) & found.keys())
        assert list(found)[:3] == best[:3]
        assert list(found.values()) == sorted(found.values(), reverse=True)
        by_id = dict(zip(known.tolist(), exact.tolist(), strict=True))
        assert found == pytest.approx({chunk: by_id[chunk] for chunk in found}, abs=1e-5)
    assert found_of_ten >= 0.99 * 10 * len(queries)


@given(arrays(np.float32, (3, 16), elements=st.floats(-1, 1, width=32)))
def test_codes_lose_at_most_half_a_step(vectors: np.ndarray) -> None:
    codes, scales = _quantised(vectors)
    assert codes.dtype == np.int8
    assert np.all(np.abs(codes * scales[:, None] - vectors) <= scales[:, None] * 0.501 + 1e-7)


def test_scores_of_given_chunks(store: Store, folder: Path, put: Put) -> None:
    put(store, "/a", "common one")
    put(store, "/b", "two")
    index = level(folder, store)
    query = HashEmbedder(D).embed(["common"])[0]
    (one,), (two,) = ids(store, "/a"), ids(store, "/b")
    found = index.scores(query, store, [one, two, 99])
    exact = HashEmbedder(D).embed(["common one", "two"]) @ query
    assert found == pytest.approx({one: float(exact[0]), two: float(exact[1])}, abs=1e-3)
    assert index.scores(query, store, []) == index.scores(query, store, [99]) == {}


def test_rough_scores_are_near_the_exact_ones(store: Store, folder: Path, put: Put) -> None:
    for number in range(8):
        put(store, f"/{number}", f"common word{number}")
    index = level(folder, store)
    put(store, "/3", "another thing")
    store.unlink(["/5"])
    gone = set(range(1000)) - set(everything(index := level(folder, store), store))
    query = HashEmbedder(D).embed(["common word3"])[0]
    known = sorted(everything(index, store))
    assert index.rough_scores(query, [*known[::-1], *sorted(gone)]) == pytest.approx(index.scores(query, store, known), abs=0.01)
    assert len(known) == 7
    assert (
        index.rough_scores(query, [])
        == index.rough_scores(query, [1 << 40])
        == VectorIndex(folder / "none", D).rough_scores(query, [1])
        == {}
    )


def test_an_empty_library_finds_nothing(store: Store, folder: Path) -> None:
    assert everything(VectorIndex(folder, D), store) == {}
    assert everything(level(folder, store), store) == {}


def fill(store: Store, put: Put, numbers: range) -> None:
    for number in numbers:
        put(store, f"/{number}", f"common word{number} text of number {number}")


def same_as_fresh(folder: Path, store: Store, tmp_path: Path) -> VectorIndex:
    """The index finds what one that is made anew finds, and has no row twice."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    index = level(folder, store)
    assert everything(index, store) == everything(level(fresh, store), store)
    alive = sorted(row.chunk for row in store.index_rows(0))
    assert list(everything(index, store)) == sorted(alive, key=lambda chunk: (-everything(index, store)[chunk], chunk))
    assert len(rows(folder)) == len(set(rows(folder)))
    assert set(rows(folder)) - set(alive) <= set(store.removed_since(0))
    written, anew = codes(folder), codes(fresh)
    assert {chunk: written[chunk] for chunk in alive} == anew
    return index


def test_changes_are_seen_at_once(store: Store, put: Put, folder: Path) -> None:
    fill(store, put, range(10))
    index = VectorIndex(folder, D)
    assert index.catch_up(store)
    assert not index.catch_up(store)
    store.unlink(["/3"])
    put(store, "/4", "common but new")
    assert index.catch_up(store)
    assert sorted(everything(index, store)) == ids(store, *numbered(range(3)), *numbered(range(4, 10)))
    assert len(everything(index, store)) == 9


def test_rows_that_went_stand_in_nobodys_way(store: Store, folder: Path) -> None:
    """Too few of them to be cleared away, and all of them nearer to the query than anything else."""
    rng = np.random.default_rng(5)
    query = unit(rng.normal(size=D))
    put_vectors(store, "/near", unit(query + 0.01 * rng.normal(size=(60, D))))
    put_vectors(store, "/far", unit(rng.normal(size=(400, D))))
    index = level(folder, store)
    assert set(index.search(query, store, limit=10)) <= set(ids(store, "/near"))
    store.unlink(["/near"])
    index.catch_up(store)
    assert len(rows(folder)) == 460
    assert len(index.search(query, store, limit=10)) == 10


def test_rows_that_went_are_cleared_away_in_time(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(20))
    index = level(folder, store)
    store.unlink(["/0", "/1"])
    index.catch_up(store)
    assert len(rows(folder)) == 20
    store.unlink(["/2", "/3", "/4"])
    index.catch_up(store)
    assert sorted(rows(folder)) == ids(store, *numbered(range(5, 20)))
    assert file(folder, "codes").stat().st_size == 15 * D
    assert sorted(everything(index, store)) == ids(store, *numbered(range(5, 20)))
    fill(store, put, range(20, 30))
    same_as_fresh(folder, store, tmp_path)
    store.unlink([f"/{number}" for number in range(30)])
    assert everything(same_as_fresh(folder, store, tmp_path), store) == {}
    fill(store, put, range(3))
    same_as_fresh(folder, store, tmp_path)


def test_an_index_that_lags_behind_catches_up(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(12))
    level(folder, store)
    fill(store, put, range(12, 20))
    store.unlink(["/1", "/13"])
    put(store, "/2", "common and new")
    same_as_fresh(folder, store, tmp_path)


def test_a_deleted_index_loses_nothing(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    shutil.rmtree(folder)
    same_as_fresh(folder, store, tmp_path)


@pytest.mark.parametrize("victim", ["codes", "scales", "ids"])
@pytest.mark.parametrize("kept", [0, 1, 7])
def test_a_file_cut_short_is_made_again(victim: str, kept: int, store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    data = file(folder, victim).read_bytes()
    file(folder, victim).write_bytes(data[: len(data) * kept // 8])
    same_as_fresh(folder, store, tmp_path)


@pytest.mark.parametrize("state", ["", "garbage", "[]", "3", '{"layout": "vector-1-64"}', '{"layout": null, "rows": "x"}', None])
def test_a_damaged_state_is_not_believed(state: str | None, store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    if state is None:
        (folder / "state.json").unlink()
    else:
        (folder / "state.json").write_text(state)
    same_as_fresh(folder, store, tmp_path)


def test_an_append_that_was_torn_is_never_read(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    for name in ("codes", "scales", "ids"):
        with file(folder, name).open("ab") as torn:
            torn.write(b"\x55" * 333)
    assert len(everything(level(folder, store), store)) == 5
    fill(store, put, range(5, 8))
    same_as_fresh(folder, store, tmp_path)
    assert file(folder, "ids").stat().st_size == 8 * 8


@pytest.mark.parametrize("copied", [("state.json",), ("codes", "scales", "ids", "state.json")])
def test_a_catch_up_killed_before_it_was_counted_is_done_again(
    copied: tuple[str, ...], store: Store, put: Put, folder: Path, tmp_path: Path
) -> None:
    """What a kill leaves: old state with files that have grown; or, from a backup, an index as it was a while ago."""
    fill(store, put, range(12))
    level(folder, store)
    shutil.copytree(folder, tmp_path / "older")
    fill(store, put, range(12, 17))
    store.unlink(["/0"])
    level(folder, store)
    for name in copied:
        older = tmp_path / "older" / name if name == "state.json" else file(tmp_path / "older", name)
        shutil.copy(older, folder / older.name)
    same_as_fresh(folder, store, tmp_path)


def test_a_clearing_that_was_killed_is_made_good(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """It takes the state away first, so whatever mixture of old and new files it leaves is not read."""
    fill(store, put, range(10))
    level(folder, store)
    shutil.copytree(folder, tmp_path / "older")
    store.unlink([f"/{number}" for number in range(6)])
    level(folder, store)
    shutil.copy(file(tmp_path / "older", "codes"), folder)
    (folder / "state.json").unlink()
    same_as_fresh(folder, store, tmp_path)


def test_an_index_of_another_database_or_model_is_not_believed(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    other = Store(tmp_path / "other.db")
    fill(other, put, range(10, 30))
    same_as_fresh(folder, other, tmp_path)
    other.close()
    wide = Store(tmp_path / "wide.db")
    put(wide, "/w", "common", dimensions=96)
    assert len(level(folder, wide, 96).search(HashEmbedder(96).embed(["common"])[0], wide, limit=5)) == 1
    wide.close()


def test_an_older_database_takes_the_index_back(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(3))
    shutil.copy(store.path, tmp_path / "backup.db")
    shutil.copy(f"{store.path}-wal", tmp_path / "backup.db-wal")
    fill(store, put, range(3, 6))
    level(folder, store)
    backup = Store(tmp_path / "backup.db")
    assert backup.change < store.change
    same_as_fresh(folder, backup, tmp_path)
    backup.close()


def test_two_processes_take_turns(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(20))
    one, other = level(folder, store), level(folder, store)
    store.unlink([f"/{number}" for number in range(8)])
    other.catch_up(store)  # clears the dead rows away, so the files are shorter than `one` remembers
    assert len(rows(folder)) == 12
    assert len(everything(one, store)) == 12  # it still looks at the old ones, and the store knows what went
    fill(store, put, range(20, 25))
    one.catch_up(store)
    assert sorted(everything(one, store)) == sorted(rows(folder)) == ids(store, *numbered(range(8, 25)))
    assert not other.catch_up(store)
    assert sorted(everything(other, store)) == sorted(rows(folder))
    same_as_fresh(folder, store, tmp_path)


# --- ids that come back


def test_a_chunk_that_comes_back_has_one_row(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """With or without a catch-up in between, and for the same id with another vector."""
    fill(store, put, range(40))
    index = level(folder, store)
    (back,) = ids(store, "/3")
    store.unlink(["/3"])
    index.catch_up(store)
    assert back in rows(folder)  # too few to be cleared away
    assert back not in everything(index, store)
    fill(store, put, range(3, 4))
    index.catch_up(store)
    assert back in everything(index, store)
    assert len(rows(folder)) == len(set(rows(folder))) == 40
    store.unlink(["/4"])
    fill(store, put, range(4, 5))
    assert len(everything(same_as_fresh(folder, store, tmp_path), store)) == 40
    document = store.document(store.sources()["/5"].document)
    turned = unit(np.ones((1, D), np.float32))
    store.put(document, [Span(0, 6)], turned, store.sources()["/5"])
    index.catch_up(store)
    same_as_fresh(folder, store, tmp_path)
    (changed,) = ids(store, "/5")
    assert next(iter(index.search(turned[0], store, limit=1))) == changed


@given(st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_leaves_each_chunk_one_row(put: Put, tmp_path: Path, data: st.DataObject) -> None:
    """Documents come, go and come back; catch-ups happen or are undone by a kill before they are counted."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as place:
        store, folder = Store(Path(place) / "library.db"), Path(place) / "vector"
        for step in data.draw(st.lists(st.sampled_from("+-ck"), min_size=5, max_size=20)):
            number = data.draw(st.integers(0, 5))
            if step == "+":
                fill(store, put, range(number, number + 1))
            elif step == "-":
                store.unlink([f"/{number}"])
            else:
                state = (folder / "state.json").read_bytes() if (folder / "state.json").exists() else None
                level(folder, store)
                if step == "k" and state is not None:
                    (folder / "state.json").write_bytes(state)
        same_as_fresh(folder, store, Path(place))
        store.close()


# --- damage


def flips(size: int, every: int) -> Iterator[tuple[int, int]]:
    """A place and a bit in each stretch of so many bytes, and in the last byte."""
    rng = random.Random(size)
    for low in range(0, size, every):
        yield rng.randrange(low, min(low + every, size)), rng.randrange(8)
    yield size - 1, 0


def flip(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize(("victim", "every"), [("codes", 4096), ("scales", 512), ("ids", 512), ("state.json", 3)])
def test_a_flipped_bit_is_seen(victim: str, every: int, store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(30))
    put(store, "/long", " ".join(f"common word{number}" for number in range(12_000)))
    sound = everything(level(folder, store), store)
    shutil.copytree(folder, tmp_path / "sound")
    tried = 0
    name = victim if victim == "state.json" else file(folder, victim).name
    for at, bit in flips((folder / name).stat().st_size, every):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "sound", folder)
        flip(folder / name, at, bit)
        state = read_state(folder, D)
        if victim == "state.json":
            assert state is None or state == read_state(tmp_path / "sound", D)
        else:
            assert state is not None
            assert read_rows(folder, state, D) is None
        index = level(folder, store)
        assert everything(index, store) == sound
        if victim == "state.json":
            assert codes(folder) == codes(tmp_path / "sound")
        else:
            assert file(folder, victim).read_bytes() == (tmp_path / "sound" / name).read_bytes()
        tried += 1
    assert tried >= 5


def test_damage_is_kept_out_of_what_is_added_later(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """Rows are appended to a file of which an older part has gone bad, by this process and by another."""
    fill(store, put, range(10))
    index = level(folder, store)
    flip(file(folder, "codes"), 70, 3)
    fill(store, put, range(10, 15))
    index.catch_up(store)
    same_as_fresh(folder, store, tmp_path)
    flip(file(folder, "codes"), 70, 3)
    fill(store, put, range(15, 20))
    same_as_fresh(folder, store, tmp_path)


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 2 * D, b"\0" * 2 * D, b"\x00\x3c" * D, b"\x00\x3c" * (D + 1)])
def test_a_damaged_vector_is_told(data: bytes, store: Store, put: Put, folder: Path) -> None:
    fill(store, put, range(5))
    index = level(folder, store)
    chunk = ids(store, "/2")[0]
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("update vectors set data = ? where chunk = ?", (data, chunk))
        db.commit()
    with pytest.raises(LibraryError, match="damaged") as caught:
        everything(index, store)
    assert "doctor" in str(caught.value.hint)
    shutil.rmtree(folder)
    with pytest.raises(LibraryError, match="damaged"):
        level(folder, store)
