"""Embedders as points in a picture: to the right is faster, upwards is better, and the size of a dot is the size of the files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from wellread.bench.embeddings import EmbedderPoint
from wellread.bench.retrieval_plot import COLOURS, figure, save

_LETTER, _LINE = 0.0105, 0.05
"""About how wide a letter is and how high a line, as shares of the picture."""

_Box = tuple[float, float, float, float]
_PLACES = tuple(product((0.014, -0.014), (0.0, 0.05, -0.05, 0.1, -0.1, 0.15, -0.15, 0.2, -0.2)))
"""Where a label may stand beside its dot, nearest first: to the right or, negative, to the left, and how far up."""


def draw(points: Sequence[EmbedderPoint], out: Path) -> None:
    """Write the picture to `out`, whose ending says the format (.png, .svg, .pdf). Raises `WellreadError` without matplotlib."""
    picture = figure(9, 5.5)
    axes = picture.add_subplot()
    low, high = min(point.speed for point in points), max(point.speed for point in points)
    least, most = min(point.mean for point in points), max(point.mean for point in points)
    axes.set_xscale("log")
    axes.set_xlim(low / 2, high * 2)
    axes.set_ylim(least - 0.06, most + 0.06)
    spots = [
        (math.log(point.speed * 2 / low) / math.log(high * 4 / low), (point.mean - least + 0.06) / (most - least + 0.12))
        for point in points
    ]
    labels = [_label(point) for point in points]
    for at, (point, label, place) in enumerate(zip(points, labels, placed(spots, labels), strict=True)):
        colour = COLOURS[at % len(COLOURS)]
        axes.scatter(point.speed, point.mean, s=30 + 2 * point.megabytes, color=colour, alpha=0.85, zorder=3)
        axes.annotate(
            label,
            (point.speed, point.mean),
            xytext=place,
            textcoords="axes fraction",
            verticalalignment="center",
            color=colour,
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 5},
        )
    axes.set_xlabel("chunks embedded a second of processor time (logarithmic)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    names = list(points[0].ndcg)
    axes.set_ylabel(f"nDCG@10, dense only, mean of {', '.join(names) if len(names) < 4 else f'{len(names)} collections'}", fontsize=9)
    axes.set_title("Generations of embeddings: quality and speed", loc="left", fontsize=11)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    save(picture, out)


def placed(spots: Sequence[tuple[float, float]], labels: Sequence[str]) -> list[tuple[float, float]]:
    """Where each label begins (its left end, half its height), in shares of the picture as `spots` are: on no other label and no dot,
    as near to its own dot as that allows.
    """
    taken: list[_Box] = [(x - 0.012, y - 0.02, x + 0.012, y + 0.02) for x, y in spots]
    found = []
    for (x, y), label in zip(spots, labels, strict=True):
        width = len(label) * _LETTER
        boxes = [_box(x, y, width, *place) for place in _PLACES]
        inside = [box for box in boxes if box[0] >= 0 and box[2] <= 1 and box[1] >= 0 and box[3] <= 1] or boxes
        best = min(inside, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(best)
        found.append((best[0], (best[1] + best[3]) / 2))
    return found


def _box(x: float, y: float, width: float, right: float, up: float) -> _Box:
    left = x + right if right > 0 else x + right - width
    return left, y + up - _LINE / 2, left + width, y + up + _LINE / 2


def _overlap(a: _Box, b: _Box) -> float:
    """The area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _label(point: EmbedderPoint) -> str:
    name, _, path = point.name.partition(":")
    shown = f"{name} ({Path(path).stem})" if path else name
    return f"{shown}, {point.year}" if point.year else shown
