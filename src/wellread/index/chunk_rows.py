"""The rows of a document's chunks: written with consecutive ids, which its own row remembers, and taken out with a note that they went."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

import numpy as np

from wellread.types import Span

_DOCUMENT_BITS, _CHUNK_BITS = 36, 17
"""How a chunk's id is made up."""


def first_of_document(chunk: int) -> int:
    """The id of the first chunk of the document that a chunk belongs to."""
    return chunk >> _CHUNK_BITS << _CHUNK_BITS


def insert_chunks(db: sqlite3.Connection, document: str, spans: Sequence[Span], vectors: np.ndarray, change: int) -> None:
    """Write chunks and their vectors ([len(spans), d] float32), in the transaction that is open."""
    first = _first_id(db, document, len(spans))
    halves = vectors.astype(np.float16)
    db.execute("delete from removed where chunk >= ? and chunk < ?", (first, first + len(spans)))
    db.executemany(
        "insert into chunks (id, document, start, end, page, section, kind, change) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [(first + at, document, span.start, span.end, span.page, span.section, span.kind, change) for at, span in enumerate(spans)],
    )
    db.executemany(
        "insert into vectors values (?, ?)",
        [(first + at, vector.tobytes()) for at, (_, vector) in enumerate(zip(spans, halves, strict=True))],
    )
    _note(db, document, first if len(spans) else None, len(spans))


def drop_chunks(db: sqlite3.Connection, document: str, change: int) -> None:
    """Remove a document's chunks and record that they went."""
    db.execute("insert into removed select ?, id from chunks where document = ?", (change, document))
    db.execute("delete from chunks where document = ?", (document,))
    _note(db, document, None, 0)


def _note(db: sqlite3.Connection, document: str, first: int | None, count: int) -> None:
    db.execute("update documents set first_chunk = ?, chunk_count = ? where id = ?", (first, count, document))


def _first_id(db: sqlite3.Connection, document: str, count: int) -> int:
    """The id of a document's first chunk: made from the document's id, so that the same documents always have the same chunks.

    Ids stay below 2^53, where JavaScript counts exactly. In the rare case that another document has them, the next free ones follow.
    """
    digest = hashlib.blake2b(document.encode(), digest_size=8).digest()
    first = int.from_bytes(digest) >> (64 - _DOCUMENT_BITS) << _CHUNK_BITS
    while db.execute("select 1 from chunks where id >= ? and id < ? limit 1", (first, first + count)).fetchone():
        first = (first + (1 << _CHUNK_BITS)) % (1 << (_DOCUMENT_BITS + _CHUNK_BITS))
    return first
