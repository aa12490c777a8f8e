"""A text in the making: pages, blocks and tables are added one after another, and their places are noted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wellread.read.content import Content
from wellread.read.decode import clean
from wellread.read.limits import Limits
from wellread.read.refuse import refusal
from wellread.read.sections import Heading
from wellread.types import Page, Region

_LIST_MARK = re.compile(r"^(- |\d+\. )(?=\S)")
_TITLE_CHARS = 100
_HEADING_CHARS = 300  # a whole page in the style of a heading is none


class Draft:
    """Collects the canonical text of one file. Raises `ReadError` as soon as it has more pages or characters than `limits` allows."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._pieces: list[str] = []
        self._length = 0
        self._page_start = 0
        self._untitled = False
        self._labels: list[tuple[str, int, tuple[float, float] | None]] = []
        self._headings: list[Heading] = []
        self._regions: list[Region] = []

    @property
    def first_heading(self) -> str:
        """The first heading so far, or ""."""
        return self._headings[0].title if self._headings else ""

    def page(self, label: str, size: tuple[float, float] | None = None, first_line_is_title: bool = False) -> None:
        """Begin a page; `size` is in points. A file has pages from its first character or not at all.

        `first_line_is_title` makes a heading of a page's first block if it has none and the block is short.
        """
        if len(self._labels) >= self._limits.pages:
            raise refusal("too_many_pages", self._name, f"more than {self._limits.pages:,}")
        if self._labels:
            self._add("\f")
        elif self._length:
            raise ValueError("text before the first page")
        self._page_start = self._length
        self._untitled = first_line_is_title
        self._labels.append((clean(label), self._length, size))

    def block(self, text: str, level: int = 0) -> None:
        """A paragraph or, with a `level` of 1 or more, a heading. Its line breaks become soft ones; nothing is added for blank text."""
        lines = [line for line in map(str.strip, clean(text).splitlines()) if line]
        if not lines:
            return
        text = (" " if level else "\n").join(lines)
        if not level and self._untitled and len(text) <= _TITLE_CHARS:
            level = 1
        self._part()
        if level and len(text) <= _HEADING_CHARS:
            self._headings.append(Heading(level=level, title=_LIST_MARK.sub("", " ".join(lines)), start=self._length))
        self._add(text)

    def notes(self, paragraphs: Sequence[str]) -> None:
        """The notes to a slide, marked as such."""
        for number, paragraph in enumerate(paragraphs):
            self.block(paragraph if number else f"Notes: {paragraph}")

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Rows, one a line. A row without text ends the table, and what follows is another; empty cells are dropped at a row's end, and
        at its beginning where all rows of the table have them.
        """
        table: list[list[str]] = []
        held = 0
        for row in rows:
            cells = [" ".join(clean(cell).split()) if cell else "" for cell in row]
            held += sum(map(len, cells))
            self._bounded(held)
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                table.append(cells)
            else:
                self._table(table)
                table = []
        self._table(table)

    def _table(self, table: list[list[str]]) -> None:
        if not table:
            return
        self._part()
        start = self._length
        indent = min(next(place for place, cell in enumerate(cells) if cell) for cells in table)
        for number, cells in enumerate(table):
            self._add("\n" * (number > 0) + " | ".join(cells[indent:]))
        if len(table) > 1 and max(sum(map(bool, cells)) for cells in table) > 1:
            self._regions.append(Region(start=start, end=self._length, kind="table"))

    def content(self, title: str = "", warnings: Iterable[str] = (), date: str | None = None) -> Content:
        """What was written so far."""
        ends = [start - 1 for _, start, _ in self._labels[1:]] + [self._length]
        pages = [
            Page(index=index, label=label, start=start, end=end, size=size)
            for index, ((label, start, size), end) in enumerate(zip(self._labels, ends, strict=False))
        ]
        return Content(
            text="".join(self._pieces),
            title=clean(title),
            pages=tuple(pages),
            headings=tuple(self._headings),
            warnings=tuple(warnings),
            regions=tuple(self._regions),
            date=date,
        )

    def _part(self) -> None:
        self._untitled = False
        if self._length > self._page_start:
            self._add("\n\n")

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)
        self._bounded(self._length)

    def _bounded(self, length: int) -> None:
        if length > self._limits.text_chars:
            raise refusal("too_large", self._name, f"more than {self._limits.text_chars:,} characters of text")
