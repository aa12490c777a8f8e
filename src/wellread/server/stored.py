"""Responses that are kept, so that a conversation can go on from one of them: one small SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import LibraryError
from wellread.server.database import opened

_LONGEST_CHAIN = 500
_DAY_S = 86_400


_TABLES = (
    "create table if not exists responses (id text primary key, owner text not null, at real not null, previous text,"
    " items text not null, response text not null) without rowid",
    "create index if not exists responses_at on responses (at)",
    "create table if not exists rests (response text not null, library text not null, document text not null,"
    " primary key (response, library, document)) without rowid",
    "create trigger if not exists forget_rests after delete on responses begin delete from rests where response = old.id; end",
)

Rest = tuple[str, str]
"""The name of a library, and the id of a document in it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A response, the items that it was given to, the id of the one before it, and the documents that it, or one before it, rests on."""

    response: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]
    previous: str | None
    rests: frozenset[Rest] = frozenset()


class StoredResponses:
    """The responses in the file `path` (in memory for None), each kept for `days`, at most `most` of them. Several threads may use one.

    Whoever made a response is the only one for whom it is there.
    """

    def __init__(self, path: Path | None, *, days: int = 30, most: int = 10_000) -> None:
        self._days = days
        self._most = most
        self._lock = threading.Lock()
        self._db = opened(path)
        try:
            for statement in _TABLES:
                self._db.execute(statement)
        except sqlite3.DatabaseError as error:
            raise LibraryError(f"{path} cannot be opened: {error}.", hint="move it away; it holds stored responses only") from error

    def put(self, owner: str, stored: Stored) -> None:
        """Keep a response, and forget what is too old or too much."""
        now = time.time()
        ident = stored.response["id"]
        row = (ident, owner, now, stored.previous, _json(stored.items), _json(stored.response))
        with self._lock, self._together():
            self._db.execute("insert into responses values (?, ?, ?, ?, ?, ?)", row)
            self._db.executemany("insert into rests values (?, ?, ?)", [(ident, *rest) for rest in stored.rests])
            if stored.previous is not None:  # what went before was read by the model, too
                self._db.execute(
                    "insert or ignore into rests select ?, library, document from rests where response = ?", (ident, stored.previous)
                )
            self._db.execute("delete from responses where at < ?", (now - self._days * _DAY_S,))
            self._db.execute(
                "delete from responses where at <= (select at from responses order by at desc limit 1 offset ?)", (self._most,)
            )

    def get(self, owner: str, ident: str) -> Stored | None:
        """A response by its id, if it is the owner's."""
        with self._lock:
            row = self._db.execute("select response, items, previous from responses where id = ? and owner = ?", (ident, owner)).fetchone()
            rests = self._db.execute("select library, document from rests where response = ?", (ident,)).fetchall()
        return None if row is None else Stored(json.loads(row[0]), json.loads(row[1]), row[2], frozenset(map(tuple, rests)))

    def chain(self, owner: str, ident: str) -> list[Stored] | None:
        """A response and all before it, oldest first; None where one of them is not there."""
        found: list[Stored] = []
        wanted: str | None = ident
        while wanted is not None and len(found) < _LONGEST_CHAIN:
            stored = self.get(owner, wanted)
            if stored is None:
                return None
            found.append(stored)
            wanted = stored.previous
        return found[::-1]

    def delete(self, owner: str, ident: str) -> bool:
        """Forget a response; whether it was there."""
        with self._lock:
            return self._db.execute("delete from responses where id = ? and owner = ?", (ident, owner)).rowcount > 0

    def rests(self) -> set[Rest]:
        """Every document that some response rests on."""
        with self._lock:
            return {(row[0], row[1]) for row in self._db.execute("select distinct library, document from rests")}

    def forget(self, library: str, document: str | None = None) -> int:
        """Delete the responses that rest on a document, or on any of a library; returns how many there were."""
        with self._lock:
            done = self._db.execute(
                "delete from responses where id in (select response from rests where library = ?1 and (?2 is null or document = ?2))",
                (library, document),
            )
            self._db.execute("pragma wal_checkpoint(truncate)")  # so that its words are in no file any more
            return done.rowcount

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
