"""Plots as SVG, drawn by hand: a bar with an interval, a reliability diagram, a curve of risk against coverage.

They stand inside a page and take their colours from its style sheet (classes `bar`, `whisker`, `line`, `grid`, `ideal`). They are 420
units wide, so that their letters can still be read on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from wellread.evaluate.calibration import Bin
from wellread.evaluate.results import Score
from wellread.evaluate.selective import Coverage

WIDTH = 420
_LEFT, _TOP, _SIDE = 60, 12, 280


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
    """The share of wrong ones among the surest of the answers that were given; `base` is that share among all of them."""
    flat = f'<path class="ideal" d="M{_x(0)} {_y(base):.1f}H{_x(1)}"/>'
    curve = _path([(0.0, points[0].risk), *((one.coverage, one.risk) for one in points)])
    return _framed(flat + curve, "share of the answers, surest first", "share that is wrong", lambda value: f"{value:.0%}")


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


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, inside: str, label: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{inside}</svg>'
