"""Markdown: the source is the canonical text, and its headings become sections."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)


def read_markdown(data: bytes, name: str, limits: Limits) -> Content:
    """The source, with the headings that a CommonMark parser sees (none inside code or front matter)."""
    text, warning = decode(data)
    front = _FRONT_MATTER.match(text)
    headings = _headings(text, front.end() if front else 0)
    title = _front_title(front) if front else ""
    if not title:
        title = next((heading.title for heading in headings if heading.level == 1), "")
    return Content(text=text, title=title, headings=tuple(headings), warnings=(warning,) if warning else ())


def _front_title(front: re.Match[str]) -> str:
    found = _FRONT_TITLE.search(front.group(1) or "")
    return found.group(1).strip("\"'") if found else ""


def _headings(text: str, skip: int) -> list[Heading]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable("inline")  # inline markup is wanted in headings only
    body = text[skip:]
    starts = [0, *accumulate(len(line) for line in body.split("\n")[:-1])]
    starts = [start + number for number, start in enumerate(starts)]  # one newline before each line
    inline = MarkdownIt("commonmark")
    tokens = parser.parse(body)
    headings = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.map is not None:
            title = _plain(inline, tokens[position + 1].content)
            headings.append(Heading(level=int(token.tag[1]), title=title, start=skip + starts[token.map[0]]))
    return headings


def _plain(inline: MarkdownIt, source: str) -> str:
    """A heading's text without its markup."""
    pieces = []
    for token in inline.parseInline(source)[0].children or []:
        pieces.append(" " if token.type in ("softbreak", "hardbreak") else token.content if token.type != "html_inline" else "")
    return "".join(pieces).strip()
