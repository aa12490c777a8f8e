"""What a filter lets through: ranges of chunk ids, found in the tables of documents, sources and tags, and of pages where it names any.

A document's chunks have consecutive ids, so a condition on documents never looks at chunks. Filters on pages are worked out on ranges.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from wellread.index.filters import And, Condition, Filter, Not, Or, conditions, folded
from wellread.index.kinds import WEB, media_types
from wellread.index.periods import numbers, period
from wellread.index.tags import TAGGED, tag_name
from wellread.index.within import Within
from wellread.places import expanded

_Sql = tuple[str, list[Any]]
"""An expression about a document `d`, and the values for its question marks."""

_NOTHING = np.zeros((0, 2), np.int64)
_EPOCH = date(1970, 1, 1)
_DAY_NS = 86_400 * 10**9
_NUMBER = "substr(label, instr(label, ' ') + 1)"
"""A page's label without what kind of page it is: the 3 of "slide 3"."""


def add_functions(db: sqlite3.Connection) -> None:
    """What the queries of this module call."""
    db.create_function("folded", 1, folded, deterministic=True)
    db.create_function("globbed", 2, _globbed, deterministic=True)


def within(db: sqlite3.Connection, filter: Filter) -> Within:
    """The chunks that a filter lets through, of a database as it is now, read as one state. `db` has the functions of this module."""
    ranges = _ranges(db, filter, ("true", []))
    return Within(ranges[:, 0].copy(), ranges[:, 1] - 1, int((ranges[:, 1] - ranges[:, 0]).sum()))


def meets(within: Within, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Which of some documents, by their first chunk and how many they have (int64 [n]), have one that is let through: bool [n]."""
    at = np.searchsorted(within.last, first)  # the first range that does not end before
    begins = np.append(within.first, np.iinfo(np.int64).max)[at]
    return np.asarray((count > 0) & (begins < first + count))


# --- ranges: int64 [n, 2], half-open, disjoint and rising


def _ranges(db: sqlite3.Connection, filter: Filter, among: _Sql) -> np.ndarray:
    """The chunks that a filter lets through, in the documents that meet `among`."""
    if not _names_pages(filter):
        return _of_documents(db, _both(among, _sql(filter)))
    if isinstance(filter, Condition):
        return _of_pages(db, filter, among)
    if isinstance(filter, Not):
        return _combined(_of_documents(db, among), _ranges(db, filter.part, among), lambda all_, these: all_ & ~these)
    if isinstance(filter, Or):
        found = _NOTHING
        for part in filter.parts:
            found = _combined(found, _ranges(db, part, among), np.logical_or)
        return found
    for part in filter.parts:  # what can be said of documents first, so that fewer pages are looked at
        if not _names_pages(part):
            among = _both(among, _sql(part))
    found = _of_documents(db, among)
    for part in filter.parts:
        if _names_pages(part):
            found = _combined(found, _ranges(db, part, among), np.logical_and)
    return found


def _names_pages(filter: Filter) -> bool:
    return any(condition.field == "page" for condition in conditions(filter))


def _of_documents(db: sqlite3.Connection, which: _Sql) -> np.ndarray:
    rows = db.execute(f"select first_chunk, first_chunk + chunk_count from documents d where chunk_count > 0 and {which[0]}", which[1])
    return _tidy(np.array(rows.fetchall(), np.int64).reshape(-1, 2))


def _of_pages(db: sqlite3.Connection, condition: Condition, among: _Sql) -> np.ndarray:
    text = folded(condition.value).strip()
    bounds = numbers(condition.operator, text)
    values: Sequence[str | int]
    if bounds is None:
        label, values = f"({_folded('label')} = ? or {_folded(_NUMBER)} = ?)", (text, text)
    else:
        digits = f"{_NUMBER} != '' and {_NUMBER} not glob '*[^0-9]*' and length({_NUMBER}) < 10"
        label, values = f"({digits} and cast({_NUMBER} as integer) between ? and ?)", bounds
    rows = db.execute(
        "select min(c.id), max(c.id) + 1 from documents d cross join pages p on p.document = d.id"  # chunks stand in the order of pages
        f" cross join chunks c on c.document = p.document and c.page = p.position where {among[0]} and {label} group by d.id, p.position",
        [*among[1], *values],
    )
    return _tidy(np.array(rows.fetchall(), np.int64).reshape(-1, 2))


def _tidy(ranges: np.ndarray) -> np.ndarray:
    """Ranges in order, those that touch made one."""
    return _combined(ranges[np.argsort(ranges[:, 0])], _NOTHING, np.logical_or)


def _combined(one: np.ndarray, other: np.ndarray, keep: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The ranges in which `keep` is true, given where each of two is; not where neither is."""
    edges = np.unique(np.concatenate([one.ravel(), other.ravel()]))
    kept = keep(_covers(one, edges), _covers(other, edges))
    return edges[np.flatnonzero(np.diff(kept, prepend=False))].reshape(-1, 2)


def _covers(ranges: np.ndarray, points: np.ndarray) -> np.ndarray:
    begun, ended = (np.searchsorted(ranges[:, side], points, side="right") for side in (0, 1))
    return np.asarray(begun > ended)


# --- conditions on documents


def _sql(filter: Filter) -> _Sql:
    if isinstance(filter, Condition):
        return _CONDITIONS[filter.field](filter)
    if isinstance(filter, Not):
        text, values = _sql(filter.part)
        return f"not {text}", values
    parts = [_sql(part) for part in filter.parts]
    word = " and " if isinstance(filter, And) else " or "
    return f"({word.join(text for text, _ in parts)})", [value for _, values in parts for value in values]


def _both(one: _Sql, other: _Sql) -> _Sql:
    return f"{one[0]} and {other[0]}", [*one[1], *other[1]]


def _folded(column: str) -> str:
    """SQL for a column as `folded` makes it: what is ASCII is folded by SQLite itself, many times faster."""
    return f"case when length({column}) = length(cast({column} as blob)) then lower({column}) else folded({column}) end"


def _source(condition: Condition) -> _Sql:
    """Whole parts of a path, wherever in it they follow one another; from its beginning where they begin with a slash or a "~"."""
    value = str(expanded(condition.value)) if condition.value.startswith("~") else condition.value
    pattern = folded(value).replace(os.sep, "/").removeprefix("./").rstrip("/")
    path = _folded("path")
    if os.sep != "/":
        path = f"replace({path}, '{os.sep}', '/')"
    if pattern.endswith("*"):
        pattern = pattern.rstrip("*")
    else:  # a part ends where the next begins
        pattern, path = f"{pattern}/", f"{path} || '/'"
    if not pattern.startswith("/"):
        pattern, path = "*" + (pattern.lstrip("*") if pattern.startswith("*") else f"/{pattern}"), f"'/' || {path}"
    if "*" not in pattern:
        return f"d.id in (select document from sources where substr({path}, 1, ?) = ?)", [len(pattern), pattern]
    if pattern.rfind("*") == 0:
        return f"d.id in (select document from sources where instr({path}, ?))", [pattern[1:]]
    return f"d.id in (select document from sources where globbed(?, {path}))", [pattern]


def _globbed(pattern: str, path: str) -> bool:
    """Whether a path begins with a pattern, in which "*" stands for any characters. In time that grows with both, not their product."""
    first, *others = pattern.split("*")
    at = len(first)
    if not path.startswith(first):
        return False
    for piece in others:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _type(condition: Condition) -> _Sql:
    name = folded(condition.value).strip()
    if name == WEB:
        return "d.id in (select document from sources where path glob 'http://*' or path glob 'https://*')", []
    meant = media_types(name)
    if meant[0].endswith("/*"):
        return "substr(lower(d.media_type), 1, ?) = ?", [len(meant[0]) - 1, meant[0][:-1]]
    return f"lower(d.media_type) in ({', '.join('?' * len(meant))})", list(meant)


def _title(condition: Condition) -> _Sql:
    return f"instr({_folded('d.title')}, ?)", [folded(condition.value).strip()]


def _tag(condition: Condition) -> _Sql:
    return f"d.id in (select document from ({TAGGED}) where tag = ?)", [tag_name(condition.value)]


def _date(condition: Condition) -> _Sql:
    """The date that a document bears, or else the day on which the first of its sources was last modified."""
    first, last = period(condition.operator, folded(condition.value).strip())
    if first > last:
        return "false", []
    modified = "select document from sources where mtime_ns > 0 group by document having min(mtime_ns) between ? and ?"
    return (
        f"coalesce(d.date between ? and ?, d.id in ({modified}))",
        [first.isoformat(), last.isoformat(), _ns(first), _ns(last + timedelta(days=1)) - 1],
    )


def _ns(day: date) -> int:
    """When a day begins, in nanoseconds since 1970 (UTC), as far as SQLite can count; days before that are 1970."""
    return max(0, min((day - _EPOCH).days * _DAY_NS, (1 << 63) - 1))


_CONDITIONS: Mapping[str, Callable[[Condition], _Sql]] = {"source": _source, "type": _type, "title": _title, "date": _date, "tag": _tag}
