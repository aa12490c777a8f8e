"""Calibration error and its bins, by hand and by what must hold of any answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.calibration import Bin, brier, calibration_error, reliability

ANSWERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.30001, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1, max_size=40
)


def columns(answers: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one for one, _ in answers]), np.array([two for _, two in answers])


def test_a_diagram_by_hand() -> None:
    given, right = np.array([0.0, 0.1, 0.3, 0.8, 0.9]), np.array([False, False, True, True, False])
    assert reliability(given, right, 2) == (
        Bin(0, 0.5, 3, pytest.approx(0.4 / 3), pytest.approx(1 / 3)),
        Bin(0.5, 1, 2, pytest.approx(0.85), 0.5),
    )
    assert calibration_error(given, right, 2) == pytest.approx((3 * 0.2 + 2 * 0.35) / 5)
    assert brier(given, right) == pytest.approx((0 + 0.01 + 0.49 + 0.04 + 0.81) / 5)
    assert [one.count for one in reliability(given, right, 2, equal_mass=True)] == [3, 2]
    assert [(one.low, one.high, one.count) for one in reliability(np.array([0.2, 0.2, 0.2, 0.7]), right[:4], 2, equal_mass=True)] == [
        (0, 0.2, 3),
        (0.2, 0.7, 1),
    ]


@given(ANSWERS, st.integers(1, 12), st.booleans())
def test_bins_hold_every_answer_once_whatever_the_order(answers: list[tuple[float, bool]], bins: int, equal_mass: bool) -> None:
    given, right = columns(answers)
    found = reliability(given, right, bins, equal_mass=equal_mass)
    assert sum(one.count for one in found) == len(answers) and len(found) <= bins
    for one in found:
        inside = (given > one.low) & (given <= one.high) | (one.low == 0) & (given == 0)
        assert inside.sum() == one.count and given[inside].mean() == pytest.approx(one.probability)
        assert right[inside].mean() == pytest.approx(one.accuracy)
    turned = reliability(given[::-1], right[::-1], bins, equal_mass=equal_mass)
    assert [(one.low, one.high, one.count) for one in turned] == [(one.low, one.high, one.count) for one in found]
    assert 0 <= calibration_error(given, right, bins, equal_mass=equal_mass) <= 1


@given(ANSWERS)
def test_one_bin_compares_the_means_and_brier_is_never_better_than_that(answers: list[tuple[float, bool]]) -> None:
    given, right = columns(answers)
    one_bin = calibration_error(given, right, 1)
    assert one_bin == pytest.approx(abs(given.mean() - right.mean()))
    assert one_bin**2 - 1e-12 <= brier(given, right) <= 1


def test_a_true_probability_is_calibrated_and_a_boastful_one_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20_000)
    right = rng.random(20_000) < truth
    assert calibration_error(truth, right) < 0.02 and calibration_error(truth, right, equal_mass=True) < 0.02
    assert calibration_error(np.sqrt(truth), right) == pytest.approx(2 / 3 - 1 / 2, abs=0.02)
    assert brier(truth, right) == pytest.approx(1 / 6, abs=0.01)


def test_what_is_no_probability_is_refused() -> None:
    for stated, right in (([1.5], [True]), ([float("nan")], [True]), ([], []), ([0.5], [True, False])):
        with pytest.raises(ValueError, match=r"outside|cannot"):
            brier(np.array(stated), np.array(right, bool))
