"""Files that were sent to a library: they lie in its folder, under "uploads", which it follows like any other folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from wellread.index import locks
from wellread.library import Library
from wellread.server.jobs import new_id

_DAY_S = 86_400


def uploads(folder: Path) -> Path:
    """Where the files of a library lie that were sent to it."""
    return folder.absolute() / "uploads"  # as sources are named


def incoming(folder: Path, job: str) -> Path:
    """Where the files of one request lie until its job takes them."""
    return folder / "incoming" / job


def new_incoming(folder: Path) -> tuple[str, Path]:
    """The id of a new job, and the folder for its files."""
    job = new_id()
    return job, incoming(folder, job)


def take(library: Library, job: str, names: Iterable[str]) -> list[Path]:
    """Move the files of a request to where the library follows them, each whole or not at all; those that were moved before an
    interruption are there already."""
    source, target = incoming(library.folder, job), uploads(library.folder)
    target.mkdir(mode=0o700, exist_ok=True)
    taken = []
    for name in names:
        if (source / name).is_file():
            (source / name).replace(target / name)
        taken.append(target / name)
    shutil.rmtree(source, ignore_errors=True)
    with locks.writing(library.folder):  # what was removed and is sent again is wanted again
        library.store.set_excluded([str(path) for path in taken], excluded=False)
    return taken


def remove(library: Library, document: str) -> int:
    """Remove a document, and its file where that was sent here; a file that lies elsewhere is left alone. Returns how many went."""
    target = uploads(library.folder)
    sent = [Path(source.path) for source in library.store.sources().values() if source.document == document]
    sent = [path for path in sent if path.parent == target]
    gone = library.remove(document)  # first, as it may be that somebody else writes there now
    for path in sent:
        path.unlink(missing_ok=True)
    with locks.writing(library.folder):  # the file is gone: there is nothing to leave out at the next sync
        library.store.set_excluded([str(path) for path in sent], excluded=False)
    return gone


def sweep(folder: Path, unfinished: Iterable[str]) -> None:
    """Delete what is left of requests that were broken off when the server died, a day ago or more."""
    kept = set(unfinished)
    for path in (folder / "incoming").glob("*"):
        if path.name not in kept and time.time() - path.stat().st_mtime > _DAY_S:
            shutil.rmtree(path, ignore_errors=True)
