"""What can still be read of a damaged `library.db`, copied to a new one: whole documents only."""

from __future__ import annotations

import shutil
import sqlite3
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import LibraryError, LibraryTooNew
from wellread.index.backup import put_in_place
from wellread.index.check import document_faults, drop_orphans, open_to_read, schema_version, vector_bytes
from wellread.index.migrations import SCHEMA_VERSION
from wellread.index.store import Store
from wellread.types import Progress

_TABLES = "meta roots excluded web tags documents texts pages sections regions sources chunks vectors traces".split()
"""What is copied. Archives and failures are not, so that they are read again; nor what went, for the indexes are made anew."""

_QUERIES = 2000
"""How often a table is asked for what lies between two places that cannot be read."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many documents were saved, the sources (path) that are known to be lost, and where the damaged file was put."""

    documents: int
    lost: tuple[str, ...]
    aside: Path


def salvage(path: Path, progress: Progress) -> Salvaged:
    """Put a new database in the place of a damaged one, with every document of it that is whole; the damaged one is kept beside it.

    The files of what was lost are read again at the next sync, if they are still there. Nobody may be writing. Raises `LibraryError` when
    nothing can be read; then nothing has changed.
    """
    new = path.with_name(path.name + ".new")
    try:
        _begin(new)
        with closing(_opened(path)) as old, closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("begin")
            saved, lost = _copy(old, db, progress)
            db.execute("update meta set value = 1 where key = 'change'")
            db.execute("commit")
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute("pragma journal_mode = delete")
        aside = _aside(path)
        put_in_place(new, path)
        return Salvaged(saved, lost, aside)
    finally:
        for suffix in ("", "-wal", "-shm"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)


def _begin(path: Path) -> None:
    path.unlink(missing_ok=True)
    Store(path).close()


def _opened(path: Path) -> sqlite3.Connection:
    try:
        db = open_to_read(path)
        if schema_version(db) > SCHEMA_VERSION:
            db.close()
            raise LibraryTooNew(f"{path} was made by a newer Wellread.", hint="upgrade with: pip install --upgrade wellread")
    except sqlite3.DatabaseError as error:
        raise _nothing(path) from error
    return db


def _nothing(path: Path) -> LibraryError:
    return LibraryError(
        f"nothing in {path} can be read any more.", hint="restore a backup with `wellread restore`, or add the files to a new library"
    )


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, progress: Progress) -> tuple[int, tuple[str, ...]]:
    """Copy what can be read and drop what is not whole; returns how many documents are left, and the sources of those that are not."""
    count = 0
    for done, table in enumerate(_TABLES):
        progress("saving what can be read", done, len(_TABLES))
        count += _copied(old, new, table)
    if not count:
        raise _nothing(Path(old.execute("pragma database_list").fetchone()[2]))
    paths = {row[0] for row in new.execute("select path from sources")}
    drop_orphans(new)
    new.execute(
        "update documents set first_chunk = (select min(id) from chunks where document = documents.id),"
        " chunk_count = (select count(*) from chunks where document = documents.id)"
    )
    width = vector_bytes(new)
    documents = [row[0] for row in new.execute("select id from documents").fetchall()]
    for done, document in enumerate(documents, start=1):
        if not new.execute("select 1 from sources where document = ?", (document,)).fetchone() or _is_torn(new, document, width):
            new.execute("delete from documents where id = ?", (document,))
        progress("checking what was saved", done, len(documents))
    drop_orphans(new)
    for table in ("documents", "chunks"):
        new.execute(f"update {table} set change = 1")
    left = {row[0] for row in new.execute("select path from sources")}
    new.execute("update web set etag = null, modified = null where url not in (select path from sources)")
    return new.execute("select count(*) from documents").fetchone()[0], tuple(sorted(paths - left))


def _is_torn(db: sqlite3.Connection, document: str, width: int) -> bool:
    try:
        return any(document_faults(db, document, width))
    except (TypeError, ValueError, OverflowError):  # a number that is none any more
        return True


def _copied(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy those rows of a table that can be read; returns how many."""
    columns = _shared_columns(old, new, table)
    if not columns:
        return 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    count = 0
    for row in _rows(old, table, names):
        if table == "meta" and row[0] not in ("embedder", "embedder_revision"):
            continue
        try:
            count += new.execute(f"insert or ignore into {table} ({names}) values ({marks})", row).rowcount
        except sqlite3.Error:  # a row that is none
            continue
    return count


def _shared_columns(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> list[str]:
    """The columns that a table has in both; the old one may be of an older schema."""
    try:
        here = [row[1] for row in old.execute(f"pragma table_info({table})")]
    except sqlite3.DatabaseError:
        return []
    there = {row[1] for row in new.execute(f"pragma table_info({table})")}
    return [f'"{name}"' for name in here if name in there]


def _rows(db: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table that can be read: from both ends of a stretch inwards until that fails, and then of both halves of what lies
    between. Rows without a number are read from both ends only. Some come twice.
    """
    try:
        db.execute(f"select rowid from {table} limit 0")
    except sqlite3.DatabaseError:
        for order in ("asc", "desc"):
            yield from _read(db, f"select 0, {names} from {table} order by 2 {order}")
        return
    stretches = deque([(-(1 << 63), (1 << 63) - 1)])
    for _ in range(_QUERIES):
        if not stretches:
            return
        low, high = stretches.popleft()
        query = f"select rowid, {names} from {table} not indexed where rowid between {low} and {high} order by rowid"
        whole, last = yield from _read(db, f"{query} asc")
        if not whole:
            low = low if last is None else last + 1
            _, last = yield from _read(db, f"{query} desc")
            high = high if last is None else last - 1
            middle = (low + high) // 2
            stretches.extend(part for part in ((low, middle), (middle + 1, high)) if part[0] <= part[1] and part != (low, high))


def _read(db: sqlite3.Connection, query: str) -> Generator[tuple[Any, ...], None, tuple[bool, int | None]]:
    """The rows of a query without their first column, as far as they can be read; returns whether that was all, and the last number."""
    last = None
    try:
        for number, *row in db.execute(query):
            last = number
            yield tuple(row)
    except sqlite3.DatabaseError:
        return False, last
    return True, last


def _aside(path: Path) -> Path:
    """Copy a database and its log beside it, under a name that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged{'' if number == 1 else number}")).exists():
        number += 1
    shutil.copyfile(path, aside)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, aside.with_name(aside.name + "-wal"))
    return aside
