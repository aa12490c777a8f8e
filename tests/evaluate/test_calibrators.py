"""Isotonic fits are the best rising ones, logistic fits lie where the slope of the loss is nought, and both give back the truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.calibration import calibration_error
from wellread.evaluate.calibrators import Isotonic, Logistic, fit_isotonic, fit_logistic

ANSWERS = st.lists(st.tuples(st.integers(0, 8).map(float), st.booleans()), min_size=1, max_size=30)


def columns(answers: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one for one, _ in answers]), np.array([two for _, two in answers])


def best_rising(scores: np.ndarray, right: np.ndarray) -> float:
    """The least squared error of any rising function, by trying all ways to cut the distinct scores into blocks of one level."""
    points = np.unique(scores)
    best = np.inf
    for cuts in (chosen for number in range(len(points)) for chosen in combinations(range(1, len(points)), number)):
        blocks = [np.isin(scores, block) for block in np.split(points, list(cuts))]
        levels = [right[block].mean() for block in blocks]
        if levels == sorted(levels):
            best = min(best, sum(float(np.sum((right[block] - level) ** 2)) for block, level in zip(blocks, levels, strict=True)))
    return best


@given(ANSWERS)
def test_an_isotonic_fit_is_the_best_rising_function(answers: list[tuple[float, bool]]) -> None:
    scores, right = columns(answers)
    fitted = fit_isotonic(scores, right)
    said = fitted.probability(scores)
    assert float(np.sum((said - right) ** 2)) == pytest.approx(best_rising(scores, right))
    everywhere = fitted.probability(np.linspace(-1, 9, 101))
    assert (np.diff(everywhere) >= 0).all() and everywhere[0] >= 0 and everywhere[-1] <= 1
    assert fit_isotonic(scores[::-1], right[::-1]) == fitted


def test_between_learnt_scores_isotonic_draws_a_line() -> None:
    fitted = fit_isotonic(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]))
    assert fitted == Isotonic((1.0, 2.0, 3.0, 4.0), (0.0, 0.5, 0.5, 1.0))
    assert fitted.probability(np.array([0.0, 1.5, 2.7, 3.5, 9.0])).tolist() == [0, 0.25, 0.5, 0.75, 1]


@given(ANSWERS)
def test_a_logistic_fit_leaves_no_slope(answers: list[tuple[float, bool]]) -> None:
    scores, right = columns(answers)
    said = fit_logistic(scores, right).probability(scores)
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    assert abs(np.sum(said - target)) < 1e-4 and abs(np.sum((said - target) * scores)) < 1e-3
    assert ((said > 0) & (said < 1)).all()


def test_a_logistic_fit_finds_the_weights_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (20_000, 2)) * [1, 1000] + [0, 500]
    right = rng.random(20_000) < Logistic((2.0, -0.001), 1.0).probability(scores)
    found = fit_logistic(scores, right)
    assert found.weights == (pytest.approx(2, abs=0.1), pytest.approx(-0.001, abs=0.0001))
    assert found.intercept == pytest.approx(1, abs=0.1)
    twice = fit_logistic(np.column_stack([scores, scores[:, 0], np.ones(len(scores))]), right)  # nothing new is said
    assert twice.probability(np.column_stack([scores, scores[:, 0], np.ones(len(scores))])) == pytest.approx(
        found.probability(scores), abs=1e-6
    )


@pytest.mark.parametrize("fit", [fit_logistic, fit_isotonic])
def test_what_was_learnt_holds_for_new_answers(fit: type) -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 1, 4_000)
    right = rng.random(4_000) < 1 / (1 + np.exp(-3 * scores + 1))
    said = fit(scores[:2000], right[:2000]).probability(scores[2000:])
    assert calibration_error(said, right[2000:]) < 0.04


def test_scores_that_cannot_be_learnt_from_are_refused() -> None:
    for scores, right in (([1.0, float("nan")], [True, False]), ([], []), ([1.0], [True, False])):
        with pytest.raises(ValueError, match=r"finite|learnt"):
            fit_isotonic(np.array(scores), np.array(right, bool))
