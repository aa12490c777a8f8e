"""The order in which a person reads what lies on a slide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Shape = TypeVar("Shape")

_SAME_ROW = 10.0  # shapes whose tops differ by fewer points stand side by side


def in_rows(placed: Iterable[tuple[float, float, Shape]]) -> list[Shape]:
    """Shapes, given as (top, left, shape) in points, row by row from the top, and from left to right within a row."""
    found = list(placed)
    ordered: list[tuple[int, float, int]] = []
    row, row_top = 0, 0.0
    for top, left, index in sorted((top, left, index) for index, (top, left, _) in enumerate(found)):
        if top - row_top > _SAME_ROW:
            row, row_top = row + 1, top
        ordered.append((row, left, index))
    return [found[index][2] for _, _, index in sorted(ordered)]
