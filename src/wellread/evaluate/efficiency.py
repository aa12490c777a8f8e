"""What an answer costs: seconds and tokens, over all questions of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Of `answers` answers: mean, median and 95th percentile of the seconds each took, and tokens written in a second of all that time
    (None where no time was taken)."""

    answers: int
    mean: float
    median: float
    slow: float
    tokens_per_second: float | None


def efficiency(seconds: np.ndarray, written: np.ndarray) -> Efficiency:
    """From the seconds that each answer took and the tokens written for it, both [n], n > 0.

    Wall time on one machine: what HELM (Liang et al. 2022, section 4.8) calls observed inference runtime. Compare only what ran on
    the same machine at rest; an answer taken from a cache has no time.
    """
    taken, tokens = np.asarray(seconds, np.float64), np.asarray(written)
    if taken.shape != tokens.shape or not taken.size or not np.all(taken >= 0):
        raise ValueError(f"times of shape {taken.shape} do not go with tokens of shape {tokens.shape}, or one is negative")
    total = float(taken.sum())
    median, slow = np.percentile(taken, (50, 95))
    return Efficiency(taken.size, float(taken.mean()), float(median), float(slow), float(tokens.sum()) / total if total else None)
