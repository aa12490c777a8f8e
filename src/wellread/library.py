"""A library of documents: the object people use, and the one place where its parts are joined."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wellread.answer import answer, is_chinese
from wellread.config import Settings, load
from wellread.errors import DiskFull, LibraryError, UsageError
from wellread.followup import standalone
from wellread.index import locks
from wellread.index.keyword import KeywordIndex
from wellread.index.rows import Listed
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
from wellread.models.base import Embedder
from wellread.options import Options
from wellread.parts import ENGLISH_EMBEDDER, MULTILINGUAL_EMBEDDER, Parts
from wellread.places import SUFFIX, check_source, folder_of, source_path
from wellread.read.limits import MEGABYTE, Limits
from wellread.read.rects import Rect, rects
from wellread.record import trace_json
from wellread.reindex import reindex
from wellread.retrieve.search import Index, retrieve
from wellread.sync import SyncReport, sync
from wellread.trace import Recorder
from wellread.types import Answer, Delta, Document, Hit, Progress
from wellread.watch import changes
from wellread.web.address import canonical, is_address
from wellread.web.site import fetch_site
from wellread.words import cjk_share

_CHINESE_DOCUMENTS = 0.2
"""The share of CJK letters in the first documents from which the multilingual embedder is taken."""


def open(path: str | Path, *, settings: Settings | None = None, parts: Parts | None = None) -> Library:
    """Open the library in the folder `path` (".wellread" is added when missing), or make it.

    Settings are read from the environment and the settings files when none are given. Models are fetched when first needed.
    """
    if parts is None:
        parts = Parts(settings if settings is not None else load().settings)
    return Library(folder_of(path), parts)


def cached(sources: Sequence[str | Path], *, parts: Parts) -> Library:
    """The library that `ask --in` keeps for a set of files and folders."""
    paths = sorted({_root(source) for source in sources})
    name = hashlib.sha256("\n".join([parts.settings.embedder, *paths]).encode()).hexdigest()[:16]
    return Library(parts.settings.cached_libraries / (name + SUFFIX), parts)


class Library:
    """Documents, what is derived from them, and the questions asked of them. Use it from one thread; close it, or use `with`."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        self.folder = folder
        self.parts = parts
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"the folder {folder} cannot be made: {error.strerror}.", hint="choose another place with --library"
            ) from error
        self.store = Store(folder / "library.db")
        self._index: Index | None = None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files of the library. Models stay with the parts that loaded them."""
        self.store.close()

    # --- documents

    def add(self, *sources: str | Path, progress: Progress = lambda what, done, total: None) -> SyncReport:
        """Add files and folders, now and at every later `sync`. Files that cannot be read are in the report and stop nothing."""
        if not sources:
            raise UsageError("nothing to add.", hint="name a file or a folder, as in: wellread add ~/papers")
        for source in sources:
            check_root(source)
        roots = [_root(source) for source in sources]
        if self.parts.settings.offline and any(map(is_address, roots)):
            raise UsageError("a web page cannot be fetched offline.", hint="leave out --offline, or add saved files")
        with self._writing():
            known = self.store.roots()
            for root in roots:  # first of all, so that `sync` goes on where an `add` was stopped
                if root not in known:
                    self.store.add_root(root)
            self.store.set_excluded([path for path in self.store.excluded() if path in roots], excluded=False)
            return self._sync(roots, progress)

    def sync(self, progress: Progress = lambda what, done, total: None) -> SyncReport:
        """Bring the library into step with the files and folders that were added to it."""
        with self._writing():
            return self._sync(self.store.roots(), progress)

    def reindex(self, progress: Progress = lambda what, done, total: None) -> int:
        """Split and embed every document anew, with the embedder that the settings name. Returns how many there are.

        It happens as a whole or not at all, and reads no file again.
        """
        with self._writing():
            documents = self.store.documents()
            if not documents:
                return 0
            sample = "".join(self.store.document(listed.id).text[:5000] for listed in documents[:8])
            embedder = self.parts.embedder(self.parts.embedder_for(chinese=cjk_share(sample) > _CHINESE_DOCUMENTS))
            reindex(self.store, embedder, progress)
            self._index = None  # it may have been made for vectors of another length
            self._catch_up()
        return len(documents)

    def watch(self, progress: Progress = lambda what, done, total: None) -> Iterator[SyncReport]:
        """`sync` now, and its files and folders again whenever they change, until interrupted."""
        watched = changes(Path(root) for root in self.store.roots() if not is_address(root))
        next(watched)  # it is listening before the first look, so that nothing slips in between
        yield self.sync(progress)
        for _ in watched:
            with self._writing():
                report = self._sync([root for root in self.store.roots() if not is_address(root)], progress)
            yield report

    def remove(self, what: str) -> int:
        """Remove a document by its path, the beginning of its id, or the folder it lies in. Returns how many documents went.

        What lies in a folder that is followed stays away at later syncs, until it is added again by name.
        """
        if not what.strip():
            raise UsageError("nothing to remove.", hint="name a path, a folder or an id; see `wellread list`")
        if is_address(what):
            return self._remove_site(canonical(what))
        path = source_path(what)
        with self._writing():
            sources = self.store.sources()
            paths = [source for source in sources if Path(source).is_relative_to(path)]
            roots = [root for root in self.store.roots() if not is_address(root) and Path(root).is_relative_to(path)]
            failures = [failure for failure in self.store.failures() if Path(failure).is_relative_to(path)]
            named = [str(path)]
            if not (paths or roots or failures) and len(what) >= 6:
                named = paths = [source.path for source in sources.values() if source.document.startswith(what)]
            if not (paths or roots or failures):
                raise UsageError(f"nothing in {self.folder} is called {what}.", hint="see `wellread list`")
            for root in roots:
                self.store.remove_root(root)
            followed = [Path(root) for root in self.store.roots() if not is_address(root)]
            out = [one for one in named if any(Path(one).is_relative_to(root) for root in followed)]
            self.store.set_excluded(out, excluded=True)
            self.store.forget_failures(failures)
            gone = self.store.unlink(paths)
            self.store.forget_traces()
            self._catch_up()
        return gone

    def _remove_site(self, url: str) -> int:
        """Remove a page of the web, or everything that a site map led to."""
        with self._writing():
            pages = [page.url for page in self.store.web_pages().values() if url in (page.url, page.root)]
            if not pages and url not in self.store.roots():
                raise UsageError(f"nothing in {self.folder} is called {url}.", hint="see `wellread list`")
            self.store.remove_root(url)
            gone = self.store.unlink(pages)
            self.store.forget_traces()
            self._catch_up()
        return gone

    def documents(self) -> list[Listed]:
        """What is in the library, by title."""
        return self.store.documents()

    def document(self, document: str) -> Document:
        """A document with its text, by id."""
        return self.store.document(document)

    def rects(self, document: str, start: int, end: int) -> tuple[Rect, ...]:
        """The rectangles on the pages of a PDF or picture around a span of a document, as of a citation; empty for other documents.

        They are found again in the file, which must lie where it was read from and not in an archive. Raises `WellreadError` when the
        file is no longer the one that was read.
        """
        found = self.document(document)
        path = Path(found.source)
        return rects(path.read_bytes(), found, start, end) if found.pages and path.is_file() else ()

    # --- questions

    def search(self, query: str, *, limit: int = 8) -> list[Hit]:
        """The chunks that best match a query, best first, each with the reason for its place."""
        if limit < 1:
            raise UsageError(f"{limit} passages cannot be found.", hint="limit begins at 1")
        if not query.strip():
            raise UsageError("the query is empty.", hint='search for something, as in: wellread search "solar panels"')
        embedder = self._embedder()
        if embedder is None:
            return []
        index = self._index_to_read(embedder)
        with self.store.snapshot():
            return retrieve(query, index, embedder, limit=limit)

    def ask(self, question: str, *, options: Options = Options(), history: Sequence[tuple[str, str]] = ()) -> Answer:
        """Answer a question from the documents; every sentence is checked against the words it rests on."""
        for piece in self.stream(question, options=options, history=history):
            if isinstance(piece, Answer):
                return piece
        raise AssertionError("a stream ends with an answer")

    def stream(self, question: str, *, options: Options = Options(), history: Sequence[tuple[str, str]] = ()) -> Iterator[Delta | Answer]:
        """`ask`, piece by piece: text as it is written, then the checked `Answer`. `history` holds (question, answer) turns."""
        if not question.strip():
            raise UsageError("the question is empty.", hint='ask something, as in: wellread ask "What is this about?"')
        embedder = self._embedder()
        if embedder is None:
            raise UsageError(f"the library {self.folder} is empty.", hint="add something with: wellread add PATH")
        recorder = Recorder()
        writer = None if options.mode == "extract" else self.parts.writer()
        with recorder.step("retrieve") as data:
            asked = standalone(question, history, writer.model if writer else None)
            index = self._index_to_read(embedder)
            with self.store.snapshot():
                hits = retrieve(asked, index, embedder)
            data |= {
                "library_change": self.store.change,
                "query": asked,
                "hits": [{"chunk": hit.chunk.id, "score": hit.score, **hit.why} for hit in hits],
            }
        for piece in answer(asked, hits, self.store, embedder, writer, options, recorder):
            if isinstance(piece, Answer):
                piece = dataclasses.replace(piece, question=question, notes=(*piece.notes, *_language_note(piece, embedder)))
                try:
                    self.store.write_trace(recorder.id, "ask", question, trace_json(piece, recorder))
                except LibraryError as error:  # no reason to withhold the answer
                    piece = dataclasses.replace(piece, notes=(*piece.notes, f"no trace of this answer was kept: {error.message}"))
            yield piece

    def trace(self, trace_id: str) -> Mapping[str, Any]:
        """What happened when a question was answered, by the id of its trace or the beginning of it."""
        found = self.store.trace(trace_id)
        if found is None:
            raise UsageError(f'there is no trace "{trace_id}" in {self.folder}.', hint="`wellread trace` lists the latest")
        return found

    # --- inside

    def _writing(self) -> AbstractContextManager[None]:
        """The right to change this library, for one process at a time."""
        return locks.writing(self.folder)

    def _sync(self, roots: Sequence[str], progress: Progress) -> SyncReport:
        settings = self.parts.settings
        sites = [] if settings.offline else [root for root in roots if is_address(root)]
        jobs = settings.jobs or max(1, (os.cpu_count() or 2) // 2)
        report = sync(
            [Path(root) for root in roots if not is_address(root)],
            self.store,
            self._choose_embedder,
            progress,
            jobs=jobs,
            limits=_limits(settings),
            sites=sites,
            fetch=partial(fetch_site, allow_private=settings.private_addresses, progress=progress),
        )
        if report.changed:
            self._catch_up()
        if report.removed or report.updated:
            self.store.forget_traces()
        return report

    def _catch_up(self) -> None:
        embedder = self._embedder()
        if embedder is not None:
            self._ready_index(embedder)

    def _choose_embedder(self, documents: list[Document]) -> Embedder:
        """The library's embedder; for a new library, chosen by the language of its first documents and written down."""
        embedder = self._embedder()
        if embedder is None:
            sample = "".join(document.text[:5000] for document in documents)
            name = self.parts.embedder_for(chinese=cjk_share(sample) > _CHINESE_DOCUMENTS)
            embedder = self.parts.embedder(name)  # written down only once it is known to load
            self.store.set_meta("embedder", name)
        return embedder

    def _embedder(self) -> Embedder | None:
        """The embedder that made the library's vectors, or None while it has none."""
        name = self.store.meta("embedder")
        if name is None:
            return None
        wanted = self.parts.settings.embedder
        if wanted != "auto" and self.parts.embedder_for(chinese=False) != name:
            raise UsageError(
                f'this library was made with the embedder "{name}", not "{wanted}".',
                hint=f"leave out --embedder, or embed everything anew: wellread reindex --embedder {wanted}",
            )
        return self.parts.embedder(str(name))

    def _ready_index(self, embedder: Embedder) -> Index:
        """The indexes, level with the database."""
        with locks.indexing(self.folder), _writable(self.folder):
            index = self._index_as_it_is(embedder)
            index.keyword.catch_up(self.store)
            index.vector.catch_up(self.store)
        return index

    def _index_to_read(self, embedder: Embedder) -> Index:
        """The indexes, level with the database; on a full disk, or where nothing may be written, as far as they are."""
        try:
            return self._ready_index(embedder)
        except LibraryError as error:
            if os.access(self.folder, os.W_OK) and not isinstance(error, DiskFull):
                raise
            with _writable(self.folder):
                index = self._index_as_it_is(embedder)
                index.keyword.stay_behind()
            index.vector.stay_behind(self.store)
            return index

    def _index_as_it_is(self, embedder: Embedder) -> Index:
        if self._index is None:
            keyword = KeywordIndex(self.folder / "index" / "keyword")
            self._index = Index(self.store, keyword, VectorIndex(self.folder / "index" / "vector", embedder.dimensions))
        return self._index


def _root(source: str | Path) -> str:
    """What a library remembers of something that is added."""
    return canonical(str(source)) if is_address(str(source)) else str(source_path(source))


def check_root(source: str | Path) -> None:
    """Raise `UsageError` for what cannot be added: a path where nothing is, or an address that is none of a web page."""
    if is_address(str(source)):
        canonical(str(source))
    else:
        check_source(source)


def _limits(settings: Settings) -> Limits:
    return Limits(
        file_bytes=settings.max_file_mb * MEGABYTE,
        pages=settings.max_pages,
        cpu_seconds=settings.max_read_seconds,
        memory_bytes=settings.max_read_memory_mb * 1024**2,
        unpacked_bytes=settings.max_unpacked_mb * MEGABYTE,
        unpacked_ratio=settings.max_unpacked_ratio,
    )


def _language_note(answer: Answer, embedder: Embedder) -> tuple[str, ...]:
    """A refusal that may come from the library's embedder not knowing the question's language says so."""
    if answer.refused and is_chinese(answer.question) and embedder.name == ENGLISH_EMBEDDER:
        return (f"this library was indexed for English; for Chinese questions make one with --embedder {MULTILINGUAL_EMBEDDER}",)
    return ()


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise locks.refused(folder, error) from error
