"""Glyphs become rows of text in reading order: the columns of vertical Japanese and Chinese, or plain lines.

Runs of glyphs that stand close to one another in the file are put together; then blank strips cut the page into blocks, again and
again (the recursive X-Y cut of Nagy and Seth, 1984), and the runs of a block are read from right to left, or from top to bottom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from wellread.read.decode import clean
from wellread.read.pdf_lines import Box
from wellread.read.pdf_miner import Glyph

_ACROSS = 0.35  # of a glyph's size: how far the glyphs of one run may stand apart across it
_ALONG = 0.8  # and along it
_STRIP = 0.4  # of a glyph's size: a blank strip across the direction of writing that parts two blocks
_WIDE_STRIP = 1.0  # the same along it, where the space between two lines must not count
_TIER = 4  # glyphs: a block less high is a row of list marks
_DEPTH = 40
_ENDS = tuple("。．.！？!?」』）)")


@dataclass(frozen=True, slots=True)
class Row:
    """A line or a column: `boxes` holds where each character of `text` stands, `opens` says that a paragraph begins with it."""

    text: str
    boxes: tuple[Box, ...]
    opens: bool


@dataclass(slots=True)
class _Run:
    glyphs: list[Glyph]
    box: Box
    down: bool = False
    spaces: set[int] = field(default_factory=set)  # the glyphs that a space stands before

    @property
    def size(self) -> float:
        return _size(self.glyphs[0])

    def add(self, glyph: Glyph) -> None:
        self.glyphs.append(glyph)
        self.box = _around((self.box, glyph.box))


def rows(glyphs: Sequence[Glyph]) -> list[Row]:
    """The rows of a page in reading order."""
    runs = _runs([glyph for glyph in glyphs if glyph.text.strip()])
    down = sum(len(run.glyphs) for run in runs if run.down)
    if 2 * down <= sum(len(run.glyphs) for run in runs):
        return _rows(_blocks(runs, False, 0), False)
    top = max(run.box[3] for run in runs if run.down)
    for run in runs:
        run.down = run.down or run.box[1] < top
    head = [run for run in runs if not run.down]
    return _rows(_blocks(head, False, 0), False) + _rows(_blocks([run for run in runs if run.down], True, 0), True)


def text_of(rows: Sequence[Row]) -> str:
    """The text of a page of these rows."""
    pieces = []
    for position, row in enumerate(rows):
        pieces += ["" if not position else "\n\n" if row.opens else "\n", row.text]
    return "".join(pieces)


def _runs(glyphs: Iterable[Glyph]) -> list[_Run]:
    runs: list[_Run] = []
    for glyph in glyphs:
        run = runs[-1] if runs else None
        if run is not None:
            if (len(run.glyphs) == 1 or run.down) and _below(run.glyphs[-1], glyph):
                run.down = True
                run.add(glyph)
                continue
            if not run.down and (gap := _beside(run.glyphs[-1], glyph)) is not None:
                if gap > 0.2 * min(_size(run.glyphs[-1]), _size(glyph)):
                    run.spaces.add(len(run.glyphs))
                run.add(glyph)
                continue
        runs.append(_Run([glyph], glyph.box))
    return runs


def _below(glyph: Glyph, after: Glyph) -> bool:
    size = min(_size(glyph), _size(after))
    apart = abs(glyph.box[0] + glyph.box[2] - after.box[0] - after.box[2]) / 2
    return apart < _ACROSS * size and -_ALONG * size < glyph.box[1] - after.box[3] < _ALONG * size


def _beside(glyph: Glyph, after: Glyph) -> float | None:
    size = max(_size(glyph), _size(after))
    gap = after.box[0] - glyph.box[2]
    return gap if abs(glyph.box[1] - after.box[1]) < _ACROSS * size and -_ALONG * size < gap < _ALONG * size else None


def _size(glyph: Glyph) -> float:
    left, bottom, right, top = glyph.box
    return max(right - left, top - bottom, 0.1)


def _around(boxes: Iterable[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _blocks(runs: list[_Run], down: bool, depth: int) -> list[list[_Run]]:
    """The runs, parted at blank strips: tiers from top to bottom, and in each the blocks in the direction of reading."""
    if len(runs) < 2 or depth > _DEPTH:
        return [runs] if runs else []
    size = median(run.size for run in runs)
    parts = _parted(runs, 1, (_STRIP if down else _WIDE_STRIP) * size, _TIER * size if down else 0)[::-1]
    if len(parts) == 1:
        parts = _parted(runs, 0, _WIDE_STRIP * size)
        parts = parts[::-1] if down else parts
    if len(parts) == 1:
        return [runs]
    return [block for part in parts for block in _blocks(part, down, depth + 1)]


def _parted(runs: list[_Run], axis: int, strip: float, least: float = 0) -> list[list[_Run]]:
    """The runs in groups between which there is a blank strip at least so wide, in the order of the axis (0 is x, 1 is y).

    A group that reaches less far than `least` is put to the next.
    """
    parts: list[list[_Run]] = []
    reached = began = 0.0
    for run in sorted(runs, key=lambda run: run.box[axis]):
        if parts and (run.box[axis] - reached < strip or reached - began < least):
            parts[-1].append(run)
            reached = max(reached, run.box[axis + 2])
        else:
            parts.append([run])
            began, reached = run.box[axis], run.box[axis + 2]
    if len(parts) > 1 and reached - began < least:
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts


def _rows(blocks: Iterable[list[_Run]], down: bool) -> list[Row]:
    found = []
    for block in blocks:
        lines = _lines(block, down)
        end = min(run.box[1] for run in block) if down else max(run.box[2] for run in block)
        before: Row | None = None
        for line in lines:
            text, boxes = _joined(line)
            opens = before is None or _finished(before, end, down)
            before = Row(text, boxes, opens)
            found.append(before)
    return found


def _finished(row: Row, end: float, down: bool) -> bool:
    """Whether a row stops short of the block's end, at the end of a sentence."""
    left, bottom, right, top = row.boxes[-1]
    size = max(right - left, top - bottom)
    return row.text.endswith(_ENDS) and (bottom - end if down else end - right) > 2 * size


def _lines(block: list[_Run], down: bool) -> list[list[_Run]]:
    """The runs that stand in one line (or column) together, each in the direction of writing."""
    across = 0 if down else 1
    lines: list[list[_Run]] = []
    for run in sorted(block, key=lambda run: run.box[across] + run.box[across + 2], reverse=True):
        at = (run.box[across] + run.box[across + 2]) / 2
        held = lines[-1][0].box if lines else None
        if held is not None and abs((held[across] + held[across + 2]) / 2 - at) < _ACROSS * run.size:
            lines[-1].append(run)
        else:
            lines.append([run])
    for line in lines:
        line.sort(key=lambda run: -run.box[3] if down else run.box[0])
    return lines


def _joined(line: Sequence[_Run]) -> tuple[str, tuple[Box, ...]]:
    text = ""
    boxes: list[Box] = []
    for position, run in enumerate(line):
        for index, glyph in enumerate(run.glyphs):
            space = " " if index in run.spaces else _between(line[position - 1], run) if position and not index else ""
            text += space
            boxes += [glyph.box] * len(space)
            piece = clean(glyph.text).strip().replace("\n", " ").replace("\f", " ")
            text += piece
            boxes += [glyph.box] * len(piece)
    return text, tuple(boxes)


def _between(run: _Run, after: _Run) -> str:
    """What stands between two runs of one line; a blank in a column is as wide as its characters are."""
    if not run.down:
        return " "
    return "\u3000" if run.box[1] - after.box[3] > 0.6 * run.size else ""
