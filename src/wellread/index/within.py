"""The chunks that a search may return, when not all of them: what a filter comes down to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Within:
    """Disjoint ranges of chunk ids in rising order, `first[i] <= id <= last[i]`, both int64 [n], and about how many chunks they hold.

    The chunks of a document have consecutive ids, so that a filter on documents is one range for each.
    """

    first: np.ndarray
    last: np.ndarray
    count: int

    def holds(self, ids: np.ndarray) -> np.ndarray:
        """Which of some chunk ids (int64 [m]) lie in one of the ranges: bool [m]."""
        at = np.searchsorted(self.first, ids, side="right") - 1
        if not len(self.first):
            return np.zeros(len(ids), bool)
        return np.asarray((at >= 0) & (ids <= self.last[np.maximum(at, 0)]))
