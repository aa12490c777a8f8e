"""Tags of paths. A tag holds for everything at or under its path: files, members of archives, and the pages that a site map led to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from wellread.errors import UsageError, suggest
from wellread.index.database import Database
from wellread.index.filters import folded

_LONGEST = 100


def _under(separator: str) -> str:
    """SQL for what lies under a tagged path: every text that begins with the path and a separator is less than one with the next sign."""
    path = f"rtrim(t.path, '{separator}')"
    return f"s.path >= {path} || '{separator}' and s.path < {path} || '{chr(ord(separator) + 1)}'"


TAGGED = " union all ".join(
    (
        "select t.tag, s.document from tags t cross join sources s on s.path = t.path",
        *(f"select t.tag, s.document from tags t cross join sources s on {_under(each)}" for each in dict.fromkeys((os.sep, "/"))),
        "select t.tag, s.document from tags t cross join web w on w.root = t.path cross join sources s on s.path = w.url",
    )
)
"""SQL for every tag with every document that it holds for, some of them twice."""


def tag_name(tag: str) -> str:
    """A tag as it is kept: in lower case, in one line. Raises `UsageError` for one that says nothing or is too long."""
    name = " ".join(folded(tag).split())
    if not name:
        raise UsageError("a tag is empty.", hint="name it, as in: --tag finance")
    if len(name) > _LONGEST:
        raise UsageError(f"a tag has {len(name)} characters, and {_LONGEST} are allowed.", hint="take a shorter one")
    return name


def tag_names(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as they are kept, each once. Raises `UsageError`."""
    if isinstance(tags, str):  # which would be a tag for each of its letters
        raise UsageError("tags are a list of names.", hint=f'write ("{tags}",)')
    return tuple(dict.fromkeys(map(tag_name, tags)))


class Tags:
    """The tags of one library."""

    def __init__(self, base: Database) -> None:
        self._base = base

    def by_path(self) -> dict[str, tuple[str, ...]]:
        """The tags of each path that was tagged, in alphabetical order."""
        return self._grouped("select path, tag from tags order by tag, path")

    def by_document(self) -> dict[str, tuple[str, ...]]:
        """The tags that hold for each document, in alphabetical order; documents without any are left out."""
        return self._grouped(f"select distinct document, tag from ({TAGGED}) order by tag, document")

    def add(self, paths: Iterable[str], tags: Sequence[str]) -> None:
        """Tag paths, besides the tags that they have."""
        known = self.by_path()
        new = [(path, name) for path in dict.fromkeys(paths) for name in tag_names(tags) if name not in known.get(path, ())]
        if new:
            with self._base.writing():
                self._base.db.executemany("insert into tags values (?, ?)", new)

    def remove(self, paths: Sequence[str], tags: Sequence[str]) -> int:
        """Take tags from paths and from all that lies under them; returns how many were there.

        Raises `UsageError` for a tag that none of these has, or that would go on holding for one since it is on what that lies in.
        """
        known = self.by_path()
        rows = []
        for name in tag_names(tags):
            bearers = [path for path, held in known.items() if name in held]
            for path in paths:
                above = next((bearer for bearer in bearers if bearer != path and _is_under(path, bearer)), None)
                if above is not None:
                    raise UsageError(
                        f'{path} has the tag "{name}" from {above}.', hint=f"take it away there: wellread add {above} --untag {name}"
                    )
            there = [(bearer, name) for bearer in bearers if any(_is_under(bearer, path) for path in paths)]
            if not there:
                near = suggest(name, {tag for held in known.values() for tag in held if tag != name})
                raise UsageError(f'nothing there has the tag "{name}".', hint=near or "`wellread list` shows what has which tags")
            rows += there
        return self._delete(rows)

    def forget(self, paths: Sequence[str]) -> int:
        """Take all tags from paths and from what lies under them; returns how many were there."""
        known = self.by_path()
        return self._delete([(path, tag) for path, held in known.items() for tag in held if any(_is_under(path, one) for one in paths)])

    def _delete(self, rows: Sequence[tuple[str, str]]) -> int:
        if rows:
            with self._base.writing():
                self._base.db.executemany("delete from tags where path = ? and tag = ?", rows)
        return len(rows)

    def _grouped(self, query: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        with self._base.errors():
            for key, tag in self._base.db.execute(query):
                found[key] = (*found.get(key, ()), tag)
        return found


def _is_under(path: str, folder: str) -> bool:
    """Whether a path is a folder, an archive or a page, or lies in it."""
    return path == folder or path.startswith((folder.rstrip(os.sep) + os.sep, folder.rstrip("/") + "/"))
