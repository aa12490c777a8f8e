"""Headings become nested spans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wellread.types import Section


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading before its section's end is known: `level` 1 is the outermost, `start` an offset in the document's text."""

    level: int
    title: str
    start: int


def nest(headings: Iterable[Heading], length: int) -> tuple[Section, ...]:
    """Each heading as a section that ends where the next one of its level or above begins, or at `length`.

    Sections come in the order of the text. Headings without a title, and those that another one leaves no text to, are dropped.
    """
    ordered = sorted((heading for heading in headings if heading.title.strip()), key=lambda heading: heading.start)
    ends = [length] * len(ordered)
    open_at: list[int] = []
    for position, heading in enumerate(ordered):
        while open_at and ordered[open_at[-1]].level >= heading.level:
            ends[open_at.pop()] = heading.start
        open_at.append(position)
    return tuple(
        Section(level=heading.level, title=" ".join(heading.title.split()), start=heading.start, end=end)
        for heading, end in zip(ordered, ends, strict=True)
        if heading.start < end
    )
