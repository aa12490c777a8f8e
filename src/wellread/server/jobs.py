"""Jobs: work that goes on after its request was answered. They are kept in the server's database, so that a restart takes them up again."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wellread.server.database import Database

State = Literal["queued", "running", "done", "failed", "cancelled"]
OVER = ("done", "failed", "cancelled")

MOST_TRIES = 3
"""A job that was being worked on so often when the server died is not tried again."""

_COLUMNS = "id, kind, library, owner, state, at, began, ended, tries, request, doing, done, total, report, error"
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Job:
    """A job. Times are in seconds since 1970; `done` of `total` of what `doing` says (0: not known); `report` says what came of it, and
    `error` (code, message, hint) why nothing did. `tries` counts how often it was begun."""

    id: str
    kind: str
    library: str
    owner: str
    state: State
    at: float
    began: float | None
    ended: float | None
    tries: int
    request: Mapping[str, Any]
    doing: str
    done: int
    total: int
    report: Mapping[str, Any] | None
    error: Mapping[str, Any] | None

    def json(self, *, whole: bool = True) -> dict[str, Any]:
        """The job as its caller sees it; without `whole`, not what came of it."""
        told = {
            "id": self.id,
            "kind": self.kind,
            "library": self.library,
            "state": self.state,
            "created": self.at,
            "began": self.began,
            "ended": self.ended,
            "tries": self.tries,
            "progress": {"doing": self.doing, "done": self.done, "total": self.total},
            "error": self.error,
        }
        return told | ({"report": self.report} if whole else {})


class Jobs:
    """The jobs of a database, each kept for `days` after it is over."""

    def __init__(self, database: Database, *, days: int = 30) -> None:
        self._database = database
        self._days = days

    def add(self, kind: str, library: str, owner: str, request: Mapping[str, Any], ident: str | None = None) -> Job:
        """A new job, at the end of the line."""
        ident = ident or new_id()
        with self._database.at_once() as db:
            db.execute("delete from jobs where ended < ?", (time.time() - self._days * _DAY_S,))
            db.execute(
                "insert into jobs (id, kind, library, owner, state, at, request) values (?, ?, ?, ?, 'queued', ?, ?)",
                (ident, kind, library, owner, time.time(), json.dumps(request)),
            )
            return _one(db, ident)

    def get(self, ident: str) -> Job | None:
        """A job by its id."""
        with self._database.at_once() as db:
            row = db.execute(f"select {_COLUMNS} from jobs where id = ?", (ident,)).fetchone()
        return None if row is None else _job(row)

    def of(self, owner: str, limit: int) -> list[Job]:
        """The newest jobs of a caller."""
        with self._database.at_once() as db:
            rows = db.execute(f"select {_COLUMNS} from jobs where owner = ? order by at desc limit ?", (owner, limit)).fetchall()
        return [_job(row) for row in rows]

    def unfinished(self, library: str | None = None) -> list[Job]:
        """What is queued or running, of one library or of all, oldest first."""
        with self._database.at_once() as db:
            rows = db.execute(
                f"select {_COLUMNS} from jobs where state in ('queued', 'running') and (?1 is null or library = ?1) order by at", (library,)
            ).fetchall()
        return [_job(row) for row in rows]

    def waiting(self, owner: str) -> int:
        """How many jobs of a caller are not over."""
        with self._database.at_once() as db:
            row = db.execute("select count(*) from jobs where owner = ? and state in ('queued', 'running')", (owner,)).fetchone()
        return int(row[0])

    def claim(self) -> Job | None:
        """The job that waits longest, as a running one; None where none waits."""
        with self._database.at_once() as db:
            row = db.execute("select id from jobs where state = 'queued' order by at, id limit 1").fetchone()
            if row is None:
                return None
            db.execute("update jobs set state = 'running', began = ?, tries = tries + 1, error = null where id = ?", (time.time(), row[0]))
            return _one(db, row[0])

    def progress(self, ident: str, doing: str, done: int, total: int) -> None:
        """Note how far a job is."""
        with self._database.at_once() as db:
            db.execute("update jobs set doing = ?, done = ?, total = ? where id = ?", (doing, done, total, ident))

    def end(
        self, ident: str, state: State, *, report: Mapping[str, Any] | None = None, error: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        """Note that a job is over; one that is over already stays as it is."""
        with self._database.at_once() as db:
            db.execute(
                "update jobs set state = ?, ended = ?, report = ?, error = ?, request = '{}'"
                " where id = ? and state in ('queued', 'running')",
                (state, time.time(), *(None if each is None else json.dumps(each) for each in (report, error)), ident),
            )

    def put_back(self, ident: str) -> None:
        """Let a running job wait again, as if it had not been begun."""
        with self._database.at_once() as db:
            db.execute("update jobs set state = 'queued', tries = tries - 1 where id = ? and state = 'running'", (ident,))

    def cancel(self, ident: str) -> bool:
        """End a job that waits; whether it did."""
        with self._database.at_once() as db:
            changed = db.execute("update jobs set state = 'cancelled', ended = ? where id = ? and state = 'queued'", (time.time(), ident))
            return changed.rowcount > 0

    def forget(self, ident: str) -> None:
        """Delete a job that is over."""
        with self._database.at_once() as db:
            db.execute("delete from jobs where id = ? and state not in ('queued', 'running')", (ident,))

    def recover(self) -> None:
        """Take up what a server that died was working on: it waits again, but what was begun too often is in quarantine."""
        error = {"code": "quarantined", "message": f"the server died {MOST_TRIES} times while it worked on this", "hint": "see its log"}
        with self._database.at_once() as db:
            db.execute(
                "update jobs set state = 'failed', ended = ?, error = ? where state = 'running' and tries >= ?",
                (time.time(), json.dumps(error), MOST_TRIES),
            )
            db.execute("update jobs set state = 'queued' where state = 'running'")


def new_id() -> str:
    """The id of a new job."""
    return uuid.uuid4().hex


def _one(db: sqlite3.Connection, ident: str) -> Job:
    return _job(db.execute(f"select {_COLUMNS} from jobs where id = ?", (ident,)).fetchone())


def _job(row: tuple[Any, ...]) -> Job:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    for name in ("request", "report", "error"):
        named[name] = None if named[name] is None else json.loads(named[name])
    return Job(**named)
