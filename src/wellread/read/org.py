"""Org mode: the source is the canonical text; its headings become sections, its blocks and tables regions."""

from __future__ import annotations

import re

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.types import Region

_TITLE = re.compile(r"^#\+title:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_PART = re.compile(
    r"^[ \t]*#\+begin_(?P<block>src|example|export)\b[^\n]*\n"
    r"|^(?P<stars>\*+)[ \t]+(?P<title>\S[^\n]*)"
    r"|^(?P<table>[ \t]*\|[^\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_ROW = re.compile(r"\n[ \t]*\|[^\n]*")
_ENDS = {block: re.compile(rf"^[ \t]*#\+end_{block}", re.MULTILINE | re.IGNORECASE) for block in ("src", "example", "export")}
_TITLE_CHARS = 300
_KEYWORD = re.compile(r"^(?:(?:TODO|DONE|NEXT|WAITING|CANCELL?ED)\s+)?(?:\[#\w\]\s+)?")
_TAGS = re.compile(r"\s+:[\w@#%:]+:\s*$")
_LINK = re.compile(r"\[\[(?:[^\]]*)\](?:\[([^\]]*)\])?\]")


def read_org(data: bytes, name: str, limits: Limits) -> Content:
    """The source with its outline. Nothing that it names (`#+include:`) is read."""
    text, warning = decode(data)
    title = _TITLE.search(text)
    headings, regions, unclosed, at = [], [], set(), 0
    while match := _PART.search(text, at):
        at = match.end()
        if match["stars"]:
            headings.append(Heading(level=len(match["stars"]), title=_plain(match["title"][:_TITLE_CHARS]), start=match.start()))
        elif match["table"]:
            while row := _ROW.match(text, at):
                at = row.end()
            regions.append(Region(match.start(), at, "table"))
        elif (block := match["block"].lower()) not in unclosed:
            end = _ENDS[block].search(text, at)
            if end:
                regions.append(Region(at, max(end.start() - 1, at), "code"))
                at = end.end()
            else:
                unclosed.add(block)
    return Content(
        text=text,
        title=title.group(1) if title else "",
        headings=tuple(headings),
        regions=tuple(region for region in regions if region.start < region.end),
        warnings=(warning,) if warning else (),
    )


def _plain(title: str) -> str:
    """A heading without its state, priority, tags and link targets."""
    return _LINK.sub(lambda link: link[1] or "", _TAGS.sub("", _KEYWORD.sub("", title))).strip()
