"""POST /api/generate: https://docs.ollama.com/api/generate"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

from starlette.responses import Response

from wellread.models.base import TextModel
from wellread.models.watched import Stopped
from wellread.server.answering import LIBRARY, completing
from wellread.server.body import Fields
from wellread.server.converse import fitting
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.ollama_answer import Asked, Chunk, chunks, loaded
from wellread.server.ollama_lines import STREAM, Meter, line, moment
from wellread.server.ollama_read import check, format_of, how, keep_of, model_of, no_pictures, window_of
from wellread.server.sampling import refuse
from wellread.server.turn import Turn
from wellread.types import Message, Usage

_CANNOT: dict[str, tuple[object, str]] = {
    "suffix": ("", "no engine here fills in between"),
    "template": ("", "a model keeps its template; make one with another: /api/create"),
    "context": ([], "token numbers are not read; send the conversation to /api/chat"),
    "truncate": (False, "a prompt is never cut; /api/chat can leave out the oldest messages"),
}


async def generate(exchange: Exchange) -> Response:
    """Answer a prompt; without one, load the model or have it go."""
    fields = await exchange.fields()
    asked, raw, meter = read(fields), fields.flag("raw"), Meter()
    head = {"model": asked.turn.model}
    if not asked.turn.messages:
        return await exchange.whole(lambda stop: _row(head, Chunk(final=loaded(exchange, asked))))

    def rows(stop: threading.Event) -> Generator[dict[str, Any], None, None]:
        pieces = _raw(exchange, asked, meter, stop) if raw else chunks(exchange, asked, meter, stop)
        for chunk in pieces:
            yield _row(head, chunk)

    if fields.flag("stream", True):
        return await exchange.stream(lambda stop: (line(row) for row in rows(stop)), STREAM)
    return await exchange.whole(lambda stop: _joined(list(rows(stop))))


def read(fields: Fields) -> Asked:
    """What a request asks for; no messages where there is no prompt. Raises `Refused`."""
    check(fields)
    refuse(fields, _CANNOT)
    no_pictures(fields)
    options = fields.inner("options")
    sampling, unused = how(options)
    prompt, system = fields.text("prompt", ""), fields.text("system", "")
    said = [Message("system", system)] if system and prompt else []
    turn = Turn(
        model=model_of(fields),
        messages=(*said, Message("user", prompt)) if prompt else (),
        sampling=sampling,
        schema=format_of(fields),
        own=fields.inner("wellread").values or None,
    )
    if fields.flag("raw") and prompt:
        _check_raw(turn, system)
    return Asked(turn, keep_of(fields), window_of(options), unused=tuple(unused))


def _check_raw(turn: Turn, system: str) -> None:
    if system:
        raise wrong("system", "a raw prompt holds all that the model reads", hint="write the system message into the prompt")
    if turn.schema is not None:
        raise unsupported("format", "a raw answer fills no schema", hint='leave out "raw"')
    if turn.model.startswith(LIBRARY):
        raise unsupported("raw", "a library answers questions")


def _raw(exchange: Exchange, asked: Asked, meter: Meter, stop: threading.Event) -> Iterator[Chunk]:
    """Go on from the prompt as it is, control tokens included."""
    turn = asked.turn
    prompt = turn.messages[0].content
    meter.loading()
    with exchange.runtime.models.hold(turn.model, keep_s=asked.keep_s, window=asked.window) as writer:
        model = writer.model
        if not isinstance(model, TextModel):
            raise unsupported("raw", f"{model.name} answers conversations only")
        meter.loaded()
        notes = {"not_used": list(asked.unused)} if asked.unused else {}
        written: Any = model.complete(prompt, sampling=fitting(turn.sampling, model.count_text(prompt), model))
        told: Any = completing(exchange, turn.model, ((0, delta) for delta in written), 1)
        with closing(written), closing(told):
            for _, delta in told:
                if stop.is_set():
                    raise Stopped("the request was stopped.")
                if delta.text:
                    meter.heard()
                    yield Chunk(delta.text)
                if delta.finish:
                    usage = meter.final(delta.usage or Usage(), split=True)
                    yield Chunk(final={"done": True, "done_reason": delta.finish, **usage, **notes})


def _row(head: Mapping[str, Any], chunk: Chunk) -> dict[str, Any]:
    return {**head, "created_at": moment(), "response": chunk.text, "done": False, **(chunk.final or {})}


def _joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All rows as one."""
    return rows[-1] | {"response": "".join(row["response"] for row in rows)}
