"""The measures of a ranking agree with NIST's trec_eval, and with sums done by hand."""

from __future__ import annotations

import math

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate import ranking

IDS = [f"d{number:02}" for number in range(30)]
JUDGED = st.dictionaries(st.sampled_from(IDS), st.integers(-1, 3), min_size=1)
RUNS = st.dictionaries(st.sampled_from(IDS), st.integers(0, 6).map(float), min_size=1)  # few values: many ties


@given(JUDGED, RUNS)
def test_the_measures_are_those_of_trec_eval(judged: dict[str, int], run: dict[str, float]) -> None:
    names = {"ndcg_cut.5,10", "recall.5,10,100", "P.5,10", "map", "recip_rank"}
    (theirs,) = pytrec_eval.RelevanceEvaluator({"q": judged}, names).evaluate({"q": run}).values()
    ranked = sorted(run, key=lambda document: (run[document], document), reverse=True)  # where scores tie, trec_eval goes by the id
    ours = {f"ndcg_cut_{depth}": ranking.ndcg(ranked, judged, depth) for depth in (5, 10)}
    ours |= {f"recall_{depth}": ranking.recall(ranked, judged, depth) for depth in (5, 10, 100)}
    ours |= {f"P_{depth}": ranking.precision(ranked, judged, depth) for depth in (5, 10)}
    ours |= {"map": ranking.average_precision(ranked, judged), "recip_rank": ranking.reciprocal_rank(ranked, judged, len(ranked))}
    assert ours == pytest.approx(theirs)


def test_ndcg_by_hand() -> None:
    judged = {"a": 3, "b": 1, "c": 0}
    assert ranking.ndcg(["c", "a", "b"], judged) == pytest.approx((3 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3)))
    assert ranking.ndcg(["a", "b"], judged) == 1.0


def test_a_reciprocal_rank_ends_at_its_depth() -> None:
    ranked = [f"x{place}" for place in range(9)] + ["a", "b"]
    assert ranking.reciprocal_rank(ranked, {"a": 1}) == 0.1
    assert ranking.reciprocal_rank(ranked, {"b": 1}) == 0.0


def test_where_nothing_is_relevant_every_measure_is_nought() -> None:
    for judged in ({}, {"a": 0}):
        assert ranking.ndcg(["a"], judged) == ranking.recall(["a"], judged, 5) == ranking.average_precision(["a"], judged) == 0.0
