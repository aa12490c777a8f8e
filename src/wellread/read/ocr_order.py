"""The order in which people read what stands on a picture: a column before its neighbour, a row from left to right."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

_CELL = 3  # cells of the grid per height of a line
_ROWS = 3  # so many lines must stand side by side before they are columns
_WIDE = 6.0  # the least width of a line of running text, in heights: narrower ones side by side are the cells of a table
_DEEPEST = 12


def reading_order(boxes: NDArray[np.float64]) -> list[list[int]]:
    """Rows of positions in `boxes`, in reading order; each position comes once.

    `boxes` is [n, 4]: left, top, right, bottom, y growing downwards, of pieces of text that stand upright. Columns of running text
    are read one after the other, around lines that span them; the cells of a table make a row.
    """
    return _ordered(boxes, list(range(len(boxes))), 0)


def paragraph_starts(boxes: NDArray[np.float64], rows: list[list[int]]) -> list[bool]:
    """For each row of `reading_order`, whether a paragraph begins there: it does not stand close below the row before, or is set apart."""
    if not rows:
        return []
    bounds = [np.concatenate([boxes[row, :2].min(axis=0), boxes[row, 2:].max(axis=0)]) for row in rows]
    gaps = [float(low[1] - high[3]) for high, low in pairwise(bounds)]
    near = [gap for gap, (high, low) in zip(gaps, pairwise(bounds), strict=True) if gap < _least(high, low)]
    usual = median(near) if near else 0.0
    starts = [True]
    for gap, (high, low) in zip(gaps, pairwise(bounds), strict=True):
        height = _least(high, low)
        apart = low[0] > high[2] or high[0] > low[2]
        starts.append(bool(apart or gap < -height or gap > usual + 0.4 * height))
    return starts


def _least(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(min(one[3] - one[1], other[3] - other[1]))


def _ordered(boxes: NDArray[np.float64], members: list[int], depth: int) -> list[list[int]]:
    height = _height(boxes[members]) if members else 0.0
    gutter = _gutter(boxes[members], height) if len(members) >= 2 * _ROWS and depth < _DEEPEST else None
    if gutter is None:
        return _rows(boxes, members)
    ordered: list[list[int]] = []
    for spans, band in _bands(boxes, members, gutter, height):
        if spans:  # it may have columns of its own, at other places
            ordered += _ordered(boxes, band, depth + 1) if len(band) < len(members) else _rows(boxes, band)
        else:
            ordered += _ordered(boxes, [at for at in band if boxes[at, 2] <= gutter], depth + 1)
            ordered += _ordered(boxes, [at for at in band if boxes[at, 2] > gutter], depth + 1)
    return ordered


def _bands(boxes: NDArray[np.float64], members: list[int], gutter: float, height: float) -> list[tuple[bool, list[int]]]:
    """The page cut from top to bottom, in turn, into what stands on either side of a gutter and what reaches over it."""
    over = [at for at in members if boxes[at, 0] < gutter < boxes[at, 2]]
    blocks: list[tuple[float, float]] = []
    for top, bottom in sorted((float(boxes[at, 1]), float(boxes[at, 3])) for at in over):
        if blocks and top <= blocks[-1][1] + height:
            blocks[-1] = (blocks[-1][0], max(blocks[-1][1], bottom))
        else:
            blocks.append((top, bottom))
    bands: list[tuple[bool, list[int]]] = [(bool(place % 2), []) for place in range(2 * len(blocks) + 1)]
    for at in members:
        middle = float(boxes[at, 1] + boxes[at, 3]) / 2
        place = sum((middle > top) + (middle > bottom) for top, bottom in blocks)
        bands[place][1].append(at)
    return bands


def _height(boxes: NDArray[np.float64]) -> float:
    return max(1.0, float(np.median(boxes[:, 3] - boxes[:, 1])))


def _gutter(boxes: NDArray[np.float64], height: float) -> float | None:
    """Where a column ends and the next begins: the x beside which the most text stands on both sides."""
    cell = height / _CELL
    origin = boxes[:, :2].min(axis=0)
    edges = ((boxes.reshape(-1, 2, 2) - origin) / cell).reshape(-1, 4)
    columns, rows = (int(extent) + 1 for extent in edges[:, 2:].max(axis=0))
    if columns * rows > 4_000_000:
        return None
    filled = np.zeros((rows, columns), dtype=np.bool_)
    for left, top, right, bottom in edges:
        filled[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = True
    before = np.logical_or.accumulate(filled, axis=1)
    after = np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1]
    free = (before & after & ~filled).sum(axis=0)
    free = np.minimum(free[:-1], free[1:])  # two cells wide, so that a space between words is no gutter
    while free.size and free.max() >= _ROWS * _CELL:
        best = int(free.argmax())
        same = np.flatnonzero(free[best:] < free[best])
        end = best + (int(same[0]) if same.size else len(free) - best)
        gutter = float(origin[0]) + cell * (best + end + 1) / 2
        if _columns(boxes, gutter, height):
            return gutter
        free[max(0, best - _CELL) : end + _CELL] = 0
    return None


def _columns(boxes: NDArray[np.float64], gutter: float, height: float) -> bool:
    """Whether running text stands on both sides: most of its lines are long."""
    widths = boxes[:, 2] - boxes[:, 0]
    sides = widths[boxes[:, 2] <= gutter], widths[boxes[:, 0] >= gutter]
    return all(len(side) >= _ROWS and float(np.median(side)) >= _WIDE * height for side in sides)


def _rows(boxes: NDArray[np.float64], members: list[int]) -> list[list[int]]:
    """Pieces whose middles lie beside one another, and which are about as high, stand in a row."""
    rows: list[list[int]] = []
    for at in sorted(members, key=lambda at: float(boxes[at, 1] + boxes[at, 3])):
        if rows and _beside(boxes[rows[-1][0]], boxes[at]):
            rows[-1].append(at)
        else:
            rows.append([at])
    return [sorted(row, key=lambda at: float(boxes[at, 0])) for row in rows]


def _beside(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    low, high = sorted((float(one[3] - one[1]), float(other[3] - other[1])))
    apart = abs(float(one[1] + one[3] - other[1] - other[3])) / 2
    return high <= 2 * low and apart <= 0.4 * low and (one[2] <= other[0] + low or other[2] <= one[0] + low)
