"""Responses that are kept, so that a conversation can go on from one of them: one small SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import LibraryError

_LONGEST_CHAIN = 500
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Stored:
    """A response, the items that it was given to, and the id of the one before it."""

    response: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]
    previous: str | None


class StoredResponses:
    """The responses in the file `path` (in memory for None), each kept for `days`, at most `most` of them. Several threads may use one.

    Whoever made a response is the only one for whom it is there.
    """

    def __init__(self, path: Path | None, *, days: int = 30, most: int = 10_000) -> None:
        self._days = days
        self._most = most
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            self._db = sqlite3.connect(path or ":memory:", timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma secure_delete = on")
            self._db.execute(
                "create table if not exists responses (id text primary key, owner text not null, at real not null, previous text,"
                " items text not null, response text not null) without rowid"
            )
            self._db.execute("create index if not exists responses_at on responses (at)")
        except sqlite3.DatabaseError as error:
            raise LibraryError(f"{path} cannot be opened: {error}.", hint="move it away; it holds stored responses only") from error

    def put(self, owner: str, stored: Stored) -> None:
        """Keep a response, and forget what is too old or too much."""
        now = time.time()
        row = (stored.response["id"], owner, now, stored.previous, _json(stored.items), _json(stored.response))
        with self._lock:
            self._db.execute("insert into responses values (?, ?, ?, ?, ?, ?)", row)
            self._db.execute("delete from responses where at < ?", (now - self._days * _DAY_S,))
            self._db.execute(
                "delete from responses where at <= (select at from responses order by at desc limit 1 offset ?)", (self._most,)
            )

    def get(self, owner: str, ident: str) -> Stored | None:
        """A response by its id, if it is the owner's."""
        with self._lock:
            row = self._db.execute("select response, items, previous from responses where id = ? and owner = ?", (ident, owner)).fetchone()
        return None if row is None else Stored(json.loads(row[0]), json.loads(row[1]), row[2])

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

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
