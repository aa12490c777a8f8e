"""The open `library.db`: transactions, and SQLite's errors as ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wellread.errors import DiskFull, LibraryError, LibraryLocked
from wellread.index.migrations import SCHEMA_VERSION, migrate

_LEAST_ROOM = 1 << 20
"""Bytes free below which a disk counts as full: SQLite calls it an input/output error when it finds no room for its own files."""


class Database:
    """One connection, in `db`. What is written inside `writing` is a numbered change; `errors` goes around everything else."""

    def __init__(self, path: Path, *, wait_seconds: float = 10.0) -> None:
        self.path = path
        self._refusal: LibraryError | None = None
        self._change: int | None = None
        try:
            with suppress(OSError):  # nobody else's business; where it cannot be made, the next line says why
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self.db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise LibraryError(f"{path} cannot be opened: {error}.", hint="check that the folder exists and is yours") from error
        try:
            with self.errors():
                self._log_ahead(wait_seconds)
                self.db.execute("pragma synchronous = full")
                self.db.execute("pragma foreign_keys = on")
                self.db.execute("pragma secure_delete = on")  # what is removed leaves no bytes behind
                migrate(self.db, path)
        except LibraryError as error:
            self.db.close()
            self.db = self._for_reading(error)
            self._refusal = error
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything that is written inside one transaction, and one change: all of it happens or none of it."""
        with self.writing() as change:
            self._change = change
            try:
                yield
            finally:
                self._change = None

    def _for_reading(self, error: LibraryError) -> sqlite3.Connection:
        """The database as it is, without the files that SQLite makes beside it. Raises `error` where it cannot be had like that."""
        log = self.path.with_name(self.path.name + "-wal")
        idle = not log.exists() or not log.stat().st_size  # otherwise the log holds a part of it, and may be growing
        address = f"{self.path.absolute().as_uri()}?{'immutable=1' if idle else 'mode=ro'}"
        if isinstance(error, LibraryLocked):
            raise error
        try:
            db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError:
            raise error from None
        try:
            if db.execute("pragma user_version").fetchone()[0] == SCHEMA_VERSION:
                return db
        except sqlite3.DatabaseError:
            pass
        db.close()
        raise error

    def _log_ahead(self, wait_seconds: float) -> None:
        """Use the write-ahead log. SQLite waits for nobody when a new file is switched to it, so the waiting is done here."""
        until = time.monotonic() + wait_seconds
        while True:
            try:
                self.db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(0.02)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as ours, with what to do about them."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.DatabaseError) -> LibraryError:
        name = self.path.parent
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return LibraryLocked(f"{name} is being written to by another process.", hint="try again when that one is done")
        if code.startswith("SQLITE_FULL") or (code.startswith("SQLITE_IOERR") and shutil.disk_usage(name).free < _LEAST_ROOM):
            return DiskFull(f"there is no room left on the disk of {name}.", hint="free some space and run the same command again")
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return LibraryError(f"{name} cannot be written to.", hint="check the permissions of the folder")
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self.damaged(str(error))
        if code.startswith("SQLITE_IOERR"):
            return LibraryError(f"{name} could not be read or written: {error}.", hint="check that its disk is well")
        return LibraryError(f"{name} failed: {error}.", hint="try again; if that does not help, the library may be damaged")

    def damaged(self, what: str) -> LibraryError:
        return LibraryError(f"{self.path} is damaged: {what}.", hint="see what can be saved with: wellread doctor --repair")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several reads of one committed state."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("begin")
        try:
            yield
        finally:
            self.db.execute("rollback")

    @contextmanager
    def writing(self, *, counts: bool = True) -> Iterator[int]:
        """One transaction; yields the number of this change. All of it happens or none of it. Inside `together` it is a part of that."""
        if self._refusal is not None:
            raise self._refusal
        if self._change is not None:
            yield self._change
            return
        with self.errors():
            self.db.execute("begin immediate")
            try:
                row = self.db.execute("select value from meta where key = 'change'").fetchone()
                if row is None:
                    raise self.damaged("its change counter is missing")
                change = int(row[0]) + 1
                yield change
                if counts:
                    self.db.execute("update meta set value = ? where key = 'change'", (change,))
                self.db.execute("commit")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("rollback")
                raise
