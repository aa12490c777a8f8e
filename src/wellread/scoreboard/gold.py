"""Where the words stand that answer a question: the gold spans of a case, as they are written in a file and found again in a library.

In a file a span names a document by `document` (its id), `source` (its path, or the end of it) or `title`, and the words by `quote`.
`start` and `end` are offsets in the document's text; where they are missing, or the document has changed, the words are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellread.errors import UsageError
from wellread.library import Library
from wellread.types import Document

Place = tuple[str, int, int]
"""A stretch of a document: its id, start and end."""

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold span as a file holds it; `start` is -1 where it is to be looked for."""

    document: str
    title: str
    source: str
    start: int
    end: int
    quote: str


def read_gold(span: object, where: str) -> Gold:
    """A span of a case. Raises `UsageError` for what is none."""
    if not isinstance(span, Mapping) or not str(span.get("quote") or "").strip():
        raise UsageError(f"{where}: a span has no quote.", hint='"spans": [{"source": "handbook.md", "quote": "..."}]')
    start, end = span.get("start"), span.get("end")
    placed = isinstance(start, int) and isinstance(end, int) and 0 <= start < end
    return Gold(
        document=str(span.get("document") or ""),
        title=str(span.get("title") or ""),
        source=str(span.get("source") or ""),
        start=start if placed else -1,  # type: ignore[arg-type]
        end=end if placed else -1,  # type: ignore[arg-type]
        quote=str(span["quote"]),
    )


class Finder:
    """Finds gold spans again in a library. Documents that were looked at are kept."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._listed = library.documents()
        self._read: dict[str, Document] = {}

    def find(self, gold: Gold) -> Place | None:
        """Where the words of a span stand now, or None where they do not any more."""
        wanted = [one.id for one in self._listed if one.id == gold.document]
        if not wanted:  # the file has changed, and so has its id; or the span was written by hand
            wanted = [one.id for one in self._listed if _is_meant(gold, one.title, one.sources)]
        for id in wanted:
            if id not in self._read:
                self._read[id] = self._library.document(id)
            if (place := _in_document(gold, self._read[id])) is not None:
                return place
        return None


def overlaps(one: Place, other: Place) -> bool:
    """Whether two stretches share at least half of the shorter one."""
    common = min(one[2], other[2]) - max(one[1], other[1])
    return one[0] == other[0] and common >= _HALF * min(one[2] - one[1], other[2] - other[1])


def touches(place: Place, golds: Sequence[Place]) -> bool:
    """Whether a stretch overlaps any of these."""
    return any(overlaps(place, gold) for gold in golds)


def as_json(gold: Gold) -> dict[str, Any]:
    """A span as a file holds it."""
    return {name: getattr(gold, name) for name in Gold.__slots__}


def _is_meant(gold: Gold, title: str, sources: Sequence[str]) -> bool:
    if gold.source:
        return any(source == gold.source or source.endswith("/" + gold.source.lstrip("/")) for source in sources)
    return bool(gold.title) and gold.title == title


def _in_document(gold: Gold, document: Document) -> Place | None:
    if document.text[gold.start : gold.end] == gold.quote and gold.start >= 0:
        return document.id, gold.start, gold.end
    # Line breaks may have been changed on the way, by an editor or in the document.
    match = re.search(r"\s+".join(map(re.escape, gold.quote.split())), document.text)
    return (document.id, match.start(), match.end()) if match else None
