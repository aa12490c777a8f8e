"""The keyword index: BM25 as the books define it, level with the store at once, and nothing that cannot be made again."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wellread.index.keyword import _LAYOUT, KeywordHits, KeywordIndex, State, damaged_files, held_ids, read_state
from wellread.index.store import Store
from wellread.index.sums import write_note
from wellread.types import Document, Section

Put = Callable[..., Document]
_K1, _B = 1.2, 0.75


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index" / "keyword"


def texts(store: Store, found: KeywordHits) -> list[str]:
    """What was found, best first."""
    order = sorted(found.scores, key=lambda chunk: (-found.scores[chunk], chunk))
    chunks = store.chunks(order)
    return [chunks[chunk].text for chunk in order]


def level(folder: Path, store: Store) -> KeywordIndex:
    index = KeywordIndex(folder)
    index.catch_up(store)
    return index


def held(folder: Path) -> list[int]:
    """The ids in the index, with repetitions."""
    searcher = tantivy.Index.open(str(folder)).searcher()
    found = searcher.search(tantivy.Query.all_query(), limit=max(searcher.num_docs, 1)).hits
    return sorted(searcher.fast_field_values("chunk", [address for _, address in found]))


def bm25(documents: dict[int, list[str]], query: list[str]) -> dict[int, float]:
    """Robertson & Zaragoza 2009, with k1 = 1.2, b = 0.75 and +1 inside the logarithm."""
    average = sum(map(len, documents.values())) / len(documents)
    scores: Counter[int] = Counter()
    for word in dict.fromkeys(query):
        holders = [name for name, words in documents.items() if word in words]
        idf = log(1 + (len(documents) - len(holders) + 0.5) / (len(holders) + 0.5))
        for name in holders:
            tf, length = documents[name].count(word), len(documents[name])
            scores[name] += idf * tf * (_K1 + 1) / (tf + _K1 * (1 - _B + _B * length / average))  # type: ignore[assignment]
    return dict(scores)


def test_scores_are_those_of_bm25(store: Store, put: Put, folder: Path) -> None:
    """Up to 40 words tantivy keeps lengths exactly, so the scores can be compared, not only their order."""
    rng = random.Random(7)
    vocabulary = [f"w{number}" for number in range(30)]
    bodies = [" ".join(rng.choices(vocabulary, weights=range(1, 31), k=rng.randint(3, 30))) for _ in range(60)]
    for number, body in enumerate(bodies):
        put(store, f"/{number}", body, title="t")
    index = level(folder, store)
    documents = {row.chunk: ["t", *row.text.split()] for row in store.index_rows(0)}
    assert len(documents) == len(bodies)
    for _ in range(40):
        query = rng.choices(vocabulary, k=rng.randint(1, 5))
        expected = bm25(documents, query)
        found = index.search(" ".join(query), limit=100).scores
        assert found == pytest.approx(expected, rel=1e-4)
        assert index.scores(" ".join(query), list(documents)) == pytest.approx(expected, rel=1e-4)
        best = index.search(" ".join(query), limit=5).scores
        assert sorted(best.values(), reverse=True) == pytest.approx(sorted(expected.values(), reverse=True)[:5], rel=1e-4)


@pytest.fixture
def chinese(store: Store, put: Put, folder: Path) -> tuple[KeywordIndex, str]:
    text = "检索增强生成把文档中的知识交给语言模型"
    put(store, "/zh", text)
    put(store, "/other", "天气很好")
    return level(folder, store), text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the index is only read
@given(st.integers(0, 17), st.integers(2, 8))
def test_a_chinese_query_finds_text_inside_a_run(chinese: tuple[KeywordIndex, str], start: int, length: int) -> None:
    index, text = chinese
    part = text[start : start + length]
    found = index.search(part, limit=5)
    if len(part) >= 2:
        assert len(found.scores) == 1
        assert found.coverage == pytest.approx(1.0)


def test_queries_are_analysed_as_texts_are(store: Store, put: Put, folder: Path) -> None:
    put(store, "/a", "The Optimizers that were compared: ＳＧＤ, Adam, and the others.")
    put(store, "/b", "An unrelated line.")
    index = level(folder, store)
    (chunk,) = index.search("optimizer", limit=5).scores
    (other,) = index.search("unrelated", limit=5).scores
    assert store.chunks([chunk])[chunk].text.startswith("The Optimizers")
    for query in ("OPTIMIZERS", "comparing", "sgd", "ｓｇｄ", "adam?"):
        assert list(index.search(query, limit=5).scores) == [chunk], query
    assert index.search("what is the", limit=5).scores  # only stop words: then they count
    assert index.search("zebra", limit=5) == KeywordHits({}, 0.0, {"zebra": log(1 + 2.5 / 0.5)}, ("zebra",))
    assert index.search("?!", limit=5) == KeywordHits({}, 0.0)
    assert index.scores("sgd", []) == {}
    assert index.scores("", [chunk]) == {}
    assert index.scores("sgd zebra", [other]) == {}


def test_title_and_heading_are_searched_too(store: Store, put: Put, folder: Path) -> None:
    text = "Intro.\n\nOutlook\n\nMore to come."
    put(store, "/a", text, title="Annual report", sections=(Section(1, "Outlook", text.index("Outlook"), len(text)),))
    index = level(folder, store)
    assert len(index.search("annual", limit=5).scores) == 2
    assert texts(store, index.search("outlook", limit=5)) == ["Outlook\n\nMore to come."]


def test_coverage_is_the_share_of_the_weight_that_the_best_chunk_holds(store: Store, put: Put, folder: Path) -> None:
    for number, text in enumerate(["alpha beta", "alpha gamma", "delta"]):
        put(store, f"/{number}", text, title="t")
    index = level(folder, store)
    assert index.search("alpha beta", limit=5).coverage == pytest.approx(1.0)
    weight = {"beta": log(1 + 2.5 / 1.5), "unknown": log(1 + 3.5 / 0.5)}
    assert index.search("beta unknown", limit=5).coverage == pytest.approx(weight["beta"] / sum(weight.values()))


def test_an_empty_library_finds_nothing(store: Store, folder: Path) -> None:
    index = KeywordIndex(folder)
    assert not index.search("anything", limit=5).scores
    index.catch_up(store)
    assert not index.search("anything", limit=5).scores


def test_changes_are_seen_at_once(store: Store, put: Put, folder: Path) -> None:
    put(store, "/a", "alpha beta")
    index = KeywordIndex(folder)
    assert index.catch_up(store)
    assert not index.catch_up(store)
    put(store, "/b", "beta gamma")
    assert index.catch_up(store)
    assert sorted(texts(store, index.search("beta", limit=5))) == ["alpha beta", "beta gamma"]
    put(store, "/a", "delta")
    index.catch_up(store)
    assert texts(store, index.search("beta", limit=5)) == ["beta gamma"]
    assert not index.search("alpha", limit=5).scores
    assert texts(store, index.search("delta", limit=5)) == ["delta"]
    store.unlink(["/b"])
    index.catch_up(store)
    assert not index.search("beta", limit=5).scores


def fill(store: Store, put: Put, numbers: range) -> None:
    for number in numbers:
        put(store, f"/{number}", f"common word{number} text of number {number}", title="t")


def same_as_fresh(folder: Path, store: Store, tmp_path: Path) -> None:
    """The index holds each chunk of the store once, as one that is made anew does."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    made = level(fresh, store)
    index = level(folder, store)
    assert held(folder) == held(fresh) == sorted(row.chunk for row in store.index_rows(0))
    assert index.search("common", limit=100).scores.keys() == made.search("common", limit=100).scores.keys()


def test_an_index_that_lags_behind_catches_up(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    fill(store, put, range(5, 12))
    store.unlink(["/1", "/7"])
    put(store, "/2", "common and new")
    same_as_fresh(folder, store, tmp_path)


def test_a_deleted_index_loses_nothing(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    shutil.rmtree(folder)
    same_as_fresh(folder, store, tmp_path)


@pytest.mark.parametrize(
    "victim", ["meta.json", ".managed.json", "state.json", "*.idx", "*.term", "*.pos", "*.fast", "*.fieldnorm", "*.store"]
)
@pytest.mark.parametrize("damage", ["cut", "garbage", "missing", "empty"])
def test_a_damaged_file_is_made_again(victim: str, damage: str, store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    (path,) = folder.glob(victim)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[: len(data) // 2], "garbage": bytes(255 - byte for byte in data), "empty": b""}[damage])
    same_as_fresh(folder, store, tmp_path)


@pytest.mark.parametrize("victim", ["meta.json", "*.idx"])
def test_damage_that_comes_while_the_index_is_open_is_made_good(victim: str, store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    index = level(folder, store)
    (path,) = folder.glob(victim)
    path.unlink()
    fill(store, put, range(5, 8))
    index.catch_up(store)
    assert len(index.search("common", limit=100).scores) == 8
    same_as_fresh(folder, store, tmp_path)


def killed_before_it_was_counted(folder: Path, before: State) -> None:
    """Put in place what a kill between the commit and the note of it leaves: the new segments, and the note made before they came."""
    files = {name: known for name, known in before.files.items() if name not in ("meta.json", ".managed.json")}
    note = {
        "layout": _LAYOUT,
        "identity": before.identity,
        "change": before.change,
        "files": files,
        "commit": before.commit,
        "writing": True,
    }
    write_note(folder / "state.json", note)


def test_a_catch_up_killed_before_it_was_counted_is_done_again(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(3))
    level(folder, store)
    before = written(folder)
    killed_before_it_was_counted(folder, replace(before, change=0))  # the very first one: begun anew
    same_as_fresh(folder, store, tmp_path)
    before = written(folder)
    fill(store, put, range(3, 6))
    store.unlink(["/0"])
    level(folder, store)
    killed_before_it_was_counted(folder, before)
    same_as_fresh(folder, store, tmp_path)
    assert {name for name in before.files if name.endswith(".term")} <= written(folder).files.keys()  # nothing was made anew
    for number in range(6, 16):  # enough of them to be merged, so that files of the old note are gone
        before = written(folder)
        fill(store, put, range(number, number + 1))
        level(folder, store)
        killed_before_it_was_counted(folder, before)
        same_as_fresh(folder, store, tmp_path)


def test_a_chunk_that_comes_back_is_held_once(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(5))
    level(folder, store)
    store.unlink(["/1", "/2"])
    fill(store, put, range(2, 3))
    same_as_fresh(folder, store, tmp_path)
    fill(store, put, range(1, 2))
    same_as_fresh(folder, store, tmp_path)
    assert len(held(folder)) == 5


def written(folder: Path) -> State:
    state = read_state(folder)
    assert state is not None
    return state


def test_a_flipped_bit_in_any_file_is_seen(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """Every 1024 bytes of every file, and in each file at least once."""
    fill(store, put, range(20))
    put(store, "/long", " ".join(f"common word{number} thing{number % 97}" for number in range(9_000)))
    level(folder, store)
    store.unlink(["/3"])
    level(folder, store)
    queries = ("common", "word7", "thing5 number")
    anew = level(tmp_path / "anew", store)
    expected = [anew.search(query, limit=100) for query in queries]
    shutil.copytree(folder, tmp_path / "sound")
    rng, seen = random.Random(6), Counter[str]()
    assert {Path(name).suffix for name in written(folder).files} >= {".idx", ".term", ".pos", ".fast", ".fieldnorm", ".store", ".del"}
    for name in (*written(tmp_path / "sound").files, "state.json"):
        data = (tmp_path / "sound" / name).read_bytes()
        for low in range(0, len(data), 1024):
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "sound", folder)
            bad = bytearray(data)
            bad[rng.randrange(low, min(low + 1024, len(data)))] ^= 1 << rng.randrange(8)
            (folder / name).write_bytes(bad)
            state = read_state(folder)
            if name == "state.json":
                assert state is None
            else:
                assert damaged_files(folder, written(folder), known={}) == [name]
            if seen[name] < 4:  # what follows takes longer
                index = level(folder, store)
                assert [index.search(query, limit=100) for query in queries] == expected
            seen[name] += 1
    assert sum(seen.values()) > 100


def test_all_ids_can_be_listed(store: Store, put: Put, folder: Path) -> None:
    fill(store, put, range(30))
    level(folder, store)
    store.unlink(["/3"])
    level(folder, store)
    ids = sorted(row.chunk for row in store.index_rows(0))
    assert sorted(held_ids(folder, ids)) == sorted(held_ids(folder, ids[::2])) == sorted(held_ids(folder, [])) == ids
    assert sorted(held_ids(folder, ids, slice_length=4)) == ids


def test_an_older_copy_of_the_index_catches_up(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(3))
    level(folder, store)
    shutil.copytree(folder, tmp_path / "older")
    fill(store, put, range(2, 6))
    store.unlink(["/0"])
    level(folder, store)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)
    same_as_fresh(folder, store, tmp_path)


def test_a_list_of_segments_older_than_its_note_is_not_believed(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """As in a copy that was made file by file while more was being written."""
    fill(store, put, range(3))
    level(folder, store)
    shutil.copytree(folder, tmp_path / "older")
    fill(store, put, range(3, 6))
    level(folder, store)
    killed_before_it_was_counted(folder, written(folder))
    fill(store, put, range(6, 8))
    shutil.copyfile(tmp_path / "older" / "meta.json", folder / "meta.json")
    assert damaged_files(folder, written(folder), known={}) == ["meta.json"]
    same_as_fresh(folder, store, tmp_path)


def test_an_index_of_another_database_is_not_believed(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """A person deletes library.db to start over, and the folder beside it stays."""
    fill(store, put, range(3))
    level(folder, store)
    other = Store(tmp_path / "other.db")
    put(other, "/x", "nothing in common")
    same_as_fresh(folder, other, tmp_path)
    fill(other, put, range(10, 20))
    same_as_fresh(folder, other, tmp_path)
    level(folder, store)
    fill(other, put, range(20, 30))
    same_as_fresh(folder, other, tmp_path)
    other.close()


def test_an_older_database_takes_the_index_back(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    fill(store, put, range(3))
    shutil.copy(store.path, tmp_path / "backup.db")
    shutil.copy(f"{store.path}-wal", tmp_path / "backup.db-wal")
    fill(store, put, range(3, 6))
    level(folder, store)
    backup = Store(tmp_path / "backup.db")
    assert backup.identity == store.identity
    assert backup.change < store.change
    same_as_fresh(folder, backup, tmp_path)
    backup.close()


def test_what_another_process_wrote_is_seen(store: Store, put: Put, folder: Path) -> None:
    fill(store, put, range(3))
    one, other = level(folder, store), level(folder, store)
    put(store, "/new", "zebra")
    assert other.catch_up(store)
    assert not one.catch_up(store)
    assert texts(store, one.search("zebra", limit=5)) == ["zebra"]
    put(store, "/newer", "zebra stripes")
    one.catch_up(store)
    other.catch_up(store)
    assert len(other.search("zebra", limit=5).scores) == 2


def test_an_entry_can_be_the_chunks_that_follow_one_another(store: Store, put: Put, folder: Path, tmp_path: Path) -> None:
    """Words of neighbours are found together, through updates that leave fewer chunks or none."""

    def level_in_fours() -> KeywordIndex:
        index = KeywordIndex(folder, bits=2)
        index.catch_up(store)
        fours: dict[int, list[str]] = {}
        for row in store.index_rows(0):
            fours.setdefault(row.chunk >> 2, ["t"]).extend(row.text.split())
        assert held(folder) == sorted(fours)
        for query in (["w1"], ["w2", "w7"], ["x0", "y4"]):
            expected = bm25(fours, query) if fours else {}
            assert index.search(" ".join(query), limit=100).scores.keys() == expected.keys()
            anew = KeywordIndex(tmp_path / f"anew{store.change}", bits=2)
            anew.catch_up(store)
            assert anew.search(" ".join(query), limit=100).scores == pytest.approx(expected, rel=1e-4)
        return index

    def lines(letter: str, count: int) -> str:
        return "\n\n".join(f"{letter}{number} and w{number % 3}" for number in range(count))

    put(store, "/a", lines("x", 9), title="t", chunk_chars=12)
    put(store, "/b", lines("y", 5), title="t", chunk_chars=12)
    index = level_in_fours()
    (both,) = index.search("x0", limit=5).scores
    assert both in index.search("x3", limit=5).scores
    assert both not in index.search("x4", limit=5).scores
    put(store, "/a", lines("x", 2), title="t", chunk_chars=12)
    level_in_fours()
    store.unlink(["/b"])
    level_in_fours()
    store.unlink(["/a"])
    level_in_fours()
