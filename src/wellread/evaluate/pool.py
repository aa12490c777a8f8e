"""How far a score of all items together (BLEU, perplexity, F1 of a class) can be trusted, where items have no scores of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

GROUPS = 40
"""Into so many groups the items are dealt; more would take longer and say little more."""


def pseudo_values(parts: Sequence[list[object]], score: Callable[[Sequence[list[object]]], float]) -> np.ndarray:
    """A score for each group of items whose mean is about that of all: float64 [groups], at least one.

    It is how far the score moves when the group is left out. What is true of means (intervals, paired differences) then serves for any
    score. Items are dealt to groups by their place, so those of two systems on the same items match.
    Source: Tukey 1958, Bias and confidence in not-quite large samples (the delete-a-group jackknife).
    """
    groups = min(GROUPS, len(parts))
    whole = score(parts)
    if groups < 2:
        return np.array([whole])
    without = [score([part for place, part in enumerate(parts) if place % groups != group]) for group in range(groups)]
    values = groups * whole - (groups - 1) * np.array(without)
    moved: np.ndarray = values - values.mean() + whole
    return moved
