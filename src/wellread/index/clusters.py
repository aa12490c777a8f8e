"""Clusters of vectors: an inverted file, so that a search reads the few clusters that lie near the query and not every row.

Sivic & Zisserman, "Video Google" (2003); Jégou, Douze & Schmid, "Product Quantization for Nearest Neighbor Search" (2011). The centroids
come from spherical k-means (Dhillon & Modha, 2001) on a sample. Measured on a million vectors made from real ones: with 4 sqrt(n)
clusters, 2 to 3 % of the rows hold 98 % of the nearest hundred; training on 16 rows a cluster in 4 rounds loses under a hundredth
against 32 rows in 6, at a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_PER_CLUSTER = 16
"""Rows that the centroids are trained on, for each of them."""
_ROUNDS = 4
_BLOCK = 2048
"""Rows that are compared with all centroids at once: 32 MB of scores at a million rows."""
_QUERIES = 256
_NEAREST = 100
_RECALL = 0.95
"""What share of the `_NEAREST` rows of a made-up query the clusters that are looked into must hold, on average. At a million rows .95 of
the nearest hundred went with .99 of the nearest ten, in two thirds of the time that .98 takes."""
_AWAY = 2.5
"""How far a made-up query is from the row that it is made of, in lengths of that row. Real questions need as many clusters as queries at
2.0 to 2.5 do (400 questions of seven sets, against 100,000 to a million vectors of all-MiniLM-L6-v2); rows themselves need a fifth.
"""
_LEAST = 8
"""Clusters that are looked into even where fewer would do for the rows that were tried."""


Read = Callable[[np.ndarray], np.ndarray]
"""Gives the codes (int8 [m, d]) of some rows (int64 [m]): all of them at once may be more than the memory holds."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centroids float32 [k, d] of length 1, and bounds int64 [k + 1]: the rows of cluster i are `bounds[i]` to `bounds[i + 1]`."""

    centroids: np.ndarray
    bounds: np.ndarray

    def nearest(self, vector: np.ndarray, count: int, rows: int) -> np.ndarray:
        """The `count` clusters nearest to a vector (float32 [d]), or as many more as it takes to hold so many rows; nearest first."""
        order = np.argsort(-np.einsum("kd,d->k", self.centroids, vector))  # a product so small costs BLAS more in threads than it saves
        held = np.cumsum(np.diff(self.bounds)[order])
        return order[: max(count, int(np.searchsorted(held, rows)) + 1)]


def trained(read: Read, scales: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Centroids float32 [k, d] for those `rows` (int64, rising); `scales` float32 [n] undo the codes. The same for the same rows."""
    rng = np.random.default_rng(len(rows))
    count = max(1, int(4 * len(rows) ** 0.5))
    some = np.sort(rng.choice(rows, min(len(rows), count * _PER_CLUSTER), replace=False))
    sample, lengths = read(some), scales[some, None]
    first = np.sort(rng.choice(len(some), min(count, len(some)), replace=False))
    centroids = _unit(sample[first] * lengths[first])
    for _ in range(_ROUNDS):
        labels = assigned(sample.__getitem__, np.arange(len(sample)), centroids)
        sums = np.zeros_like(centroids)
        for low in range(0, len(sample), _BLOCK):
            block = slice(low, low + _BLOCK)
            order = np.argsort(labels[block], kind="stable")
            present, at = np.unique(labels[block][order], return_index=True)
            sums[present] += np.add.reduceat((sample[block] * lengths[block])[order], at, axis=0)
        empty = np.flatnonzero(np.bincount(labels, minlength=len(centroids)) == 0)
        fresh = rng.choice(len(sample), len(empty), replace=False)
        sums[empty] = sample[fresh] * lengths[fresh]
        centroids = _unit(sums)
    return centroids


def assigned(read: Read, rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest centroid of each of `rows` (int64 [m]): int32 [m]."""
    labels = np.empty(len(rows), np.int32)
    for low in range(0, len(rows), _BLOCK):  # the scale of a row does not change which centroid is the nearest
        labels[low : low + _BLOCK] = (read(rows[low : low + _BLOCK]).astype(np.float32) @ centroids.T).argmax(axis=1)
    return labels


def probes_needed(read: Read, scales: np.ndarray, clusters: Clusters) -> int:
    """How many clusters a search must look into: measured, for data differ.

    The queries are stored rows that have been moved away, each into another direction, as questions lie apart from the passages that
    answer them. Where what they find in all rows lies says how many clusters they should have looked into.
    """
    rng = np.random.default_rng(len(scales))
    chosen = np.sort(rng.choice(len(scales), min(_QUERIES, len(scales)), replace=False))
    queries = _unit(read(chosen) * scales[chosen, None])
    queries = _unit(queries + _unit(rng.normal(size=queries.shape).astype(np.float32)) * _AWAY)
    best = _nearest_rows(queries, read, scales)
    order = np.argsort(-(queries @ clusters.centroids.T), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :], axis=1)
    owner = np.searchsorted(clusters.bounds, best, side="right") - 1
    needed = int(np.quantile(np.take_along_axis(rank, owner, axis=1), _RECALL, method="higher")) + 1
    return min(max(needed, _LEAST), len(clusters.centroids))


def _nearest_rows(queries: np.ndarray, read: Read, scales: np.ndarray) -> np.ndarray:
    """The `_NEAREST` rows of each query, in no order: int64 [queries, at most that many]."""
    best = np.zeros((len(queries), 0), np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    for low in range(0, len(scales), _BLOCK * 4):
        numbers = np.arange(low, min(low + _BLOCK * 4, len(scales)))
        block = read(numbers) * scales[numbers, None]
        best = np.concatenate((best, queries @ block.T), axis=1)
        rows = np.concatenate((rows, np.broadcast_to(numbers, (len(queries), len(block)))), axis=1)
        if best.shape[1] > _NEAREST:
            top = np.argpartition(-best, _NEAREST - 1, axis=1)[:, :_NEAREST]
            best, rows = np.take_along_axis(best, top, axis=1), np.take_along_axis(rows, top, axis=1)
    return rows


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
