"""The two locks of a library's folder: one for whoever changes the database, one for whoever writes the indexes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wellread.errors import DiskFull, LibraryError, LibraryLocked
from wellread.lock import Busy, locked


@contextmanager
def writing(folder: Path, *, wait_seconds: float = 10.0) -> Iterator[None]:
    """The right to change the database in `folder`, for one process at a time. Raises `LibraryLocked` when another keeps it."""
    with _held(folder, "lock", wait_seconds):
        yield


@contextmanager
def indexing(folder: Path, *, wait_seconds: float = 120.0) -> Iterator[None]:
    """The right to write the indexes in `folder`, for one process at a time. Raises `LibraryLocked` when another keeps it."""
    with _held(folder, "index.lock", wait_seconds):
        yield


def refused(folder: Path, error: OSError) -> LibraryError:
    """The system's error about a library's folder, as ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"there is no room left on the disk of {folder}.", hint="free some space and run the same command again")
    return LibraryError(f"{folder} cannot be written to: {error.strerror}.", hint="check the permissions of the folder")


@contextmanager
def _held(folder: Path, name: str, wait_seconds: float) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / name, wait_seconds=wait_seconds))
        except Busy as busy:
            by = f"process {busy.pid}" if busy.pid else "another process"
            raise LibraryLocked(f"{folder} is being written to by {by}.", hint="try again when that one is done") from None
        except OSError as error:
            raise refused(folder, error) from error
        yield
