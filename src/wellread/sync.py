"""Files and a library brought into step: what is new is read, what changed is replaced, what went is removed, the rest costs a stat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from wellread.census import Census, Known, take
from wellread.errors import ReadError
from wellread.index.rows import Failure, Source, WebPage
from wellread.index.store import Store
from wellread.ingest import SAMPLE, Ingest
from wellread.models.base import Embedder
from wellread.read.limits import Limits
from wellread.read.parse import readers_version
from wellread.read.pool import Given, ReaderPool, Reading
from wellread.types import Document, Progress
from wellread.web.address import is_address
from wellread.web.missed import Missed
from wellread.web.site import Fetched, Seen


@dataclass(slots=True)
class SyncReport:
    """What a sync did, in files (members of archives and web pages count as files).

    `failed` holds what could not be read; an older version of it, if there is one, stays.
    """

    added: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: list[Failure] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything in the library is different now."""
        return bool(self.added or self.updated or self.moved or self.removed)


Fetch = Callable[[str, Mapping[str, Seen]], Iterator[Fetched | Missed]]
"""Gets the pages of a site, given those that are held: `wellread.web.site.fetch_site`, or a stand-in for it."""


def sync(
    roots: Sequence[Path],
    store: Store,
    choose_embedder: Callable[[list[Document]], Embedder],
    progress: Progress,
    *,
    jobs: int,
    limits: Limits,
    sites: Sequence[str] = (),
    fetch: Fetch = lambda root, seen: iter(()),
) -> SyncReport:
    """Make the store hold exactly the files that lie under the roots now, and the pages of the sites; other sources are left alone.

    Documents are stored a few at a time, each whole or not at all, so stopping at any moment keeps what is done and the next sync does
    the rest. `choose_embedder` is given the first documents that are to be embedded. Raises `UsageError` for a root that does not exist.
    """
    reader = _reader(limits)
    known = Known(
        store.sources(), store.containers(), store.failures(), frozenset(store.excluded()), frozenset(store.read_in_part(reader)), reader
    )
    census = take(roots, known, largest=limits.file_bytes)
    work = _Sync(store, known, census, reader)
    work.link(census.same_bytes)
    if census.read or sites:
        ingest = Ingest(store, choose_embedder, progress, reader=reader)
        with ReaderPool(jobs, limits) as pool:
            work.read(pool, ingest, progress)
            for site in sites:
                work.visit(site, fetch, pool, ingest)
    work.clear(roots)
    return work.report


class _Sync:
    """One sync at work: what was known before, what was found, and the counts."""

    def __init__(self, store: Store, known: Known, census: Census, reader: str) -> None:
        self.report = SyncReport(unchanged=census.unchanged, failed=list(census.failed))
        self._store = store
        self._known = known
        self._census = census
        self._reader = reader
        self._moved: set[str] = set()
        self._crashed: set[str] = set()
        self._places: dict[str, list[str]] = {}
        for source in known.sources.values():
            self._places.setdefault(source.document, []).append(source.path)

    def link(self, found: Iterable[Source]) -> None:
        """Record files whose bytes are known already."""
        found = list(found)
        if found:
            for source in found:
                self._count(source)
            self._store.link(*found)

    def read(self, pool: ReaderPool, ingest: Ingest, progress: Progress) -> None:
        """Read what the census found to be read; the same bytes under several names once."""
        to_read = self._census.read
        done = 0
        while to_read:
            first, twins = _without_twins(to_read)
            total = done + len(first)
            for reading in pool.read_all(Path(name) for name in _sampled_first(list(first))):
                self._take(reading, first[reading.origin], ingest)
                if reading.source == reading.origin:
                    done += 1
                    progress("reading", done, total)
            ingest.flush()
            archives = self._archives()
            alike = {source.path for source in twins if source.document not in archives and self._store.has(source.document)}
            self.link(source for source in twins if source.path in alike)
            to_read = {source.path: source for source in twins if source.path not in alike}

    def visit(self, site: str, fetch: Fetch, pool: ReaderPool, ingest: Ingest) -> None:
        """Bring the pages of one site into step: what is said to be gone goes, what could not be had stays."""
        held = {url: page for url, page in self._store.web_pages().items() if page.root == site}
        pages: dict[str, WebPage] = {}
        gone: list[str] = []
        origins: dict[str, Source] = {}

        def given() -> Iterator[Given]:
            for found in fetch(site, {url: Seen(url, page.etag, page.modified) for url, page in held.items()}):
                if isinstance(found, Missed):
                    self.report.failed.append(Failure(found.url, 0, 0, found.reason, found.message, found.hint))
                elif found.status == "gone":
                    gone.append(found.url)
                else:
                    pages[found.url] = WebPage(found.url, site, found.etag, found.modified)
                    before = self._known.sources.get(found.url)
                    digest = hashlib.sha256(found.data).hexdigest()
                    if before is not None and (found.status == "unchanged" or before.document == digest):
                        self.report.unchanged += 1
                    elif found.status == "new":
                        origins[found.url] = Source(found.url, digest, len(found.data), 0)
                        yield Given(found.url, found.name, found.data)

        failed = len(self.report.failed)
        for reading in pool.read_all(given()):
            self._take(reading, origins[reading.origin], ingest)
        ingest.flush()
        unread = {failure.path for failure in self.report.failed[failed:]}
        with self._store.together():
            for page in pages.values():
                if page.url not in unread:
                    self._store.set_web_page(page)
            self._store.unlink(gone)
        self.report.removed += len(gone)

    def _archives(self) -> set[str]:
        return {container.document for container in self._store.containers().values()}

    def _take(self, reading: Reading, origin: Source, ingest: Ingest) -> None:
        """Deal with what came of one file or page, or of one member of an archive."""
        if reading.source != reading.origin and self._is_excluded(reading.source):
            return
        self._census.seen.add(reading.source)
        if isinstance(reading.result, ReadError):
            self._fail(reading, reading.result, origin)
        elif reading.result is not None:
            self._keep(reading, reading.result, origin, ingest)
        if reading.source == reading.origin and not is_address(reading.origin):
            self._settle(reading, origin, ingest)

    def _fail(self, reading: Reading, error: ReadError, origin: Source) -> None:
        failure = Failure(reading.source, origin.size, origin.mtime_ns, error.reason, error.message, error.hint, self._reader)
        self.report.failed.append(failure)
        if error.reason == "crashed":  # that may have been the machine's doing, so it is tried again
            self._crashed.add(reading.origin)
        elif not is_address(reading.origin):  # a page that could not be read is fetched again
            self._store.set_failure(failure)
        if reading.container or reading.source in self._known.containers:  # what was in it stays until it can be read again
            self._census.seen.update(path for path in self._known.sources if path.startswith(reading.source + "/"))

    def _keep(self, reading: Reading, document: Document, origin: Source, ingest: Ingest) -> None:
        size = origin.size if reading.source == reading.origin else reading.size
        source = Source(reading.source, document.id, size, origin.mtime_ns)
        self._count(source)
        if self._store.has(document.id) and document.id not in self._known.partial:
            self._store.link(source)
        else:
            ingest.take(document, source)

    def _settle(self, reading: Reading, origin: Source, ingest: Ingest) -> None:
        """Note that an archive has been read, once everything in it is stored, or that a file is none any more."""
        if reading.container and not isinstance(reading.result, ReadError):
            ingest.flush()
            if reading.source not in self._crashed:
                self._store.set_container(origin)
        elif reading.source in self._known.containers:
            self._store.forget_containers([reading.source])

    def _is_excluded(self, member: str) -> bool:
        return any(member == out or member.startswith(out + "/") for out in self._known.excluded)

    def _count(self, found: Source) -> None:
        """Whether a file is new, a changed one, one that was only touched, or a moved one."""
        before = self._known.sources.get(found.path)
        if before is not None:
            if before.document == found.document and found.document not in self._known.partial:
                self.report.unchanged += 1
            else:
                self.report.updated += 1
            return
        left = next((path for path in self._places.get(found.document, ()) if path not in self._moved and not self._is_there(path)), None)
        if left is None:
            self.report.added += 1
        else:
            self.report.moved += 1
            self._moved.add(left)

    def _is_there(self, path: str) -> bool:
        """Whether a source, or the archive that it was in, still exists."""
        return (
            is_address(path)
            or Path(path).exists()
            or any(str(folder) in self._known.containers and folder.exists() for folder in Path(path).parents)
        )

    def clear(self, roots: Sequence[Path]) -> None:
        """Forget what is no longer under the roots."""

        def is_gone(path: str) -> bool:
            return (
                path not in self._census.seen
                and not is_address(path)
                and _is_under(path, roots)
                and not _is_under(path, self._census.closed)
            )

        gone = [path for path in self._known.sources if is_gone(path)]
        if gone:
            self._store.unlink(gone)
        self.report.removed += len(set(gone) - self._moved)
        self._store.forget_containers([path for path in self._known.containers if is_gone(path)])
        failed = {failure.path for failure in self.report.failed}
        forgiven = (path for path in self._known.failures if path not in failed)
        self._store.forget_failures([path for path in forgiven if _is_under(path, roots) and not _is_under(path, self._census.closed)])


def _reader(limits: Limits) -> str:
    """What reads, and under which limits if not the usual ones: a file that failed is tried again when this is another."""
    usual = Limits()
    other = [
        f"{each.name}={getattr(limits, each.name)}" for each in fields(Limits) if getattr(limits, each.name) != getattr(usual, each.name)
    ]
    return "+".join((readers_version(), *other))


def _sampled_first(names: list[str]) -> Iterator[str]:
    """The names in their order, but a sample from everywhere first: an embedder is chosen by the language of these."""
    step = max(1, len(names) // SAMPLE)
    sample = names[::step]
    yield from sample
    yield from (name for at, name in enumerate(names) if at % step)


def _without_twins(found: Mapping[str, Source]) -> tuple[dict[str, Source], list[Source]]:
    """Files to read, one for each content, and the others that have the same bytes."""
    first: dict[str, Source] = {}
    twins = []
    contents: set[str] = set()
    for name, source in found.items():
        if source.document and source.document in contents:
            twins.append(source)
        else:
            contents.add(source.document)
            first[name] = source
    return first, twins


def _is_under(path: str, roots: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(root) for root in roots)
