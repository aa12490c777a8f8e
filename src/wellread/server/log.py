"""What the server says of itself, on stderr: a line for each request, without a word of what was asked or answered."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from typing import Any, TextIO

_LOCK = threading.Lock()


class Log:
    """Lines for people on a terminal, and JSON otherwise. `quiet` leaves out requests that went well."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = sys.stderr if out is None else out
        self._quiet = quiet
        self._plain = self._out.isatty()

    def event(self, event: str, **data: Any) -> None:
        """Something that happened."""
        if self._plain:
            told = " ".join(f"{name}={value}" for name, value in data.items())
            line = f"{time.strftime('%H:%M:%S')} {event} {told}".rstrip()
        else:
            now = time.time()
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
            line = json.dumps({"at": at, "event": event, **data})
        with _LOCK:
            print(line, file=self._out, flush=True)

    def request(self, *, id: str, method: str, route: str, status: int, seconds: float, caller: str) -> None:
        """A request that was answered. `route` is the template of its path, since a path may hold names of documents."""
        if not self._quiet or status >= 500:
            self.event("request", id=id, method=method, route=route, status=status, ms=round(seconds * 1000, 1), caller=caller)

    def failure(self, id: str, error: BaseException) -> None:
        """An error that should not be: its kind and where it came from. Its words stay here, as they may be a document's."""
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = [f"{frame.filename.rpartition('wellread/')[2]}:{frame.lineno}" for frame in frames]
        self.event("error", id=id, kind=type(error).__name__, where=where)
