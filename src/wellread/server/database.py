"""The server's own SQLite files: what it keeps beside the libraries."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wellread.errors import LibraryError

_TABLES = (
    "create table if not exists traces (id text primary key, owner text not null, at real not null, kind text not null,"
    " model text not null, data text not null) without rowid",
    "create index if not exists traces_at on traces (at)",
    "create table if not exists jobs (id text primary key, kind text not null, library text not null, owner text not null,"
    " state text not null, at real not null, began real, ended real, tries integer not null default 0, request text not null,"
    " doing text not null default '', done integer not null default 0, total integer not null default 0, report text, error text)"
    " without rowid",
    "create index if not exists jobs_at on jobs (state, at)",
)


def opened(path: Path | None) -> sqlite3.Connection:
    """The database in the file `path` (in memory for None), for the owner's eyes only. Raises `LibraryError` for what is none."""
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        db = sqlite3.connect(path or ":memory:", timeout=10, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute("pragma secure_delete = on")
    except sqlite3.DatabaseError as error:
        raise LibraryError(f"{path} cannot be opened: {error}.", hint="move it away; it holds only what the server keeps") from error
    return db


class Database:
    """`server.db`: traces of requests, and jobs. Several threads may use one, and several processes one file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db = opened(path)
        try:
            for statement in _TABLES:
                self._db.execute(statement)
        except sqlite3.DatabaseError as error:
            raise LibraryError(f"{path} cannot be read: {error}.", hint="move it away; it holds only what the server keeps") from error

    @contextmanager
    def at_once(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; what is written is one transaction. Raises `LibraryError` where it cannot be."""
        with self._lock:
            try:
                self._db.execute("begin immediate")
                try:
                    yield self._db
                    self._db.execute("commit")
                finally:
                    if self._db.in_transaction:
                        self._db.execute("rollback")
            except sqlite3.DatabaseError as error:
                raise LibraryError(f"{self.path} cannot be used: {error}.", hint="is there room on its disk?") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
