"""Figures of refusal agree with counting over every pair, every order and every threshold."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.selective import (
    Coverage,
    auroc,
    balanced_accuracy,
    operating_point,
    operating_points,
    risk_area,
    risk_coverage,
    selective_accuracy,
)

ANSWERS = st.lists(st.tuples(st.integers(0, 4).map(float), st.booleans()), min_size=1, max_size=25)
FEW = st.lists(st.tuples(st.integers(0, 2).map(float), st.booleans()), min_size=1, max_size=5)


def columns(answers: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one for one, _ in answers]), np.array([two for _, two in answers])


@given(ANSWERS)
def test_auroc_is_the_share_of_pairs_in_order(answers: list[tuple[float, bool]]) -> None:
    scores, right = columns(answers)
    pairs = [(one > other) + (one == other) / 2 for one, other in product(scores[right], scores[~right])]
    found = auroc(scores, right)
    assert found == (pytest.approx(np.mean(pairs)) if pairs else None)
    assert auroc(-scores, ~right) == found and auroc(np.exp(scores), right) == found


@given(FEW, st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_ties_are_the_mean_over_all_orders(answers: list[tuple[float, bool]], coverage: float) -> None:
    areas, accuracies = [], []
    count = int(np.ceil(coverage * len(answers) - 1e-9))
    for order in permutations(answers):
        ranked = [right for _, right in sorted(order, key=lambda answer: -answer[0])]  # a stable sort keeps the order of ties
        areas.append(np.mean([1 - np.mean(ranked[:k]) for k in range(1, len(ranked) + 1)]))
        accuracies.append(np.mean(ranked[:count]))
    assert risk_area(*columns(answers)) == pytest.approx(np.mean(areas))
    assert selective_accuracy(*columns(answers), coverage) == pytest.approx(np.mean(accuracies))


@given(ANSWERS)
def test_every_threshold_is_counted(answers: list[tuple[float, bool]]) -> None:
    scores, right = columns(answers)
    for point in risk_coverage(scores, right):
        answered = scores >= point.threshold
        assert (point.coverage, point.risk) == (pytest.approx(answered.mean()), pytest.approx((~right[answered]).mean()))
    points = operating_points(scores, right)
    for one in points:
        said = scores >= one.threshold
        assert one.false_answers * (~right).sum() == pytest.approx((said & ~right).sum())
        assert one.false_refusals * right.sum() == pytest.approx((~said & right).sum())
        if right.any() and not right.all():
            assert one.balanced_accuracy == pytest.approx(balanced_accuracy(said, right))
    assert (points[0].false_refusals, points[-1].false_answers) == (0, 0)
    assert len(points) == len(set(scores)) + 1 == len(risk_coverage(scores, right)) + 1


def test_curves_by_hand() -> None:
    scores, right = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    assert risk_coverage(scores, right) == (Coverage(0.9, 0.25, 0), Coverage(0.8, 0.75, pytest.approx(1 / 3)), Coverage(0.1, 1, 0.5))
    assert risk_area(scores, right) == pytest.approx((0 + 0.25 + 1 / 3 + 0.5) / 4)
    best = operating_point(operating_points(scores, right), false_answers=0.4)
    assert (best.threshold, best.false_answers, best.false_refusals) == (0.9, 0, 0.5)
    assert operating_point(operating_points(scores, right), 0.5).threshold == 0.8
    assert balanced_accuracy(np.array([True, True, True]), np.array([True, True, True])) == 1


def test_the_best_order_has_the_smallest_area() -> None:
    right = np.random.default_rng(0).random(200) < 0.7
    assert risk_area(right.astype(float), right) < risk_area(np.arange(200.0), right) < risk_area(-right.astype(float), right)


def test_what_is_no_score_is_refused() -> None:
    for scores, right in (([float("nan")], [True]), ([], []), ([1.0], [True, False])):
        with pytest.raises(ValueError, match=r"finite|cannot"):
            risk_coverage(np.array(scores), np.array(right, bool))
    with pytest.raises(ValueError, match="no threshold"):
        operating_point((), 0.1)
