"""The files under a folder that a person would call documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wellread.read.refuse import refusal

_SKIPPED = frozenset(("__pycache__", "node_modules", "Thumbs.db", "desktop.ini"))


def walk(root: Path) -> Iterator[Path]:
    """The regular files under `root`, in the order of their names, folder by folder; a file yields itself.

    Hidden files and folders, `__pycache__`, `node_modules`, the lock files of Office (`~$*`) and libraries (`*.wellread`) are left
    out. Links to folders are not followed, links to files only where they stay under `root`. Nothing is opened, so pipes and devices
    cannot block. A folder that may not be listed is itself yielded, so that reading it says so. Raises `ReadError` "missing",
    "not_a_file" or "unreadable" for `root`.
    """
    if root.is_file():
        yield root
        return
    if not root.exists():
        raise refusal("missing", str(root))
    if not root.is_dir():
        raise refusal("not_a_file", str(root))
    try:
        entries = _listed(root)
    except PermissionError as error:
        raise refusal("unreadable", str(root), error.strerror or "no permission") from error
    top = root.resolve()
    waiting = [entries]
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            continue
        entry = waiting[-1].pop()
        if entry.is_dir(follow_symlinks=False):
            try:
                waiting.append(_listed(Path(entry.path)))
            except OSError:
                yield Path(entry.path)
        elif _is_inside(entry, top):
            yield Path(entry.path)


def _is_inside(entry: os.DirEntry[str], top: Path) -> bool:
    """Whether an entry is a regular file, or a link to one, under `top`."""
    try:
        return entry.is_file() and (not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(top))
    except OSError:  # a link that leads to itself
        return False


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder that count, last name first."""
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not is_skipped(entry.name)]
    return sorted(kept, key=lambda entry: entry.name, reverse=True)


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is none that a person would call a document."""
    return name.startswith((".", "~$")) or name in _SKIPPED or name.endswith(".wellread")
