"""An answer as Ollama's API has it, whether to a prompt or to a conversation: pieces of text, calls, and a last word with its costs."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from wellread.models.base import ChatModel
from wellread.server.answering import LIBRARY, answering, library_of
from wellread.server.exchange import Exchange
from wellread.server.ollama_lines import Meter
from wellread.server.openai_chat import own_json
from wellread.server.tools import told
from wellread.server.turn import Called, Ended, Found, Piece, Said, Turn


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn, and what Ollama's clients say besides: how long the model is to stay (None: as it was), the context it needs, whether the
    oldest messages may go where all of them do not fit, and options that change nothing here."""

    turn: Turn
    keep_s: float | None = None
    window: int | None = None
    truncate: bool = False
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer; the last one has `final`."""

    text: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()
    final: Mapping[str, Any] | None = None


def chat_name(exchange: Exchange, model: str) -> str | None:
    """The chat model that a name stands for; of a library, the one that writes, if any does. Raises `Refused` (404)."""
    if not model.startswith(LIBRARY):
        return exchange.runtime.models.known(model)
    writer = library_of(exchange, model)[1]
    return None if writer is None else writer.model.name


def loaded(exchange: Exchange, asked: Asked) -> Mapping[str, Any]:
    """Load the model, or unload it where it is not to stay; the last word on that."""
    meter, models = Meter(), exchange.runtime.models
    meter.loading()
    name = chat_name(exchange, asked.turn.model)
    if asked.keep_s == 0:
        if name is not None:
            models.unload(name)
        return {"done": True, "done_reason": "unload"}
    if name is not None:
        with models.hold(name, keep_s=asked.keep_s, window=asked.window):
            meter.loaded()
    return {"done": True, "done_reason": "load", **meter.durations()}


def chunks(exchange: Exchange, asked: Asked, meter: Meter, stop: threading.Event) -> Iterator[Chunk]:
    """The pieces of an answer, of a chat model or a library."""
    turn, unused, dropped = asked.turn, list(asked.unused), 0
    of_library = turn.model.startswith(LIBRARY)
    with ExitStack() as held:
        meter.loading()
        name = chat_name(exchange, turn.model)
        if name is not None:
            window = None if of_library else asked.window
            model = held.enter_context(exchange.runtime.models.hold(name, keep_s=asked.keep_s, window=window)).model
            if asked.truncate and not of_library:
                turn, dropped = fitted(turn, model)
        if of_library and asked.window is not None:
            unused.append("num_ctx")
        meter.loaded()
        notes = ({"not_used": unused} if unused else {}) | ({"dropped_messages": dropped, "prompt_truncated": True} if dropped else {})
        yield from _told(answering(exchange, turn, stop), meter, notes)


def _told(pieces: Iterator[Piece], meter: Meter, notes: Mapping[str, Any]) -> Iterator[Chunk]:
    calls: list[Called] = []
    found: Found | None = None
    for piece in pieces:
        meter.heard()
        if isinstance(piece, Said):
            yield Chunk(piece.text)
        elif isinstance(piece, Called):
            if piece.name:
                calls.append(piece)
            else:
                calls[-1] = replace(calls[-1], arguments=calls[-1].arguments + piece.arguments)
        elif isinstance(piece, Found):
            found = piece
        elif isinstance(piece, Ended):
            if calls:
                yield Chunk(calls=tuple(_call(call) for call in calls))
            reason = "stop" if piece.finish == "tool_calls" else piece.finish
            own = {} if found is None else _of_library(found)
            yield Chunk(final={"done": True, "done_reason": reason, **meter.final(piece.usage, split=found is None), **notes, **own})


def _of_library(found: Found) -> dict[str, Any]:
    whole = own_json(found)
    return {"citations": whole["citations"], "wellread": whole}


def _call(call: Called) -> Mapping[str, Any]:
    function = {"index": call.position, "name": call.name, "arguments": json.loads(call.arguments or "{}")}
    return {"id": call.id, "function": function}


def fitted(turn: Turn, model: ChatModel) -> tuple[Turn, int]:
    """A turn without its oldest messages, so that a quarter of the window is left for an answer, and how many went. Instructions stay, and
    so does the last message."""
    room = model.context_window - min(model.context_window // 4, turn.sampling.max_tokens or model.context_window)
    may_go = [at for at, message in enumerate(turn.messages[:-1]) if message.role != "system"]

    def without(dropped: int) -> Turn:
        gone = set(may_go[:dropped])
        return replace(turn, messages=tuple(message for at, message in enumerate(turn.messages) if at not in gone))

    def fits(dropped: int) -> bool:
        return model.count_tokens(told(without(dropped))) <= room

    dropped = 0 if fits(0) else bisect_left(range(len(may_go)), True, key=fits)
    return without(dropped), dropped
