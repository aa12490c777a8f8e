"""Evidence as citations, numbered in the order in which they come."""

from __future__ import annotations

from bisect import bisect_right

from wellread.cite import Evidence
from wellread.types import Citation, Document


def marker_of(one: Evidence, document: Document, citations: dict[tuple[str, int, int], Citation]) -> int:
    """The number of the citation of a span of a document; it is added to `citations` when it is cited for the first time."""
    key = (one.document, one.start, one.end)
    if key not in citations:
        page = bisect_right([page.start for page in document.pages], one.start) - 1
        section = bisect_right([section.start for section in document.sections], one.start) - 1
        citations[key] = Citation(
            marker=len(citations) + 1,
            document=document.id,
            title=document.title,
            source=document.source,
            media_type=document.media_type,
            page=document.pages[page] if page >= 0 else None,
            section=document.sections[section].title if section >= 0 else None,
            start=one.start,
            end=one.end,
            quote=document.text[one.start : one.end],
        )
    return citations[key].marker
