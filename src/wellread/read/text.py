"""Plain text: the decoded file is the canonical text, so spans are positions in the file."""

from __future__ import annotations

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.types import Page


def read_text(data: bytes, name: str, limits: Limits) -> Content:
    """The file as it is, with newlines normalised. Form feeds, where there are any, part its pages, which are counted from 1."""
    text, warning = decode(data)
    return Content(text=text, pages=_pages(text, limits.pages), warnings=(warning,) if warning else ())


def _pages(text: str, limit: int) -> tuple[Page, ...]:
    parts = text.rstrip("\f \n").count("\f") + 1
    if not 1 < parts <= limit:
        return ()
    pages, at = [], 0
    for index, body in enumerate(text.split("\f")):
        pages.append(Page(index=index, label=str(index + 1), start=at, end=at + len(body)))
        at += len(body) + 1
    return tuple(pages)
