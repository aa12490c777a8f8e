"""What the tables of `library.db` hold, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_LATEST = 1 << 33
"""Seconds since 1970 from which on a time cannot be counted in nanoseconds; in the year 2242."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document was read from, as it was then: `size` in bytes, `mtime_ns` as the file system tells it.

    `path` is a file, a member of an archive (the archive's path, "/", the path inside) or the address of a web page. An archive's own
    entry is one too: `document` is then the sha256 of its bytes, and no document.
    """

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
    reader: str = ""


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page of the web that the library follows: the address or site map that led to it, and what its server called this version."""

    url: str
    root: str
    etag: str | None
    modified: str | None

    @property
    def modified_ns(self) -> int:
        """When the server says that this version came about, in nanoseconds since 1970; 0 where it does not say, or says no time."""
        try:
            told = parsedate_to_datetime((self.modified or "")[:100])
            seconds = int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp())
        except (ValueError, TypeError, OverflowError, IndexError):
            return 0
        return seconds * 10**9 if 0 < seconds < _LATEST else 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A document without its text, for listings.

    `date` is the day that it bears itself or else, in UTC, the one on which the first of its sources was last modified, where that is
    known. `tags` are those of its sources and of what they lie in.
    """

    id: str
    title: str
    media_type: str
    chars: int
    pages: int
    chunks: int
    sources: tuple[str, ...]
    warnings: tuple[str, ...]
    date: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A chunk as an index wants it: its id, the words that surround it (`title > section`) and its own text."""

    chunk: int
    context: str
    text: str
