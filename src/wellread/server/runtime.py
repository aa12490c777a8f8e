"""What every protocol shares: the models, the libraries, the line before them, and the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wellread.parts import Parts
from wellread.server.database import Database
from wellread.server.errands import Errands, Examined
from wellread.server.export import Export
from wellread.server.given_shelf import GivenShelf
from wellread.server.jobs import Jobs
from wellread.server.line import Line
from wellread.server.metrics import Metrics
from wellread.server.runner import Runner
from wellread.server.served import Served
from wellread.server.shelf import Shelf
from wellread.server.stored import StoredResponses
from wellread.server.traced import Trace
from wellread.server.traces import Traces

_ERRANDS, _CHANGES = 2, 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request, and all of them together, may take. Times are in seconds.

    body_bytes, body_s: the largest body, and how long it may take to arrive; upload_bytes: the same for files, each piece of which may
        take that long; blob_bytes: the largest file that may be sent for a model. watchers: how many may watch jobs at a time.
    header_s: how long a connection may take to send the head of a request. send_s: how long it may take nothing of an answer.
    request_s: how long an answer may take.
    slots: requests that are worked on at a time. queue: how many wait besides; more are turned away. patience_s: how long one waits.
    grace_s: what requests under way get to finish in when the server is told to end.
    """

    body_bytes: int = 16 << 20
    body_s: float = 30.0
    upload_bytes: int = 1 << 30
    watchers: int = 64
    blob_bytes: int = 128 << 30
    header_s: float = 15.0
    send_s: float = 30.0
    request_s: float = 600.0
    slots: int = 4
    queue: int = 64
    patience_s: float = 120.0
    grace_s: float = 5.0


class Runtime:
    """The parts of a server that its protocols use. `close` ends what it opened; the parts are closed by whoever made them."""

    def __init__(
        self,
        parts: Parts,
        shelf: Shelf,
        stored: StoredResponses,
        bounds: Bounds = Bounds(),
        *,
        database: Database | None = None,
        allowed: Sequence[Path] = (),
        examined: Examined | None = None,
        export: Export | None = None,
        failed: Callable[[str, Exception], None] = lambda ident, error: None,
    ) -> None:
        self.parts = parts
        self.shelf = shelf
        self.given = GivenShelf(parts)
        self.stored = stored
        self.bounds = bounds
        self.models = Served(parts)
        self.line = Line(bounds.slots, bounds.queue, bounds.patience_s)
        self.watching = Line(bounds.watchers, 0, 0.0)
        self.changing = Line(_CHANGES, bounds.queue, bounds.patience_s)
        """Where what writes to libraries and stores waits."""
        self.fetching = Line(_ERRANDS, bounds.queue, bounds.patience_s)
        """Where what fetches and makes models waits: it takes long, and needs none of the slots."""
        self.metrics = Metrics()
        self.allowed = tuple(path.resolve() for path in allowed)
        self.export = export
        self._database = Database(None) if database is None else database
        self.traces = Traces(self._database, days=parts.settings.trace_days)
        self.jobs = Jobs(self._database)
        folder = parts.settings.server_folder
        self.errands = Errands(shelf, self.models, folder / "jobs", examined)
        lock = None if self._database.path is None else self._database.path.with_suffix(".lock")
        self.runner = Runner(self.jobs, self.errands.kinds, lock, over=self.errands.clear, failed=failed)
        if self.runner.here:
            self.errands.sweep(self.jobs.unfinished())

    def traced(self, trace: Trace) -> None:
        """Keep the trace of a request, unless its library has it, and tell whoever is to be told."""
        if not trace.answer:
            self.traces.put(trace)
        if self.export is not None:
            self.export.tell(trace)

    def close(self) -> None:
        """Let what is being worked on wait for the next start, and close libraries, models and databases."""
        self.runner.close()
        self.shelf.close()
        self.given.close()
        self.models.close()
        self.stored.close()
        self.traces.close()
        self._database.close()
        if self.export is not None:
            self.export.close()
