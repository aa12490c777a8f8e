"""Growth as a picture: what a question takes, and what opening and memory come to, from the smallest size to the largest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellread.bench.retrieval_plot import COLOURS, figure, save
from wellread.bench.scale import ScalePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "sDv^P<>X*"


def draw(points: Sequence[ScalePoint], peers: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write the picture to `out`, whose ending says the format (.png, .svg, .pdf). Raises `WellreadError` without matplotlib.

    Each of `peers` is another system at one size: "name", "chunks" and, as far as they are known, "p50_ms", "open_s" and "rss_mb".
    """
    picture = figure(12, 4.8)
    asked, opened, memory = picture.subplots(1, 3)
    sizes = [point.chunks for point in points]
    for name, colour, values in (
        ("keyword", COLOURS[2], [point.keyword.p50_ms for point in points]),
        ("vector", COLOURS[1], [point.vector.p50_ms for point in points]),
        ("hybrid", COLOURS[0], [point.hybrid.p50_ms for point in points]),
        ("hybrid, in a tenth", COLOURS[3], [point.filtered.p50_ms for point in points]),
    ):
        asked.plot(sizes, values, marker="o", markersize=4, color=colour, label=f"Wellread, {name}")
    opened.plot(sizes, [point.open_s for point in points], marker="o", markersize=4, color=COLOURS[0], label="Wellread")
    memory.plot(sizes, [point.rss_mb for point in points], marker="o", markersize=4, color=COLOURS[0], label="Wellread")
    for at, name in enumerate(dict.fromkeys(str(peer["name"]) for peer in peers)):
        for axes, key in ((asked, "p50_ms"), (opened, "open_s"), (memory, "rss_mb")):
            _peer(axes, name, key, [peer for peer in peers if peer["name"] == name], at)
    _frame(asked, "a question at the median (ms, processor time)")
    _frame(opened, "open files to first result (s, processor time)")
    _frame(memory, "resident memory (MB)")
    asked.legend(frameon=False, fontsize=8)
    save(picture, out)


def _peer(axes: Axes, name: str, key: str, rows: Sequence[Mapping[str, Any]], at: int) -> None:
    held = sorted((row["chunks"], row[key]) for row in rows if row.get(key) is not None and math.isfinite(row[key]) and row[key] > 0)
    if held:
        sizes, values = zip(*held, strict=True)
        axes.plot(
            sizes,
            values,
            marker=_MARKERS[at % len(_MARKERS)],
            label=name,
            linestyle="--",
            linewidth=1.0,
            markersize=4,
            color=COLOURS[(4 + at) % len(COLOURS)],
        )


def _frame(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("chunks")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
