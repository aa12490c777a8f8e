"""Turning scores into probabilities, learnt from scores of which one knows whether the answer was right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STEPS = 100


@dataclass(frozen=True, slots=True)
class Logistic:
    """The probability is the logistic function of a weighted sum of the scores. Few numbers, so few answers suffice to learn it."""

    weights: tuple[float, ...]
    intercept: float

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Float [n] in 0..1, from the scores [n], or [n, d] where it was learnt from d scores for each answer."""
        return _sigmoid(_columns(scores) @ np.asarray(self.weights) + self.intercept)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """The probability rises with the score in steps joined by straight lines. Takes any shape, wants some hundred answers to learn it."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Float [n] in 0..1, from the scores [n]; beyond the learnt scores it stays as at the last of them."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.probabilities)


def fit_logistic(scores: np.ndarray, right: np.ndarray) -> Logistic:
    """Learn from scores [n] (or [n, d]: several scores are weighed against each other) and bool [n], n > 0.

    The targets are not 0 and 1 but a little inside, as if one more answer of each kind had been seen, so that scores which
    part the answers wholly do not give certainty. Newton's method on the log loss, halving steps that do not help. Source: Platt 1999,
    Probabilistic Outputs for Support Vector Machines; Lin, Lin and Weng 2007, A note on Platt's probabilistic outputs.
    """
    columns, hits = _checked(_columns(scores), right)
    middle, spread = columns.mean(0), columns.std(0)
    spread[spread == 0] = 1.0
    design = np.column_stack([(columns - middle) / spread, np.ones(len(columns))])
    positive = int(hits.sum())
    target = np.where(hits, (positive + 1) / (positive + 2), 1 / (len(hits) - positive + 2))
    weights = np.zeros(design.shape[1])
    loss = _log_loss(design @ weights, target)
    for _ in range(_STEPS):
        expected = _sigmoid(design @ weights)
        slope = design.T @ (expected - target)
        curvature = design.T @ (design * (expected * (1 - expected))[:, None])
        # Least squares, since a score that never changes, or is given twice, leaves the curvature without an inverse.
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        while (now := _log_loss(design @ (weights - step), target)) > loss and np.abs(step).max() > 1e-12:
            step = step / 2
        if now >= loss - 1e-12:
            break
        weights, loss = weights - step, now
    slopes = weights[:-1] / spread
    return Logistic(tuple(slopes.tolist()), float(weights[-1] - slopes @ middle))


def fit_isotonic(scores: np.ndarray, right: np.ndarray) -> Isotonic:
    """Learn from scores [n] and bool [n], n > 0: of all rising functions the one with the least squared error.

    Pool adjacent violators: blocks that would fall are merged into their mean. Equal scores are one point. Source: Ayer et al. 1955,
    An empirical distribution function for sampling with incomplete information; Zadrozny and Elkan 2002, Transforming Classifier
    Scores into Accurate Multiclass Probability Estimates.
    """
    columns, hits = _checked(_columns(scores), right)
    points, place, counts = np.unique(columns[:, 0], return_inverse=True, return_counts=True)
    sums = np.bincount(place, hits)
    blocks: list[tuple[float, int, int]] = []  # right answers, answers, distinct scores
    for total, count in zip(sums.tolist(), counts.tolist(), strict=True):
        block = (total, count, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    kept, levels, start = [], [], 0
    for total, count, width in blocks:
        for end in sorted({start, start + width - 1}):  # inside a block nothing changes
            kept.append(float(points[end]))
            levels.append(total / count)
        start += width
    return Isotonic(tuple(kept), tuple(levels))


def _columns(scores: np.ndarray) -> np.ndarray:
    found = np.asarray(scores, np.float64)
    return found[:, None] if found.ndim == 1 else found


def _checked(columns: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits = np.asarray(right, bool)
    if len(columns) != len(hits) or not len(hits):
        raise ValueError(f"{len(columns)} scores cannot be learnt from {len(hits)} answers")
    if not np.isfinite(columns).all():
        raise ValueError("a score is not a finite number")
    return columns, hits


def _sigmoid(values: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(-np.logaddexp(0.0, -values))
    return shares


def _log_loss(values: np.ndarray, target: np.ndarray) -> float:
    return float(np.sum(np.logaddexp(0.0, values) - target * values))
