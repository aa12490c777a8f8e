"""Files are read by children that may die: a file that hangs, crashes or swells costs itself and nothing else.

Archives and mails are folders here: what lies in them is read like any other file, each member in its turn, and comes as a reading of
its own whose source is the path of the archive, a slash, and the member's path inside.
"""

from __future__ import annotations

import queue
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import TracebackType

from wellread.errors import ReadError, UsageError
from wellread.read.limits import Limits
from wellread.read.open_file import file_bytes
from wellread.read.refuse import refusal
from wellread.read.spool import Spool, Spooled
from wellread.read.wire import Packed, Result, Task
from wellread.read.worker import Worker
from wellread.types import Document

_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Given:
    """Bytes to read that lie in no file: `source` says where they are from, `name` is the file name they would have."""

    source: str
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one source. `origin` is the path or source that was asked for: for the member of an archive, the archive.

    `result` is None for an archive, which has no text of its own. A `container` comes after all its members; `size` is in bytes.
    """

    origin: str
    source: str
    result: Document | ReadError | None
    size: int
    container: bool = False


@dataclass(slots=True)
class _Container:
    """An archive whose members are being read: what they may still unpack to, and what is said once all have come."""

    spool: Spool
    limits: Limits
    reading: Reading | None = None
    waiting: int = 0
    members: list[tuple[str, Spooled | ReadError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Job:
    item: Path | Given | Spooled
    origin: str
    source: str
    name: str
    parents: tuple[_Container, ...] = ()


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
        for reading in self.read_all([path]):
            if isinstance(reading.result, ReadError):
                raise reading.result
            if reading.result is not None and reading.source == reading.origin:
                return reading.result
        raise refusal("unsupported", path.name, "an archive: what lies in it is read by `read_all`")

    def read_all(self, items: Iterable[Path | Given]) -> Iterator[Reading]:
        """The readings of each item, as they come; at most twice `jobs` files are read ahead."""
        if not self._end.alive:
            raise UsageError("this reader pool is closed.")
        left = (_job(item) for item in items)
        waiting: deque[_Job] = deque()
        running: dict[Future[tuple[Result, int, _Container]], _Job] = {}
        threads = ThreadPoolExecutor(self.jobs, thread_name_prefix="wellread-read")
        try:
            while True:
                while len(running) < 2 * self.jobs and (job := waiting.popleft() if waiting else next(left, None)) is not None:
                    running[threads.submit(_read, self._idle, job, self.limits)] = job
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from _finished(running.pop(future), *future.result(), waiting)
        finally:
            abandoned = [future for future in running if not future.cancel() and not future.done()]
            if abandoned:
                self._restart()
            threads.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """End every child; the pool cannot be used afterwards."""
        self._end()

    def _restart(self) -> None:
        """End the children of files that nobody waits for any more."""
        for worker in self._workers:
            worker.abandon()


def _job(item: Path | Given) -> _Job:
    source = str(item) if isinstance(item, Path) else item.source
    return _Job(item, source, source, item.name)


def _read(idle: queue.SimpleQueue[Worker], job: _Job, limits: Limits) -> tuple[Result, int, _Container]:
    """Parse one file, in a thread of the pool; the members of an archive go to the spool."""
    top = job.parents[0] if job.parents else None
    container = _Container(top.spool, top.limits) if top else _Container(Spool(), limits)
    budget = top or container  # what lies in archives in an archive counts against the outermost

    def keep(member: Packed) -> None:
        left = budget.limits
        budget.limits = replace(
            left, unpacked_bytes=left.unpacked_bytes - len(member.data), unpacked_entries=max(0, left.unpacked_entries - 1)
        )
        container.members.append((member.name, member.error or budget.spool.put(member.data)))

    size = 0
    try:
        data = _bytes_of(job, limits)
        size = len(data)
        task = Task(data, job.name, job.source, budget.limits, unpack=len(job.parents) < limits.unpacked_depth)
        worker = idle.get()
        try:
            return worker.parse(task, keep), size, container
        finally:
            idle.put(worker)
    except ReadError as error:
        return Result(error), size, container
    except OSError as error:
        return Result(refusal("unreadable", job.name, f"it cannot be unpacked: {error.strerror}")), size, container


def _bytes_of(job: _Job, limits: Limits) -> bytes:
    if isinstance(job.item, Path):
        return file_bytes(job.item, limits)
    return job.item.data if isinstance(job.item, Given) else job.parents[0].spool.take(job.item)


def _finished(job: _Job, result: Result, size: int, container: _Container, waiting: deque[_Job]) -> Iterator[Reading]:
    """The readings that are complete now; an archive's members are put first in the queue, and itself is told after them."""
    reading = Reading(job.origin, job.source, result.outcome, size, result.container or bool(container.members))
    members = []
    for name, held in container.members:
        source = f"{job.source}/{name}"
        if isinstance(held, ReadError):
            yield Reading(job.origin, source, held, 0)
        else:
            members.append(_Job(held, job.origin, source, PurePosixPath(name).name, (*job.parents, container)))
    waiting.extendleft(reversed(members))
    container.reading, container.waiting = reading, len(members)
    line = (*job.parents, container)
    if not members:
        yield from _told(line)


def _told(line: tuple[_Container, ...]) -> Iterator[Reading]:
    """The reading of the innermost of `line`, and of those around it that waited for nothing else."""
    while line:
        innermost = line[-1]
        if innermost.waiting:
            return
        assert innermost.reading is not None
        yield innermost.reading
        line = line[:-1]
        if not line:
            innermost.spool.close()
        else:
            line[-1].waiting -= 1


def _kill_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.end()
