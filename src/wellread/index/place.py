"""Chunks together with where they stand: what is shown of a hit, without loading the documents that hold them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wellread.types import Chunk

_BATCH = 500
_PLACES = """
    select c.id, c.document, c.start, c.end, c.page, c.section, c.kind, d.title,
        coalesce((select min(path) from sources where document = c.document), ''), p.label, s.title
    from chunks c join documents d on d.id = c.document
        left join pages p on p.document = c.document and p.position = c.page
        left join sections s on s.document = c.document and s.position = c.section
    where c.id in ({})
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk, its document's title and source, the label of its page and the title of its section, if it has them."""

    chunk: Chunk
    title: str
    source: str
    page_label: str | None
    heading: str | None


def places(db: sqlite3.Connection, ids: Sequence[int], text_of: Callable[[str, dict[str, str]], str]) -> list[Place]:
    """The places of chunks, in the order of `ids`; ids that are no longer here are left out.

    `text_of` reads the text of a document, through a cache.
    """
    rows = {}
    cache: dict[str, str] = {}
    for low in range(0, len(ids), _BATCH):
        batch = ids[low : low + _BATCH]
        for row in db.execute(_PLACES.format(",".join("?" * len(batch))), list(map(int, batch))):
            rows[row[0]] = row
    found = []
    for row in (rows[id] for id in ids if id in rows):
        text = text_of(row[1], cache)[row[2] : row[3]]
        found.append(Place(Chunk(row[0], row[1], row[2], row[3], row[4], row[5], row[6], text), *row[7:]))
    return found
