"""Files are read by children that may die: a file that hangs, crashes or swells costs itself and nothing else."""

from __future__ import annotations

import queue
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType

from wellread.errors import ReadError, UsageError
from wellread.read.limits import Limits
from wellread.read.open_file import file_bytes
from wellread.read.worker import Worker
from wellread.types import Document

_LIMITS = Limits()


class ReaderPool:
    """Reads files in `jobs` child processes, each used for many files.

    Close it, or use it in a `with`. A pool that is forgotten, or whose process dies, leaves no child behind.
    """

    def __init__(self, jobs: int = 1, limits: Limits = _LIMITS) -> None:
        if jobs < 1:
            raise UsageError(f"a reader pool needs at least one job, not {jobs}.")
        self.jobs = jobs
        self.limits = limits
        self._workers = [Worker() for _ in range(jobs)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._end = weakref.finalize(self, _kill_all, self._workers)

    def __enter__(self) -> ReaderPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children that live."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    def read(self, path: Path) -> Document:
        """The document in a file; its `id` is the sha256 of exactly the bytes that were parsed. Raises `ReadError`."""
        self._check_open()
        return _read(self._idle, path, self.limits)

    def read_all(self, paths: Iterable[Path]) -> Iterator[tuple[Path, Document | ReadError]]:
        """Each path with its document or the reason why there is none, as they come; at most twice `jobs` files are read ahead."""
        self._check_open()
        left = iter(paths)
        running: dict[Future[Document], Path] = {}
        threads = ThreadPoolExecutor(self.jobs, thread_name_prefix="wellread-read")
        try:
            while True:
                while len(running) < 2 * self.jobs and (path := next(left, None)) is not None:
                    running[threads.submit(_read, self._idle, path, self.limits)] = path
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), _outcome(future)
        finally:
            abandoned = [future for future in running if not future.cancel() and not future.done()]
            if abandoned:
                self._restart()
            threads.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """End every child; the pool cannot be used afterwards."""
        self._end()

    def _check_open(self) -> None:
        if not self._end.alive:
            raise UsageError("this reader pool is closed.")

    def _restart(self) -> None:
        """End the children of files that nobody waits for any more."""
        for worker in self._workers:
            worker.abandon()


def _read(idle: queue.SimpleQueue[Worker], path: Path, limits: Limits) -> Document:
    data = file_bytes(path, limits)
    worker = idle.get()
    try:
        return worker.parse(data, path.name, str(path), limits)
    finally:
        idle.put(worker)


def _outcome(future: Future[Document]) -> Document | ReadError:
    try:
        return future.result()
    except ReadError as error:
        return error


def _kill_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.end()
