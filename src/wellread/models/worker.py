"""A model engine in a process of its own, watched over.

Native engines can crash, hang or exhaust memory; in a child they take only the request with them. The two sides talk over the
child's stdin and stdout, one JSON object a line:

    to the child     the settings to load; then {"id", "op": "generate" | "score" | "count" | "ping", ...} and {"op": "cancel", "id"}
    from the child   {"event": "ready", "notes"} or {"event": "failed", "message", "hint"}; then for each id
                     {"id", "text", "tokens"?}..., {"id", "finish", "usage"} or {"id", "count"} or {"id", "scored"} or {"id", "pong"}
                     or {"id", "error", ...}; at last {"event": "broken", "message", "hint"} where the engine gave up

Requests are worked on side by side, so what is said about them is mixed. An {"id", "text": ""} only says that work goes on. When its stdin
closes the child exits, so none outlives its parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from wellread.errors import ContextOverflow, ModelError, RequestRefused, UsageError, WellreadError
from wellread.models.desk import token_of
from wellread.models.restarts import Restarts
from wellread.types import Delta, Sampling, Token, Usage


class EngineFailed(ModelError):
    """The engine could not load the model at all; another engine may."""


class EngineProcess:
    """One engine with one model in a child process; started when asked or when first used, and again after it died.

    `settings` is what `wellread.models.child` needs to load it. The child is taken for hung, and killed, when it says nothing for
    `silence_s` seconds while a request waits (`load_s` while it loads). Safe to use from several threads; requests are worked on side by
    side. One that crashed is started anew with the next request, later and later as `Restarts` has it.
    """

    def __init__(
        self, settings: Mapping[str, Any], *, silence_s: float = 120.0, load_s: float = 900.0, restarts: Restarts | None = None
    ) -> None:
        self._settings = dict(settings)
        self._silence_s = silence_s
        self._load_s = load_s
        self._restarts = restarts or Restarts()
        self._child: _Child | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the child and return at once; it loads while the caller does something else."""
        self._running()

    def wait_ready(self) -> tuple[str, ...]:
        """Wait until the model is loaded; what the engine has to say about it. Raises `EngineFailed` when it cannot be loaded."""
        self._ask({"op": "ping"}, "pong")
        return self._running().notes

    def count(self, prompt: str | Sequence[int]) -> int:
        """How many tokens a prompt takes."""
        return int(self._ask({"op": "count", "prompt": prompt}, "count"))

    def encode(self, text: str) -> list[int]:
        """The token numbers of a text."""
        return [int(number) for number in self._ask({"op": "encode", "prompt": text}, "ids")]

    def score(self, prompt: str | Sequence[int], top: int) -> list[Token]:
        """Every token of a text with its probability after those before it, and the `top` likeliest at its place."""
        return [token_of(row) for row in self._ask({"op": "score", "prompt": prompt, "top": top}, "scored")]

    def generate(self, prompt: str | Sequence[int], *, sampling: Sampling, schema: str | None = None) -> Iterator[Delta]:
        """Continue a prompt, text or token numbers; the last delta carries `finish` and `usage`. Closing the iterator stops the generation.

        Raises `ContextOverflow` before anything is generated, and `ModelError` when the child dies or hangs.
        """
        child = self._running()
        request = {"op": "generate", "prompt": prompt, "sampling": asdict(sampling), "schema": schema}
        ident, mailbox = child.post(request)
        done = False
        try:
            while not done:
                reply = self._next(child, mailbox)
                if "finish" in reply:
                    done = True
                    self._restarts.went_well()
                    yield Delta(finish=reply["finish"], usage=Usage(*reply["usage"]))
                elif "text" in reply:  # an empty one is passed on too: it lets whoever reads stop while the prompt is still read
                    yield Delta(text=reply["text"], tokens=tuple(token_of(row) for row in reply.get("tokens", ())))
        except WellreadError:
            done = True
            raise
        finally:
            child.forget(ident, cancel=not done)

    def close(self) -> None:
        """End the child; the object may not be used afterwards."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.end()

    @property
    def resting(self) -> bool:
        """Whether it crashed so often that it is not started for now."""
        return self._restarts.resting

    @property
    def pid(self) -> int | None:
        """The child's process id, None when there is none."""
        child = self._child
        return child.process.pid if child is not None and child.alive else None

    def _running(self) -> _Child:
        """The child, started where there is none; after crashes not at once."""
        while True:
            with self._lock:
                if self._closed:
                    raise ModelError("the model was closed and cannot be used any more.")
                if self._child is not None and not self._child.alive:
                    self._child.end()
                    self._child = None
                    self._restarts.crashed()
                if self._child is None and not (pause := self._restarts.pause()):
                    self._child = _Child(self._settings)
                if self._child is not None:
                    return self._child
            time.sleep(min(pause, 0.1))

    def _ask(self, request: Mapping[str, Any], answer: str) -> Any:
        child = self._running()
        ident, mailbox = child.post(request)
        try:
            while True:
                reply = self._next(child, mailbox)
                if answer in reply:
                    return reply[answer]
        finally:
            child.forget(ident, cancel=False)

    def _next(self, child: _Child, mailbox: queue.Queue[dict[str, Any]]) -> dict[str, Any]:
        """The next reply; silence is counted from the last word of the child to anyone, since requests wait for one another."""
        asked = time.monotonic()
        while True:
            limit = self._silence_s if child.ready else self._load_s
            left = max(asked, child.heard) + limit - time.monotonic()
            if left <= 0:
                child.end()
                raise ModelError(
                    f"the model engine said nothing for {limit:.0f} seconds and was stopped.{child.last_words()}",
                    hint="ask again: it is started anew",
                )
            try:
                reply = mailbox.get(timeout=left)
            except queue.Empty:
                continue
            if "error" in reply:
                raise _as_error(reply)
            return reply


class _Child:
    """A running child process with the threads that listen to it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.ready = False
        self.notes: tuple[str, ...] = ()
        self.heard = time.monotonic()
        self._gone: dict[str, Any] | None = None
        self._ids = iter(range(1, sys.maxsize))
        self._mailboxes: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stderr: deque[str] = deque(maxlen=8)
        # 0700, and named here so that it can be removed even after the child was killed.
        self._private = Path(tempfile.mkdtemp(prefix="wellread-"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wellread.models.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy's threads would spin beside the engine's
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._listeners = [
            threading.Thread(target=self._listen_errors, args=(self.process.stderr,), daemon=True),
            threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True),
        ]
        for listener in self._listeners:
            listener.start()
        self._send({**settings, "private": str(self._private)})

    @property
    def alive(self) -> bool:
        return self._gone is None

    def post(self, request: Mapping[str, Any]) -> tuple[int, queue.Queue[dict[str, Any]]]:
        mailbox: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            ident = next(self._ids)
            if self._gone is not None:
                mailbox.put(self._gone)
            self._mailboxes[ident] = mailbox
        self._send({"id": ident, **request})
        return ident, mailbox

    def forget(self, ident: int, *, cancel: bool) -> None:
        with self._lock:
            self._mailboxes.pop(ident, None)
        if cancel:
            self._send({"op": "cancel", "id": ident})

    def end(self) -> None:
        """Kill the process and clear up after it."""
        self.process.kill()
        for listener in self._listeners:
            listener.join()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still buffered cannot reach a dead process
                    pipe.close()
        shutil.rmtree(self._private, ignore_errors=True)

    def last_words(self) -> str:
        """The last lines of its stderr, for an error message."""
        lines = " | ".join(self._stderr)
        return f" Its last words: {lines[-600:]}" if lines else ""

    def _send(self, message: Mapping[str, Any]) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        # Writing fails when it has died; the listener then says so in every mailbox.
        with contextlib.suppress(OSError, ValueError), self._writing:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()

    def _listen(self, stdout: IO[bytes]) -> None:
        failure: dict[str, Any] | None = None
        for line in stdout:
            reply = json.loads(line)
            self.heard = time.monotonic()
            event = reply.get("event")
            if event == "ready":
                self.notes = tuple(reply["notes"])
                self.ready = True
            elif event in ("failed", "broken"):
                kind = "failed" if event == "failed" else "crashed"
                failure = {"error": kind, "message": reply["message"], "hint": reply["hint"]}
                if event == "broken":
                    with self._lock:
                        self._gone = failure
            else:
                with self._lock:
                    mailbox = self._mailboxes.get(reply["id"])
                if mailbox is not None:
                    mailbox.put(reply)
        self._listeners[0].join()  # so that its last words are complete
        code = self.process.wait()
        if failure is None:
            what = "stopped unexpectedly" if self.ready else "stopped while it loaded the model"
            message = f"the model engine {what} (exit code {code}).{self.last_words()}"
            failure = {"error": "crashed" if self.ready else "failed", "message": message, "hint": "ask again: it is started anew"}
        with self._lock:
            self._gone = self._gone or failure
            for mailbox in self._mailboxes.values():
                mailbox.put(failure)

    def _listen_errors(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._stderr.append(text)


def _as_error(reply: Mapping[str, Any]) -> WellreadError:
    kinds: dict[str, type[WellreadError]] = {
        "overflow": ContextOverflow,
        "refused": RequestRefused,
        "usage": UsageError,
        "failed": EngineFailed,
    }
    kind = kinds.get(reply["error"], ModelError)
    return kind(reply["message"], hint=reply.get("hint"))
