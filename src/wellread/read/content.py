"""What a reader of one format gives back, before it becomes a Document."""

from __future__ import annotations

from dataclasses import dataclass

from wellread.read.sections import Heading
from wellread.types import Page, Region


@dataclass(frozen=True, slots=True)
class Content:
    """The canonical text of a file and what is known of its shape; `title` is empty when the file names none.

    `date` is when it was made or last changed, if the file says so, in any of the ways that `wellread.read.day` knows.
    """

    text: str
    title: str = ""
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    date: str | None = None
