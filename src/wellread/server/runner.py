"""The thread that works on jobs, one after another, and takes up again what a server that died had left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wellread.errors import LibraryLocked
from wellread.lock import Busy, locked
from wellread.models.watched import Stopped
from wellread.server.errors import Refused, refusal
from wellread.server.jobs import Job, Jobs
from wellread.types import Progress

Do = Callable[[Job, Progress, threading.Event], Mapping[str, Any]]
"""Does a job and returns its report. It ends with `Stopped` soon after the event is set, which `Progress` raises then."""

_LOCKED_S = 300.0
_TOLD_EVERY_S = 0.25


class Runner:
    """Works on `jobs`, each kind by what `work` has for it. `over` is told of each that is over, `failed` of errors that should
    not be.

    Of the servers that share one database, the one that holds `lock` does so; `here` says whether that is this one.
    """

    def __init__(
        self,
        jobs: Jobs,
        work: Mapping[str, Do],
        lock: Path | None,
        *,
        over: Callable[[Job], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self.here = True
        self._jobs = jobs
        self._work = work
        self._over = over
        self._failed = failed
        self._ending = threading.Event()
        self._some = threading.Event()
        self._guard = threading.Lock()
        self._now: tuple[str, threading.Event] | None = None
        self._held = ExitStack()
        if lock is not None:
            try:
                self._held.enter_context(locked(lock, wait_seconds=0))
            except Busy:
                self.here = False
        self._thread = threading.Thread(target=self._run, name="wellread-jobs", daemon=True)
        if self.here:
            self._jobs.recover()
            self._thread.start()

    def wake(self) -> None:
        """There is a new job."""
        self._some.set()

    def cancel(self, ident: str) -> None:
        """End a job soon, whether it waits or is worked on."""
        job = self._jobs.get(ident)
        if job is not None and self._jobs.cancel(ident):
            self._over(job)
        else:
            with self._guard:
                if self._now is not None and self._now[0] == ident:
                    self._now[1].set()

    def close(self, wait_s: float = 5.0) -> None:
        """End. What is being worked on waits for the next start; what cannot be stopped within the time counts as a try."""
        self._ending.set()
        self._some.set()
        with self._guard:
            if self._now is not None:
                self._now[1].set()
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        self._held.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._some.clear()
            job = self._jobs.claim()
            if job is None:
                self._some.wait()
                continue
            stop = threading.Event()
            with self._guard:
                self._now = (job.id, stop)
            try:
                if self._ending.is_set():
                    self._jobs.put_back(job.id)
                else:
                    self._do(job, stop)
            except Exception as error:  # of the database: the job stays "running", and is taken up at the next start
                self._failed(job.id, error)
            finally:
                with self._guard:
                    self._now = None

    def _do(self, job: Job, stop: threading.Event) -> None:
        told = 0.0

        def progress(doing: str, done: int, total: int) -> None:
            nonlocal told
            if stop.is_set():
                raise Stopped("the job was stopped.")
            if time.monotonic() - told > _TOLD_EVERY_S or done == total:
                told = time.monotonic()
                self._jobs.progress(job.id, doing, done, total)

        try:
            report = self._patiently(job, progress, stop)
        except Stopped:
            if self._ending.is_set():
                self._jobs.put_back(job.id)
                return
            self._jobs.end(job.id, "cancelled")
        except Exception as error:
            refused = refusal(error)
            if refused.status >= 500 and not isinstance(error, Refused):
                self._failed(job.id, error)
            told_why = {"code": refused.code, "message": refused.message, "hint": refused.hint}
            self._jobs.end(job.id, "failed", error=told_why)
        else:
            self._jobs.end(job.id, "done", report=report)
        self._over(job)

    def _patiently(self, job: Job, progress: Progress, stop: threading.Event) -> Mapping[str, Any]:
        """Do a job, as soon as no other process writes to its library."""
        until = time.monotonic() + _LOCKED_S
        while True:
            try:
                return self._work[job.kind](job, progress, stop)
            except LibraryLocked:
                if time.monotonic() > until:
                    raise
                progress("waiting for another process that writes to the library", 0, 0)
