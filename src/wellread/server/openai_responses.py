"""POST /v1/responses: https://platform.openai.com/docs/api-reference/responses

Responses are kept unless `store` is false, so that `previous_response_id` can go on from one.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from starlette.responses import Response

from wellread.server.answering import answering
from wellread.server.body import Fields
from wellread.server.errors import Refused, unsupported
from wellread.server.exchange import Exchange, Json
from wellread.server.openai_items import Event, Writing, items_of, messages_of
from wellread.server.openai_read import chosen, functions, response_format
from wellread.server.resting import holds, named, rests_of
from wellread.server.sampling import refuse, sampling
from wellread.server.sse import Form, event
from wellread.server.stored import Stored
from wellread.server.turn import Turn
from wellread.types import Message

_CANNOT: dict[str, tuple[object, str]] = {
    "background": (False, "answers are given while you wait"),
    "conversation": (
        None,
        "conversations are not kept apart",
    ),
    "prompt": (None, "there are no prompt templates here"),
    "truncation": ("disabled", "nothing is left out of a conversation in silence"),
}
_REASONING: dict[str, tuple[object, str]] = {
    "effort": ("none", "the models here do not think first"),
    "summary": (None, "the models here do not think first"),
}
_INCLUDED = {"reasoning.encrypted_content"}  # nothing is reasoned, so there is none of it to include


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request: its turn, without what came before it; its items; what it goes on from; whether to keep it; and what to say of it."""

    turn: Turn
    items: list[dict[str, Any]]
    previous: str | None
    keep: bool
    told: dict[str, Any]


async def responses(exchange: Exchange) -> Response:
    """Answer a conversation, which is kept."""
    fields = await exchange.fields()
    wanted = read(fields)
    if not fields.flag("stream"):
        return await exchange.whole(lambda stop: _whole(exchange, wanted, stop))
    return await exchange.stream(lambda stop: _frames(exchange, wanted, stop), Form(_fail))


async def retrieve(exchange: Exchange) -> Response:
    """A response that was kept."""
    return await exchange.quickly(lambda: _stored(exchange).response)


async def items(exchange: Exchange) -> Response:
    """What a response was given to."""
    stored = await asyncio.to_thread(_stored, exchange)
    found = [{"id": f"item_{position}"} | dict(item) for position, item in enumerate(stored.items)]
    ends = [found[0]["id"], found[-1]["id"]] if found else [None, None]
    return Json({"object": "list", "data": found, "first_id": ends[0], "last_id": ends[1], "has_more": False})


async def delete(exchange: Exchange) -> Response:
    """Forget a response."""
    ident = exchange.request.path_params["id"]
    if not exchange.runtime.stored.delete(exchange.caller.name, ident):
        raise _not_found()
    return Json({"id": ident, "object": "response", "deleted": True})


def read(fields: Fields) -> Wanted:
    """What a request asks for. Raises `Refused`."""
    refuse(fields, _CANNOT)
    refuse(fields.inner("reasoning"), _REASONING)
    refuse(fields.inner("text"), {"verbosity": ("medium", "the models here cannot be told how much to say")})
    if unknown := set(fields.texts("include", most=20)) - _INCLUDED:
        raise unsupported("include", f"{sorted(unknown)[0]} is not there")
    offered = functions(fields, flat=True)
    choice, callable_ = chosen(fields, offered, flat=True)
    given = items_of(fields)
    instructions = fields.maybe_text("instructions")
    first = (Message("system", instructions),) if instructions else ()
    how = sampling(fields, "max_output_tokens")
    turn = Turn(
        model=fields.text("model"),
        messages=(*first, *messages_of(given)),
        sampling=how,
        schema=response_format(fields.inner("text").inner("format"), flat=True),
        functions=callable_,
        choice=choice,
        own=fields.inner("wellread").values or None,
    )
    told = {
        "instructions": instructions,
        "max_output_tokens": how.max_tokens or None,
        "metadata": fields.inner("metadata").values,
        "parallel_tool_calls": fields.flag("parallel_tool_calls", True),
        "temperature": how.temperature,
        "text": {"format": fields.inner("text").values.get("format") or {"type": "text"}},
        "tool_choice": fields.values.get("tool_choice") or "auto",
        "tools": [dict(row) for row in fields.items("tools", most=64)],
        "top_p": how.top_p,
        "truncation": "disabled",
    }
    return Wanted(turn, given, fields.maybe_text("previous_response_id"), fields.flag("store", True), told)


def _events(exchange: Exchange, wanted: Wanted, stop: threading.Event) -> Iterator[Event]:
    """The events of an answer; the last one holds all of it, which is then kept already."""
    turn = _continued(exchange, wanted)
    pieces = answering(exchange, turn, stop)
    first = next(pieces)  # before anything is told: an error that comes first is told by the status
    writing = Writing(_head(wanted))
    yield from writing.begin()
    for piece in chain([first], pieces):
        for name, data in writing.add(piece):
            if writing.response["status"] != "in_progress" and "response" in data and wanted.keep:
                _keep(exchange, Stored(writing.response, wanted.items, wanted.previous))
            yield name, data


def _keep(exchange: Exchange, stored: Stored) -> None:
    answer, runtime = stored.response.get("wellread"), exchange.runtime
    if answer is not None:
        stored = replace(stored, rests=rests_of(runtime, named(runtime, stored.response["model"]), answer))
    runtime.stored.put(exchange.caller.name, stored)


def _continued(exchange: Exchange, wanted: Wanted) -> Turn:
    """The turn with all that came before it; instructions hold for their own request only."""
    if wanted.previous is None:
        return wanted.turn
    before = exchange.runtime.stored.chain(exchange.caller.name, wanted.previous)
    if before is None or not holds(exchange.runtime, before[-1]):
        raise Refused(
            400,
            "previous_response_not_found",
            "the response to go on from is not there",
            "previous_response_id",
            "it may be too old, or was not stored",
        )
    earlier = [message for stored in before for message in messages_of([*stored.items, *stored.response["output"]])]
    messages = wanted.turn.messages
    head = 1 if wanted.told["instructions"] else 0
    return replace(wanted.turn, messages=(*messages[:head], *earlier, *messages[head:]))


def _whole(exchange: Exchange, wanted: Wanted, stop: threading.Event) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for _, data in _events(exchange, wanted, stop):
        last = data
    found: dict[str, Any] = last["response"]
    return found


def _frames(exchange: Exchange, wanted: Wanted, stop: threading.Event) -> Generator[str, None, None]:
    for number, (name, data) in enumerate(_events(exchange, wanted, stop)):
        yield event({"type": name, "sequence_number": number, **data}, name)


def _fail(refused: Refused) -> str:
    """An error after a stream has begun."""
    told = {"type": "error", "code": refused.code, "message": str(refused), "param": refused.param, "sequence_number": 1 << 30}
    return event(told, "error")


def _head(wanted: Wanted) -> dict[str, Any]:
    return {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": wanted.turn.model,
        "output": [],
        "previous_response_id": wanted.previous,
        "store": wanted.keep,
        "usage": None,
        **wanted.told,
    }


def _stored(exchange: Exchange) -> Stored:
    found = exchange.runtime.stored.get(exchange.caller.name, exchange.request.path_params["id"])
    if found is None or not holds(exchange.runtime, found):
        raise _not_found()
    return found


def _not_found() -> Refused:
    return Refused(404, "not_found", "there is no such response", "response_id")
