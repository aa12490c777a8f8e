"""POST /api/chat: https://docs.ollama.com/api/chat"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from typing import Any

from starlette.responses import Response

from wellread.server.body import Fields
from wellread.server.exchange import Exchange
from wellread.server.ollama_answer import Asked, Chunk, chunks, loaded
from wellread.server.ollama_lines import STREAM, Meter, line, moment
from wellread.server.ollama_read import check, format_of, how, keep_of, messages, model_of, window_of
from wellread.server.openai_read import functions
from wellread.server.turn import Turn


async def chat(exchange: Exchange) -> Response:
    """Answer a conversation; without messages, load the model or have it go."""
    fields = await exchange.fields()
    asked, meter = read(fields), Meter()
    head = {"model": asked.turn.model}
    if not asked.turn.messages:
        return await exchange.whole(lambda stop: _row(head, Chunk(final=loaded(exchange, asked))))

    def rows(stop: threading.Event) -> Generator[dict[str, Any], None, None]:
        for chunk in chunks(exchange, asked, meter, stop):
            yield _row(head, chunk)

    if fields.flag("stream", True):
        return await exchange.stream(lambda stop: (line(row) for row in rows(stop)), STREAM)
    return await exchange.whole(lambda stop: _joined(list(rows(stop))))


def read(fields: Fields) -> Asked:
    """What a request asks for. Raises `Refused`."""
    check(fields)
    options = fields.inner("options")
    sampling, unused = how(options)
    offered = functions(fields)
    turn = Turn(
        model=model_of(fields),
        messages=messages(fields),
        sampling=sampling,
        schema=format_of(fields),
        functions=offered,
        choice="auto" if offered else "none",
        own=fields.inner("wellread").values or None,
    )
    return Asked(turn, keep_of(fields), window_of(options), fields.flag("truncate"), tuple(unused))


def _row(head: Mapping[str, Any], chunk: Chunk) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": chunk.text}
    if chunk.calls:
        message["tool_calls"] = list(chunk.calls)
    return {**head, "created_at": moment(), "message": message, "done": False, **(chunk.final or {})}


def _joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All rows as one."""
    whole = rows[-1]
    whole["message"]["content"] = "".join(row["message"]["content"] for row in rows)
    if calls := [call for row in rows for call in row["message"].get("tool_calls", [])]:
        whole["message"]["tool_calls"] = calls
    return whole
