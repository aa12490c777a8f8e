"""Files and a library brought into step: what is new is read, what changed is replaced, what went is removed, the rest costs a stat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from wellread.errors import ReadError, UsageError
from wellread.index.store import Failure, Source, Store
from wellread.models.base import Embedder
from wellread.read.discover import walk
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool
from wellread.split import split
from wellread.types import Document, Progress, Span

_PEEK = 8
"""Documents looked at before an embedder is chosen."""


@dataclass(slots=True)
class SyncReport:
    """What a sync did, in files. `failed` holds the files that could not be read; an older version of one, if there is, stays."""

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


def sync(
    roots: Iterable[Path],
    store: Store,
    choose_embedder: Callable[[list[Document]], Embedder],
    progress: Progress,
    *,
    jobs: int = 1,
) -> SyncReport:
    """Make the store hold exactly the files that lie under the roots now; sources under no root are left alone.

    Each document is stored in one transaction, so stopping at any moment keeps what is done and the next sync does the rest.
    `choose_embedder` is given the first documents that are to be embedded. Raises `UsageError` for a root that does not exist.
    """
    report = SyncReport()
    known, failures = store.sources(), store.failures()
    seen: set[str] = set()
    closed: list[Path] = []
    moved: set[str] = set()
    to_read: dict[Path, Source] = {}
    for path in _files(roots):
        if not _is_text(str(path)):
            report.failed.append(_unnamed(path))
            continue
        seen.add(str(path))
        before = known.get(str(path))
        try:
            stat = path.stat()
            if before is not None and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                report.unchanged += 1
                continue
            failure = failures.get(str(path))
            if failure is not None and (failure.size, failure.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                report.failed.append(failure)
                continue
            found = Source(str(path), _digest(path, stat.st_size), stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            sentence = f"{path} cannot be read: {error.strerror}."
            report.failed.append(Failure(str(path), 0, 0, "unreadable", sentence, "check its permissions"))
            closed.append(path)  # a folder, perhaps: what is in it is not gone, only out of sight
            continue
        if store.has(found.document):
            _count_link(report, before, found, known, moved)
            store.link(found)
        else:
            to_read[path] = found
    _read(to_read, known, store, choose_embedder, progress, jobs, report)
    gone = [path for path in known if path not in seen and _is_under(path, roots) and not _is_under(path, closed)]
    store.unlink(gone)
    report.removed = len(set(gone) - moved)
    failed = {failure.path for failure in report.failed}
    store.forget_failures([path for path in failures if path not in failed and _is_under(path, roots) and not _is_under(path, closed)])
    return report


def _read(
    to_read: dict[Path, Source],
    known: dict[str, Source],
    store: Store,
    choose_embedder: Callable[[list[Document]], Embedder],
    progress: Progress,
    jobs: int,
    report: SyncReport,
) -> None:
    if not to_read:
        return
    done = 0
    with ReaderPool(jobs) as pool:
        results = _peeked(pool.read_all(to_read), choose_embedder)
        for path, result, embedder in results:
            source = to_read[path]
            if isinstance(result, ReadError):
                failure = Failure(source.path, source.size, source.mtime_ns, result.reason, result.message, result.hint)
                if result.reason != "crashed":  # that may have been the machine's doing, so it is tried again
                    store.set_failure(failure)
                report.failed.append(failure)
            else:
                assert embedder is not None
                _put(result, source, store, embedder)
                if source.path in known:
                    report.updated += 1
                else:
                    report.added += 1
            done += 1
            progress("reading", done, len(to_read))


def _peeked(
    results: Iterator[tuple[Path, Document | ReadError]], choose_embedder: Callable[[list[Document]], Embedder]
) -> Iterator[tuple[Path, Document | ReadError, Embedder | None]]:
    """The results, each with the embedder that was chosen by the first of them."""
    first = list(islice(results, _PEEK))
    documents = [result for _, result in first if isinstance(result, Document)]
    embedder = choose_embedder(documents) if documents else None
    for path, result in chain(first, results):
        if embedder is None and isinstance(result, Document):
            embedder = choose_embedder([result])
        yield path, result, embedder


def _put(document: Document, source: Source, store: Store, embedder: Embedder) -> None:
    spans = split(document)
    vectors = embedder.embed([_in_context(document, span) for span in spans])
    store.put(document, spans, vectors, Source(source.path, document.id, source.size, source.mtime_ns))


def _in_context(document: Document, span: Span) -> str:
    """A chunk as it is embedded: under its heading, which often names what the chunk only calls "it"."""
    heading = "" if span.section is None else document.sections[span.section].title + "\n"
    return heading + document.text[span.start : span.end]


def _count_link(report: SyncReport, before: Source | None, found: Source, known: dict[str, Source], moved: set[str]) -> None:
    """Whether a file whose bytes are known is a touched file, a changed one, a moved one or a further copy.

    `moved` collects the paths that files were moved from.
    """
    if before is not None:
        if before.document == found.document:
            report.unchanged += 1
        else:
            report.updated += 1
        return
    twins = (source.path for source in known.values() if source.document == found.document and source.path not in moved)
    left = next((path for path in twins if not Path(path).exists()), None)
    if left is None:
        report.added += 1
    else:
        report.moved += 1
        moved.add(left)


def _files(roots: Iterable[Path]) -> Iterator[Path]:
    """Every file under the roots, once."""
    seen: set[Path] = set()
    for root in roots:
        if not root.exists():
            raise UsageError(
                f"there is no file or folder {root}.", hint="check the spelling, or `wellread remove` it if it is gone for good"
            )
        for path in walk(root):
            if path not in seen:
                seen.add(path)
                yield path


def _is_under(path: str, roots: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(root) for root in roots)


def _digest(path: Path, size: int) -> str:
    """The sha256 of a file, or nothing for one that is too large to be read anyway."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if size <= Limits().file_bytes else ""


def _is_text(name: str) -> bool:
    """Whether a file's name can be written down: on Linux it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unnamed(path: Path) -> Failure:
    shown = str(path).encode(errors="backslashreplace").decode()
    return Failure(shown, 0, 0, "unreadable", f"the name of {shown} is not valid text.", "rename it")
