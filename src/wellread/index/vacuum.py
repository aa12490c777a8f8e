"""Nothing left of what was removed: the database rewritten, the indexes made anew, and old copies deleted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wellread.errors import LibraryError, LibraryLocked
from wellread.index.check import vector_bytes
from wellread.index.index import open_index
from wellread.index.locks import indexing, refused, writing
from wellread.index.store import Store
from wellread.index.traces import forget_traces
from wellread.types import Progress, silent

_OLD = ("library.schema*.db", "library.db.damaged*", "*.new", "reindex.db*")
"""Files of a library's folder that are copies of an earlier state, or of what could not be read."""


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a vacuum did: bytes that the folder is smaller, traces that went, and the names of old copies that were deleted."""

    freed: int
    traces: int
    deleted: tuple[str, ...]


def vacuum(folder: Path, *, wait_seconds: float = 10.0, progress: Progress = silent) -> Vacuumed:
    """Rewrite a library so that no file in its folder holds anything of what was removed. Needs as much free disk as the library takes.

    Copies from before an upgrade or a repair are deleted. Raises `LibraryLocked` when another process reads or writes for
    longer than `wait_seconds`.
    """
    path = folder / "library.db"
    before = _size(folder)
    try:
        with writing(folder), indexing(folder):
            store = Store(path)
            try:
                progress("rewriting the database", 0, 0)
                traces = _rewrite(path, wait_seconds)
                deleted = [one for pattern in _OLD for one in folder.glob(pattern) if one.is_file()]
                for one in deleted:
                    one.unlink()
                progress("rewriting the indexes", 0, 0)
                shutil.rmtree(folder / "index", ignore_errors=True)
                with closing(sqlite3.connect(path)) as db:
                    width = vector_bytes(db)
                if width:
                    open_index(folder, store, width // 2).catch_up()
            finally:
                store.close()
    except OSError as error:
        raise refused(folder, error) from error
    return Vacuumed(before - _size(folder), traces, tuple(sorted(one.name for one in deleted)))


def _rewrite(path: Path, wait_seconds: float) -> int:
    """Drop stale traces, write every page of the database anew, and empty the log; returns how many traces went."""
    try:
        with closing(sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)) as db:
            db.execute("pragma secure_delete = on")
            traces = forget_traces(db)
            db.execute("vacuum")
            busy, _, _ = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    except sqlite3.DatabaseError as error:
        raise LibraryError(f"{path} could not be rewritten: {error}.", hint="see what is wrong with: wellread doctor") from error
    if busy:
        raise LibraryLocked(f"{path.parent} is being read by another process.", hint="try again when that one is done")
    return traces


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
