"""What is said on the pipes between a child process and its parent; `worker` describes the messages."""

from __future__ import annotations

import json
import os
import queue
import shutil
import threading
from pathlib import Path
from typing import Any

from wellread.errors import ContextOverflow, RequestRefused, UsageError, WellreadError


class Wire:
    """The pipe to the parent, kept apart from stdout so that a library that prints cannot garble it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._in = os.fdopen(os.dup(0), "rb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def say(self, **message: Any) -> None:
        """Tell the parent something."""
        try:
            with self._lock:
                self._out.write(json.dumps(message).encode() + b"\n")
                self._out.flush()
        except BrokenPipeError:
            threading.Event().wait()  # the parent is gone: the inbox is about to clear up and end this process

    def hear(self) -> dict[str, Any] | None:
        """The next message of the parent; None when it is gone."""
        line = self._in.readline()
        return json.loads(line) if line.endswith(b"\n") else None


class Inbox:
    """What the parent asked for, in order, and what it no longer wants. Its thread listens even while the engine is busy."""

    def __init__(self, wire: Wire, private: Path) -> None:
        self._requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self._wire = wire
        self._private = private
        self._unwanted: set[int] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self, *, wait: bool) -> dict[str, Any] | None:
        """The next request; None where there is none and none is to be waited for."""
        try:
            return self._requests.get(block=wait)
        except queue.Empty:
            return None

    def wake(self) -> None:
        """Have whoever waits in `next` look up."""
        self._requests.put({"op": "wake"})

    def unwanted(self, ident: int) -> bool:
        """Whether nobody waits for a request any more."""
        return ident in self._unwanted

    def forget(self, ident: int) -> None:
        """A request is over."""
        self._unwanted.discard(ident)

    def _listen(self) -> None:
        while (message := self._wire.hear()) is not None:
            if message["op"] == "cancel":
                self._unwanted.add(message["id"])
            else:
                self._requests.put(message)
        # The parent is gone. Native code may be running, so no ordinary exit: leave at once, and leave nothing behind.
        shutil.rmtree(self._private, ignore_errors=True)
        os._exit(0)


def told(error: Exception) -> dict[str, Any]:
    """An error as the parent is told of it."""
    if isinstance(error, WellreadError):
        kinds = {ContextOverflow: "overflow", RequestRefused: "refused", UsageError: "usage"}
        return {"error": kinds.get(type(error), "error"), "message": error.message, "hint": error.hint}
    return {
        "error": "error",
        "message": f"the model engine failed: {type(error).__name__}: {' '.join(str(error).split())[-500:]}",
        "hint": None,
    }
