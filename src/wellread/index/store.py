"""`library.db`: the truth of a library. A document is put, replaced or removed in one transaction; everything else is derived from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.errors import DiskFull, LibraryError, LibraryLocked
from wellread.index.migrations import SCHEMA_VERSION, migrate
from wellread.types import Chunk, Document, Page, Section, Span

_BATCH = 500
_LEAST_ROOM = 1 << 20
"""Bytes free below which a disk counts as full: SQLite calls it an input/output error when it finds no room for its own files."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a document was read from, as it was then: `size` in bytes, `mtime_ns` as the file system tells it."""

    path: str
    document: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, as it was then, and why: remembered so that it is not tried again until it changes."""

    path: str
    size: int
    mtime_ns: int
    reason: str
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A document without its text, for listings."""

    id: str
    title: str
    media_type: str
    chars: int
    pages: int
    chunks: int
    sources: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A chunk as an index wants it: its id, the words that surround it (`title > section`) and its own text."""

    chunk: int
    context: str
    text: str


class Store:
    """One open `library.db`. Use it from one thread; any number of processes may read while one writes.

    Where nothing can be written (a full disk, a folder that is not ours) it can still be read; what would write raises then.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 10.0) -> None:
        self.path = path
        self._refusal: LibraryError | None = None
        try:
            self._db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise LibraryError(f"{path} cannot be opened: {error}.", hint="check that the folder exists and is yours") from error
        try:
            with self._errors():
                self._log_ahead(wait_seconds)
                self._db.execute("pragma synchronous = full")
                self._db.execute("pragma foreign_keys = on")
                migrate(self._db, name=str(path.parent))
        except LibraryError as error:
            self._db.close()
            self._db = self._for_reading(error)
            self._refusal = error
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    # --- documents

    @property
    def change(self) -> int:
        """The change counter: it grows by one with every committed change of documents."""
        return int(self.meta("change") or 0)

    @property
    def identity(self) -> str:
        """What tells this database from any other: an index made from another one is worth nothing here."""
        return str(self.meta("identity") or "")

    def meta(self, key: str) -> Any:
        """A setting kept in the library, or None."""
        with self._errors():
            row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str | int) -> None:
        with self._write(counts=False):
            self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def put(self, document: Document, spans: Sequence[Span], vectors: np.ndarray, source: Source) -> None:
        """Store a document with its chunks and their vectors ([len(spans), d] float32), found at `source`, in one transaction.

        What was at that source before is removed in the same transaction if no other source holds it.
        """
        with self._write() as change:
            previous = self._document_at(source.path)
            self._drop_chunks(document.id, change)
            self._insert(document, change)
            self._insert_chunks(document.id, spans, vectors, change)
            self._set_source(source)
            if previous is not None and previous != document.id:
                self._remove_if_unused(previous, change)

    def link(self, source: Source) -> None:
        """Record that a document already here was also found at `source` (a copy, a move, a touched file)."""
        with self._write() as change:
            previous = self._document_at(source.path)
            self._set_source(source)
            if previous is not None and previous != source.document:
                self._remove_if_unused(previous, change)

    def unlink(self, paths: Iterable[str]) -> int:
        """Forget sources; documents that no source holds any more go with them. Returns how many documents went."""
        paths = list(paths)
        gone = 0
        with self._write(counts=bool(paths)) as change:
            for path in paths:
                document = self._document_at(path)
                if document is not None:
                    self._db.execute("delete from sources where path = ?", (path,))
                    gone += self._remove_if_unused(document, change)
        return gone

    def has(self, document: str) -> bool:
        with self._errors():
            return self._db.execute("select 1 from documents where id = ?", (document,)).fetchone() is not None

    def document(self, document: str) -> Document:
        """A whole document. Raises `LibraryError` when it is not here."""
        with self._errors(), self._read():
            row = self._db.execute(
                "select d.title, d.media_type, d.warnings, t.text, (select min(path) from sources where document = d.id)"
                " from documents d join texts t on t.document = d.id where d.id = ?",
                (document,),
            ).fetchone()
            if row is None:
                raise LibraryError(f"document {document[:12]} is not in this library.", hint="see `wellread list`")
            pages = self._db.execute(
                "select position, label, start, end, width, height from pages where document = ? order by position", (document,)
            ).fetchall()
            sections = self._db.execute(
                "select level, title, start, end from sections where document = ? order by position", (document,)
            ).fetchall()
        return Document(
            id=document,
            source=row[4] or "",
            title=row[0],
            media_type=row[1],
            text=row[3],
            pages=tuple(Page(p[0], p[1], p[2], p[3], None if p[4] is None else (p[4], p[5])) for p in pages),
            sections=tuple(Section(*section) for section in sections),
            warnings=self._warnings(row[2]),
        )

    def documents(self) -> list[Listed]:
        """Every document, by title."""
        with self._errors(), self._read():
            rows = self._db.execute(
                "select d.id, d.title, d.media_type, d.chars, (select count(*) from pages where document = d.id),"
                " (select count(*) from chunks where document = d.id), d.warnings from documents d order by d.title, d.id"
            ).fetchall()
            return [
                Listed(row[0], row[1], row[2], row[3], row[4], row[5], self._sources_of(row[0]), self._warnings(row[6])) for row in rows
            ]

    def sources(self) -> dict[str, Source]:
        """Every source by its path."""
        with self._errors():
            rows = self._db.execute("select path, document, size, mtime_ns from sources").fetchall()
        return {row[0]: Source(*row) for row in rows}

    def failures(self) -> dict[str, Failure]:
        """Every file that could not be read, by its path."""
        with self._errors():
            rows = self._db.execute("select path, size, mtime_ns, reason, message, hint from failures").fetchall()
        return {row[0]: Failure(*row) for row in rows}

    def set_failure(self, failure: Failure) -> None:
        """Remember a failure. A version of the file that was read earlier stays."""
        with self._write(counts=False):
            self._db.execute(
                "insert or replace into failures values (?, ?, ?, ?, ?, ?)",
                (failure.path, failure.size, failure.mtime_ns, failure.reason, failure.message, failure.hint),
            )

    def forget_failures(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        with self._write(counts=False):
            self._db.executemany("delete from failures where path = ?", [(path,) for path in paths])

    def roots(self) -> list[str]:
        """The files and folders that were added, which `sync` follows."""
        with self._errors():
            return [row[0] for row in self._db.execute("select path from roots order by path")]

    def add_root(self, path: str) -> None:
        with self._write(counts=False):
            self._db.execute("insert or ignore into roots values (?)", (path,))

    def remove_root(self, path: str) -> None:
        with self._write(counts=False):
            self._db.execute("delete from roots where path = ?", (path,))

    # --- chunks

    def chunk_count(self) -> int:
        with self._errors():
            return int(self._db.execute("select count(*) from chunks").fetchone()[0])

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """Chunks by id; ids that are no longer here are left out."""
        found: dict[int, Chunk] = {}
        with self._errors(), self._read():
            texts: dict[str, str] = {}
            for low in range(0, len(ids), _BATCH):
                batch = ids[low : low + _BATCH]
                marks = ",".join("?" * len(batch))
                rows = self._db.execute(
                    f"select id, document, start, end, page, section, kind from chunks where id in ({marks})", list(map(int, batch))
                )
                for row in rows.fetchall():
                    text = self._text(row[1], texts)
                    found[row[0]] = Chunk(row[0], row[1], row[2], row[3], row[4], row[5], row[6], text[row[2] : row[3]])
        return found

    def neighbours(self, chunk: Chunk, *, before: int = 0, after: int = 0) -> list[Chunk]:
        """The chunks around one in its document, in reading order, without it."""
        with self._errors():
            rows = self._db.execute(
                "select id from (select id from chunks where document = ? and start < ? order by start desc limit ?)"
                " union all select id from (select id from chunks where document = ? and start > ? order by start limit ?)",
                (chunk.document, chunk.start, before, chunk.document, chunk.start, after),
            ).fetchall()
        return sorted(self.chunks([row[0] for row in rows]).values(), key=lambda neighbour: neighbour.start)

    def index_rows(self, since: int) -> Iterator[IndexRow]:
        """Chunks that came after change `since`, document by document, with the words to index them under."""
        with self._errors():
            documents = self._db.execute(
                "select id, title from documents where id in (select distinct document from chunks where change > ?) order by change, id",
                (since,),
            ).fetchall()
        for document, title in documents:
            with self._errors(), self._read():
                text = self._text(document, {})
                headings = [
                    row[0] for row in self._db.execute("select title from sections where document = ? order by position", (document,))
                ]
                rows = self._db.execute(
                    "select id, start, end, section from chunks where document = ? and change > ? order by start", (document, since)
                ).fetchall()
            for chunk, start, end, section in rows:
                context = title if section is None or section >= len(headings) else f"{title} > {headings[section]}"
                yield IndexRow(chunk, context, text[start:end])

    def removed_since(self, change: int) -> list[int]:
        """Ids of chunks that went after a change."""
        with self._errors():
            return [row[0] for row in self._db.execute("select chunk from removed where change > ?", (change,))]

    def vectors_since(self, change: int, until: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Vectors of chunks that came after a change and not after `until`, in batches: ids int64 [n] and vectors float32 [n, d]."""
        with self._errors():
            cursor = self._db.execute(
                "select v.chunk, v.data from chunks c join vectors v on v.chunk = c.id where c.change > ? and c.change <= ? order by c.id",
                (change, until),
            )
            while rows := cursor.fetchmany(4096):
                ids = np.array([row[0] for row in rows], dtype=np.int64)
                yield (
                    ids,
                    np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float16).reshape(len(rows), -1).astype(np.float32),
                )

    def vectors(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """The stored vectors of some chunks, float32 [d] each."""
        marks = ",".join("?" * len(ids))
        with self._errors():
            rows = self._db.execute(f"select chunk, data from vectors where chunk in ({marks})", list(map(int, ids))).fetchall()
        return {row[0]: np.frombuffer(row[1], dtype=np.float16).astype(np.float32) for row in rows}

    # --- traces

    def write_trace(self, trace_id: str, kind: str, question: str, data: Any) -> None:
        with self._write(counts=False):
            self._db.execute(
                "insert or replace into traces values (?, ?, ?, ?, ?)",
                (trace_id, time.time(), kind, question, json.dumps(data, ensure_ascii=False)),
            )

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """One trace by its id or the beginning of it."""
        with self._errors():
            row = self._db.execute(
                "select id, at, kind, question, data from traces where id = ? or id like ? order by at desc limit 1",
                (trace_id, trace_id.replace("%", "").replace("_", "") + "%"),
            ).fetchone()
        return None if row is None else {"id": row[0], "at": row[1], "kind": row[2], "question": row[3], **json.loads(row[4])}

    def traces(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest traces, without their data."""
        with self._errors():
            rows = self._db.execute("select id, at, kind, question from traces order by at desc limit ?", (limit,)).fetchall()
        return [{"id": row[0], "at": row[1], "kind": row[2], "question": row[3]} for row in rows]

    # --- inside

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
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(0.02)

    @contextmanager
    def _errors(self) -> Iterator[None]:
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
            return self._damaged(str(error))
        if code.startswith("SQLITE_IOERR"):
            return LibraryError(f"{name} could not be read or written: {error}.", hint="check that its disk is well")
        return LibraryError(f"{name} failed: {error}.", hint="try again; if that does not help, the library may be damaged")

    def _warnings(self, kept: str) -> tuple[str, ...]:
        try:
            return tuple(json.loads(kept))
        except (TypeError, ValueError) as error:
            raise self._damaged("the warnings of a document cannot be read") from error

    def _damaged(self, what: str) -> LibraryError:
        return LibraryError(f"{self.path} is damaged: {what}.", hint="restore it from a backup, or add the files again to a new library")

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Several reads of one committed state."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("rollback")

    @contextmanager
    def _write(self, *, counts: bool = True) -> Iterator[int]:
        """One transaction; yields the number of this change. All of it happens or none of it."""
        if self._refusal is not None:
            raise self._refusal
        with self._errors():
            self._db.execute("begin immediate")
            try:
                row = self._db.execute("select value from meta where key = 'change'").fetchone()
                if row is None:
                    raise self._damaged("its change counter is missing")
                change = int(row[0]) + 1
                yield change
                if counts:
                    self._db.execute("update meta set value = ? where key = 'change'", (change,))
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def _document_at(self, path: str) -> str | None:
        row = self._db.execute("select document from sources where path = ?", (path,)).fetchone()
        return row[0] if row else None

    def _sources_of(self, document: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._db.execute("select path from sources where document = ? order by path", (document,)))

    def _text(self, document: str, cache: dict[str, str]) -> str:
        if document not in cache:
            row = self._db.execute("select text from texts where document = ?", (document,)).fetchone()
            if row is None:
                raise self._damaged("a text is missing")
            cache[document] = row[0]
        return cache[document]

    def _drop_chunks(self, document: str, change: int) -> None:
        """Remove a document's chunks and record that they went."""
        self._db.execute("insert into removed select ?, id from chunks where document = ?", (change, document))
        self._db.execute("delete from chunks where document = ?", (document,))

    def _remove_if_unused(self, document: str, change: int) -> int:
        if self._sources_of(document):
            return 0
        self._drop_chunks(document, change)
        self._db.execute("delete from documents where id = ?", (document,))
        return 1

    def _set_source(self, source: Source) -> None:
        self._db.execute("insert or replace into sources values (?, ?, ?, ?)", (source.path, source.document, source.size, source.mtime_ns))

    def _insert(self, document: Document, change: int) -> None:
        for table in ("texts", "pages", "sections"):
            self._db.execute(f"delete from {table} where document = ?", (document.id,))
        self._db.execute(
            "insert into documents values (?, ?, ?, ?, ?, ?) on conflict (id) do update set title = excluded.title,"
            " media_type = excluded.media_type, chars = excluded.chars, warnings = excluded.warnings, change = excluded.change",
            (document.id, document.title, document.media_type, len(document.text), json.dumps(document.warnings), change),
        )
        self._db.execute("insert into texts values (?, ?)", (document.id, document.text))
        self._db.executemany(
            "insert into pages values (?, ?, ?, ?, ?, ?, ?)",
            [(document.id, p.index, p.label, p.start, p.end, *(p.size or (None, None))) for p in document.pages],
        )
        self._db.executemany(
            "insert into sections values (?, ?, ?, ?, ?, ?)",
            [(document.id, at, s.level, s.title, s.start, s.end) for at, s in enumerate(document.sections)],
        )

    def _insert_chunks(self, document: str, spans: Sequence[Span], vectors: np.ndarray, change: int) -> None:
        halves = vectors.astype(np.float16)
        for span, vector in zip(spans, halves, strict=True):
            cursor = self._db.execute(
                "insert into chunks (document, start, end, page, section, kind, change) values (?, ?, ?, ?, ?, ?, ?)",
                (document, span.start, span.end, span.page, span.section, span.kind, change),
            )
            self._db.execute("insert into vectors values (?, ?)", (cursor.lastrowid, vector.tobytes()))
