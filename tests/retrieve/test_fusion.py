"""How the two lists are joined, and what is left out of the result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.retrieve.analysis import literals
from wellread.retrieve.diversity import marginal_relevance, repeated, spread
from wellread.retrieve.fusion import Scored, keyword_trust, reciprocal_ranks
from wellread.retrieve.relevance import relevance

scores = st.lists(st.floats(0, 100), min_size=2, max_size=20).map(lambda values: sorted(values, reverse=True))


def scored(*values: float) -> Scored:
    return Scored(values, dict(enumerate(values)))


def test_z_scores_are_distances_in_standard_deviations() -> None:
    found = Scored([3.0, 2.0, 1.0], {1: 1.0, 2: 2.0, 3: 3.0}).z_scores([1, 2, 3, 4])
    deviation = np.std([1.0, 2.0, 3.0])
    assert found == pytest.approx([-1 / deviation, 0.0, 1 / deviation, -2 / deviation])


def test_what_a_list_does_not_know_is_not_punished_without_end() -> None:
    assert Scored([10.1, 10.0], {1: 10.0, 2: 10.1}).z_scores([3])[0] == -3.0


def test_a_list_of_one_or_of_equals_only_tells_who_is_in_it() -> None:
    assert list(Scored([5.0], {1: 5.0}).z_scores([1, 2])) == [1.0, 0.0]
    assert list(Scored([5.0, 5.0], {1: 5.0, 2: 5.0, 3: 1.0}).z_scores([1, 2, 3])) == [1.0, 1.0, 0.0]
    assert list(Scored([], {}).z_scores([1, 2])) == [0.0, 0.0]


@given(scores)
def test_z_scores_keep_the_order(values: list[float]) -> None:
    found = scored(*values).z_scores(range(len(values)))
    assert all(a >= b - 1e-9 for a, b in pairwise(found))


def test_trust_follows_coverage_what_is_known_and_who_stands_out() -> None:
    flat, clear = scored(*np.linspace(1.2, 1.0, 20)), scored(5.0, *np.linspace(1.2, 1.0, 19))
    assert keyword_trust(clear, clear, coverage=0.9, known=0.9).weight == 1.0
    assert keyword_trust(clear, flat, coverage=0.9, known=0.9).weight > 1.0
    assert keyword_trust(flat, clear, coverage=0.9, known=0.9).weight < 1.0
    assert keyword_trust(clear, clear, coverage=0.15, known=0.9).weight == pytest.approx(0.5)
    assert keyword_trust(clear, clear, coverage=0.9, known=0.25).weight == pytest.approx(0.5)
    assert keyword_trust(clear, clear, coverage=0.0, known=0.0).weight == 0.0


@given(scores, scores, st.floats(0, 1), st.floats(0, 1))
def test_trust_is_bounded(keyword: list[float], dense: list[float], coverage: float, known: float) -> None:
    assert 0 <= keyword_trust(scored(*keyword), scored(*dense), coverage=coverage, known=known).weight <= 3**0.5


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    assert reciprocal_ranks([[7, 8], [8]]) == pytest.approx({7: 1 / 61, 8: 1 / 62 + 1 / 61})


def test_no_more_than_so_many_of_a_passage_before_all_others() -> None:
    assert spread([8, 9, 10, 11, 20, 12], passage_bits=2, most=3) == [8, 9, 10, 20, 12, 11]


def test_the_same_text_again_is_told() -> None:
    texts = [(1, "The cat sat on the mat."), (2, "A dog."), (3, "the cat sat on the mat"), (4, "猫坐在垫子上。"), (5, "猫坐在垫子上")]
    assert repeated(texts) == {3: 1, 5: 4}


@given(st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=30), max_size=12))
def test_no_repetition_is_overlooked(texts: list[list[str]]) -> None:
    """Against comparing each text with all before it."""
    sets = [frozenset(text) for text in texts]
    again = set[int]()
    for at, these in enumerate(sets):
        if any(len(these & sets[one]) >= 0.9 * len(these | sets[one]) for one in range(at) if one not in again):
            again.add(at)
    assert repeated((at, " ".join(text)) for at, text in enumerate(texts)).keys() == again


@given(st.permutations(range(6)), st.floats(0, 1))
def test_marginal_relevance_loses_nothing(order: list[int], share: float) -> None:
    vectors = {at: np.eye(6)[at] for at in range(5)}
    assert sorted(marginal_relevance(order, dict.fromkeys(order, 0.5), vectors, share)) == sorted(order)


def test_all_relevance_is_the_order_of_relevance() -> None:
    told = {1: 0.2, 2: 0.9, 3: 0.5}
    same = {at: np.array([1.0, 0.0]) for at in told}
    assert marginal_relevance([2, 3, 1], told, same, 1.0) == [2, 3, 1]
    assert marginal_relevance([2, 3, 1], told, same | {1: np.array([0.0, 1.0])}, 0.3) == [2, 1, 3]


def test_numbers_codes_and_quotations_are_taken_to_the_letter() -> None:
    asked = literals('What does "server side rendering" cost in 2024 under E1042, see 《论语 卷一》?')
    assert asked.boosts == {"2024": 1.5, "e1042": 1.5}
    assert asked.phrases == ("server side rendering", "论语 卷一")
    assert literals("What is it?") == literals("")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.5))
def test_relevance_grows_with_either(share: float, closeness: float, more: float) -> None:
    assert 0 < relevance(share=share, closeness=closeness) < relevance(share=share, closeness=closeness + more) < 1
    assert relevance(share=share, closeness=closeness) < relevance(share=share + more, closeness=closeness)
    assert relevance(share=share, closeness=None) < relevance(share=share + more, closeness=None)
    assert relevance(share=None, closeness=closeness) < relevance(share=None, closeness=closeness + more)
