"""Traces of requests that are kept in the server's database; those of questions are in their libraries."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from wellread.errors import LibraryError
from wellread.server.database import Database
from wellread.server.traced import Trace

_DAY_S = 86_400
_MOST_WAITING = 10_000


class Traces:
    """The traces of `database`, each kept for `days` (0: for good). A thread writes them, so that no request waits for the disk; what it
    cannot keep up with is left out and counted in `dropped`."""

    def __init__(self, database: Database, *, days: int) -> None:
        self.dropped = 0
        self._database = database
        self._days = days
        self._waiting: queue.Queue[Trace | None] = queue.Queue(_MOST_WAITING)
        self._writer = threading.Thread(target=self._write_all, name="wellread-traces", daemon=True)
        self._writer.start()
        self.forget_old()

    def put(self, trace: Trace) -> None:
        """Keep a trace, soon."""
        try:
            self._waiting.put_nowait(trace)
        except queue.Full:
            self.dropped += 1

    def newest(self, limit: int, owner: str | None = None) -> list[dict[str, Any]]:
        """The newest traces, of one caller or of all, without their steps."""
        self._settle()
        return listed(self._database, limit, owner)

    def get(self, ident: str, owner: str | None = None) -> dict[str, Any] | None:
        """One trace by its id."""
        self._settle()
        return one(self._database, ident, owner)

    def set_feedback(self, ident: str, owner: str, feedback: Mapping[str, Any]) -> bool:
        """Keep with a trace what its caller thinks of the answer; whether there is that trace."""
        self._settle()
        with self._database.at_once() as db:
            done = db.execute(
                "update traces set data = json_set(data, '$.feedback', json(?)) where id = ? and owner = ?",
                (json.dumps(feedback), ident, owner),
            )
            return done.rowcount > 0

    def forget_old(self) -> None:
        """Delete what has been kept long enough."""
        if self._days:
            with self._database.at_once() as db:
                db.execute("delete from traces where at < ?", (time.time() - self._days * _DAY_S,))

    def close(self) -> None:
        """Write what waits, and end."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=1)
        self._writer.join(5)

    def _settle(self) -> None:
        """Wait, for a second at most, until what was put is written."""
        until = time.monotonic() + 1
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.002)

    def _write_all(self) -> None:
        last = time.monotonic()
        while (trace := self._waiting.get()) is not None:
            try:
                with self._database.at_once() as db:
                    row = (trace.id, trace.owner, trace.at, trace.kind, trace.model, json.dumps(trace.json()))
                    db.execute("insert or replace into traces values (?, ?, ?, ?, ?, ?)", row)
                if time.monotonic() - last > 3600:
                    last = time.monotonic()
                    self.forget_old()
            except LibraryError:
                self.dropped += 1
            finally:
                self._waiting.task_done()


def listed(database: Database, limit: int, owner: str | None = None) -> list[dict[str, Any]]:
    """The newest traces of a database, of one caller or of all, without their steps."""
    with database.at_once() as db:
        rows = db.execute(
            "select id, at, kind, model, json_extract(data, '$.outcome'), json_extract(data, '$.timings.total_ms') from traces"
            " where ?1 is null or owner = ?1 order by at desc limit ?2",
            (owner, limit),
        ).fetchall()
    return [dict(zip(("id", "at", "kind", "model", "outcome", "total_ms"), row, strict=True)) for row in rows]


def one(database: Database, ident: str, owner: str | None = None, *, begins: bool = False) -> dict[str, Any] | None:
    """One trace of a database by its id, or by the beginning of it."""
    with database.at_once() as db:
        row = db.execute(
            "select id, at, kind, model, data from traces where (id = ?1 or (?3 and substr(id, 1, length(?1)) = ?1))"
            " and (?2 is null or owner = ?2) order by at desc limit 1",
            (ident, owner, begins),
        ).fetchone()
    return None if row is None else {"id": row[0], "at": row[1], "kind": row[2], "model": row[3], **json.loads(row[4])}
