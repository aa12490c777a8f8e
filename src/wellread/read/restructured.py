"""reStructuredText: the source is the canonical text; its titles become sections, its tables and listings regions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.types import Region

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
_LISTING = re.compile(r"\s*\.\.\s+(?:code-block|code|sourcecode|parsed-literal|prompt|highlight)::|(?!\s*\.\.\s).*::\s*$")
_GRID = re.compile(r"\s*\+[-=+]{2,}\+\s*$")
_IN_GRID = re.compile(r"\s*[+|]")
_BORDER = re.compile(r"\s*=+(?:\s+=+)+\s*$")
_ROLE = re.compile(r":[\w:+.-]+:`([^`<]*?)(?:\s*<[^`>]*>)?`|`([^`<]*?)(?:\s*<[^`>]*>)?`_{0,2}")
_MARKUP = re.compile(r"``|\*\*|(?<!\w)[*|]|[*|](?!\w)")
_TITLE_CHARS = 500


def read_restructured(data: bytes, name: str, limits: Limits) -> Content:
    """The source with its structure (docutils, "reStructuredText Markup Specification"). Directives are not carried out: nothing that
    the file names is read.
    """
    text, warning = decode(data)
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    headings = [Heading(level, title, starts[at]) for at, level, title in _titles(lines)]
    regions = tuple(
        Region(starts[first], starts[last] - 1, kind) for first, last, kind in _regions(lines) if starts[first] < starts[last] - 1
    )
    title = next((heading.title for heading in headings if heading.level == 1), "")
    return Content(text=text, title=title, headings=tuple(headings), regions=regions, warnings=(warning,) if warning else ())


def _titles(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """(line, level, title): a style of adornment is one level below the styles that were seen before it."""
    styles: list[tuple[str, bool]] = []
    at = 0
    while at < len(lines) - 1:
        over = _mark(lines[at])
        under_at = at + 2 if over else at + 1
        title = lines[under_at - 1].strip() if under_at < len(lines) else ""
        if not (title and _begins(lines, at) and _underlines(lines, under_at, title, over)):
            at += 1
            continue
        style = (lines[under_at][0], bool(over))
        if style not in styles:
            styles.append(style)
        yield at, styles.index(style) + 1, _plain(title)
        at = under_at + 1


def _mark(line: str) -> str:
    found = _ADORNMENT.fullmatch(line)
    return found.group(1) if found and line.strip() not in ("::", "..") else ""


def _begins(lines: list[str], at: int) -> bool:
    """Whether a title may stand here: behind a blank line or a label."""
    return at == 0 or not lines[at - 1].strip() or lines[at - 1].startswith(".. ")


def _underlines(lines: list[str], at: int, title: str, over: str) -> bool:
    mark = _mark(lines[at])
    inset = lines[at - 1][:1].isspace()
    length = len(lines[at].strip())
    return (
        bool(mark)
        and (not over or over == mark)
        and (bool(over) or not inset)
        and not _mark(title)
        and (length >= 4 or length >= len(title))
    )


def _plain(title: str) -> str:
    title = _ROLE.sub(lambda role: role[1] or role[2] or "", title[:_TITLE_CHARS].replace("``", ""))
    return _MARKUP.sub("", title).strip()


def _regions(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """(first line, line behind the last, kind) of tables and listings."""
    at, closed = 0, True
    while at < len(lines):
        end, kind = at, ""
        if _GRID.match(lines[at]):
            end, kind = _run(lines, at), "table"
        elif closed and _BORDER.match(lines[at]):
            end, kind = _simple_table(lines, at), "table"
            closed = end > at  # where no border closes this table, none closes a later one
        elif "::" in lines[at] and _LISTING.match(lines[at]):
            at += 1
            while at < len(lines) and not lines[at].strip():
                at += 1
            end, kind = _indented(lines, at), "code"
        if end > at:
            yield at, end, kind
            at = end
        elif kind != "code":
            at += 1


def _run(lines: list[str], at: int) -> int:
    while at < len(lines) and _IN_GRID.match(lines[at]):
        at += 1
    return at


def _simple_table(lines: list[str], at: int) -> int:
    """The line behind the border that a blank line follows, or `at` where there is none."""
    for end in range(at + 1, len(lines)):
        if _BORDER.match(lines[end]) and (end + 1 == len(lines) or not lines[end + 1].strip()):
            return end + 1
    return at


def _indented(lines: list[str], at: int) -> int:
    """The line behind an indented block without the blank lines at its end. `at` is its first line."""
    end = at
    while at < len(lines) and (not lines[at].strip() or lines[at][0] in " \t"):
        at += 1
        if lines[at - 1].strip():
            end = at
    return end
