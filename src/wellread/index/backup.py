"""A library in one file, and back: `library.db` is copied as it stands at one moment, while others go on writing.

The indexes are derived and not copied. The copy is made by SQLite's online backup under a read transaction, so that it holds one
committed state (https://www.sqlite.org/backup.html).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from wellread.errors import LibraryError, LibraryTooNew, UsageError
from wellread.index.check import complaints, open_to_read, schema_version
from wellread.index.locks import indexing, refused, writing
from wellread.index.migrations import SCHEMA_VERSION
from wellread.types import Progress, silent

_PAGES = 4096


def backup(folder: Path, to: Path, *, overwrite: bool = False, progress: Progress = silent) -> int:
    """Write the library in `folder` into the file `to`, whole or not at all; returns how many documents it holds.

    Raises `UsageError` when the file is there already and `overwrite` is not set, `LibraryError` for a damaged library.
    """
    if to.exists() and not overwrite:
        raise UsageError(f"{to} is there already.", hint="choose another name, or replace it with --overwrite")
    temporary = to.with_name(to.name + ".new")
    try:
        with closing(_opened(folder / "library.db")) as db:
            copy(db, temporary, progress)
        count = _count(temporary)
        settle(temporary)
        temporary.replace(to)
        settle(to.parent)
    except sqlite3.DatabaseError as error:
        raise _failed(folder / "library.db", error) from error
    except OSError as error:
        raise refused(to.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def restore(saved: Path, folder: Path, *, overwrite: bool = False, progress: Progress = silent) -> int:
    """Make a library in `folder` from a file that `backup` wrote; returns how many documents it holds. Its indexes are made when needed.

    Raises `UsageError` when there is a library already and `overwrite` is not set, `LibraryTooNew`, or `LibraryError` for a file that is
    no whole library; then nothing has changed.
    """
    path = folder / "library.db"
    if path.exists() and not overwrite:
        raise UsageError(
            f"there is a library in {folder} already.", hint="restore to another place with --library, or replace it with --overwrite"
        )
    if not saved.is_file():
        raise UsageError(f"there is no file {saved}.", hint="name a file that `wellread backup` wrote")
    temporary = folder / "library.db.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(_opened(saved)) as db, writing(folder):
            copy(db, temporary, progress)
            count = _count(temporary)
            with indexing(folder):
                renew_identity(temporary)
                put_in_place(temporary, path)
                shutil.rmtree(folder / "index", ignore_errors=True)
    except sqlite3.DatabaseError as error:
        raise _failed(saved, error) from error
    except OSError as error:
        raise refused(folder, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def copy(db: sqlite3.Connection, to: Path, progress: Progress) -> None:
    """Copy what a connection sees at this moment to a new file, which is complete by itself (it needs no log beside it)."""
    to.unlink(missing_ok=True)
    db.execute("begin")
    try:
        db.execute("select count(*) from meta").fetchone()  # a transaction begins with its first read
        with closing(sqlite3.connect(to, isolation_level=None)) as target:
            db.backup(target, pages=_PAGES, progress=lambda _, left, total: progress("copying", total - left, total))
            target.execute("pragma journal_mode = delete")
    finally:
        db.execute("rollback")


def renew_identity(path: Path) -> None:
    """Make a database another one than it was, so that no index that was made from its earlier or later states is believed."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("update meta set value = lower(hex(randomblob(8))) where key = 'identity'")
        db.commit()


def put_in_place(new: Path, path: Path) -> None:
    """Put a database that is complete by itself in the place of another, whose log is of no use to it. Nobody may be writing."""
    settle(new)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)
    settle(path.parent)


def settle(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk; systems that cannot open a folder do not need it."""
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _opened(path: Path) -> sqlite3.Connection:
    """A database that is a library and not from the future."""
    if not path.exists():
        raise UsageError(f"there is no library in {path.parent}.", hint="check the path")
    db = open_to_read(path)
    try:
        version = schema_version(db)
        if version > SCHEMA_VERSION:
            raise LibraryTooNew(
                f"{path} was made by a newer Wellread (schema {version}, this one knows {SCHEMA_VERSION}).",
                hint="upgrade with: pip install --upgrade wellread",
            )
        tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
        if not {"meta", "documents", "texts", "chunks"} <= tables or not version:
            raise LibraryError(f"{path} is no library of Wellread.", hint="name a file that `wellread backup` wrote")
    except BaseException:
        db.close()
        raise
    return db


def _count(path: Path) -> int:
    """How many documents a copy holds, once SQLite finds it whole."""
    with closing(sqlite3.connect(path)) as db:
        found = complaints(db)
        if found:
            raise sqlite3.DatabaseError(found[0])
        return int(db.execute("select count(*) from documents").fetchone()[0])


def _failed(path: Path, error: sqlite3.DatabaseError) -> LibraryError:
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return LibraryError(f"there is no room for a copy of {path}.", hint="free some space and run the same command again")
    return LibraryError(f"{path} is damaged: {str(error).splitlines()[0]}.", hint="see what can be saved with: wellread doctor --repair")
