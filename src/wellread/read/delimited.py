"""CSV and TSV: the file is the canonical text, a line a record."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.types import Region

_SAMPLE = 64 * 1024
_HEADER_WITHIN = 10  # lines; titles and notes may stand above the header
_CELL_LINES = 1000  # a quoted cell of more lines is a stray quote
_DELIMITERS = ",\t;|"
_QUOTED = re.compile(r'(?:^|(?<=[,;|\t]))[ ]?"(?:[^"]|"")*+"[ ]*(?=[,;|\t]|$)')
_OPENS = re.compile(r'(?:^|[,;|\t])[ ]?"')
_CLOSES = re.compile(r'(?:[^"]|"")*+"[ ]*(?:[,;|\t]|$)')


def read_delimited(data: bytes, name: str, limits: Limits) -> Content:
    """The file as one table. A line break inside a quoted cell (RFC 4180) is a space in the text, so that positions stay what they are
    in the file and each record is a line. What stands above the header row is no part of the table.
    """
    text, warning = decode(data)
    text = _joined(text)
    start = _header(text)
    return Content(
        text=text, regions=(Region(start, len(text), "table"),) if start < len(text) else (), warnings=(warning,) if warning else ()
    )


def _joined(text: str) -> str:
    """The text with each record on one line. Only a line with an odd number of quotes can begin or end a record of several."""
    if '"' not in text:
        return text
    lines = text.split("\n")
    odd = [at for at, line in enumerate(lines) if line.count('"') % 2]
    ends = ["\n"] * len(lines)
    opened: int | None = None
    for at in odd:
        if opened is not None and at - opened <= _CELL_LINES and _CLOSES.match(lines[at]):
            ends[opened:at] = " " * (at - opened)
            opened = None
        else:
            opened = at if _OPENS.search(_QUOTED.sub("", lines[at])) else None
    return "".join(_woven(lines, ends))[:-1]


def _woven(lines: list[str], ends: list[str]) -> Iterator[str]:
    for line, end in zip(lines, ends, strict=True):
        yield line
        yield end


def _header(text: str) -> int:
    """Where the table begins: at the first line that fills two cells and half as many as the lines do that follow."""
    lines = text[:_SAMPLE].split("\n")
    delimiter = max(_DELIMITERS, key=lambda mark: _width(lines, mark))
    usual = _width(lines, delimiter)
    at = 0
    for line in lines[:_HEADER_WITHIN]:
        filled = sum(bool(cell.strip(' "')) for cell in _QUOTED.sub("x", line).split(delimiter))
        if filled >= max(2, usual / 2):
            return at
        at += len(line) + 1
    return 0


def _width(lines: list[str], delimiter: str) -> int:
    """How many cells at least half of the lines have with this delimiter."""
    counts = sorted(_QUOTED.sub("", line).count(delimiter) for line in lines if line.strip())
    return counts[len(counts) // 2] + 1 if counts else 1
