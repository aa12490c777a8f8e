"""Waiting for files to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles import Change

_QUIET_MS = 1_000
"""A burst of changes is one change: a copy in progress makes many."""

_LOOK_MS = 300
"""How long at most it takes until it is known to be listening, and until Ctrl-C is heard."""


def changes(roots: Iterable[Path]) -> Iterator[None]:
    """Yield once it is listening, then whenever something under the roots has changed, until interrupted.

    What changes while the caller is at work is told when it comes back. Hidden files and libraries do not count.
    """
    from watchfiles import watch

    roots = list(roots)
    # a file is often replaced by another of its name, so it is its folder that is watched
    folders = {root if root.is_dir() else root.parent for root in roots}

    def counts(change: Change, name: str) -> bool:
        path = Path(name)
        under = [root for root in roots if path.is_relative_to(root)]
        return any(not _is_hidden(path.relative_to(root).parts) for root in under)

    listening = False
    for found in watch(*folders, watch_filter=counts, debounce=_QUIET_MS, rust_timeout=_LOOK_MS, yield_on_timeout=True):
        if found or not listening:
            listening = True
            yield


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "~$")) or part.endswith(".wellread") for part in parts)
