"""Filters change what is looked at and nothing else; literal words and phrases weigh more; unknown words are named."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wellread.index.keyword import KeywordIndex
from wellread.index.store import Store
from wellread.index.within import Within
from wellread.types import Document

Put = Callable[..., Document]
_VOCABULARY = [f"w{number}" for number in range(25)]


def level(store: Store, tmp_path: Path) -> KeywordIndex:
    index = KeywordIndex(tmp_path / "index" / "keyword")
    index.catch_up(store)
    return index


def within(*ranges: tuple[int, int]) -> Within:
    first, last = np.array(ranges, np.int64).reshape(-1, 2).T
    return Within(first, last, int((last - first + 1).sum()))


@pytest.fixture
def many(store: Store, put: Put, tmp_path: Path) -> tuple[KeywordIndex, list[int]]:
    """An index of 60 documents of about 6 chunks, and the sorted ids of these."""
    rng = random.Random(3)
    for number in range(60):
        text = "\n\n".join(" ".join(rng.choices(_VOCABULARY, weights=range(1, 26), k=12)) + "." for _ in range(6))
        put(store, f"/{number}", text, title="t", chunk_chars=60)
    ids = sorted(row.chunk for row in store.index_rows(0))
    assert 300 < len(ids) < 600
    return level(store, tmp_path), ids


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the index is only read
@given(
    st.lists(st.sampled_from(_VOCABULARY), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 299), st.integers(0, 8)), max_size=40),
    st.integers(1, 30),
)
@example(["w24"], [(at, 0) for at in range(0, 299, 3)], 5)  # broad, in parts of documents
@example(["w0"], [(7, 1)], 30)  # narrow, and hardly anything in it
@example(["w24", "w3"], [(0, 298)], 20)
def test_a_filter_changes_only_what_is_looked_at(
    many: tuple[KeywordIndex, list[int]], query: list[str], spans: list[tuple[int, int]], limit: int
) -> None:
    index, ids = many
    chosen = sorted({at + step for at, length in spans for step in range(length + 1) if at + step < len(ids)})
    allowed = {ids[at] for at in chosen}
    everything = index.search(" ".join(query), limit=len(ids)).scores
    expected = {chunk: score for chunk, score in everything.items() if chunk in allowed}
    found = index.search(" ".join(query), limit=limit, within=within(*((one, one) for one in sorted(allowed))))
    assert found.scores == {chunk: expected[chunk] for chunk in found.scores}
    assert list(found.scores.values()) == sorted(expected.values(), reverse=True)[:limit]
    assert bool(found.coverage) == bool(expected)


def test_filters_of_any_shape(many: tuple[KeywordIndex, list[int]]) -> None:
    """Whole documents, ranges as wide as the space of ids, ranges that hold nothing, and one whose count is far from the truth."""
    index, ids = many
    everything = index.search("w24 w20", limit=1000).scores
    documents = sorted({chunk >> 17 for chunk in ids})
    for chosen in (documents[:2], documents[::2], documents):
        whole = [(document << 17, (document << 17) + (1 << 17) - 1) for document in chosen]
        first, last = np.array(whole, np.int64).T
        for count in (1, len(chosen) * 6, 1 << 40):
            found = index.search("w24 w20", limit=1000, within=Within(first, last, count)).scores
            assert found == {chunk: score for chunk, score in everything.items() if chunk >> 17 in chosen}
    middle = ids[len(ids) // 2]
    found = index.search("w24 w20", limit=1000, within=within((middle, (1 << 53) - 1))).scores
    assert found == {chunk: score for chunk, score in everything.items() if chunk >= middle}
    assert not index.search("w24", limit=5, within=within((5, 9))).scores
    assert not index.search("w24", limit=5, within=within()).scores


def test_what_a_filter_leaves_out_is_not_missing(store: Store, put: Put, tmp_path: Path) -> None:
    put(store, "/a", "alpha beta", title="t")
    put(store, "/b", "gamma", title="t")
    index = level(store, tmp_path)
    (gamma,) = index.search("gamma", limit=5).scores
    found = index.search("alpha gamma zebras", limit=5, within=within((gamma, gamma)))
    weight = log(1 + 1.5 / 1.5)
    unknown = log(1 + 2.5 / 0.5)
    assert list(found.scores) == [gamma]
    assert found.terms == pytest.approx({"alpha": weight, "gamma": weight, "zebra": unknown})
    assert found.missing == ("zebra",)
    assert found.coverage == pytest.approx(weight / (2 * weight + unknown))


def test_a_boosted_word_weighs_more(store: Store, put: Put, tmp_path: Path) -> None:
    put(store, "/a", "error E1042 in the log", title="t")
    put(store, "/b", "error seen again", title="t")
    index = level(store, tmp_path)
    plain = index.search("E1042 errors", limit=5).scores
    both, only = sorted(plain, key=lambda chunk: -plain[chunk])
    word = index.search("E1042", limit=5).scores[both]
    boosted = index.search("E1042 errors", limit=5, boosts={"e1042": 3.0}).scores
    assert boosted == pytest.approx({both: plain[both] + 2 * word, only: plain[only]})
    assert index.scores("E1042 errors", [both, only], boosts={"e1042": 3.0}) == pytest.approx(boosted)
    assert index.search("errors", limit=5, boosts={"E1042": 1.0}).scores == pytest.approx(plain)  # asked for too
    assert index.search("", limit=5, boosts={"the": 1.0}).scores.keys() == {both}  # though it is a stop word


def test_a_phrase_weighs_more_in_this_order(store: Store, put: Put, tmp_path: Path) -> None:
    put(store, "/a", "the state of the art was reached", title="t")
    put(store, "/b", "the art of the state was reached", title="t")
    put(store, "/c", "结果表明检索增强生成更好", title="t")
    put(store, "/d", "生成增强检索表明结果", title="t")
    index = level(store, tmp_path)
    for query, phrase in (("state art", "State of the Art"), ("检索 增强 生成", "检索增强生成")):
        plain = index.search(query, limit=5).scores
        found = index.search(query, limit=5, phrases=[phrase])
        best, other = list(found.scores)
        assert found.scores[best] > found.scores[other] == pytest.approx(plain[other])
        assert index.scores(query, [best, other], phrases=[phrase]) == pytest.approx(found.scores)
    assert index.search("state", limit=5, phrases=["no such phrase"]).scores == index.search("state", limit=5).scores
    once = index.search("state", limit=5).scores
    assert index.search("", limit=5, phrases=["states"]).scores == pytest.approx({chunk: 2 * score for chunk, score in once.items()})
    assert index.search("state", limit=5, phrases=["", "?!"]).scores == once


def test_what_was_deleted_leaves_no_negative_weight(store: Store, put: Put, tmp_path: Path) -> None:
    for number in range(6):
        put(store, f"/{number}", f"common word{number}", title="t")
    index = level(store, tmp_path)
    store.unlink([f"/{number}" for number in range(5)])
    index.catch_up(store)
    found = index.search("common", limit=5)
    assert len(found.scores) == 1
    assert found.terms["common"] > 0
    store.unlink(["/5"])
    index.catch_up(store)
    assert not index.search("common", limit=5).scores
    assert not index.search("common", limit=5, within=within((0, 1 << 53))).scores
