"""Everything in a library split and embedded anew, by another embedder or after an upgrade, while the library goes on being used.

The new vectors are gathered in a file beside the database, `reindex.db`, a slice at a time: nothing is locked meanwhile, and a process
that was stopped goes on where it was. One transaction then puts them in the place of the old ones. The file holds no text.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellread.errors import LibraryError, LibraryLocked
from wellread.index.locks import refused
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.lock import Busy, locked
from wellread.models.base import Embedder
from wellread.split import contexts, split
from wellread.types import Document, Progress, Span

FILE = "reindex.db"
_LAYOUT = 1
_SLICE = 64
"""Chunks that are embedded and kept at a time: what a process that is stopped loses at most."""

_LABEL = "embedding anew (the library can be used meanwhile)"
_TABLES = (
    "create table about (made_for text not null)",
    "create table chunks (document text, position integer, vector blob not null, primary key (document, position)) without rowid",
)


@dataclass(frozen=True, slots=True)
class _Text:
    """A chunk to embed: its document, which one of its chunks it is, and what is embedded.

    `document` is a hash of its id and all its texts: newer readers may make another text of one id, a newer splitter other chunks.
    """

    document: str
    position: int
    text: str


@contextmanager
def reindexing(folder: Path) -> Iterator[None]:
    """The right to reindex the library in `folder`, for one process at a time. Raises `LibraryLocked` when another does so."""
    try:
        with locked(folder / "reindex.lock", wait_seconds=0):
            yield
    except Busy as busy:
        by = f"process {busy.pid}" if busy.pid else "another process"
        raise LibraryLocked(f"{folder} is being reindexed by {by}.", hint="try again when that one is done") from None
    except OSError as error:
        raise refused(folder, error) from error


class Reindex:
    """A reindexing under way: `embed`, then `swap`, then `close`. Hold `reindexing` from before it is made until after it is closed.

    What an earlier process left is gone on with if it was made for this library, by this embedder in this revision; anything else is
    thrown away.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._path = store.path.with_name(FILE)
        self._db = self._open()

    def close(self) -> None:
        """Close the file; after `swap` there is none."""
        self._db.close()

    def embed(self, progress: Progress) -> None:
        """Embed every document of the library that is not embedded yet, also those that are added meanwhile. Locks nothing."""
        seen: set[str] = set()
        while new := [listed.id for listed in self._store.documents() if listed.id not in seen]:
            seen.update(new)
            waiting: list[_Text] = []
            for done, one in enumerate(new):
                document = self._document(one)
                waiting += self._lacking(_texts(document, split(document))) if document is not None else []
                while len(waiting) >= _SLICE:
                    self._keep(waiting[:_SLICE])
                    waiting = waiting[_SLICE:]
                    progress(_LABEL, done, len(new))
            self._keep(waiting)
            progress(_LABEL, len(new), len(new))

    def swap(self, progress: Progress) -> int:
        """Put the new chunks and vectors in the place of the old ones, in one transaction; returns how many documents there are.

        The caller holds the right to change the library. The little that was added since `embed` is embedded here.
        """
        sources = self._store.sources()
        documents = self._store.documents()
        with self._store.together():
            for done, listed in enumerate(documents, start=1):
                document = self._store.document(listed.id)
                kept: Source = sources[listed.sources[0]]
                spans = split(document)
                texts = _texts(document, spans)
                self._keep(self._lacking(texts))
                self._store.put(document, spans, self._vectors(texts), kept, reader=self._store.reader_of(document.id))
                progress("putting the new index in place", done, len(documents))
            self._store.set_meta("embedder", self._embedder.name)
            self._store.set_meta("embedder_revision", self._embedder.revision)
        self._db.close()
        discard(self._path)
        return len(documents)

    # --- inside

    def _document(self, document: str) -> Document | None:
        """A document, or None when another process has removed it meanwhile."""
        try:
            return self._store.document(document)
        except LibraryError:
            if self._store.has(document):
                raise
            return None

    def _lacking(self, texts: list[_Text]) -> list[_Text]:
        """Those of a document's chunks that are not embedded yet: they are embedded in their order."""
        return texts[self._held(texts[0].document) :] if texts else []

    def _held(self, key: str) -> int:
        with self._errors():
            return int(self._db.execute("select count(*) from chunks where document = ?", (key,)).fetchone()[0])

    def _keep(self, texts: Sequence[_Text]) -> None:
        """Embed some texts and write them down; they are kept from then on."""
        if not texts:
            return
        vectors = self._embedder.embed([one.text for one in texts]).astype(np.float16)
        rows = [(one.document, one.position, vector.tobytes()) for one, vector in zip(texts, vectors, strict=True)]
        with self._errors(), self._db:
            self._db.executemany("insert or replace into chunks values (?, ?, ?)", rows)

    def _vectors(self, texts: list[_Text]) -> np.ndarray:
        """The new vectors of a document's chunks, float32 [chunks, d]."""
        found = np.zeros((len(texts), self._embedder.dimensions), np.float32)
        if texts:
            with self._errors():
                rows = self._db.execute("select vector from chunks where document = ? order by position", (texts[0].document,)).fetchall()
            found[:] = np.frombuffer(b"".join(row[0] for row in rows), np.float16).reshape(found.shape)
        return found

    def _open(self) -> sqlite3.Connection:
        """The file as an earlier process left it, if it is of use; otherwise a new one."""
        embedder = self._embedder
        made_for = repr((_LAYOUT, self._store.identity, embedder.name, embedder.revision, embedder.dimensions))
        if self._path.exists():
            db = sqlite3.connect(self._path)
            with suppress(sqlite3.DatabaseError):
                told = db.execute("select made_for from about").fetchone()
                if told == (made_for,) and db.execute("pragma quick_check").fetchone() == ("ok",):
                    return db
            db.close()
            discard(self._path)
        with self._errors():
            db = sqlite3.connect(self._path)
            for statement in _TABLES:
                db.execute(statement)
            with db:
                db.execute("insert into about values (?)", (made_for,))
        return db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise LibraryError(
                f"{self._path} cannot be written or read: {error}.", hint="free some space, or delete that file, and reindex again"
            ) from error


def discard(path: Path) -> None:
    """Delete the file of a reindexing, with the journal that a stopped process may have left beside it."""
    for suffix in ("", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _texts(document: Document, spans: Sequence[Span]) -> list[_Text]:
    """The chunks of a document as they are embedded: each under its heading, as `ingest` does."""
    texts = [context + document.text[span.start : span.end] for context, span in zip(contexts(document, spans), spans, strict=True)]
    key = hashlib.blake2b(repr((document.id, texts)).encode(), digest_size=16).hexdigest()
    return [_Text(key, at, text) for at, text in enumerate(texts)]
