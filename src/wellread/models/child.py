"""The process in which a model engine runs; `worker.py` starts it and describes what is said on its pipes."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from wellread.errors import ContextOverflow, ModelError, WellreadError
from wellread.types import Delta, Sampling, Usage


class Engine(Protocol):
    """A loaded model. `notes` are sentences for people about how it was loaded."""

    notes: tuple[str, ...]

    def count(self, prompt: str) -> int:
        """How many tokens a prompt takes; control tokens in it count as such."""
        ...

    def generate(self, prompt: str, sampling: Sampling, schema: str | None, emit: Callable[[str], bool]) -> Delta:
        """Continue a prompt, giving each piece of whole characters to `emit`, and return the last delta.

        `emit("")` says that work goes on. When `emit` returns True nobody waits for the rest: stop soon.
        """
        ...


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
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self._wire = wire
        self._private = private
        self._unwanted: set[int] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def unwanted(self, ident: int) -> bool:
        return ident in self._unwanted

    def _listen(self) -> None:
        while (message := self._wire.hear()) is not None:
            if message["op"] == "cancel":
                self._unwanted.add(message["id"])
            else:
                self.requests.put(message)
        # The parent is gone. Native code may be running, so no ordinary exit: leave at once, and leave nothing behind.
        shutil.rmtree(self._private, ignore_errors=True)
        os._exit(0)


def main() -> None:
    """Load the engine the parent names, then serve it until it goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides what it means
    wire = Wire()
    settings = wire.hear()
    if settings is None:
        return
    inbox = Inbox(wire, Path(settings["private"]))
    try:
        engine = load(settings)
    except Exception as error:
        wire.say(event="failed", **_told(error))
        os._exit(1)
    wire.say(event="ready", notes=list(engine.notes))
    while True:
        request = inbox.requests.get()
        try:
            serve(engine, request, settings["context_window"], wire, inbox)
        except Exception as error:
            # An engine that raised may hold a half-done request for ever: leave, and the parent starts a fresh one.
            fatal = not isinstance(error, WellreadError)
            wire.say(id=request["id"], error=_kind(error), fatal=fatal, **_told(error))
            if fatal:
                os._exit(1)


def load(settings: Mapping[str, Any]) -> Engine:
    """The engine that `settings["engine"]` names, with its model loaded."""
    engine, threads, window = settings["engine"], settings["threads"], settings["context_window"]
    if engine == "openvino":
        from wellread.models.openvino import OpenVINOEngine

        derived = Path(settings["derived"])
        return OpenVINOEngine(Path(settings["path"]), derived, settings["end_tokens"], threads, window, settings["precision"])
    if engine == "llamacpp":
        from wellread.models.llamacpp import LlamaEngine

        adapters = [Path(each) for each in settings["adapters"]]
        return LlamaEngine(Path(settings["path"]), Path(settings["private"]), threads, window, adapters)
    if engine == "echo":
        from wellread.models.fake import EchoEngine

        return EchoEngine()
    raise ModelError(f'there is no engine called "{engine}".')


def serve(engine: Engine, request: Mapping[str, Any], window: int, wire: Wire, inbox: Inbox) -> None:
    """Answer one request of the parent."""
    ident, op = request["id"], request["op"]
    if op == "ping":
        wire.say(id=ident, pong=True)
    elif op == "count":
        wire.say(id=ident, count=engine.count(request["prompt"]))
    elif not inbox.unwanted(ident):
        sampling = Sampling(**{**request["sampling"], "stop": tuple(request["sampling"]["stop"])})
        tokens = engine.count(request["prompt"])
        if tokens + sampling.max_tokens > window:
            raise ContextOverflow(
                f"the prompt takes {tokens} tokens and the answer up to {sampling.max_tokens}, the model's window holds {window}.",
                hint="send fewer or shorter passages, or open the model with a larger context window",
            )

        def emit(text: str) -> bool:
            wire.say(id=ident, text=text)
            return inbox.unwanted(ident)

        last = engine.generate(request["prompt"], sampling, request["schema"], emit)
        usage = last.usage or Usage()
        costs = [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens]
        wire.say(id=ident, finish=last.finish, usage=costs)


def _kind(error: Exception) -> str:
    return "overflow" if isinstance(error, ContextOverflow) else "error"


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, WellreadError):
        return {"message": error.message, "hint": error.hint}
    return {"message": f"the model engine failed: {type(error).__name__}: {' '.join(str(error).split())[-500:]}", "hint": None}


if __name__ == "__main__":
    main()
