"""The doctor: everything that must hold of a library is looked at, what does not is named, and what can be is put right.

`examine` writes nothing. `repair` holds the library's locks; what it takes out of a damaged library is only what the next sync reads
again, or what no document claims.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from wellread.errors import DiskFull, LibraryError, LibraryLocked, ModelError
from wellread.index import check, keyword, vector
from wellread.index.keyword import PASSAGE_BITS
from wellread.index.locks import indexing, refused, writing
from wellread.index.migrations import SCHEMA_VERSION
from wellread.index.salvage import salvage
from wellread.index.store import Store
from wellread.models.catalog import known
from wellread.models.files import ModelStore
from wellread.types import Progress, silent

Remedy = Literal["", "salvage", "reread", "orphans", "unplaced", "counter", "traces", "reindex", "discard"]
Severity = Literal["error", "warning"]

_LEFT_BEHIND = 3600
"""Seconds after which a file that is still being written is taken for left behind."""
_ROUNDS = 3
"""How often what is wrong is looked for and put right: one repair may bring another fault to light."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: one sentence that names the file or document, and what a repair would do about it (None: nothing can).

    A "warning" costs nothing that cannot be made again. `remedy` and `subject` tell `repair` what to do, and with what.
    """

    what: str
    severity: Severity
    repair: str | None = None
    remedy: Remedy = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was put right, a sentence each, and what is still wrong."""

    done: tuple[str, ...]
    left: tuple[Finding, ...]


def examine(folder: Path, models: ModelStore | None = None, *, progress: Progress = silent) -> list[Finding]:
    """Everything that is wrong with the library in `folder`, and with the files of all models.

    It may be in use: the database is seen as it stands at one moment. Raises `LibraryLocked` while another process writes the indexes
    for long.
    """
    path = folder / "library.db"
    if not path.is_file():
        return [Finding(f"there is no library in {folder}.", "error")]
    try:
        with closing(check.open_to_read(path)) as db:
            found = _schema(db, path)
            if any(finding.severity == "error" for finding in found):
                return found
            torn = check.complaints(db)
            if torn:
                return [*found, _broken(path, torn[0])]
            with _one_state(db):
                found += [*_meta(db, path), *_rows(db, path), *_documents(db, progress)]
            found += _indexes(db, folder, progress)
    except sqlite3.DatabaseError as error:
        return [_broken(path, str(error))]
    except LibraryError as error:
        return [Finding(error.message, "error")]
    return [*found, *_left_behind(folder), *(_models(models, progress) if models is not None else ())]


def repair(
    folder: Path,
    models: ModelStore | None = None,
    *,
    wait_seconds: float = 10.0,
    progress: Progress = silent,
) -> Repaired:
    """Put right what can be. What is to be read again is read by the next sync; indexes are made anew by the next question.

    Raises `LibraryLocked` when another process writes for longer than `wait_seconds`, and `LibraryError` where nothing can be written.
    """
    done: list[str] = []
    failed: dict[tuple[Remedy, str], str] = {}
    try:
        with writing(folder, wait_seconds=wait_seconds):
            found = examine(folder, models, progress=progress)
            for _ in range(_ROUNDS):
                todo = {(finding.remedy, finding.subject): finding for finding in found if finding.remedy}
                for key, finding in todo.items():
                    if key not in failed:
                        try:
                            done.append(_put_right(folder, finding, progress))
                        except (sqlite3.DatabaseError, LibraryError) as error:
                            if isinstance(error, (LibraryLocked, DiskFull)):
                                raise
                            failed[key] = error.message if isinstance(error, LibraryError) else f"{error}."
                if not todo.keys() - failed.keys():
                    break
                found = examine(folder, models, progress=progress)
    except OSError as error:
        raise refused(folder, error) from error
    return Repaired(tuple(done), tuple(_tried_in_vain(finding, failed) for finding in found))


def _tried_in_vain(finding: Finding, failed: Mapping[tuple[Remedy, str], str]) -> Finding:
    why = failed.get((finding.remedy, finding.subject))
    return finding if why is None else Finding(f"{finding.what} It could not be put right: {why}", finding.severity)


# --- looking


@contextmanager
def _one_state(db: sqlite3.Connection) -> Iterator[None]:
    """Several reads of one committed state."""
    db.execute("begin")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("rollback")


def _broken(path: Path, why: str) -> Finding:
    return Finding(
        f"{path} is damaged: {' '.join(why.split())}.",
        "error",
        f"what can still be read is copied to a new file, and the damaged one kept as {path.name}.damaged",
        "salvage",
    )


def _schema(db: sqlite3.Connection, path: Path) -> list[Finding]:
    version = check.schema_version(db)
    if version > SCHEMA_VERSION:
        return [
            Finding(
                f"{path} was made by a newer Wellread (schema {version}, this one knows {SCHEMA_VERSION}): "
                "it is left alone; upgrade with: pip install --upgrade wellread.",
                "error",
            )
        ]
    if not version:
        return [Finding(f"{path} holds no library: it is empty. Restore a backup, or delete it and add the files again.", "error")]
    if version < SCHEMA_VERSION:
        return [
            Finding(f"{path} was made by an older Wellread (schema {version}): it is brought up to date when it is next used.", "warning")
        ]
    return []


def _meta(db: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    kept = check.meta(db)
    change, identity = kept.get("change"), kept.get("identity")
    if not isinstance(change, int) or not isinstance(identity, str) or not identity or change < check.highest_change(db):
        yield Finding(f"{path} has lost count of its changes.", "error", "it is counted anew, and the indexes are made anew", "counter")
    if "embedder" not in kept and db.execute("select exists (select 1 from vectors)").fetchone()[0]:
        yield Finding(f"{path} does not say which embedder made its vectors; run: wellread reindex.", "error")


def _rows(db: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    lost = check.orphans(db)
    for one in lost:
        yield Finding(
            f"{path} has {one.count} rows in {one.table} that belong to nothing in {one.missing}.", "error", "they are deleted", "orphans"
        )
    for document, title in check.unplaced(db):
        yield Finding(
            f'the document "{title}" ({document[:12]}) in {path} was read from no file that is known.',
            "error",
            "it is deleted from the library",
            "unplaced",
        )
    bad = db.execute("select count(*) from traces where not json_valid(data)").fetchone()[0]
    if bad:
        yield Finding(f"{path} has {bad} traces of answers that cannot be read.", "error", "they are deleted", "traces")


def _documents(db: sqlite3.Connection, progress: Progress) -> Iterator[Finding]:
    documents = db.execute("select id, title from documents order by title, id").fetchall()
    width = check.vector_bytes(db)
    for done, (document, title) in enumerate(documents, start=1):
        try:
            faults = list(check.document_faults(db, document, width))
        except (TypeError, ValueError, OverflowError):  # a number that is none any more
            faults = ["its rows are damaged"]
        if faults:
            name = f'the document "{title}" ({str(document)[:12]})'
            readable = _is_readable_again(db, str(document))
            yield Finding(
                f"{name}: {'; '.join(faults)}.",
                "error",
                "it is taken out, and read again by the next sync" if readable else None,
                "reread" if readable else "",
                str(document),
            )
        progress("checking documents", done, len(documents))


def _is_readable_again(db: sqlite3.Connection, document: str) -> bool:
    """Whether the bytes that a document was read from are still there, in a file or in an archive that has not changed."""
    paths = [Path(row[0]) for row in db.execute("select path from sources where document = ?", (document,))]
    if any(_digest(path) == document for path in paths):
        return True
    archives = _archives(db)
    return any(_digest(folder) == archives[str(folder)] for path in paths for folder in path.parents if str(folder) in archives)


def _archives(db: sqlite3.Connection) -> dict[str, str]:
    try:
        return dict(db.execute("select path, digest from containers").fetchall())
    except sqlite3.OperationalError:  # an older schema
        return {}


def _digest(path: Path) -> str:
    """The sha256 of a file, or nothing where there is none."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _indexes(db: sqlite3.Connection, folder: Path, progress: Progress) -> list[Finding]:
    """What is wrong with the indexes. That they lag behind is not: they are brought level when they are next used."""
    width = check.vector_bytes(db)
    if not width or not (folder / "index").is_dir():
        return []
    with ExitStack() as stack:
        try:
            stack.enter_context(indexing(folder))
        except LibraryLocked:
            raise
        except LibraryError:  # nothing can be written here, so nobody does
            pass
        progress("checking the indexes", 0, 0)
        with _one_state(db):
            place = folder / "index"
            found = [
                *_vector_index(db, place / "vector", width // 2),
                *_keyword_index(db, place / "keyword", 0),
                *_keyword_index(db, place / "passages", PASSAGE_BITS),
            ]
    return [Finding(what, severity, "the indexes are made anew from the database", "reindex") for what, severity in found]


def _vector_index(db: sqlite3.Connection, folder: Path, dimensions: int) -> Iterator[tuple[str, Severity]]:
    state = vector.read_state(folder, dimensions)
    if state is None:
        if folder.is_dir() and any(folder.iterdir()):
            yield f"{folder / 'state.json'} cannot be believed", "warning"
        return
    bad = vector.damaged_files(folder, state, dimensions)
    if bad:
        yield f"{', '.join(str(folder / name) for name in bad)} is damaged: the checksum is another", "error"
    elif _is_ours(db, state.identity, state.change):
        rows = vector.read_rows(folder, state, dimensions)
        held = np.zeros(0, np.int64) if rows is None else np.delete(rows[2], vector.superseded(rows[2]))
        yield from _ids(db, folder, held, state.written, state.change)
    else:
        yield f"{folder} was made from another database", "warning"


def _keyword_index(db: sqlite3.Connection, folder: Path, bits: int) -> Iterator[tuple[str, Severity]]:
    state = keyword.read_state(folder)
    if state is None:
        if folder.is_dir() and any(folder.iterdir()):
            yield f"{folder / 'state.json'} cannot be believed", "warning"
        return
    bad = keyword.damaged_files(folder, state, known={})
    if bad:
        yield f"{', '.join(str(folder / name) for name in bad)} is damaged: the checksum is another", "error"
    elif not _is_ours(db, state.identity, state.change):
        yield f"{folder} was made from another database", "warning"
    elif not state.writing:
        entries = [row[0] for row in db.execute("select distinct id >> ? from chunks order by 1", (bits,))]
        held = np.fromiter(keyword.held_ids(folder, entries), np.int64)
        yield from _ids(db, folder, held, state.change, state.change, bits)


def _is_ours(db: sqlite3.Connection, identity: str, change: int) -> bool:
    kept = check.meta(db)
    return identity == kept.get("identity") and change <= int(str(kept.get("change") or 0))


def _ids(
    db: sqlite3.Connection, folder: Path, held: np.ndarray, cleared: int, change: int, bits: int = 0
) -> Iterator[tuple[str, Severity]]:
    """Whether an index that was level with the database at `change`, less what has gone since `cleared`, holds each entry once.

    An entry is a chunk's id without its lowest `bits`.
    """

    def column(query: str, since: int) -> np.ndarray:
        return np.unique(np.fromiter((row[0] >> bits for row in db.execute(query, (since,))), np.int64))

    since = np.union1d(
        column("select chunk from removed where change > ?", cleared), column("select id from chunks where change > ?", change)
    )
    held = held[~np.isin(held, since)]
    expected = np.setdiff1d(column("select id from chunks where change <= ?", change), since)
    lacking, alien = len(np.setdiff1d(expected, held)), len(np.setdiff1d(held, expected))
    twice = len(held) - len(np.unique(held))
    for count, what in (
        (lacking, "lacks {} chunks of the database"),
        (alien, "has {} chunks that are not in the database"),
        (twice, "has {} chunks twice"),
    ):
        if count:
            yield f"{folder} {what.format(count)}", "error"


def _left_behind(folder: Path) -> Iterator[Finding]:
    places = [*folder.glob("*.new"), *folder.glob("index/*/*.new")]
    for path in places:
        if time.time() - path.stat().st_mtime > _LEFT_BEHIND:
            yield Finding(f"{path} was left behind by a process that was stopped.", "warning", "it is deleted", "discard", str(path))


def _models(models: ModelStore, progress: Progress) -> Iterator[Finding]:
    """Damaged files of models. One that is not here at all is no fault: it is fetched when it is needed."""
    try:
        here = models.list()
    except ModelError as error:
        yield Finding(error.message, "error")
        return
    files = {file.path: (pulled, file) for pulled in here for file in pulled.files}
    for done, (pulled, stored) in enumerate(files.values()):
        progress(f"checking {stored.filename}", done, len(files))
        if stored.path.is_file() and _digest(stored.path) != stored.sha256:
            again = "fetched again when it is needed" if known(pulled.name) is not None else "has to be pulled or created again"
            yield Finding(
                f"{stored.path}, the {stored.role} of {pulled.name}, is damaged: the digest is another.",
                "error",
                f"it is deleted, and {again}",
                "discard",
                str(stored.path),
            )


# --- putting right


def _put_right(folder: Path, finding: Finding, progress: Progress) -> str:
    """Do what a finding says; returns a sentence about what was done."""
    path = folder / "library.db"
    match finding.remedy:
        case "salvage":
            saved = salvage(path, progress)
            _drop_indexes(folder)
            lost = f" Lost, and to be read again: {', '.join(saved.lost)}." if saved.lost else ""
            return f"{saved.documents} documents of {path} were saved; the damaged file is {saved.aside}.{lost}"
        case "reread":
            _take_out(path, finding.subject)
            return f"{finding.what} It was taken out; the next sync reads it again."
        case "discard":
            Path(finding.subject).unlink(missing_ok=True)
            return f"{finding.subject} was deleted."
        case "reindex":
            _drop_indexes(folder)
            return f"the indexes of {folder} were deleted; they are made anew when they are next used."
        case "orphans" | "unplaced" | "traces" | "counter":
            _change(path, finding.remedy)
            _drop_indexes(folder)
            return f"{finding.what} Done: {finding.repair}."
        case _:
            raise AssertionError(finding.remedy)


def _take_out(path: Path, document: str) -> None:
    """Remove a document with its sources, so that a sync takes them for new, also inside an archive."""
    store = Store(path)
    try:
        paths = [source.path for source in store.sources().values() if source.document == document]
        archives = [archive for archive in store.containers() if any(Path(one).is_relative_to(archive) for one in paths)]
        with store.together():
            store.unlink(paths)
            store.forget_containers(archives)
    finally:
        store.close()


def _change(path: Path, remedy: Remedy) -> None:
    """Repairs of the tables themselves, each in one transaction and counted as a change."""
    Store(path).close()  # of this schema from now on
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
        db.execute("pragma foreign_keys = on")
        db.execute("begin immediate")
        if remedy == "orphans":
            check.drop_orphans(db)
        elif remedy == "unplaced":
            db.execute("delete from documents where id not in (select document from sources)")
        elif remedy == "traces":
            db.execute("delete from traces where not json_valid(data)")
        else:
            db.execute("delete from meta where key in ('change', 'identity')")
            db.execute("insert into meta values ('change', ?), ('identity', lower(hex(randomblob(8))))", (check.highest_change(db),))
        db.execute("update meta set value = value + 1 where key = 'change'")
        db.execute("commit")


def _drop_indexes(folder: Path) -> None:
    with indexing(folder):
        shutil.rmtree(folder / "index", ignore_errors=True)
