"""`library.db`: the truth of a library. A document is put, replaced or removed in one transaction; everything else is derived from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from wellread.errors import LibraryError
from wellread.index import matching
from wellread.index.check import document_crc
from wellread.index.chunk_rows import drop_chunks, insert_chunks
from wellread.index.database import Database
from wellread.index.filters import Filter
from wellread.index.migrations import crc32
from wellread.index.place import Place, places
from wellread.index.rows import Failure, IndexRow, Listed, Source, WebPage
from wellread.index.tags import Tags
from wellread.index.traces import forget_if_gone, forget_traces
from wellread.index.within import Within
from wellread.types import Chunk, Document, Page, Region, Section, Span

_BATCH = 500
_DATE = "coalesce(d.date, (select date(min(mtime_ns) / 1000000000, 'unixepoch') from sources where document = d.id and mtime_ns > 0))"


class Store:
    """One open `library.db`. Use it from one thread; any number of processes may read while one writes.

    Where nothing can be written (a full disk, a folder that is not ours) it can still be read; what would write raises then.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 10.0) -> None:
        self.path = path
        self._base = Database(path, wait_seconds=wait_seconds)
        self._db = self._base.db
        self.tags = Tags(self._base)
        matching.add_functions(self._db)

    def close(self) -> None:
        self._base.close()

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
        with self._base.errors():
            row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str | int) -> None:
        with self._base.writing(counts=False):
            self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def together(self) -> AbstractContextManager[None]:
        """Make everything that is written inside one transaction, and one change: all of it happens or none of it."""
        return self._base.together()

    def snapshot(self) -> AbstractContextManager[None]:
        """Make everything that is read inside of one committed state, whatever others write meanwhile. Nothing may be written inside."""
        return self._base.reading()

    def put(self, document: Document, spans: Sequence[Span], vectors: np.ndarray, source: Source, *, reader: str = "") -> None:
        """Store a document with its chunks and their vectors ([len(spans), d] float32), found at `source`, in one transaction.

        What was at that source before is removed in the same transaction if no other source holds it. `reader` says which version of
        the readers read it.
        """
        with self._base.writing() as change:
            previous = self._document_at(source.path)
            drop_chunks(self._db, document.id, change)
            self._insert(document, change, reader)
            insert_chunks(self._db, document.id, spans, vectors, change)
            self._db.execute("update documents set crc = ? where id = ?", (document_crc(self._db, document.id), document.id))
            self._set_source(source)
            if previous is not None and previous != document.id:
                self._remove_if_unused(previous, change)
                self._rename(previous, source.path, change)

    def link(self, *sources: Source) -> None:
        """Record that documents already here were also found elsewhere (copies, moves, touched files), all of them at once."""
        with self._base.writing() as change:
            previous = [self._document_at(source.path) for source in sources]
            for source in sources:
                self._set_source(source)
            for document, source in zip(previous, sources, strict=True):
                if document is not None and document != source.document:
                    self._remove_if_unused(document, change)
                    self._rename(document, source.path, change)
                self._rename(source.document, source.path, change)

    def unlink(self, paths: Iterable[str]) -> int:
        """Forget sources; documents that no source holds any more go with them. Returns how many documents went."""
        paths = list(paths)
        gone = 0
        with self._base.writing(counts=bool(paths)) as change:
            for path in paths:
                document = self._document_at(path)
                self._db.execute("delete from web where url = ?", (path,))
                if document is not None:
                    self._db.execute("delete from sources where path = ?", (path,))
                    gone += self._remove_if_unused(document, change)
                    self._rename(document, path, change)
        return gone

    def has(self, document: str) -> bool:
        with self._base.errors():
            return self._db.execute("select 1 from documents where id = ?", (document,)).fetchone() is not None

    def document(self, document: str) -> Document:
        """A whole document. Raises `LibraryError` when it is not here."""
        with self._base.errors(), self._base.reading():
            row = self._db.execute(
                "select d.title, d.media_type, d.warnings, t.text, (select min(path) from sources where document = d.id), d.date"
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
            regions = self._db.execute(
                "select start, end, kind, left, bottom, right, top from regions where document = ? order by position", (document,)
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
            date=row[5],
            regions=tuple(Region(r[0], r[1], r[2], None if r[3] is None else (r[3], r[4], r[5], r[6])) for r in regions),
        )

    def documents(self, within: Within | None = None) -> list[Listed]:
        """Every document, by title; or those that have a chunk among some."""
        with self._base.errors(), self._base.reading():
            rows = self._db.execute(
                "select d.id, d.title, d.media_type, d.chars, (select count(*) from pages where document = d.id), d.chunk_count,"
                f" d.warnings, {_DATE}, d.first_chunk from documents d order by d.title, d.id"
            ).fetchall()
            if within is not None:
                ranges = np.array([(row[8] or 0, row[5]) for row in rows], np.int64).reshape(-1, 2)
                rows = [row for row, met in zip(rows, matching.meets(within, ranges[:, 0], ranges[:, 1]), strict=True) if met]
            tags = self.tags.by_document()
            return [
                Listed(
                    row[0], row[1], row[2], row[3], row[4], row[5], self._sources_of(row[0]), self._warnings(row[6]), row[7],
                    tags.get(row[0], ()),
                )
                for row in rows
            ]  # fmt: skip

    def within(self, filter: Filter) -> Within:
        """The chunks that a filter lets through now."""
        with self._base.errors(), self._base.reading():
            return matching.within(self._db, filter)

    def media_types(self) -> list[str]:
        """The media types of the documents, the most frequent first."""
        with self._base.errors():
            rows = self._db.execute("select media_type from documents group by media_type order by count(*) desc, media_type").fetchall()
        return [row[0] for row in rows]

    def sources(self) -> dict[str, Source]:
        """Every source by its path."""
        with self._base.errors():
            rows = self._db.execute("select path, document, size, mtime_ns from sources").fetchall()
        return {row[0]: Source(*row) for row in rows}

    def failures(self) -> dict[str, Failure]:
        """Every file that could not be read, by its path."""
        with self._base.errors():
            rows = self._db.execute("select path, size, mtime_ns, reason, message, hint, reader from failures").fetchall()
        return {row[0]: Failure(*row) for row in rows}

    def set_failure(self, failure: Failure) -> None:
        """Remember a failure. A version of the file that was read earlier stays."""
        with self._base.writing(counts=False):
            self._db.execute(
                "insert or replace into failures values (?, ?, ?, ?, ?, ?, ?)",
                (failure.path, failure.size, failure.mtime_ns, failure.reason, failure.message, failure.hint, failure.reader),
            )

    def forget_failures(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        with self._base.writing(counts=False):
            self._db.executemany("delete from failures where path = ?", [(path,) for path in paths])

    def roots(self) -> list[str]:
        """The files and folders that were added, which `sync` follows."""
        with self._base.errors():
            return [row[0] for row in self._db.execute("select path from roots order by path")]

    def add_root(self, path: str) -> None:
        with self._base.writing(counts=False):
            self._db.execute("insert or ignore into roots values (?)", (path,))

    def remove_root(self, path: str) -> None:
        with self._base.writing(counts=False):
            self._db.execute("delete from roots where path = ?", (path,))

    def containers(self) -> dict[str, Source]:
        """The archives and mails whose members are sources of their own, by path."""
        with self._base.errors():
            rows = self._db.execute("select path, digest, size, mtime_ns from containers").fetchall()
        return {row[0]: Source(*row) for row in rows}

    def set_container(self, container: Source) -> None:
        """Record that everything in an archive has been read; `document` is the sha256 of the archive."""
        with self._base.writing(counts=False):
            self._db.execute(
                "insert or replace into containers values (?, ?, ?, ?)",
                (container.path, container.document, container.size, container.mtime_ns),
            )

    def forget_containers(self, paths: Sequence[str]) -> None:
        if paths:
            with self._base.writing(counts=False):
                self._db.executemany("delete from containers where path = ?", [(path,) for path in paths])

    def excluded(self) -> set[str]:
        """Files and folders that were removed by hand: `sync` leaves them out."""
        with self._base.errors():
            return {row[0] for row in self._db.execute("select path from excluded")}

    def set_excluded(self, paths: Iterable[str], *, excluded: bool) -> None:
        statement = "insert or ignore into excluded values (?)" if excluded else "delete from excluded where path = ?"
        with self._base.writing(counts=False):
            self._db.executemany(statement, [(path,) for path in paths])

    def web_pages(self) -> dict[str, WebPage]:
        """The pages of the web that are followed, by address."""
        with self._base.errors():
            rows = self._db.execute("select url, root, etag, modified from web").fetchall()
        return {row[0]: WebPage(*row) for row in rows}

    def set_web_page(self, page: WebPage) -> None:
        with self._base.writing(counts=False):
            self._db.execute("insert or replace into web values (?, ?, ?, ?)", (page.url, page.root, page.etag, page.modified))
            self._db.execute("update sources set mtime_ns = ? where path = ?", (page.modified_ns, page.url))

    def reader_of(self, document: str) -> str:
        """Which version of the readers read a document."""
        with self._base.errors():
            row = self._db.execute("select reader from documents where id = ?", (document,)).fetchone()
        return str(row[0]) if row else ""

    def read_in_part(self, reader: str) -> set[str]:
        """Ids of the documents with warnings that other readers than `reader` gave: these may read more."""
        with self._base.errors():
            rows = self._db.execute("select id from documents where warnings != '[]' and reader != ?", (reader,)).fetchall()
        return {row[0] for row in rows}

    # --- chunks

    def chunk_count(self) -> int:
        with self._base.errors():
            return int(self._db.execute("select count(*) from chunks").fetchone()[0])

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """Chunks by id; ids that are no longer here are left out."""
        found: dict[int, Chunk] = {}
        with self._base.errors(), self._base.reading():
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

    def places(self, ids: Sequence[int]) -> list[Place]:
        """Chunks with where they stand, in the order of `ids`; ids that are no longer here are left out."""
        with self._base.errors(), self._base.reading():
            return places(self._db, ids, self._text)

    def chunks_of(self, document: str) -> list[Chunk]:
        """All chunks of a document in reading order; none where it is not here."""
        with self._base.errors():
            rows = self._db.execute("select id from chunks where document = ?", (document,)).fetchall()
        return sorted(self.chunks([row[0] for row in rows]).values(), key=lambda chunk: chunk.start)

    def index_rows(self, since: int) -> Iterator[IndexRow]:
        """Chunks of documents that came or got another title after change `since`, with the words to index them under."""
        with self._base.errors():
            documents = self._db.execute("select id, title from documents where change > ? order by change, id", (since,)).fetchall()
        for document, title in documents:
            with self._base.errors(), self._base.reading():
                text = self._text(document, {})
                headings = [
                    row[0] for row in self._db.execute("select title from sections where document = ? order by position", (document,))
                ]
                rows = self._db.execute(
                    "select id, start, end, section from chunks where document = ? order by start", (document,)
                ).fetchall()
            for chunk, start, end, section in rows:
                context = title if section is None or section >= len(headings) else f"{title} > {headings[section]}"
                yield IndexRow(chunk, context, text[start:end])

    def removed_since(self, change: int) -> list[int]:
        """Ids of chunks that went after a change."""
        with self._base.errors():
            return [row[0] for row in self._db.execute("select chunk from removed where change > ?", (change,))]

    def vectors_since(self, change: int, until: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Vectors of chunks that came after a change and not after `until`, in batches: ids int64 [n] and vectors float32 [n, d]."""
        with self._base.errors():
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
        with self._base.errors():
            rows = self._db.execute(f"select chunk, data from vectors where chunk in ({marks})", list(map(int, ids))).fetchall()
        if not rows:
            return {}
        together = np.frombuffer(b"".join([row[1] for row in rows]), dtype=np.float16).reshape(len(rows), -1).astype(np.float32)
        return dict(zip([row[0] for row in rows], together, strict=True))

    # --- traces

    def forget_traces(self) -> int:
        """Delete the traces that rest on what is no longer here, and empty the log of what was removed; returns how many went."""
        with self._base.writing(counts=False):
            count = forget_traces(self._db)
        with self._base.errors():
            self._db.execute("pragma wal_checkpoint(truncate)")
        return count

    def write_trace(self, trace_id: str, kind: str, question: str, data: Any, *, days: int = 0) -> None:
        """Keep a trace; with `days`, those that are older than that go."""
        with self._base.writing(counts=False):
            if days:
                self._db.execute("delete from traces where at < ?", (time.time() - days * 86_400,))
            self._db.execute(
                "insert or replace into traces values (?, ?, ?, ?, ?)",
                (trace_id, time.time(), kind, question, json.dumps(data, ensure_ascii=False)),
            )
            forget_if_gone(self._db, trace_id)

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """One trace by its id or the beginning of it."""
        with self._base.errors():
            row = self._db.execute(
                "select id, at, kind, question, data from traces where id = ? or id like ? order by at desc limit 1",
                (trace_id, trace_id.replace("%", "").replace("_", "") + "%"),
            ).fetchone()
        return None if row is None else {"id": row[0], "at": row[1], "kind": row[2], "question": row[3], **json.loads(row[4])}

    def set_feedback(self, trace_id: str, feedback: Mapping[str, Any]) -> bool:
        """Keep with a trace, named by its whole id, what somebody thinks of the answer; whether there is that trace."""
        with self._base.writing(counts=False):
            done = self._db.execute(
                "update traces set data = json_set(data, '$.feedback', json(?)) where id = ?", (json.dumps(feedback), trace_id)
            )
            return done.rowcount > 0

    def traces(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest traces, without their data."""
        with self._base.errors():
            rows = self._db.execute("select id, at, kind, question from traces order by at desc limit ?", (limit,)).fetchall()
        return [{"id": row[0], "at": row[1], "kind": row[2], "question": row[3]} for row in rows]

    # --- inside

    def _warnings(self, kept: str) -> tuple[str, ...]:
        try:
            return tuple(json.loads(kept))
        except (TypeError, ValueError) as error:
            raise self._base.damaged("the warnings of a document cannot be read") from error

    def _document_at(self, path: str) -> str | None:
        row = self._db.execute("select document from sources where path = ?", (path,)).fetchone()
        return row[0] if row else None

    def _sources_of(self, document: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._db.execute("select path from sources where document = ? order by path", (document,)))

    def _text(self, document: str, cache: dict[str, str]) -> str:
        if document not in cache:
            row = self._db.execute("select text, crc from texts where document = ?", (document,)).fetchone()
            if row is None:
                raise self._base.damaged("a text is missing")
            if row[1] is not None and crc32(row[0]) != row[1]:
                raise self._base.damaged("a text is not what was stored")
            cache[document] = row[0]
        return cache[document]

    def _remove_if_unused(self, document: str, change: int) -> int:
        if self._sources_of(document):
            return 0
        drop_chunks(self._db, document, change)
        self._db.execute("delete from documents where id = ?", (document,))
        return 1

    def _rename(self, document: str, path: str, change: int) -> None:
        """A document that bears the name of a file, `path` or another of its sources, gets that of the first of them that is left."""
        paths = self._sources_of(document)
        row = self._db.execute("select title from documents where id = ?", (document,)).fetchone()
        if not paths or row is None:
            return
        name = PurePath(paths[0]).name
        if row[0] != name and row[0] in {PurePath(each).name for each in (path, *paths)}:
            self._db.execute("update documents set title = ?, change = ? where id = ?", (name, change, document))

    def _set_source(self, source: Source) -> None:
        self._db.execute("insert or replace into sources values (?, ?, ?, ?)", (source.path, source.document, source.size, source.mtime_ns))

    def _insert(self, document: Document, change: int, reader: str) -> None:
        for table in ("texts", "pages", "sections", "regions"):
            self._db.execute(f"delete from {table} where document = ?", (document.id,))
        self._db.execute(
            "insert into documents (id, title, media_type, chars, warnings, change, reader, date) values (?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (id) do update set title = excluded.title, media_type = excluded.media_type, chars = excluded.chars,"
            " warnings = excluded.warnings, change = excluded.change, reader = excluded.reader, date = excluded.date",
            (
                document.id, document.title, document.media_type, len(document.text), json.dumps(document.warnings), change, reader,
                document.date,
            ),
        )  # fmt: skip
        self._db.execute("insert into texts values (?, ?, ?)", (document.id, document.text, crc32(document.text)))
        self._db.executemany(
            "insert into pages values (?, ?, ?, ?, ?, ?, ?)",
            [(document.id, p.index, p.label, p.start, p.end, *(p.size or (None, None))) for p in document.pages],
        )
        self._db.executemany(
            "insert into sections values (?, ?, ?, ?, ?, ?)",
            [(document.id, at, s.level, s.title, s.start, s.end) for at, s in enumerate(document.sections)],
        )
        self._db.executemany(
            "insert into regions values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(document.id, at, r.start, r.end, r.kind, *(r.box or (None,) * 4)) for at, r in enumerate(document.regions)],
        )
