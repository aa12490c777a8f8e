"""The lines of a PDF page, as PDFium orders them, with the little geometry that paragraphs and headings need.

The characters are those of FPDFText_GetUnicode, where U+0002 marks a hyphen that ends a line; geometry is asked for per line, not
per character, which keeps this fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from ctypes import byref, c_char, c_double, c_int
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_PIECE = re.compile("[^\r\n\x02]+\x02?|\x02")
_BOLD_NAME = re.compile(r"bold|black|heavy|medi(?!um)|cmbx|sfbx|[-,]b$", re.IGNORECASE)
_HYPHEN = "\x02"

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Line:
    """A line of a page, in points from the page's lower left corner: `base` is its baseline and `size` its font's height.

    `hyphenated` says that it ended in a hyphen, which `text` no longer holds. `font` names the font of its middle; `plain` says
    that it begins and ends in that font. `running` marks headers and footers. `start` is the line's offset in the document, once
    it has one.
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
    start: int = 0
    running: bool = False

    @property
    def style(self) -> tuple[str, float]:
        return self.font, round(self.size * 2) / 2


def page_lines(page: Any, crop: Box) -> list[Line]:
    """The lines of a pypdfium2 page that lie inside `crop` (left, bottom, right, top); text outside is hidden and left out."""
    textpage = page.get_textpage()
    try:
        probe = _Probe(textpage.raw)
        lines = []
        for start, text, hyphenated in _pieces(_characters(textpage)):
            line = _line(probe, start, text, hyphenated)
            if not _inside(line, crop):
                text = _visible(probe, start, text, crop)
                if not text:
                    continue
                line.text = text
            lines.append(line)
        return lines
    finally:
        textpage.close()


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


def _pieces(characters: str) -> Iterator[tuple[int, str, bool]]:
    for found in _PIECE.finditer(characters):
        piece = found.group()
        hyphenated = piece.endswith(_HYPHEN)
        body = piece[:-1] if hyphenated else piece
        text = body.strip()
        if text:
            yield found.start() + body.index(text[0]), text, hyphenated


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


def _line(probe: _Probe, start: int, text: str, hyphenated: bool) -> Line:
    last = start + len(text) - 1
    middle = start + _solid(text, len(text) // 2)
    left, first_right, height = probe.loose(start)
    right = probe.loose(last)[1] if last != start else first_right
    size, upright = probe.size(middle)
    size = max(size, probe.size(start)[0])  # capitals before small capitals, and letters after a raised mark
    font = probe.font(middle)
    plain = probe.font(start) == font == probe.font(last)
    bold = probe.weight(middle) >= 600 or _is_bold(font)
    return Line(text, left, right, probe.baseline(middle), size or height or 1.0, font, bold, plain, upright, hyphenated)


def _solid(text: str, at: int) -> int:
    """The nearest position at or before `at` that is not a space (`text` begins with none)."""
    while text[at].isspace():
        at -= 1
    return at


@lru_cache(maxsize=512)
def _is_bold(font: str) -> bool:
    return bool(_BOLD_NAME.search(font))


def _inside(line: Line, crop: Box) -> bool:
    left, bottom, right, top = crop
    return line.left >= left - 1 and line.right <= right + 1 and bottom - 1 <= line.base <= top + 1


def _visible(probe: _Probe, start: int, text: str, crop: Box) -> str:
    left, bottom, right, top = crop

    def seen(at: int) -> bool:
        x, y = probe.centre(at)
        return left <= x <= right and bottom <= y <= top

    return _kept(text, lambda offset: seen(start + offset))


def _kept(text: str, seen: Callable[[int], bool]) -> str:
    shown = "".join(char if char.isspace() or seen(offset) else " " for offset, char in enumerate(text))
    return " ".join(shown.split())
