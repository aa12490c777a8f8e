"""Markdown: the source is the canonical text; its headings become sections, its tables and listings regions."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.types import Region

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_KINDS = {"table_open": "table", "fence": "code", "code_block": "code"}


def read_markdown(data: bytes, name: str, limits: Limits) -> Content:
    """The source, with the headings that a CommonMark parser sees (none inside code or front matter)."""
    text, warning = decode(data)
    front = _FRONT_MATTER.match(text)
    headings, regions = markdown_shape(text, front.end() if front else 0)
    title = _front_title(front) if front else ""
    if not title:
        title = next((heading.title for heading in headings if heading.level == 1), "")
    return Content(text=text, title=title, headings=tuple(headings), regions=tuple(regions), warnings=(warning,) if warning else ())


def _front_title(front: re.Match[str]) -> str:
    found = _FRONT_TITLE.search(front.group(1) or "")
    return found.group(1).strip("\"'") if found else ""


def markdown_shape(text: str, skip: int = 0) -> tuple[list[Heading], list[Region]]:
    """The headings, and the tables and listings, of `text[skip:]`. A listing's region holds its fences."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable("inline")  # inline markup is wanted in headings only
    body = text[skip:]
    starts = list(accumulate((len(line) + 1 for line in body.split("\n")), initial=skip))
    inline = MarkdownIt("commonmark")
    tokens = parser.parse(body)
    headings, regions = [], []
    for position, token in enumerate(tokens):
        if token.map is None:
            continue
        start = starts[token.map[0]]
        if token.type == "heading_open":
            headings.append(Heading(level=int(token.tag[1]), title=_plain(inline, tokens[position + 1].content), start=start))
        elif token.type in _KINDS:
            end = min(starts[token.map[1]], len(text))
            end = start + len(text[start:end].rstrip())
            if start < end:
                regions.append(Region(start, end, _KINDS[token.type]))
    return headings, regions


def _plain(inline: MarkdownIt, source: str) -> str:
    """A heading's text without its markup."""
    pieces = []
    for token in inline.parseInline(source)[0].children or []:
        pieces.append(" " if token.type in ("softbreak", "hardbreak") else token.content if token.type != "html_inline" else "")
    return "".join(pieces).strip()
