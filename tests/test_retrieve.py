"""Fusion of the two lists, and the reason for each hit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.library import Library
from wellread.retrieve.search import POOL, _z_scores, retrieve

WHY = {"bm25", "cosine", "keyword_z", "dense_z", "keyword_trust"}


@pytest.fixture
def library(open_library: Callable[..., Library], tmp_path: Path) -> Library:
    """Notes on gardening in English, and one of them in Chinese."""
    folder = tmp_path / "files"
    folder.mkdir()
    notes = {
        "roses.md": "# Roses\n\nRoses need sun. Prune roses in March.\n\n## Pests\n\nAphids like young shoots.",
        "beans.md": "# Beans\n\nBeans climb poles. Sow beans in May.\n\n## Harvest\n\nPick beans in August.",
        "soil.txt": "Good soil holds water and air. Compost feeds it.",
        "玫瑰.txt": "玫瑰需要阳光。三月修剪玫瑰。",
    }
    for name, text in notes.items():
        (folder / name).write_text(text, encoding="utf-8")
    library = open_library()
    library.add(folder)
    return library


# --- z-scores


def test_z_scores_are_distances_in_standard_deviations() -> None:
    scores = {1: 1.0, 2: 2.0, 3: 3.0}
    found = _z_scores([1, 2, 3, 4], scores, [1.0, 2.0, 3.0])
    deviation = np.std([1.0, 2.0, 3.0])
    assert found == pytest.approx({1: -1 / deviation, 2: 0.0, 3: 1 / deviation, 4: -2 / deviation})


def test_what_a_list_does_not_know_is_not_punished_without_end() -> None:
    assert _z_scores([1, 2, 3], {1: 10.0, 2: 10.1}, [10.0, 10.1])[3] == -3.0


def test_a_list_of_one_or_of_equals_only_tells_who_is_in_it() -> None:
    assert _z_scores([1, 2], {1: 5.0}, [5.0]) == {1: 1.0, 2: 0.0}
    assert _z_scores([1, 2, 3], {1: 5.0, 2: 5.0, 3: 1.0}, [5.0, 5.0]) == {1: 1.0, 2: 1.0, 3: 0.0}
    assert _z_scores([1, 2], {}, []) == {1: 0.0, 2: 0.0}


@given(st.lists(st.floats(0, 100), min_size=2, max_size=20))
def test_z_scores_keep_the_order(values: list[float]) -> None:
    scores = dict(enumerate(values))
    found = _z_scores(list(scores), scores, values)
    assert all(value >= -3.0 for value in found.values())
    assert all(found[one] <= found[other] + 1e-9 for one in scores for other in scores if scores[one] <= scores[other])


# --- hits


def test_every_hit_says_why(library: Library) -> None:
    hits = library.search("When do I prune roses?")
    assert hits[0].title == "Roses"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.why.keys() == WHY
        assert hit.score == pytest.approx(hit.why["keyword_trust"] * hit.why["keyword_z"] + hit.why["dense_z"])
    vector = library.parts.embedder("hash-64").embed(["When do I prune roses?"], query=True)[0]
    stored = library.store.vectors([hit.chunk.id for hit in hits])
    assert [hit.why["cosine"] for hit in hits] == pytest.approx([float(stored[hit.chunk.id] @ vector) for hit in hits], abs=1e-5)
    assert hits[0].why["bm25"] > 0


def test_hits_name_their_place(library: Library, tmp_path: Path) -> None:
    hit = library.search("aphids shoots")[0]
    assert (hit.title, hit.heading, hit.page_label) == ("Roses", "Pests", None)
    assert hit.source == str(tmp_path / "files" / "roses.md")
    assert hit.chunk.text.endswith("Aphids like young shoots.")


def test_chinese_questions_find_chinese_text(library: Library) -> None:
    assert library.search("什么时候修剪玫瑰？")[0].title == "玫瑰.txt"


def test_keywords_are_trusted_as_far_as_they_cover_the_question(library: Library) -> None:
    whole = library.search("prune roses")
    assert all(hit.why["keyword_trust"] == 1.0 for hit in whole)
    foreign = library.search("Wann schneidet man denn eigentlich am besten Rosenbüsche? compost")
    assert 0.0 < foreign[0].why["keyword_trust"] < 1.0
    for hit in foreign:
        assert hit.score == pytest.approx(hit.why["keyword_trust"] * hit.why["keyword_z"] + hit.why["dense_z"])
    unknown = library.search("zzz qqq")
    assert unknown
    assert all(hit.why["keyword_trust"] == 0.0 and hit.score == hit.why["dense_z"] for hit in unknown)


def test_the_limit_holds_and_changes_nothing_else(library: Library) -> None:
    everything = library.search("roses and beans", limit=50)
    assert len(everything) == library.store.chunk_count() < POOL
    assert library.search("roses and beans", limit=2) == everything[:2]
    assert library.search("roses and beans", limit=50) == everything


def test_an_empty_library_has_no_hits(library: Library, open_library: Callable[..., Library]) -> None:
    empty = open_library("empty")
    assert empty.search("roses") == []
    for listed in library.documents():
        library.remove(listed.sources[0])
    assert library.search("roses") == []


def test_a_chunk_that_another_process_removed_is_left_out(library: Library, open_library: Callable[..., Library]) -> None:
    embedder = library.parts.embedder("hash-64")
    assert library.search("prune roses")
    index = library._index
    assert index is not None
    (source,) = [source for source in library.store.sources() if source.endswith("roses.md")]
    open_library().store.unlink([source])
    hits = retrieve("prune roses", index, embedder)
    assert hits
    assert all(hit.source != source for hit in hits)
