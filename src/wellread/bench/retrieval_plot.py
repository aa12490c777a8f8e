"""The quality of rankings as a picture: a row for each collection, a dot with its interval for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wellread.errors import UsageError, WellreadError
from wellread.evaluate.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0b6e4f", "#c8553d", "#3d5a80", "#8d6a9f", "#b8860b", "#5f6b6d", "#2a9d8f", "#d08c60", "#7f4f24", "#457b9d")
"""For methods or systems in their order; ours comes first."""

_MARKERS = "osD^vPX<>*"


def figure(width: float, height: float) -> Figure:
    """An empty picture, in inches. Raises `WellreadError` when matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise WellreadError("a plot needs matplotlib, which is not installed.", hint='pip install "wellread[bench]"') from error
    return Figure(figsize=(width, height), layout="constrained")  # without pyplot, which would keep it and look for a display


def check(out: Path) -> None:
    """Raise `WellreadError` when a picture cannot be drawn to `out`, before what it shows is measured."""
    if out.suffix.removeprefix(".") not in figure(1, 1).canvas.get_supported_filetypes():
        raise UsageError(f"{out.name} is in no format that can be drawn.", hint="end the name in .png, .svg or .pdf")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}.", hint="make it first, or choose another place")


def draw(rows: Mapping[str, Mapping[str, Estimate]], metric: str, out: Path) -> None:
    """Write a picture of collection -> method -> estimate to `out`, whose ending says the format (.png, .svg, .pdf)."""
    methods = list(dict.fromkeys(method for by in rows.values() for method in by))
    picture = figure(8.5, 1.2 + len(rows) * (0.14 * len(methods) + 0.22))
    axes = picture.add_subplot()
    for at, method in enumerate(methods):
        offset = (at - (len(methods) - 1) / 2) * 0.75 / max(1, len(methods))
        held = [(place + offset, by[method]) for place, by in enumerate(rows.values()) if method in by]
        means = [found.mean for _, found in held]
        errors = [[found.mean - found.low for _, found in held], [found.high - found.mean for _, found in held]]
        axes.errorbar(
            means,
            [place for place, _ in held],
            xerr=errors,
            fmt=_MARKERS[at % len(_MARKERS)],
            color=COLOURS[at % len(COLOURS)],
            markersize=5 if at else 7,
            linewidth=1.2,
            label=method,
        )
    _frame(axes, list(rows), metric)
    picture.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=min(len(methods), 5), frameon=False)
    save(picture, out)


def save(picture: Figure, out: Path) -> None:
    """Write a picture."""
    check(out)
    picture.savefig(out, dpi=160)


def _frame(axes: object, names: Sequence[str], metric: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for between in range(1, len(names)):
        axes.axhline(between - 0.5, color="#dddddd", linewidth=0.8)
    axes.set_xlabel(f"{metric}, mean over questions, with the 95 % interval")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
