"""The process in which a model engine runs; `worker` starts it and describes what is said on its pipes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wellread.errors import ModelError
from wellread.models.desk import Capacity, Desk
from wellread.models.engine import Engine
from wellread.models.wire import Inbox, Wire, told


def main() -> None:
    """Load the engine the parent names, then serve it until it goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides what it means
    wire = Wire()
    settings = wire.hear()
    if settings is None:
        return
    inbox = Inbox(wire, Path(settings["private"]))
    capacity = Capacity(settings["context_window"], settings["room"], settings["slots"])
    try:
        engine = load(settings, capacity)
    except Exception as error:
        wire.say(event="failed", **told(error))
        os._exit(1)
    wire.say(event="ready", notes=list(engine.notes))
    try:
        Desk(engine, wire, inbox, capacity).work()
    except Exception as error:
        # An engine that raised may hold half-done requests for ever: leave, and the parent starts a fresh one.
        wire.say(event="broken", **told(error))
        os._exit(1)


def load(settings: Mapping[str, Any], capacity: Capacity) -> Engine:
    """The engine that `settings["engine"]` names, with its model loaded."""
    engine, threads = settings["engine"], settings["threads"]
    if engine == "openvino":
        from wellread.models.openvino import OpenVINOEngine

        derived = Path(settings["derived"])
        return OpenVINOEngine(
            Path(settings["path"]),
            derived,
            settings["end_tokens"],
            threads,
            capacity.room,
            dense=settings["dense"],
            lookup=settings["lookup"],
            window=capacity.window,
        )
    if engine == "llamacpp":
        from wellread.models.llamacpp import Guess, LlamaEngine

        adapters = [Path(each) for each in settings["adapters"]]
        guess = Guess(settings["lookup"], settings["draft"])
        return LlamaEngine(Path(settings["path"]), Path(settings["private"]), threads, capacity, adapters, guess)
    if engine == "echo":
        from wellread.models.fake import EchoEngine

        return EchoEngine()
    raise ModelError(f'there is no engine called "{engine}".')


if __name__ == "__main__":
    main()
