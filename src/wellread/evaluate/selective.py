"""How well a score tells right answers from wrong ones, and what is gained by answering only above a threshold.

`scores` is float [n], higher where an answer is more certain, and `right` bool [n], n > 0. Equal scores are never told apart: where a
figure depends on their order, it is the mean over all orders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Coverage:
    """When all questions scored at least `threshold` are answered: their share of all, and the share of wrong ones among them."""

    threshold: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """When all questions scored at least `threshold` are answered: the share of questions without an answer in the documents that
    are answered all the same (`false_answers`), and of questions with one that are refused (`false_refusals`)."""

    threshold: float
    false_answers: float
    false_refusals: float

    @property
    def balanced_accuracy(self) -> float:
        """The mean share of questions of both kinds that are dealt with rightly."""
        return 1 - (self.false_answers + self.false_refusals) / 2


def auroc(scores: np.ndarray, right: np.ndarray) -> float | None:
    """How likely a right answer scores above a wrong one, equal scores counting half; None where all are right or all wrong.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982, The meaning and use of the area under a ROC curve.
    """
    values, hits = _checked(scores, right)
    positive, negative = int(hits.sum()), int((~hits).sum())
    if not positive or not negative:
        return None
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[hits].sum() - positive * (positive + 1) / 2) / (positive * negative))


def balanced_accuracy(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The mean, over the kinds that occur in `actual` (bool [n]), of the share that is predicted rightly.

    Source: Brodersen et al. 2010, The balanced accuracy and its posterior distribution.
    """
    said, hits = np.asarray(predicted, bool), np.asarray(actual, bool)
    if said.shape != hits.shape or not hits.size:
        raise ValueError(f"predictions of shape {said.shape} cannot be held against facts of shape {hits.shape}")
    return float(np.mean([np.mean(said[hits == kind] == kind) for kind in (False, True) if np.any(hits == kind)]))


def risk_coverage(scores: np.ndarray, right: np.ndarray) -> tuple[Coverage, ...]:
    """A point for every threshold that changes anything, from the highest score, where little is answered, to the lowest.

    Source: El-Yaniv and Wiener 2010, On the Foundations of Noise-free Selective Classification.
    """
    thresholds, answered, wrong = _levels(scores, right)
    return tuple(
        Coverage(float(threshold), float(count / answered[-1]), float(misses / count))
        for threshold, count, misses in zip(thresholds, answered, wrong, strict=True)
    )


def risk_area(scores: np.ndarray, right: np.ndarray) -> float:
    """The area under the risk/coverage curve, 0..1, 0 best: the mean risk of answering the 1, 2, ... n most certain questions.

    Source: Geifman, Uziel and El-Yaniv 2019, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers (AURC).
    """
    wrong = _expected_wrong(scores, right)
    return float(np.mean(wrong / np.arange(1, len(wrong) + 1)))


def selective_accuracy(scores: np.ndarray, right: np.ndarray, coverage: float = 0.1) -> float:
    """The share of right answers among the most certain ones, `coverage` (above 0, up to 1) of all, rounded up to whole questions.

    Source: HELM (Liang et al. 2022), selective classification, which takes a tenth.
    """
    wrong = _expected_wrong(scores, right)
    count = min(len(wrong), max(1, int(np.ceil(coverage * len(wrong) - 1e-9))))
    return float(1 - wrong[count - 1] / count)


def operating_points(scores: np.ndarray, answerable: np.ndarray) -> tuple[OperatingPoint, ...]:
    """What each threshold costs, from the lowest score, where all is answered, to just above the highest, where nothing is.

    `scores` float [n] says how sure the system is that a question can be answered, `answerable` bool [n] whether it can. A rate over
    no questions is 0. The curve is the detection error trade-off of Martin et al. 1997, The DET Curve in Assessment of Detection Task
    Performance.
    """
    values, can = _checked(scores, answerable)
    points = []
    for threshold in [*np.unique(values).tolist(), math.nextafter(float(values.max()), math.inf)]:
        answered = values >= threshold
        points.append(OperatingPoint(threshold, _share(answered & ~can, ~can), _share(~answered & can, can)))
    return tuple(points)


def operating_point(points: Sequence[OperatingPoint], false_answers: float) -> OperatingPoint:
    """Of all points with at most this rate of false answers, the one with the fewest false refusals."""
    allowed = [point for point in points if point.false_answers <= false_answers]
    if not allowed:
        raise ValueError(f"no threshold keeps false answers to {false_answers}")
    return min(allowed, key=lambda point: (point.false_refusals, point.false_answers))


def _checked(scores: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, hits = np.asarray(scores, np.float64), np.asarray(right, bool)
    if values.shape != hits.shape or values.ndim != 1 or not values.size:
        raise ValueError(f"scores of shape {values.shape} cannot be held against answers of shape {hits.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a score is not a finite number")
    return values, hits


def _share(of: np.ndarray, among: np.ndarray) -> float:
    return float(of.sum() / among.sum()) if among.any() else 0.0


def _levels(scores: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct scores from high to low, how many questions score at least as much, and how many of these are wrong."""
    values, hits = _checked(scores, right)
    levels, place, counts = np.unique(-values, return_inverse=True, return_counts=True)
    return -levels, np.cumsum(counts), np.cumsum(np.bincount(place, ~hits))


def _expected_wrong(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Float [n]: how many wrong answers are to be expected among the 1, 2, ... n most certain ones."""
    _, answered, wrong = _levels(scores, right)
    expected: np.ndarray = np.interp(np.arange(1, answered[-1] + 1), np.concatenate([[0], answered]), np.concatenate([[0.0], wrong]))
    return expected
