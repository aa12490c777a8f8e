"""One writer at a time, across processes: a lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.05  # short sleeps rather than a blocking call, so that Ctrl-C works everywhere


class Busy(Exception):
    """The lock is held by another process: `pid` is its number, where it can be told."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


@contextmanager
def locked(path: Path, *, wait_seconds: float | None = None, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, waiting at most so long for whoever has it (None: for ever). Raises `Busy` after that.

    `waiting` is called once if there is somebody to wait for. Raises `OSError` where the disk has no file locks.

    The file stays when the lock is let go: to delete it would let two processes hold locks on two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        told = False
        while not _try(handle):
            if not told:
                waiting()
                told = True
            if deadline is not None and time.monotonic() > deadline:
                raise Busy(_holder(path))
            time.sleep(_POLL_SECONDS)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0) if sys.platform != "win32" else os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
