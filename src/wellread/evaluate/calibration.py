"""Whether a probability means what it says: of the answers given as 80 % certain, are 80 % right?

Everywhere `probabilities` is float [n] in 0..1 and `right` bool [n], n > 0: how certain each answer was given, and whether it was right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of a reliability diagram: answers with a probability in (low, high], their mean probability and the share that is right."""

    low: float
    high: float
    count: int
    probability: float
    accuracy: float


def reliability(probabilities: np.ndarray, right: np.ndarray, bins: int = 10, *, equal_mass: bool = False) -> tuple[Bin, ...]:
    """The reliability diagram, without its empty bins.

    Bins are `bins` equally wide ones, or with `equal_mass` as many with about the same number of answers; answers of one
    probability never part, so ties may make bins fewer and uneven. A probability of 0 falls into the first bin. Source: Guo et al.
    2017, On Calibration of Modern Neural Networks; Nixon et al. 2019, Measuring Calibration in Deep Learning, for equal mass.
    """
    given, hits = _checked(probabilities, right)
    if equal_mass:
        highest = [part[-1] for part in np.array_split(np.sort(given), bins) if len(part)]
        edges = np.unique([0.0, *highest])
    else:
        edges = np.arange(bins + 1) / bins
    place = np.maximum(np.searchsorted(edges, given, side="left"), 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        low, high = edges[number - 1], edges[min(number, len(edges) - 1)]
        found.append(Bin(float(low), float(high), int(inside.sum()), float(given[inside].mean()), float(hits[inside].mean())))
    return tuple(found)


def calibration_error(probabilities: np.ndarray, right: np.ndarray, bins: int = 10, *, equal_mass: bool = False) -> float:
    """ECE: by how much probability and share of right answers part in a bin, averaged over answers; 0 is best, 1 worst.

    Source: Naeini, Cooper and Hauskrecht 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning; bins as in
    `reliability`. With equal mass it is what HELM reports, with fewer answers than a hundred to a bin it is mostly noise.
    """
    found = reliability(probabilities, right, bins, equal_mass=equal_mass)
    return sum(one.count * abs(one.probability - one.accuracy) for one in found) / sum(one.count for one in found)


def brier(probabilities: np.ndarray, right: np.ndarray) -> float:
    """The mean squared distance of the probability from what happened, 0 or 1; 0 is best. Always saying 0.5 gives 0.25.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability, halved as is usual for two outcomes.
    """
    given, hits = _checked(probabilities, right)
    return float(np.mean((given - hits) ** 2))


def _checked(probabilities: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    given, hits = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if given.shape != hits.shape or given.ndim != 1 or not given.size:
        raise ValueError(f"probabilities of shape {given.shape} cannot be held against answers of shape {hits.shape}")
    if not np.all((given >= 0) & (given <= 1)):
        raise ValueError("a probability lies outside 0..1")
    return given, hits
