"""The lines of a PDF page, as PDFium orders them, with the little geometry that paragraphs and headings need.

The characters are those of FPDFText_GetUnicode, where U+0002 marks a hyphen that ends a line; geometry is asked for per line, not
per character, which keeps this fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from ctypes import byref, c_char, c_double, c_int
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wellread.read.decode import clean

_PIECE = re.compile("[^\r\n\x02]+\x02?|\x02")
_BOLD_NAME = re.compile(r"bold|black|heavy|medi(?!um)|cmbx|sfbx|[-,]b$", re.IGNORECASE)
_HYPHEN = "\x02"

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Line:
    """A line of a page, in points of the PDF's own space: `base` is its baseline and `size` its font's height.

    `indexes` holds PDFium's index of each character of `text`, and after them that of the hyphen if there was one: `hyphenated` says
    so, and `text` no longer holds it. `font` names the font of its middle; `plain` says that it begins and ends in that font.
    `running` marks headers and footers. `start` is the line's offset in the document, once it has one.
    """

    text: str
    left: float
    right: float
    base: float
    size: float
    font: str
    bold: bool
    plain: bool
    upright: bool
    hyphenated: bool
    indexes: Sequence[int]
    start: int = 0
    running: bool = False

    @property
    def style(self) -> tuple[str, float]:
        return self.font, round(self.size * 2) / 2


def page_box(page: Any) -> Box:
    """What is shown of a pypdfium2 page: left, bottom, right, top of its CropBox, as far as that lies in its MediaBox."""
    left, bottom, right, top = page.get_bbox()  # the only one of PDFium's boxes that is inherited from the page tree
    return (left, bottom, right, top) if left < right and bottom < top else page.get_mediabox()


def turned(box: Box, width: float, height: float, degrees: int) -> Box:
    """A box on a page of this size after the page was turned clockwise, as its /Rotate says."""
    left, bottom, right, top = box
    if degrees == 90:
        return bottom, width - right, top, width - left
    if degrees == 180:
        return width - right, height - top, width - left, height - bottom
    if degrees == 270:
        return height - top, left, height - bottom, right
    return box


def page_lines(page: Any, textpage: Any) -> tuple[list[Line], int]:
    """The lines that a pypdfium2 page shows, and how many characters outside its visible part were left out."""
    crop = page_box(page)
    probe = _Probe(textpage.raw)
    lines = []
    hidden = 0
    for text, indexes, hyphenated in _pieces(_characters(textpage)):
        line = _line(probe, text, indexes, hyphenated)
        if not _inside(probe, line, crop):
            seen, indexes, hyphenated = _cut(line, lambda at: _seen(probe, at, crop))
            hidden += _letters(text) - _letters(seen)
            if not seen:
                continue
            line = _line(probe, seen, indexes, hyphenated)
        lines.append(line)
    return lines, hidden


def _characters(textpage: Any) -> str:
    """One character for each of PDFium's, so that positions are its indexes.

    The bulk call is eight times as fast, but drops some characters and names line-end hyphens otherwise: it is used only where it
    is as long, and asked again about those.
    """
    from pypdfium2 import raw

    count = textpage.count_chars()
    if not count:
        return ""
    text: str = textpage.get_text_range()
    get, handle = raw.FPDFText_GetUnicode, textpage.raw
    if len(text) == count and max(text) < "\U00010000":
        if "\ufffe" in text:
            text = "".join(chr(get(handle, at)) if char == "\ufffe" else char for at, char in enumerate(text))
        return text
    return "".join([chr(get(handle, at)) for at in range(count)])


def _pieces(characters: str) -> Iterator[tuple[str, Sequence[int], bool]]:
    """The text of each line, without space around it and without its hyphen; its characters' indexes; whether it had a hyphen."""
    for found in _PIECE.finditer(characters):
        piece = found.group()
        hyphenated = piece.endswith(_HYPHEN)
        body = piece[:-1] if hyphenated else piece
        text = body.strip()
        if not text:
            continue
        start = found.start() + body.index(text[0])
        indexes: Sequence[int] = range(start, start + len(text))
        if hyphenated:
            indexes = [*indexes, found.end() - 1]
        yield clean(text).replace("\f", " "), indexes, hyphenated


class _Probe:
    """Asks PDFium about single characters of a text page; the C structures are made once."""

    def __init__(self, handle: Any) -> None:
        from pypdfium2 import raw

        self.raw = raw
        self.handle = handle
        self.x, self.y = c_double(), c_double()
        self.box = raw.FS_RECTF()
        self.tight = [c_double() for _ in range(4)]
        self.matrix = raw.FS_MATRIX()
        self.name = (c_char * 96)()
        self.flags = c_int()

    def loose(self, at: int) -> tuple[float, float, float]:
        """Left, right and height of the character's font box."""
        self.raw.FPDFText_GetLooseCharBox(self.handle, at, self.box)
        return self.box.left, self.box.right, self.box.top - self.box.bottom

    def baseline(self, at: int) -> float:
        self.raw.FPDFText_GetCharOrigin(self.handle, at, byref(self.x), byref(self.y))
        return self.y.value

    def centre(self, at: int) -> tuple[float, float]:
        left, right, bottom, top = self.tight
        self.raw.FPDFText_GetCharBox(self.handle, at, byref(left), byref(right), byref(bottom), byref(top))
        return (left.value + right.value) / 2, (bottom.value + top.value) / 2

    def font(self, at: int) -> str:
        length = self.raw.FPDFText_GetFontInfo(self.handle, at, self.name, 96, self.flags)
        return self.name.value.decode("utf-8", errors="replace") if 0 < length <= 96 else ""

    def weight(self, at: int) -> int:
        return int(self.raw.FPDFText_GetFontWeight(self.handle, at))

    def size(self, at: int) -> tuple[float, bool]:
        """Height of the font as drawn, and whether the text stands upright."""
        self.raw.FPDFText_GetMatrix(self.handle, at, self.matrix)
        matrix = self.matrix
        scale = math.hypot(matrix.c, matrix.d)
        return float(self.raw.FPDFText_GetFontSize(self.handle, at)) * scale, abs(matrix.b) <= 0.2 * abs(matrix.a)


def _line(probe: _Probe, text: str, indexes: Sequence[int], hyphenated: bool) -> Line:
    start, last = indexes[0], indexes[len(text) - 1]
    middle = indexes[_solid(text, len(text) // 2)]
    left, first_right, height = probe.loose(start)
    right = probe.loose(last)[1] if last != start else first_right
    size, upright = probe.size(middle)
    size = max(size, probe.size(start)[0])  # capitals before small capitals, and letters after a raised mark
    font = probe.font(middle)
    plain = probe.font(start) == font == probe.font(last)
    bold = probe.weight(middle) >= 600 or _is_bold(font)
    return Line(text, left, right, probe.baseline(middle), size or height or 1.0, font, bold, plain, upright, hyphenated, indexes)


def _solid(text: str, at: int) -> int:
    """The nearest position at or before `at` that is not a space (`text` begins with none)."""
    while text[at].isspace():
        at -= 1
    return at


@lru_cache(maxsize=512)
def _is_bold(font: str) -> bool:
    return bool(_BOLD_NAME.search(font))


def _inside(probe: _Probe, line: Line, crop: Box) -> bool:
    left, bottom, right, top = crop
    level = line.left >= left - 1 and line.right <= right + 1 and bottom - 1 <= line.base <= top + 1
    return level and (line.upright or (_seen(probe, line.indexes[0], crop) and _seen(probe, line.indexes[len(line.text) - 1], crop)))


def _seen(probe: _Probe, at: int, crop: Box) -> bool:
    x, y = probe.centre(at)
    return crop[0] <= x <= crop[2] and crop[1] <= y <= crop[3]


def _cut(line: Line, seen: Callable[[int], bool]) -> tuple[str, Sequence[int], bool]:
    """What is seen of a line: its text, the characters' indexes, whether the hyphen is left. A gap becomes one space."""
    text, indexes = "", []
    gap = None
    for char, at in zip(line.text, line.indexes, strict=False):
        if char.isspace() or not seen(at):
            gap = at
            continue
        if gap is not None and text:
            text += " "
            indexes.append(gap)
        text += char
        indexes.append(at)
        gap = None
    hyphenated = line.hyphenated and gap is None
    return text, indexes + [line.indexes[-1]] * hyphenated, hyphenated


def _letters(text: str) -> int:
    return sum(not char.isspace() for char in text)
