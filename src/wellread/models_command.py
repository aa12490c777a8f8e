"""`wellread models`: the verbs that Ollama's users know. Each takes the parsed arguments and returns an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wellread.config import Settings
from wellread.errors import UsageError
from wellread.models.catalog import known
from wellread.models.create import create, written
from wellread.models.facts import Facts, facts_of, facts_of_entry, facts_of_file
from wellread.models.files import ModelStore, Pulled
from wellread.models.gguf import read_gguf
from wellread.models.names import split_source
from wellread.models.opening import open_named
from wellread.models.origins import origin_of
from wellread.models.running import DEFAULT_SERVER, running, unload
from wellread.models_run import Talk, converse, given_parameters
from wellread.models_shown import listed, listed_json, shown, table
from wellread.places import expanded
from wellread.terminal import Screen

OK, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class _Place:
    """What every verb works with."""

    arguments: argparse.Namespace
    settings: Settings
    screen: Screen
    store: ModelStore

    def tell(self, data: Any, text: str) -> None:
        """Data where JSON is wanted, else a message."""
        if self.arguments.json:
            _print_json(data)
        else:
            self.screen.say(text)


def models(arguments: argparse.Namespace, settings: Settings, screen: Screen) -> int:
    """Run one verb."""
    return _VERBS[arguments.verb](_Place(arguments, settings, screen, ModelStore(settings.models_folder)))


def _pull(place: _Place) -> int:
    pulled = _pulled(place, place.arguments.name, place.arguments.own)
    place.tell(listed_json(pulled), f"{pulled.name} is here: {pulled.size / 1e6:.1f} MB, verified.")
    return OK


def _pulled(place: _Place, name: str, own: str | None = None) -> Pulled:
    origin = origin_of(name, name=own and place.store.check_own(own), offline=place.settings.offline)
    for note in origin.notes:
        place.screen.say(f"Note: {note}.")
    return place.store.pull(origin.entry, place.screen.progress, offline=place.settings.offline)


def _list(place: _Place) -> int:
    found = place.store.list()
    if place.arguments.json:
        _print_json([listed_json(each) for each in found])
    elif found:
        print(listed(found))
    else:
        place.screen.say("No model is here yet. Fetch one with: wellread models pull smollm2")
    return OK


def _show(place: _Place) -> int:
    name, part = place.arguments.name, place.arguments.part
    facts, pulled = _facts(place, name)
    if part is not None:
        if pulled is None:
            raise UsageError(f"{name} is not in the store, so it has no {part}.", hint=f"fetch it with: wellread models pull {name}")
        text = _part(pulled, part)
        if place.arguments.json:
            _print_json({part: text})
        else:
            print(text.rstrip("\n"))
    elif place.arguments.json:
        _print_json(facts.json() | ({"modelfile": written(pulled)} if pulled is not None else {}))
    else:
        print(shown(facts, pulled))
    return OK


def _facts(place: _Place, name: str) -> tuple[Facts, Pulled | None]:
    settings = place.settings
    how: dict[str, Any] = {
        "window": settings.context_window or None,
        "engine": settings.engine,
        "memory": settings.max_memory_mb * 1_000_000 or None,
    }
    if name.endswith(".gguf"):
        path = expanded(name)
        if not path.is_file():
            raise UsageError(f"there is no model file {path}.", hint="check the path")
        return facts_of_file(path, **how), None
    pulled = place.store.get(name)
    if pulled is not None:
        return facts_of(place.store, pulled, **how), pulled
    entry = known(name)
    return (facts_of_entry(entry), None) if entry is not None else (facts_of(place.store, place.store.bring(name), **how), None)


def _part(pulled: Pulled, part: str) -> str:
    """One part of a model, as it stands in its Modelfile."""
    manner = pulled.manner
    if part == "modelfile":
        return written(pulled)
    if part == "system":
        return manner.system
    if part == "parameters":
        return "\n".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in manner.parameters)
    if part == "license":
        return "\n\n".join(manner.licences) or pulled.licence
    if manner.template or pulled.paths["model"].suffix == ".onnx":
        return manner.template
    return str(read_gguf(pulled.paths["model"]).metadata.get("tokenizer.chat_template", ""))


def _run(place: _Place) -> int:
    arguments, settings = place.arguments, place.settings
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    prompt = "\n\n".join(part for part in (" ".join(arguments.prompt), piped.strip()) if part)
    manner = given_parameters(arguments.parameters, arguments.system or "")
    if split_source(arguments.name)[0] and place.store.get(arguments.name) is None:
        _pulled(place, arguments.name)
    opened = open_named(
        place.store,
        arguments.name,
        engine=settings.engine,
        threads=settings.threads or None,
        context_window=settings.context_window or None,
        memory=settings.max_memory_mb * 1_000_000 or None,
        progress=place.screen.progress,
        offline=settings.offline,
    )
    try:
        opened.chat.manner = manner.over(opened.chat.manner)
        talk = Talk(opened.chat)
        if not prompt and sys.stdin is not None and sys.stdin.isatty():
            opened.chat.start()
            return converse(talk, place.screen, name=opened.chat.name, emit=_print_json if arguments.json else None)
        if not prompt:
            raise UsageError("there is no prompt.", hint='give one: wellread models run smollm2 "Why is the sky blue?"')
        for note in opened.chat.notes:
            place.screen.say(f"({note})")
        reply = talk.say(prompt, (lambda piece: None) if arguments.json else _shown_at_once)
        if arguments.json:
            _print_json(reply.json(opened.chat.name))
        else:
            print()
    finally:
        opened.chat.close()
    return OK


def _create(place: _Place) -> int:
    name = place.arguments.file
    path = expanded(name)
    if name != "-" and not path.is_file():
        raise UsageError(f"there is no Modelfile {path}.", hint="name it with: -f FILE")
    try:
        text = sys.stdin.read() if name == "-" else path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8.", hint="save it as UTF-8") from error
    folder = Path.cwd() if name == "-" else path.absolute().parent
    made = create(place.store, place.arguments.name, text, folder, place.screen.progress, offline=place.settings.offline)
    place.tell(listed_json(made), f"{made.name} is made.")
    return OK


def _copy(place: _Place) -> int:
    made = place.store.copy(place.arguments.source, place.arguments.target)
    place.tell(listed_json(made), f"{place.arguments.source} is also called {made.name} now.")
    return OK


def _remove(place: _Place) -> int:
    freed = sum(place.store.remove(name) for name in place.arguments.names)
    place.tell(
        {"removed": place.arguments.names, "freed": freed},
        f"Removed {', '.join(place.arguments.names)}; {freed / 1e6:.1f} MB are free again.",
    )
    return OK


def _ps(place: _Place) -> int:
    server = _server(place)
    rows = running(server, os.environ.get("WELLREAD_TOKEN"))
    if place.arguments.json:
        _print_json({"server": server if rows is not None else None, "models": rows or []})
    elif rows is None:
        place.screen.say(
            f"No server answers at {server}, so no model is loaded: they are, while `wellread serve` runs or a command uses them."
        )
    else:
        cells = [(str(row.get("name", "")), f"{int(row.get('size') or 0) / 1e6:.0f} MB", _stays(row.get("expires_at"))) for row in rows]
        print(table([("NAME", "MEMORY", "STAYS"), *cells]) if cells else "No model is loaded.")
    return OK


def _stays(until: object) -> str:
    """How much longer a model stays, from the time when it goes (RFC 3339)."""
    try:
        seconds = (datetime.fromisoformat(str(until)) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # of another server
        return str(until or "")
    if seconds > 10 * 365 * 86_400:
        return "for good"
    return f"{seconds / 60:.0f} minutes more" if seconds > 90 else f"{max(0, seconds):.0f} seconds more"


def _stop(place: _Place) -> int:
    server = _server(place)
    stopped = unload(server, place.arguments.name, os.environ.get("WELLREAD_TOKEN"))
    text = f"{place.arguments.name} is unloaded." if stopped else f"No server answers at {server}, so nothing is to be stopped."
    place.tell({"server": server if stopped else None, "stopped": stopped}, text)
    return OK


def _server(place: _Place) -> str:
    return str(place.arguments.server or DEFAULT_SERVER)


def _shown_at_once(piece: str) -> None:
    print(piece, end="", flush=True)


def _print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii="utf" not in (sys.stdout.encoding or "").lower(), indent=2))


_VERBS: dict[str, Callable[[_Place], int]] = {
    "pull": _pull, "list": _list, "show": _show, "run": _run, "create": _create, "cp": _copy, "rm": _remove, "ps": _ps, "stop": _stop,
}  # fmt: skip
