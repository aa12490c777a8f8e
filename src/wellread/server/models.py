"""GET /v1/models: https://platform.openai.com/docs/api-reference/models, with what Anthropic's clients look for beside it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from wellread.server.answering import LIBRARY, library_of
from wellread.server.errors import Refused
from wellread.server.exchange import Exchange, Json


async def models(exchange: Exchange) -> Response:
    """What can be asked: libraries, chat models, embedders, the reranker."""
    rows = await asyncio.to_thread(_all, exchange)
    ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {"first_id": None, "last_id": None}
    return Json({"object": "list", "data": rows, "has_more": False, **ends})


async def model(exchange: Exchange) -> Response:
    """One of them."""
    name = exchange.request.path_params["id"]
    return Json(await asyncio.to_thread(_one, exchange, name))


def _all(exchange: Exchange) -> list[dict[str, Any]]:
    runtime = exchange.runtime
    rows = [_row(LIBRARY + name, "library") for name in runtime.shelf.names() if exchange.caller.may_see(name)]
    rows += [_row(name, "chat") for name in runtime.models.chats()]
    rows += [_row(name, "embed") for name in runtime.models.embedders()]
    with suppress(Refused):  # none is set
        rows.append(_row(runtime.models.reranker().name, "rerank"))
    return rows


def _one(exchange: Exchange, name: str) -> dict[str, Any]:
    for row in _all(exchange):
        if row["id"] == name:
            return row
    if name.startswith(LIBRARY):
        library_of(exchange, name)
        return _row(name, "library")
    models = exchange.runtime.models
    kind = "embed" if name.removesuffix(":latest") in models.embedders() else "chat"
    return _row(name, kind) if kind == "embed" else _row(models.known(name), kind)


def _row(name: str, kind: str) -> dict[str, Any]:
    anthropic = {"type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
    return {"id": name, "object": "model", "created": 0, "owned_by": "wellread", "kind": kind, **anthropic}
