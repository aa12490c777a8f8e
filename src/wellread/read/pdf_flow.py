"""Where a PDF's paragraphs end, told from the geometry of its lines.

A PDF knows no paragraphs. A line ends one when the next stands lower than lines usually do, is set in another size, is indented,
begins a list item, or when a line stops short though the next word had fit. A jump to another column goes on with the paragraph
only where the words say so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from wellread.read.pdf_lines import Line

PARAGRAPH = "\n\n"
SOFT = "\n"

_BULLET = re.compile(r"[•‣◦▪▫●○■□◆➢➤✓⁃∙·*–—-]\s")
_ENUMERATED = re.compile(r"(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|\[\d{1,4}\])\s*\S")
_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}\.?\s+[^\W\d_]")
_SENTENCE_END = re.compile(r"[.!?:;。！？：；…][\"'”’)\]»」』\d]{0,4}$")
_GOES_ON = re.compile(r"[a-z0-9(,;&%]|[^\W\d_](?<![A-Z])")
_INDENT = 0.6  # in font sizes: less is a slip of the pen
_GAP = 1.2  # of the usual distance of lines: more is a space between paragraphs


def separators(lines: Sequence[Line]) -> list[str]:
    """What stands between each line and the next: "", a space, a newline, or a blank line at a paragraph's end.

    A hyphenated line is followed by ""; whoever joins the words decides about the hyphen.
    """
    usual = _usual_gap(lines)
    between: list[str] = []
    first = 0  # where the open paragraph began
    for at in range(len(lines) - 1):
        separator = _between(lines, at, first, usual)
        between.append(separator)
        if separator == PARAGRAPH:
            first = at + 1
    return between


def _usual_gap(lines: Sequence[Line]) -> dict[float, float]:
    """For each font size of the page, the distance of baselines met most often."""
    met: dict[float, Counter[float]] = {}
    for line, after in pairwise(lines):
        gap = line.base - after.base
        if abs(line.size - after.size) < 0.6 and 0.6 * line.size < gap < 2.6 * line.size and _overlap(line, after):
            met.setdefault(round(line.size), Counter())[round(gap * 2) / 2] += 1
    usual = {}
    for size, gaps in met.items():
        most = max(gaps.values())
        usual[float(size)] = min(gap for gap, count in gaps.items() if count >= max(1, 0.8 * most))
    return usual


def _overlap(line: Line, after: Line) -> bool:
    return line.left < after.right and after.left < line.right


def _between(lines: Sequence[Line], at: int, first: int, usual: dict[float, float]) -> str:
    line, after = lines[at], lines[at + 1]
    if line.upright != after.upright or line.running or after.running:
        return PARAGRAPH
    if line.hyphenated:
        return ""
    if not line.upright:
        return SOFT
    same_row = _same_row(line, after)
    if same_row is not None:
        return same_row
    if _drop_cap(line, after):
        return ""
    if max(line.size, after.size) > 1.12 * min(line.size, after.size):
        return PARAGRAPH
    gap = line.base - after.base
    if gap < 0.3 * line.size or not _overlap(line, after):
        return _across_columns(lines, at)
    if gap > _GAP * usual.get(float(round(line.size)), 1.5 * line.size) + 0.3:
        return PARAGRAPH
    return PARAGRAPH if _ends_here(lines, at, first) else SOFT


def _same_row(line: Line, after: Line) -> str | None:
    """Pieces of one visual line, which PDFium parts at raised marks: None when they are not."""
    if abs(line.base - after.base) > 0.45 * max(line.size, after.size) or after.left < line.right - 0.5 * line.size:
        return None
    distance = after.left - line.right
    size = min(line.size, after.size)
    if distance < 0.15 * size:
        return ""
    return " " if distance < 1.5 * size else SOFT


def _drop_cap(line: Line, after: Line) -> bool:
    return len(line.text) == 1 and line.text.isupper() and line.size > 1.8 * after.size and 0 <= after.left - line.right < after.size


def _across_columns(lines: Sequence[Line], at: int) -> str:
    """A jump to another column or region: the paragraph goes on when its last line is full and the next begins in mid sentence."""
    line, after = lines[at], lines[at + 1]
    alike = line.style == after.style or line.font == after.font
    if alike and not _finished(line) and after.text[:1].islower() and not _short(lines, at):
        return SOFT
    return PARAGRAPH


def _finished(line: Line) -> bool:
    return not line.hyphenated and bool(_SENTENCE_END.search(line.text))


def _short(lines: Sequence[Line], at: int) -> bool:
    """Whether the line stops early though the next word had fit."""
    line, after = lines[at], lines[at + 1]
    near = lines[max(0, at - 4) : at + 5]
    margin = max(
        (other.right for other in near if abs(other.size - line.size) < 0.6 and abs(other.left - line.left) < 4 * line.size),
        default=line.right,
    )
    word = len(after.text.split(None, 1)[0]) if after.text.isascii() or " " in after.text else 1
    advance = (after.right - after.left) / max(1, len(after.text))
    return line.right + (word + 1) * advance < margin - 0.3 * line.size


def _ends_here(lines: Sequence[Line], at: int, first: int) -> bool:
    """Whether the paragraph that began at `first` ends with line `at`, which stands right above the next one."""
    line, after = lines[at], lines[at + 1]
    if _BULLET.match(after.text):
        return True
    ended = _finished(line)
    short = _short(lines, at)
    if line.bold and line.plain and not after.bold and short and first == at:
        return True
    if after.bold and after.plain and ((not line.bold and (ended or short)) or _NUMBERED.match(after.text)):
        return True
    if ended and _ENUMERATED.match(after.text):
        return True
    shift = after.left - line.left
    if abs(shift) <= _INDENT * line.size:
        return ended and short
    if _centred(line, after):
        return False
    return _indented(lines, at, first, ended, short) if shift > 0 else _outdented(lines, at, first, ended, short)


def _centred(line: Line, after: Line) -> bool:
    widths = abs((line.right - line.left) - (after.right - after.left))
    return widths > line.size and abs((line.left + line.right) - (after.left + after.right)) < 0.6 * line.size


def _indented(lines: Sequence[Line], at: int, first: int, ended: bool, short: bool) -> bool:
    """The next line is indented: the first of a new paragraph, or the second of an entry with a hanging indent."""
    line, after = lines[at], lines[at + 1]
    if ended and short:
        return True
    third = lines[at + 2] if at + 2 < len(lines) and _overlap(after, lines[at + 2]) and lines[at + 2].base < after.base else None
    stays = third is not None and abs(third.left - after.left) <= _INDENT * line.size
    if at == first:
        return not stays and third is not None and third.left < after.left and ended
    return ended or (third is not None and not stays and third.left < after.left and not after.text[:1].islower())


def _outdented(lines: Sequence[Line], at: int, first: int, ended: bool, short: bool) -> bool:
    """The next line stands further left: the second line of a paragraph, or the first after a hanging indent or a list."""
    line = lines[at]
    if at == first:
        return ended and short
    hanging = lines[first].left < line.left - _INDENT * line.size
    return ended or (hanging and short)
