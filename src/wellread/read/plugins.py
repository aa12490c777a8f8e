"""Readers of formats that Wellread does not know, added by other packages.

A package adds one by an entry point of the group `wellread.readers`. The entry point's name is a media type ("application/x-foo"), or a
file name's suffix with its dot (".foo"); it points to a function like any of ours: `read(data, name, limits) -> Content`. It takes
precedence over a built-in reader, and runs in the reading child like one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePath

from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.refuse import refusal

GROUP = "wellread.readers"

Reader = Callable[[bytes, str, Limits], Content]


@cache
def installed() -> Mapping[str, EntryPoint]:
    """The entry points of this environment, by name. Nothing is imported yet."""
    return {point.name.lower(): point for point in entry_points(group=GROUP)}


def versions() -> tuple[str, ...]:
    """Which packages add readers, with their versions."""
    found = {f"{point.dist.name}-{point.dist.version}" for point in installed().values() if point.dist is not None}
    return tuple(sorted(found))


def media_type_of(name: str) -> str | None:
    """The media type of files that a package reads by their suffix, or None."""
    suffix = PurePath(name).suffix.lower()
    return f"application/x-{suffix[1:]}" if suffix and suffix in installed() else None


def reader_of(media_type: str, name: str) -> Reader | None:
    """The reader that a package brings for a file. Raises `ReadError` "crashed" for one that cannot be imported."""
    point = installed().get(media_type) or installed().get(PurePath(name).suffix.lower())
    if point is None:
        return None
    try:
        reader: Reader = point.load()
    except Exception as error:  # anything may go wrong in a stranger's module
        raise refusal("crashed", name, f"the reader {point.value} cannot be imported ({error})") from error
    return reader
