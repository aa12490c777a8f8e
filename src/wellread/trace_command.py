"""`wellread trace`: how answers came about, those of a library's questions and those of requests to the server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.library import Library
from wellread.server.database import Database
from wellread.server.traces import listed, one
from wellread.terminal import Screen

OK, FAILED = 0, 1
_LATEST = 20


def trace(ident: str | None, library: Callable[[], Library], server: Path, screen: Screen, *, as_json: bool) -> int:
    """Print the latest traces, or the one of an id or the beginning of it: of the library, and of the server's database `server`.

    Raises `UsageError` where there is no such trace, and what `library` raises where there is neither a library nor a server's trace.
    """
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database(server))) if server.is_file() else None
        requests = [] if database is None else listed(database, _LATEST)
        request = None if database is None or ident is None else one(database, ident, begins=True)
        try:
            opened = stack.enter_context(library())
        except UsageError:
            if request is None and (ident is not None or not requests):
                raise
            opened = None
        if ident is None:
            rows = sorted([*requests, *([] if opened is None else opened.store.traces(_LATEST))], key=lambda row: -float(row["at"]))
            _printed(rows[:_LATEST], as_json, screen.traces)
            return OK
        found = None if opened is None else opened.store.trace(ident)
        if found is None:
            found = request if request is not None or opened is None else dict(opened.trace(ident))
        _printed(found, as_json, screen.trace)
    return OK


def replay(ident: str | None, library: Library, screen: Screen, *, as_json: bool) -> int:
    """Ask the question of a trace again; 0 if the same comes out."""
    if ident is None:
        raise UsageError("there is no trace to replay.", hint="name one: `wellread trace` lists the latest")
    again = library.replay(ident)
    _printed(again.json() if as_json else again, as_json, screen.replay)
    return OK if again.same else FAILED


def _printed(value: Any, as_json: bool, shown: Callable[[Any], None]) -> None:
    if as_json:
        print(json.dumps(value, ensure_ascii="utf" not in (sys.stdout.encoding or "").lower(), indent=2), flush=True)
    else:
        shown(value)
