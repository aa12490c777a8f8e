"""A library of documents: the object people use, and the one place where its parts are joined."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wellread import __version__
from wellread.asking import Asker
from wellread.checking import Checked, checked
from wellread.config import Settings, load
from wellread.errors import DiskFull, LibraryError, UsageError
from wellread.index import locks
from wellread.index.filters import Filter, parse_filter
from wellread.index.index import Index, open_index
from wellread.index.rows import Listed, Source
from wellread.index.store import Store
from wellread.index.tags import tag_names
from wellread.index.unmatched import nothing_matches
from wellread.index.within import Within
from wellread.ingest import Ingest
from wellread.memory import Memory
from wellread.models.base import ChatModel, Embedder
from wellread.options import Options
from wellread.parts import MULTILINGUAL_EMBEDDER, Parts
from wellread.places import SUFFIX, check_source, folder_of, source_path
from wellread.read.limits import MEGABYTE, Limits
from wellread.read.rects import Rect, rects
from wellread.recipe import Recipe
from wellread.reindex import Reindex, reindexing
from wellread.removal import remove
from wellread.replay import Replay
from wellread.retrieve.find import Found, find
from wellread.sync import SyncReport, sync
from wellread.types import Answer, Delta, Document, Hit, Progress, silent
from wellread.watch import changes
from wellread.web.address import canonical, is_address
from wellread.web.site import fetch_site
from wellread.words import cjk_share

_CHINESE_DOCUMENTS = 0.2
"""The share of CJK letters in the first documents from which the multilingual embedder is taken."""

_REINDEX_WAIT = 3600.0
"""Seconds that a reindexing waits, at its end, for another process that writes: what it has done should not wait for a second call."""


_FILTERS_KEPT = 8
"""Filters whose chunks are remembered until the library changes."""


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
    return Library(parts.settings.cached_libraries / (name + SUFFIX), parts, renews=True)


class Library:
    """Documents, what is derived from them, and the questions asked of them. Use it from one thread; close it, or use `with`.

    One that `renews` embeds everything anew at its next sync when its embedder has another revision; others wait for `reindex`.
    """

    def __init__(self, folder: Path, parts: Parts, *, renews: bool = False) -> None:
        self.folder = folder
        self.parts = parts
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"the folder {folder} cannot be made: {error.strerror}.", hint="choose another place with --library"
            ) from error
        self.store = Store(folder / "library.db")
        self._renews = renews
        self._filters: dict[tuple[str, int], Within] = {}
        self._asker = Asker(self.store, parts, Memory(), self._embedder, self._searching, self._within, __version__)
        self._index: Index | None = None
        self._indexed_for: tuple[str, str] | None = None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files of the library. Models stay with the parts that loaded them."""
        self.store.close()

    # --- documents

    def add(
        self,
        *sources: str | Path,
        tags: Sequence[str] = (),
        untag: Sequence[str] = (),
        progress: Progress = silent,
    ) -> SyncReport:
        """Add files and folders, now and at every later `sync`. Files that cannot be read are in the report and stop nothing.

        `tags` hold, besides those that are there, for everything at or under the sources, also for what is found there later; those in
        `untag` are taken away from there.
        """
        if not sources:
            raise UsageError("nothing to add.", hint="name a file or a folder, as in: wellread add ~/papers")
        for source in sources:
            check_root(source)
        roots = [_root(source) for source in sources]
        if self.parts.settings.offline and any(map(is_address, roots)):
            raise UsageError("a web page cannot be fetched offline.", hint="leave out --offline, or add saved files")
        names, unwanted = tag_names(tags), tag_names(untag)
        with self._writing():
            self.store.tags.remove(roots, unwanted)
            self.store.tags.add(roots, names)
            known = self.store.roots()
            for root in roots:  # first of all, so that `sync` goes on where an `add` was stopped
                if root not in known:
                    self.store.add_root(root)
            self.store.set_excluded([path for path in self.store.excluded() if path in roots], excluded=False)
            return self._sync(roots, progress)

    def put(self, *documents: Document, progress: Progress = silent) -> None:
        """Add documents that lie in no file, each under its own `source`, which no `sync` takes away."""
        with self._writing():
            ingest = Ingest(self.store, self._choose_embedder, progress)
            for document in documents:
                ingest.take(document, Source(document.source, document.id, len(document.text.encode()), 0))
            ingest.flush()
            self._catch_up()

    def sync(self, progress: Progress = silent) -> SyncReport:
        """Bring the library into step with the files and folders that were added to it."""
        with self._writing():
            return self._sync(self.store.roots(), progress)

    def reindex(self, progress: Progress = silent) -> int:
        """Split and embed every document anew, with the embedder that the settings name. Returns how many there are.

        The library can be used meanwhile; it changes as a whole at the end. Stopped on the way, it is as it was, and the next call goes on
        where this one was. No file is read again.
        """
        with reindexing(self.folder):
            documents = self.store.documents()
            if not documents:
                return 0
            sample = "".join(self.store.document(listed.id).text[:5000] for listed in documents[:8])
            embedder = self.parts.embedder(self.parts.embedder_for(chinese=cjk_share(sample) > _CHINESE_DOCUMENTS))
            with closing(Reindex(self.store, embedder)) as work:
                work.embed(progress)
                progress("waiting to put the new index in place", 0, 0)
                with locks.writing(self.folder, wait_seconds=_REINDEX_WAIT):
                    count = work.swap(progress)
                    self._catch_up()
        return count

    def watch(self, progress: Progress = silent) -> Iterator[SyncReport]:
        """`sync` now, and its files and folders again whenever they change, until interrupted."""
        watched = changes(Path(root) for root in self.store.roots() if not is_address(root))
        next(watched)  # it is listening before the first look, so that nothing slips in between
        yield self.sync(progress)
        for _ in watched:
            with self._writing():
                report = self._sync([root for root in self.store.roots() if not is_address(root)], progress)
            yield report

    def remove(self, what: str) -> int:
        """Remove a document by its path or address, the beginning of its id, or the folder it lies in. Returns how many documents went.

        What lies in a folder that is followed stays away at later syncs, until it is added again by name.
        """
        with self._writing():
            gone = remove(self.store, what)
            self.store.forget_traces()
            self._catch_up()
        return gone

    def documents(self, *, filter: str | Filter | None = None) -> list[Listed]:
        """What is in the library, by title; with a filter, the documents of which it lets something through."""
        return self.store.documents(self._within(filter))

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

    def search(self, query: str, *, limit: int = 8, filter: str | Filter | None = None, recipe: Recipe = Recipe()) -> list[Hit]:
        """The chunks that best match a query, best first, each with the reason for its place; with a filter, of those it lets through."""
        return self.find(query, limit=limit, filter=filter, recipe=recipe).hits

    def find(self, query: str, *, limit: int = 8, filter: str | Filter | None = None, recipe: Recipe = Recipe()) -> Found:
        """`search`, with the queries that were searched for and a note on what could not be done."""
        if limit < 1:
            raise UsageError(f"{limit} passages cannot be found.", hint="limit begins at 1")
        if not query.strip():
            raise UsageError("the query is empty.", hint='search for something, as in: wellread search "solar panels"')
        if filter is not None:
            parse_filter(str(filter))  # what is wrong with it is said also of an empty library
        with self._searching() as found:
            within = self._within(filter)
            if found is None or (within is not None and not within.count):
                return Found([], ())
            model = self._model_for(recipe)
            return find(query, *found, recipe=recipe, limit=limit, within=within, model=model, reranker=self.parts.reranker(recipe))

    def ask(self, question: str, *, options: Options = Options(), history: Sequence[tuple[str, str]] = ()) -> Answer:
        """Answer a question from the documents; every sentence is checked against the words it rests on."""
        for piece in self.stream(question, options=options, history=history):
            if isinstance(piece, Answer):
                return piece
        raise AssertionError("a stream ends with an answer")

    def stream(self, question: str, *, options: Options = Options(), history: Sequence[tuple[str, str]] = ()) -> Iterator[Delta | Answer]:
        """`ask`, piece by piece: text as it is written, then the checked `Answer`. `history` holds (question, answer) turns,
        oldest first; what goes beyond `options.memory_tokens` is condensed, best where the answers have the markers of `marked_text`."""
        yield from self._asker.stream(question, options, history)

    def replay(self, trace_id: str) -> Replay:
        """Ask the question of a trace again, with the same options and conversation, and tell what differs. No trace is kept of it."""
        return self._asker.replay(self.trace(trace_id))

    def check(
        self,
        text: Document,
        *,
        filter: str | Filter | None = None,
        recipe: Recipe = Recipe(),
        progress: Progress = silent,
    ) -> Checked:
        """Which sentences of a text the documents support, and with which words: `text` need not be in the library."""
        embedder = self._embedder()
        if embedder is None:
            raise UsageError(f"the library {self.folder} is empty.", hint="add something with: wellread add PATH")
        return checked(
            text, lambda claim: self.search(claim, filter=filter, recipe=recipe), self.store, embedder, self.parts.checker, progress
        )

    def why_nothing(self, filter: str | Filter) -> UsageError | None:
        """Why a filter lets nothing through, and what there is instead, as an error that is not raised; None when it lets something."""
        parsed = parse_filter(str(filter))
        within = self._within(parsed)
        return None if within is not None and within.count else nothing_matches(parsed, self.store)

    def trace(self, trace_id: str) -> Mapping[str, Any]:
        """What happened when a question was answered, by the id of its trace or the beginning of it."""
        found = self.store.trace(trace_id)
        if found is None:
            raise UsageError(f'there is no trace "{trace_id}" in {self.folder}.', hint="`wellread trace` lists the latest")
        return found

    # --- inside

    def _model_for(self, recipe: Recipe) -> ChatModel | None:
        """The chat model that writes other wordings, where some are wanted."""
        writer = None if recipe.expand == "none" else self.parts.writer()
        return None if writer is None else writer.model

    def _within(self, filter: str | Filter | None) -> Within | None:
        """What a filter lets through as the library is now; the last few are kept."""
        if filter is None:
            return None
        parsed = parse_filter(str(filter))
        key = (str(parsed), self.store.change)
        if key not in self._filters:
            self._filters[key] = self.store.within(parsed)
            for oldest in list(self._filters)[:-_FILTERS_KEPT]:
                del self._filters[oldest]
        return self._filters[key]

    def _writing(self) -> AbstractContextManager[None]:
        """The right to change this library, for one process at a time."""
        return locks.writing(self.folder)

    def _sync(self, roots: Sequence[str], progress: Progress) -> SyncReport:
        settings = self.parts.settings
        if self._renews and self._is_outdated():
            self._renew(progress)
        sites = [] if settings.offline else [root for root in roots if is_address(root)]
        jobs = settings.jobs or max(1, (os.cpu_count() or 2) // 2)
        report = sync(
            [Path(root) for root in roots if not is_address(root)],
            self.store,
            self._choose_embedder,
            progress,
            jobs=jobs,
            limits=limits_of(settings),
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
            self.store.set_meta("embedder_revision", embedder.revision)
            self.store.set_meta("embedder", name)
        elif self.store.meta("embedder_revision") is None:  # made before revisions were written down
            self.store.set_meta("embedder_revision", embedder.revision)
        return embedder

    def _embedder(self) -> Embedder | None:
        """The embedder that made the library's vectors, or None while it has none. Raises `UsageError` where another one is wanted."""
        name = self.store.meta("embedder")
        if name is None:
            return None
        wanted = self.parts.settings.embedder
        if wanted != "auto" and self.parts.embedder_for(chinese=False) != name:
            raise UsageError(
                f'this library was made with the embedder "{name}", not "{wanted}".',
                hint=f"leave out --embedder, or embed everything anew: wellread reindex --embedder {wanted}",
            )
        if self._is_outdated():
            raise UsageError(
                f'this library was made with another revision of the embedder "{name}".',
                hint=f"embed everything anew: wellread reindex --embedder {name}",
            )
        return self.parts.embedder(str(name))

    def _is_outdated(self) -> bool:
        """Whether the library's vectors are of another revision of its embedder than is here."""
        name, revision = self.store.meta("embedder"), self.store.meta("embedder_revision")
        if name is None or (revision is None and name != MULTILINGUAL_EMBEDDER):
            return False
        return self.parts.embedder(str(name)).revision != str(revision)  # before revisions were noted, this embedder made other vectors

    def _renew(self, progress: Progress) -> None:
        """Embed everything anew with the embedder that the library has; the caller holds the right to change it."""
        with reindexing(self.folder), closing(Reindex(self.store, self.parts.embedder(str(self.store.meta("embedder"))))) as work:
            work.embed(progress)
            work.swap(progress)

    @contextmanager
    def _searching(self) -> Iterator[tuple[Index, Embedder] | None]:
        """The indexes, and the embedder of their vectors, with the store held at one state; None for a library without any."""
        while True:
            embedder = self._embedder()
            if embedder is None:
                yield None
                return
            try:
                index = self._index_to_read(embedder)
            except LibraryError:
                if self._is_made_by(embedder):
                    raise
                continue
            with self.store.snapshot():
                if self._is_made_by(embedder):
                    yield index, embedder
                    return

    def _is_made_by(self, embedder: Embedder) -> bool:
        """Whether the vectors are those of an embedder that was looked up before: another process may have reindexed since."""
        return self.store.meta("embedder") == embedder.name and self.store.meta("embedder_revision") in (None, embedder.revision)

    def _ready_index(self, embedder: Embedder) -> Index:
        """The indexes, level with the database."""
        with locks.indexing(self.folder), _writable(self.folder):
            index = self._index_as_it_is(embedder)
            index.catch_up()
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
                index.stay_behind()
            return index

    def _index_as_it_is(self, embedder: Embedder) -> Index:
        made_for = (embedder.name, embedder.revision)
        if self._index is None or self._indexed_for != made_for:  # another embedder's vectors may be of another length
            self._index = open_index(self.folder, self.store, embedder.dimensions)
            self._indexed_for = made_for
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


def limits_of(settings: Settings) -> Limits:
    """How large a file may be, and what reading it may cost."""
    return Limits(
        file_bytes=settings.max_file_mb * MEGABYTE,
        pages=settings.max_pages,
        cpu_seconds=settings.max_read_seconds,
        memory_bytes=settings.max_read_memory_mb * 1024**2,
        unpacked_bytes=settings.max_unpacked_mb * MEGABYTE,
        unpacked_ratio=settings.max_unpacked_ratio,
    )


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise locks.refused(folder, error) from error
