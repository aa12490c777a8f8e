"""How far a mean over questions can be trusted, and whether one system is really better than another on the same questions.

Everything is drawn with a fixed seed: the same scores give the same figures, and every system is judged on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_SEED = 0
_DRAWS = 2_000
_FLIPS = 10_000
_BLOCK = 2_000_000  # numbers that are drawn at a time, so that thousands of questions need no gigabytes


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and the interval in which 95 % of the means of questions drawn again would lie."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one system's mean is above another's, its 95 % interval, and how likely chance alone parts them as far (`p`)."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def significant(self) -> bool:
        """Whether `p` is below 0.05. Who makes many comparisons must expect one in twenty to be so by chance."""
        return self.p < 0.05


def estimate(scores: np.ndarray) -> Estimate:
    """The mean of one score for each question (float [n], n > 0), with its percentile bootstrap interval.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    means = np.concatenate([counts @ scores for counts in _resampled(len(scores))]) / len(scores)
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(float(np.mean(scores)), float(low), float(high))


def difference(one: np.ndarray, other: np.ndarray) -> Difference:
    """`one` less `other`, both float [n] with the scores of the same questions in the same order.

    The interval is a paired bootstrap's. `p` is that of a two-sided paired randomisation test: were the systems alike, each question's
    two scores could as well change places. Source: Smucker, Allan and Carterette 2007, A Comparison of Statistical Significance Tests
    for Information Retrieval Evaluation.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} scores cannot be paired with {len(other)}")
    apart = np.asarray(one, np.float64) - other
    found = estimate(apart)
    return Difference(found.mean, found.low, found.high, _p_value(apart))


def _p_value(apart: np.ndarray) -> float:
    apart = apart[apart != 0]  # where both score the same, nothing changes when they change places
    if not len(apart):
        return 1.0
    observed = abs(apart.sum()) - 1e-9  # sums of the same numbers in another order may differ in the last digit
    rng = np.random.default_rng(_SEED)
    rows = max(1, _BLOCK // len(apart))
    extreme = 0
    for done in range(0, _FLIPS, rows):
        signs = rng.integers(0, 2, (min(rows, _FLIPS - done), len(apart)), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ apart) >= observed))
    return (extreme + 1) / (_FLIPS + 1)


def _resampled(count: int) -> Iterator[np.ndarray]:
    """How often each of `count` questions is drawn, in every draw of as many with replacement: int [draws, count], in blocks."""
    rng = np.random.default_rng(_SEED)
    rows = max(1, _BLOCK // count)
    for done in range(0, _DRAWS, rows):
        yield rng.multinomial(count, np.full(count, 1 / count), size=min(rows, _DRAWS - done))
