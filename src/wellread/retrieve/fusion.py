"""Two lists into one order: how far each can be trusted for this question, and the sum of what they say.

Each list's scores become distances from the mean of its own best hits, in standard deviations (z-scores). Measured on English retrieval
sets their sum beats reciprocal rank fusion, and BM25 alone nearly everywhere, but a fixed sum loses where one side does not understand the
question. Three things tell, and cost nothing: how much of the question the best keyword hit covers, how much of it occurs in the library
at all (a question in another language: hardly anything), and which of the lists has winners that stand out from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_FLOOR = -3.0
"""No z-score counts for less: a chunk that one list does not know is not punished without end."""

_FULL_COVERAGE = 0.3
"""Share of the question's keyword weight that the best chunk must hold for the keyword list to count in full."""

_FULLY_KNOWN = 0.5
"""Share of the question's keyword weight that must occur in the library for the keyword list to count in full."""

_STANDING = 9
"""A list's winner is compared with the hit so many places below."""

_MOST_STANDING = 3.0
"""The most that one list may stand out more than the other."""

_PASSAGE_WEIGHT = 0.5
"""What the words around a chunk count, its own counting 1."""


_HEAD_WEIGHT = 0.25
"""What the vector of the first chunk of a chunk's document counts, its own counting 1. Measured with 200 questions each: +.013 nDCG@10 on a
manual, +.015 across languages, -.007 to +.005 on five other sets."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One list: the scores of the hits it `listed`, best first, and of others that were asked for. What it does not know is not in it."""

    listed: Sequence[float]
    scores: Mapping[int, float]

    def z_scores(self, ids: Sequence[int]) -> np.ndarray:
        """For each id its distance from the mean of the listed hits, in standard deviations, at least `_FLOOR`; float [n]."""
        if not len(self.listed):
            return np.zeros(len(ids))
        mean, deviation = float(np.mean(self.listed)), float(np.std(self.listed))
        if deviation < 1e-9:  # one hit, or all alike: being in the list is all there is to know
            return np.array([float(id in self.scores and self.scores[id] >= mean - 1e-9) for id in ids])
        values = np.array([self.scores.get(id, 0.0) for id in ids])
        return np.maximum((values - mean) / deviation, _FLOOR)

    @property
    def standing(self) -> float:
        """How far the winner stands out: its lead over the hit `_STANDING` places below, in standard deviations of the list."""
        if not len(self.listed):
            return 0.0
        deviation = float(np.std(self.listed))
        lead = self.listed[0] - self.listed[min(_STANDING, len(self.listed) - 1)]
        return float(lead / deviation) if deviation > 1e-9 else 0.0


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the keyword list counts beside the dense one, whose weight is 1: the product of the three.

    coverage and known are 0..1; standing is below 1 where the dense list has the clearer winner.
    """

    coverage: float
    known: float
    standing: float

    @property
    def weight(self) -> float:
        return self.coverage * self.known * self.standing


def keyword_trust(keyword: Scored, dense: Scored, *, coverage: float, known: float) -> Trust:
    """How far the keyword list can be trusted for a question.

    `coverage` is the share of the question's keyword weight that the best keyword hit holds, `known` the share that any chunk holds.
    """
    ratio = keyword.standing / max(dense.standing, 1e-3)
    standing = min(max(ratio, 1 / _MOST_STANDING), _MOST_STANDING) ** 0.5 if len(keyword.listed) > 1 and len(dense.listed) > 1 else 1.0
    return Trust(min(coverage / _FULL_COVERAGE, 1.0), min(known / _FULLY_KNOWN, 1.0), standing)


def with_passages(keyword_z: np.ndarray, passage_z: np.ndarray) -> np.ndarray:
    """What the words of a chunk say together with those of the passage it lies in: their weighted mean."""
    return np.asarray((keyword_z + _PASSAGE_WEIGHT * passage_z) / (1 + _PASSAGE_WEIGHT))


def with_heads(dense_z: np.ndarray, head_z: np.ndarray) -> np.ndarray:
    """What a chunk means together with what its document begins with, which often says what it is about: their weighted mean."""
    return np.asarray((dense_z + _HEAD_WEIGHT * head_z) / (1 + _HEAD_WEIGHT))


def reciprocal_ranks(lists: Sequence[Sequence[int]], *, constant: int = 60) -> dict[int, float]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): for each id the sum of 1 / (constant + its rank in each list)."""
    fused: dict[int, float] = {}
    for ranked in lists:
        for rank, id in enumerate(ranked, start=1):
            fused[id] = fused.get(id, 0.0) + 1 / (constant + rank)
    return fused
