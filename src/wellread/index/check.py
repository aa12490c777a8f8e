"""What must hold of a `library.db`, seen from outside: nothing is written, and what is damaged is described, not raised."""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellread.errors import LibraryError

_OFF_LENGTH = 0.02
"""How far from 1 the length of a vector may be."""

_WORD = re.compile(r"[^\W_]")
_MOST = 5
"""Complaints of SQLite that are passed on."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """Rows that refer to something that is not there: how many, in which table, and what is missing."""

    table: str
    count: int
    missing: str


_DEPENDENTS = (
    ("texts", "document", "documents", "id"),
    ("pages", "document", "documents", "id"),
    ("sections", "document", "documents", "id"),
    ("regions", "document", "documents", "id"),
    ("sources", "document", "documents", "id"),
    ("chunks", "document", "documents", "id"),
    ("vectors", "chunk", "chunks", "id"),
)
"""(table, column, the table it refers to, its column), in an order in which orphans can be deleted in one pass."""


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also in a folder that may not be written to. Raises `LibraryError` or `sqlite3.DatabaseError`."""
    log = path.with_name(path.name + "-wal")
    try:
        return _connected(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
    if log.exists() and log.stat().st_size:
        raise LibraryError(
            f"{path} cannot be read where nothing may be written, for a part of it is in {log.name}.",
            hint="copy the folder to a place of your own",
        )
    try:
        return _connected(path, "immutable=1")
    except sqlite3.OperationalError as error:
        raise LibraryError(f"{path} cannot be read: {error}.", hint="check its permissions") from error


def _connected(path: Path, how: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    try:
        db.execute("pragma query_only = on")
        db.execute("select count(*) from sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    db.text_factory = lambda data: data.decode(errors="replace")  # so that damage can be described
    return db


def schema_version(db: sqlite3.Connection) -> int:
    """The number of the schema; 0 for a database without one."""
    return int(db.execute("pragma user_version").fetchone()[0])


def meta(db: sqlite3.Connection) -> dict[str, object]:
    """The settings kept in the library."""
    return dict(db.execute("select key, value from meta").fetchall())


def complaints(db: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with its own structures; nothing for a sound database."""
    found = [str(row[0]) for row in db.execute(f"pragma integrity_check({_MOST})")]
    return [] if found == ["ok"] else found


def orphans(db: sqlite3.Connection) -> list[Orphans]:
    """Rows without the row they belong to, and documents that were found nowhere."""
    found = []
    for table, column, owner, key in _DEPENDENTS:
        if _columns(db, table):
            count = db.execute(f"select count(*) from {table} where {column} not in (select {key} from {owner})").fetchone()[0]
            found.append(Orphans(table, count, owner))
    return [one for one in found if one.count]


def drop_orphans(db: sqlite3.Connection) -> int:
    """Delete what `orphans` finds; returns how many rows that were."""
    return sum(
        db.execute(f"delete from {table} where {column} not in (select {key} from {owner})").rowcount
        for table, column, owner, key in _DEPENDENTS
        if _columns(db, table)
    )


def unplaced(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Documents (id, title) that no source holds."""
    return db.execute("select id, title from documents where id not in (select document from sources) order by title, id").fetchall()


def highest_change(db: sqlite3.Connection) -> int:
    """The highest number that any row bears of the change that made it."""
    tables = ("documents", "chunks", "removed")
    return max(int(db.execute(f"select coalesce(max(change), 0) from {table}").fetchone()[0]) for table in tables)


def vector_bytes(db: sqlite3.Connection) -> int:
    """The length of a vector in bytes, as most of them have it; 0 when there are none."""
    row = db.execute("select length(data) from vectors group by length(data) order by count(*) desc limit 1").fetchone()
    return int(row[0]) if row else 0


def document_faults(db: sqlite3.Connection, document: str, vector_bytes: int) -> Iterator[str]:
    """What is wrong with one document, each as the end of a sentence: "its text ..."."""
    yield from _name_faults(db, document)
    text, fault = _text(db, document)
    if fault:
        yield fault
    if text is None:
        return
    pages = db.execute("select position, start, end from pages where document = ? order by position", (document,)).fetchall()
    sections = db.execute("select position, start, end from sections where document = ? order by position", (document,)).fetchall()
    for name, rows in (("page", pages), ("section", sections)):
        if any(row[0] != at or not 0 <= row[1] <= row[2] <= len(text) for at, row in enumerate(rows)):
            yield f"its {name}s are not where its text is"
    chunks = db.execute("select id, start, end, page, section from chunks where document = ? order by start, end", (document,)).fetchall()
    yield from _chunk_faults(text, chunks, pages, sections)
    yield from _vector_faults(db, document, vector_bytes)
    if "first_chunk" in _columns(db, "documents"):
        noted = db.execute("select first_chunk, chunk_count from documents where id = ?", (document,)).fetchone()
        ids = sorted(row[0] for row in chunks)
        if ids != ([] if noted[0] is None else list(range(noted[0], noted[0] + noted[1]))):
            yield "its chunks are not where its row says"
    if "crc" in _columns(db, "documents"):
        kept = db.execute("select crc from documents where id = ?", (document,)).fetchone()[0]
        if kept is not None and kept != document_crc(db, document):
            yield "its places, chunks or vectors do not have their checksum"


def document_crc(db: sqlite3.Connection, document: str) -> int:
    """CRC-32 of everything that is stored with a document's text, which has its own: kind, date, places, chunks and vectors. No title,
    which may change. A document without a date has the sum that it had before there were dates.
    """
    total = 0
    dated = ("select date from documents where id = ? and date is not null",) if "date" in _columns(db, "documents") else ()
    for query in (
        *dated,
        "select media_type, chars, warnings from documents where id = ?",
        "select position, label, start, end, width, height from pages where document = ? order by position",
        "select position, level, title, start, end from sections where document = ? order by position",
        "select position, start, end, kind, left, bottom, right, top from regions where document = ? order by position",
        "select id, start, end, page, section, kind from chunks where document = ? order by id",
    ):
        for row in db.execute(query, (document,)):
            total = zlib.crc32(repr(row).encode(), total)
    for row in db.execute(
        "select cast(v.data as blob) from chunks c join vectors v on v.chunk = c.id where c.document = ? order by c.id", (document,)
    ):
        total = zlib.crc32(row[0], total)
    return total


def _name_faults(db: sqlite3.Connection, document: str) -> Iterator[str]:
    queries = {
        "title": "select cast(title as blob) from documents where id = ?",
        "page labels": "select cast(label as blob) from pages where document = ?",
        "section titles": "select cast(title as blob) from sections where document = ?",
        "warnings": "select cast(warnings as blob) from documents where id = ?",
    }
    for what, query in queries.items():
        try:
            for row in db.execute(query, (document,)):
                (json.loads if what == "warnings" else str)(row[0].decode())
        except (ValueError, AttributeError):
            yield f"its {what} cannot be read"


def _text(db: sqlite3.Connection, document: str) -> tuple[str | None, str]:
    """A document's text, as far as it can be read, and what is wrong with it."""
    kept = "t.crc" if "crc" in _columns(db, "texts") else "null"
    row = db.execute(
        f"select cast(t.text as blob), {kept}, d.chars from documents d left join texts t on t.document = d.id where d.id = ?", (document,)
    ).fetchone()
    if row is None or row[0] is None:
        return None, "its text is missing"
    try:
        text = row[0].decode()
    except UnicodeDecodeError:
        return None, "its text is damaged: it is not UTF-8"
    if row[1] is not None and row[1] != zlib.crc32(row[0]):
        return text, "its text is damaged: it does not have its checksum"
    if len(text) != row[2]:
        return text, f"its text has {len(text)} characters, not {row[2]}"
    return text, "its text holds a NUL" if "\0" in text else ""


def _chunk_faults(
    text: str,
    chunks: Sequence[tuple[int, int, int, int | None, int | None]],
    pages: Sequence[tuple[int, int, int]],
    sections: Sequence[tuple[int, int, int]],
) -> Iterator[str]:
    last = 0
    outside, empty, overlapping, misplaced, left_out = 0, 0, 0, 0, 0
    for _, start, end, page, section in chunks:
        if not 0 <= start < end <= len(text):
            outside += 1
            continue
        empty += text[start:end].isspace()
        overlapping += start < last
        left_out += _holds_words(text, last, start)
        last = end
        misplaced += not (_meets(pages, page, start, end) and _meets(sections, section, start, end))
    for count, what in (
        (outside, "outside of its text"),
        (empty, "without words"),
        (overlapping, "that overlap"),
        (misplaced, "that are not on the page or in the section they name"),
    ):
        if count:
            yield f"it has {count} {'chunk' if count == 1 else 'chunks'} {what}"
    left_out += _holds_words(text, last, len(text))
    if left_out:
        yield f"it has {left_out} {'stretch' if left_out == 1 else 'stretches'} of text in no chunk"


def _holds_words(text: str, start: int, end: int) -> bool:
    return start < end and _WORD.search(text, start, end) is not None


def _meets(places: Sequence[tuple[int, int, int]], at: int | None, start: int, end: int) -> bool:
    """Whether a span has something of the page or section it names."""
    return at is None or (0 <= at < len(places) and start < places[at][2] and end > places[at][1])


def _vector_faults(db: sqlite3.Connection, document: str, expected: int) -> Iterator[str]:
    rows = db.execute(
        "select cast(v.data as blob), typeof(v.data) from chunks c left join vectors v on v.chunk = c.id where c.document = ?", (document,)
    ).fetchall()
    missing = sum(row[0] is None for row in rows)
    if missing:
        yield f"{missing} of its chunks have no vector"
    if any(row[1] not in ("blob", "null") for row in rows):
        yield "it has a vector that is no blob"
        return
    data = [row[0] for row in rows if row[0] is not None]
    if any(len(one) != expected for one in data):
        yield "it has a vector of another length than the rest"
        return
    if data:
        vectors = np.frombuffer(b"".join(data), np.float16).reshape(len(data), -1).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        bad = len(data) - int(np.sum(np.abs(lengths - 1) <= _OFF_LENGTH))
        if bad:
            yield f"{bad} of its vectors are not of length 1"


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table; none for a table that an older schema does not have."""
    return {row[1] for row in db.execute(f"pragma table_info({table})")}
