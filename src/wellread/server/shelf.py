"""The libraries that are served."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wellread.errors import suggest
from wellread.index import locks
from wellread.library import Library
from wellread.models.base import Writer
from wellread.models.watched import Watched
from wellread.parts import Parts
from wellread.places import SUFFIX
from wellread.server.errors import Refused

_MOST_IDLE = 16


@dataclass(frozen=True, slots=True)
class _Lease:
    """A library that one request uses, and the model in it (its name and window) that can be told to stop. `file` tells its database from a
    later one there."""

    folder: Path
    writer: tuple[str, int] | None
    library: Library
    watched: Watched | None
    file: tuple[int, int]


class Shelf:
    """The libraries NAME.wellread in some folders, and single ones besides. Several threads may use one.

    A library is for one request at a time, so there are as many open as are asked at once; a few are kept for the next request.
    """

    def __init__(self, parts: Parts, *, folders: Sequence[Path] = (), single: Sequence[Path] = ()) -> None:
        self._parts = parts
        self._folders = tuple(folders)
        self._single = tuple(single)
        self._idle: list[_Lease] = []
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """What can be asked for, in order. Looked up each time, so that a new library is there at once."""
        return sorted(self._places())

    def folder(self, name: str) -> Path:
        """Where a library lies. Raises `Refused` (404); no path is ever made of a name."""
        places = self._places()
        if name not in places:
            near = suggest(name, places)
            raise Refused(404, "library_not_found", "there is no such library", "model", near or "GET /v1/models lists those that are here")
        return places[name]

    @contextmanager
    def open(self, name: str, writer: Writer | None, stop: threading.Event) -> Iterator[Library]:
        """A library with `writer` as its chat model, whose work ends when `stop` is set."""
        folder = self.folder(name)
        lease = self._take(folder, writer)
        if lease.watched is not None:
            lease.watched.stop = stop
        try:
            yield lease.library
        except BaseException:
            lease.library.close()
            raise
        self._give(lease)

    def create(self, name: str) -> None:
        """Make a library in the first of the folders. Raises `Refused` where there is no folder, or a library or file of that name."""
        if not self._folders:
            raise Refused(403, "not_allowed", "this server makes no libraries", hint="start it with --libraries FOLDER")
        if name.casefold() in {each.casefold() for each in self.names()}:
            raise _taken()
        folder = self._folders[0] / (name + SUFFIX)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise _taken() from None
        except OSError as error:
            raise Refused(507, "not_made", f"the library cannot be made: {error.strerror}", "name") from None
        try:
            Library(folder, self._parts).close()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def delete(self, name: str) -> None:
        """Delete a library in one of the folders. Raises `Refused` (403) for one that lies elsewhere, or that is a link to there."""
        folder = self.folder(name)
        if folder.parent not in self._folders or folder.is_symlink():
            raise Refused(403, "not_allowed", "only libraries in a folder that is served are deleted", hint="delete it by hand")
        with self._lock:
            idle = [lease for lease in self._idle if lease.folder == folder]
            self._idle = [lease for lease in self._idle if lease.folder != folder]
        for lease in idle:
            lease.library.close()
        going = folder.with_name(f".{uuid.uuid4().hex}.deleted")
        with locks.writing(folder):
            folder.rename(going)  # from now on it is not there, whatever becomes of the files
        shutil.rmtree(going)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for lease in idle:
            lease.library.close()

    def _places(self) -> dict[str, Path]:
        found = [path for folder in self._folders for path in sorted(folder.glob("*" + SUFFIX))]
        return {path.stem: path for path in (*found, *self._single) if (path / "library.db").is_file()}

    def _take(self, folder: Path, writer: Writer | None) -> _Lease:
        name = None if writer is None else (writer.model.name, writer.model.context_window)
        with self._lock:
            for lease in reversed(self._idle):
                if (lease.folder, lease.writer, lease.file) == (folder, name, _file(folder)):
                    self._idle.remove(lease)
                    return lease
        watched = None if writer is None else Watched(writer.model, threading.Event())
        own = None if writer is None or watched is None else replace(writer, model=watched)
        return _Lease(folder, name, Library(folder, self._parts.with_writer(own)), watched, _file(folder))

    def _give(self, lease: _Lease) -> None:
        with self._lock:
            self._idle.append(lease)
            surplus = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None
        if surplus is not None:
            surplus.library.close()


def _file(folder: Path) -> tuple[int, int]:
    """Which file the database of a library is; (0, 0) where there is none."""
    try:
        found = (folder / "library.db").stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def _taken() -> Refused:
    return Refused(409, "library_exists", "there is a library or file of that name already", "name")
