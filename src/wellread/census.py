"""What lies under the roots, against what the library knows of it: a stat per file, and a look at the bytes of those that differ."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wellread.errors import UsageError
from wellread.index.rows import Failure, Source
from wellread.read.discover import walk


@dataclass(frozen=True, slots=True)
class Known:
    """What a library remembers of files: where its documents are from, archives that were read, failures, what it is to leave out.

    `reader` is the version of the readers now; `partial` holds the documents that an older one read with warnings.
    """

    sources: Mapping[str, Source]
    containers: Mapping[str, Source]
    failures: Mapping[str, Failure]
    excluded: frozenset[str]
    partial: frozenset[str]
    reader: str


@dataclass(slots=True)
class Census:
    """Files by what is to be done with them. `seen` are the sources that are still there, `closed` the folders that cannot be seen."""

    read: dict[str, Source] = field(default_factory=dict)
    same_bytes: list[Source] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unchanged: int = 0
    seen: set[str] = field(default_factory=set)
    closed: list[Path] = field(default_factory=list)


def take(roots: Iterable[Path], known: Known, *, largest: int) -> Census:
    """Sort every file under the roots; those of more than `largest` bytes are not looked into, since they will not be read.

    Raises `UsageError` for a root that does not exist.
    """
    census = Census()
    members = _Members(known)
    archives = {container.document for container in known.containers.values()}
    documents = {source.document for source in known.sources.values()}
    for path in _files(roots, known.excluded):
        name = str(path)
        if not _is_text(name):
            census.failed.append(_unnamed(path))
            continue
        census.seen.add(name)
        try:
            stat = path.stat()
            now = (stat.st_size, stat.st_mtime_ns)
            if _is_settled(name, now, known, census, members):
                continue
            found = Source(name, _digest(path) if stat.st_size <= largest else "", *now)
        except OSError as error:
            sentence = f"{path} cannot be read: {error.strerror}."
            census.failed.append(Failure(name, 0, 0, "unreadable", sentence, "check its permissions"))
            census.closed.append(path)  # a folder, perhaps: what is in it is not gone, only out of sight
            continue
        if found.document in documents and found.document not in archives and found.document not in known.partial:
            census.same_bytes.append(found)
        else:
            census.read[name] = found
    return census


def _is_settled(name: str, now: tuple[int, int], known: Known, census: Census, members: _Members) -> bool:
    """Whether a file is as it was when it was read, or failed; if so it is counted, with what lies in it."""
    before = known.sources.get(name)
    container = known.containers.get(name)
    if before is not None and (before.size, before.mtime_ns) == now and before.document not in known.partial:
        census.unchanged += 1
        if container is not None:
            _settle_members(name, census, members)
        return True
    if before is None and container is not None and (container.size, container.mtime_ns) == now and not members.outdated(name):
        _settle_members(name, census, members)
        return True
    failure = known.failures.get(name)
    if failure is not None and (failure.size, failure.mtime_ns, failure.reader) == (*now, known.reader):
        census.failed.append(failure)
        _settle_members(name, census, members)
        return True
    return False


def _settle_members(container: str, census: Census, members: _Members) -> None:
    inside = members.sources(container)
    census.seen.update(inside)
    census.unchanged += len(inside)
    census.failed.extend(members.failures(container))


class _Members:
    """The sources and failures inside archives, found by the archive's path."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._sources = sorted(known.sources) if known.containers or known.failures else []
        self._failures = sorted(known.failures)

    def sources(self, container: str) -> list[str]:
        return _under(self._sources, container)

    def failures(self, container: str) -> list[Failure]:
        return [self._known.failures[path] for path in _under(self._failures, container)]

    def outdated(self, container: str) -> bool:
        """Whether other readers might read more of an archive."""
        return any(failure.reader != self._known.reader for failure in self.failures(container)) or any(
            self._known.sources[path].document in self._known.partial for path in self.sources(container)
        )


def _under(ordered: list[str], folder: str) -> list[str]:
    """The paths of a sorted list that lie in a folder."""
    low, high = bisect_left(ordered, folder + "/"), bisect_left(ordered, folder + "0")  # "0" is what follows "/"
    return ordered[low:high]


def _files(roots: Iterable[Path], excluded: frozenset[str]) -> Iterator[Path]:
    """Every file under the roots, once, without those that are to be left out."""
    seen: set[Path] = set()
    for root in roots:
        if not root.exists():
            raise UsageError(
                f"there is no file or folder {root}.", hint="check the spelling, or `wellread remove` it if it is gone for good"
            )
        left_out = [path for path in map(Path, excluded) if path.is_relative_to(root)]
        for path in walk(root):
            if path in seen or any(path.is_relative_to(out) for out in left_out):
                continue
            seen.add(path)
            yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
