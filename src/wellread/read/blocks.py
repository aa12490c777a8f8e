"""An HTML tree becomes text: blocks apart by a blank line, tables a row a line, and the place of every heading, table and listing known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from wellread.read.decode import clean
from wellread.read.sections import Heading
from wellread.types import Region

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html",
    "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p", "pre", "section", "summary", "table", "tbody",
    "tfoot", "thead", "tr", "ul",
}  # fmt: skip
_DROPPED = {
    "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "embed", "head", "nav", "button", "select",
    "textarea", "canvas", "audio", "video",
}  # fmt: skip
_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_AROUND_BREAK = re.compile(r" *\n *")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The text of a tree, its headings, and its tables and listings; all offsets are in `text`, which is clean and holds no form feed."""

    text: str
    headings: tuple[Heading, ...] = ()
    regions: tuple[Region, ...] = ()


class _Block(NamedTuple):
    """A finished block: `level` of a heading or 0, `table` the number of its table or 0, `width` how many cells of a row hold something."""

    text: str
    level: int = 0
    table: int = 0
    width: int = 0
    code: bool = False


@dataclass
class _Flow:
    """Text as it is gathered: `parts` is the open block; finished ones go to `done`, or to the open cell."""

    done: list[_Block] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    lists: list[int | None] = field(default_factory=list)
    prefix: str = ""
    pre: int = 0
    level: int = 0
    table: int = 1

    def add(self, text: str | None) -> None:
        if text:
            self.parts.append(clean(text).replace("\f", "\n") if self.pre else _SPACE.sub(" ", clean(text)))

    def close_block(self) -> None:
        """End the open block, if anything is in it."""
        text = "".join(self.parts)
        self.parts.clear()
        text = text.strip("\n") if self.pre else _AROUND_BREAK.sub("\n", re.sub(" {2,}", " ", text)).strip()
        if self.level:
            text = " ".join(text.rstrip("¶\u200b ").split())
        if not text.strip():
            return
        if self.cells:
            self.cells[-1].append(" ".join(text.split()))
        else:
            self.done.append(_Block(self.prefix + text, level=self.level, code=self.pre > 0))
            self.prefix = ""

    def close_row(self) -> None:
        row = self.rows.pop()
        if any(row):
            text = " | ".join(row)
            if self.cells:
                self.cells[-1].append(text)
            else:
                self.done.append(_Block(text, table=self.table, width=sum(map(bool, row))))

    def end_table(self) -> None:
        self.table += 1


def text_of(root: Any) -> Blocks:
    """The text of an lxml tree (without comments) and its shape.

    Blocks are separated by a blank line; rows of a table are lines with cells joined by " | "; list items begin with "- " or their
    number; <br> is a newline; scripts, styles and navigation are left out. Tables of two rows and two columns or more are regions.
    """
    from lxml import etree

    flow = _Flow()
    layout = _layout_tables(root)
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if tag in _DROPPED or not tag:
                walk.skip_subtree()
            else:
                _open(flow, element, tag, layout)
                flow.add(element.text)
        else:
            if tag and tag not in _DROPPED:
                _close(flow, element, tag, layout)
            if element is not root:
                flow.add(element.tail)
    flow.close_block()
    return _assemble(flow.done)


def _open(flow: _Flow, element: Any, tag: str, layout: set[Any]) -> None:
    if tag in ("td", "th"):
        flow.close_block()
        if flow.rows and element.getparent() is not None and element.getparent() not in layout:
            flow.cells.append([])
        return
    if tag == "br":
        flow.parts.append("\n")
        return
    if tag == "pre" and not _is_block_pre(element):
        return
    if tag in _BLOCKS:
        flow.close_block()
    if tag == "tr" and element not in layout:
        flow.rows.append([])
    elif tag == "pre":
        flow.pre += 1
    elif tag in ("ul", "ol", "menu"):
        flow.lists.append(_first_number(element) if tag == "ol" else None)
    elif tag == "li":
        flow.prefix = _marker(flow)
    elif tag in _HEADINGS:
        flow.level = _HEADINGS[tag]


def _close(flow: _Flow, element: Any, tag: str, layout: set[Any]) -> None:
    if tag in ("td", "th"):
        flow.close_block()
        if flow.rows and element.getparent() is not None and element.getparent() not in layout:
            flow.rows[-1].append(" ".join(flow.cells.pop()))
        return
    if tag == "pre" and not _is_block_pre(element):
        return
    if tag in _BLOCKS:
        flow.close_block()
    if tag == "tr" and element not in layout:
        flow.close_row()
    elif tag == "table":
        flow.end_table()
    elif tag == "pre":
        flow.pre -= 1
    elif tag in ("ul", "ol", "menu") and flow.lists:
        flow.lists.pop()
    elif tag == "li":
        flow.prefix = ""
    elif tag in _HEADINGS:
        flow.level = 0


def _is_block_pre(element: Any) -> bool:
    """False for a <pre> that stands for inline code, as extractors leave it inside a paragraph."""
    parent = element.getparent()
    inside = parent is not None and parent.tag in ("p", "li", "dt", "dd", "span", "a", "td", "th", *_HEADINGS)
    return not inside or "\n" in "".join(element.itertext()).strip("\n")


def _first_number(element: Any) -> int:
    start = element.get("start", "1").strip()
    return int(start) if re.fullmatch(r"-?\d{1,6}", start) else 1


def _marker(flow: _Flow) -> str:
    number = flow.lists[-1] if flow.lists else None
    if number is None:
        return "- "
    flow.lists[-1] = number + 1
    return f"{number}. "


def _layout_tables(root: Any) -> set[Any]:
    """The rows of tables that only arrange a page: those that hold tables or headings, or say so."""
    rows = set()
    for table in root.iter("table"):
        inner = any(True for _ in table.iterdescendants("table", *_HEADINGS))
        if inner or table.get("role") in ("presentation", "none"):
            for row in table.iter("tr"):
                if next(row.iterancestors("table")) is table:
                    rows.add(row)
    return rows


def _assemble(blocks: list[_Block]) -> Blocks:
    pieces: list[str] = []
    headings, regions = [], []
    at = 0
    for table, run in groupby(blocks, key=lambda block: block.table):
        rows = list(run)
        start = at + 2 if pieces else 0
        for row, block in enumerate(rows):
            before = "" if not pieces else "\n" if table and row else "\n\n"
            at += len(before)
            if block.level > 0:
                headings.append(Heading(level=block.level, title=block.text, start=at))
            if block.code:
                regions.append(Region(start=at, end=at + len(block.text), kind="code"))
            pieces += before, block.text
            at += len(block.text)
        if table and len(rows) > 1 and max(block.width for block in rows) > 1:
            regions.append(Region(start=start, end=at, kind="table"))
    return Blocks(text="".join(pieces), headings=tuple(headings), regions=tuple(regions))
