"""Plots as SVG, drawn by hand: bars with intervals, a reliability diagram, a curve of risk against coverage.

They stand inside a page and take their colours from its style sheet (classes `bar`, `whisker`, `line`, `grid`, `ideal`). They are 420
units wide, so that their letters can still be read on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from wellread.evaluate.calibration import Bin
from wellread.evaluate.results import Score
from wellread.evaluate.selective import Coverage

WIDTH = 420
_ROW = 26
_NAME = 156
_LEFT, _TOP, _SIDE = 60, 12, 280


def category_bars(scores: Mapping[str, Score], best: float = 1.0) -> str:
    """A bar for each category with its interval, on a scale from 0 to `best`."""
    wide = WIDTH - _NAME - 62

    def x(value: float) -> float:
        return _NAME + max(0.0, min(1.0, value / best)) * wide

    height = _ROW * len(scores) + 24
    pieces = [_grid_line(x(tick * best), height - 20, f"{tick * best:g}") for tick in (0, 0.25, 0.5, 0.75, 1)]
    for row, (name, score) in enumerate(scores.items()):
        y = row * _ROW + 4
        middle = y + 9
        pieces.append(f"<g><title>{escape(name)}: {score.mean:.3f} ({score.low:.3f} to {score.high:.3f}), n = {score.n}</title>")
        pieces.append(_text(_NAME - 8, middle + 4, _short(name, 19), "end"))
        pieces.append(f'<rect class="bar" x="{_NAME}" y="{y}" width="{x(score.mean) - _NAME:.1f}" height="18" rx="2"/>')
        pieces.append(f'<path class="whisker" d="M{x(score.low):.1f} {middle}H{x(score.high):.1f}"/>')
        pieces.append(_text(WIDTH - 2, middle + 4, f"{score.mean:.2f}", "end", "number") + "</g>")
    return _svg(height, "".join(pieces), "Scores by category")


def reliability_diagram(bins: Sequence[Bin]) -> str:
    """How often answers are right against how sure they were given; the larger a dot, the more answers it stands for."""
    most = max(one.count for one in bins)
    points = [(one.probability, one.accuracy) for one in bins]
    dots = [
        f'<circle class="dot" cx="{_x(at):.1f}" cy="{_y(height):.1f}" r="{3 + 7 * (one.count / most) ** 0.5:.1f}">'
        f"<title>{one.count} answers: said {at:.0%}, right {height:.0%}</title></circle>"
        for one, (at, height) in zip(bins, points, strict=True)
    ]
    ideal = f'<path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>'
    return _framed(ideal + _path(points) + "".join(dots), "how sure it was", "share that is right", lambda value: f"{value:.0%}")


def risk_curve(points: Sequence[Coverage], base: float) -> str:
    """The share of wrong answers when only the surest are given; `base` is that share when all are given."""
    flat = f'<path class="ideal" d="M{_x(0)} {_y(base):.1f}H{_x(1)}"/>'
    curve = _path([(points[0].coverage * 0, points[0].risk), *((one.coverage, one.risk) for one in points)])
    return _framed(flat + curve, "share of questions answered", "share of answers wrong", lambda value: f"{value:.0%}")


def interval_bar(score: Score, best: float) -> str:
    """A small bar with an interval, for a cell of a table."""
    at, low, high = (100 * max(0.0, min(1.0, value / best)) for value in (score.mean, score.low, score.high))
    return (
        '<svg class="small" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="12"/><rect class="bar" width="{at:.1f}" height="12"/>'
        f'<path class="whisker" d="M{low:.1f} 6H{high:.1f}"/></svg>'
    )


def _framed(inside: str, across: str, up: str, told: Callable[[float], str]) -> str:
    """A square from 0 to 1 both ways, with its grid, its axes named, and something drawn in it."""
    pieces = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        pieces.append(f'<path class="grid" d="M{_x(tick)} {_y(0)}V{_y(1)}M{_x(0)} {_y(tick)}H{_x(1)}"/>')
        pieces.append(_text(_x(tick), _y(0) + 18, told(tick), "middle", "tick") + _text(_LEFT - 6, _y(tick) + 4, told(tick), "end", "tick"))
    pieces.append(_text(_x(0.5), _TOP + _SIDE + 38, across, "middle"))
    pieces.append(f'<g transform="translate(12 {_y(0.5)}) rotate(-90)">{_text(0, 0, up, "middle")}</g>')
    return _svg(_TOP + _SIDE + 48, "".join(pieces) + inside, f"{up} against {across}")


def _x(value: float) -> float:
    return round(_LEFT + value * (WIDTH - _LEFT - 16), 1)


def _y(value: float) -> float:
    return round(_TOP + (1 - value) * _SIDE, 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return f'<path class="line" d="M{"L".join(f"{_x(at)} {_y(height)}" for at, height in points)}"/>'


def _grid_line(x: float, bottom: int, label: str) -> str:
    return f'<path class="grid" d="M{x:.1f} 0V{bottom}"/>' + _text(x, bottom + 15, label, "middle", "tick")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(name: str, length: int) -> str:
    """A name with its middle left out where it is too long: beginnings are often alike."""
    if len(name) <= length:
        return name
    end = length // 2
    return f"{name[: length - 1 - end]}…{name[-end:]}"


def _svg(height: int, inside: str, label: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{inside}</svg>'
