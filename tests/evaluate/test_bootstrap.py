"""Intervals cover what they claim to, and a test for a difference is right about as often as it says."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from wellread.evaluate.bootstrap import difference, estimate


def test_an_interval_is_that_of_the_normal_law_where_there_are_many_questions() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.2, 2_000)
    found = estimate(scores)
    error = scores.std() / np.sqrt(len(scores))
    assert found.mean == pytest.approx(scores.mean())
    assert (found.low, found.high) == pytest.approx((found.mean - 1.96 * error, found.mean + 1.96 * error), abs=error / 5)


def test_intervals_hold_the_truth_as_often_as_they_claim() -> None:
    rng = np.random.default_rng(2)
    found = [estimate(rng.binomial(1, 0.3, 100).astype(float)) for _ in range(60)]
    assert 52 <= sum(one.low <= 0.3 <= one.high for one in found) <= 59


def test_a_p_value_is_that_of_all_exchanges() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(0.3, 1, 10), rng.normal(0, 1, 10)
    apart = one - other
    sums = np.array(list(product((-1, 1), repeat=10))) @ apart
    exact = float(np.mean(np.abs(sums) >= abs(apart.sum()) - 1e-9))
    assert difference(one, other).p == pytest.approx(exact, abs=0.015)


def test_equals_do_not_differ_and_a_pair_can_be_turned_around() -> None:
    scores = np.random.default_rng(4).random(50)
    same = difference(scores, scores)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = difference(scores + 0.1 * np.random.default_rng(5).random(50), scores)
    worse = difference(scores, scores + 0.1 * np.random.default_rng(5).random(50))
    assert better.significant and better.low > 0
    assert (worse.mean, worse.p) == (-better.mean, better.p)


def test_chance_is_called_significant_about_one_time_in_twenty() -> None:
    rng = np.random.default_rng(6)
    found = [difference(rng.normal(0, 1, 40), rng.normal(0, 1, 40)).significant for _ in range(60)]
    assert sum(found) <= 8


def test_scores_of_other_questions_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        difference(np.zeros(3), np.zeros(4))
