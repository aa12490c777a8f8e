"""Traces of /api/v1: how answers came about, and what people think of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from wellread.server.errors import Refused, wrong
from wellread.server.exchange import Exchange
from wellread.server.own_libraries import MOST, named, number

FEEDBACK = {"thumb", "comment"}


async def traces(exchange: Exchange) -> Response:
    """The latest questions of a library."""
    name, page = named(exchange), exchange.query({"limit": ""})
    limit = number(page, "limit", 20, most=MOST)
    return await exchange.quickly(lambda: {"traces": _of_library(exchange, name, limit)})


async def trace(exchange: Exchange) -> Response:
    """How an answer came about."""
    name, ident = named(exchange), exchange.request.path_params["id"]

    def make() -> Mapping[str, Any]:
        found = _in_library(exchange, name, ident)
        if found is None:
            raise _not_found("in this library")
        return found

    return await exchange.quickly(make)


async def feedback(exchange: Exchange) -> Response:
    """Keep what somebody thinks of an answer, with its trace."""
    name, ident, given = named(exchange), exchange.request.path_params["id"], await _feedback(exchange)

    def make() -> Mapping[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            if not opened.store.set_feedback(ident, given):
                raise _not_found("in this library")
        return {"id": ident, "feedback": given}

    return await exchange.changed(make)


async def all_traces(exchange: Exchange) -> Response:
    """The caller's latest requests to models, and the latest questions of the libraries that it may see, the newest first."""
    limit = number(exchange.query({"limit": ""}), "limit", 20, most=MOST)

    def make() -> dict[str, Any]:
        found = [{"library": None, **row} for row in exchange.runtime.traces.newest(limit, exchange.caller.name)]
        for name in _libraries(exchange):
            found += [{"library": name, **row} for row in _of_library(exchange, name, limit)]
        return {"traces": sorted(found, key=lambda row: -row["at"])[:limit]}

    return await exchange.quickly(make)


async def any_trace(exchange: Exchange) -> Response:
    """How a request went, or an answer came about."""
    ident = exchange.request.path_params["id"]

    def make() -> Mapping[str, Any]:
        found = exchange.runtime.traces.get(ident, exchange.caller.name)
        if found is not None:
            return found
        for name in _libraries(exchange):
            kept = _in_library(exchange, name, ident)
            if kept is not None:
                return {"library": name, **kept}
        raise _not_found("here")

    return await exchange.quickly(make)


async def any_feedback(exchange: Exchange) -> Response:
    """Keep what the caller thinks of an answer of a model."""
    ident, given = exchange.request.path_params["id"], await _feedback(exchange)

    def make() -> Mapping[str, Any]:
        if not exchange.runtime.traces.set_feedback(ident, exchange.caller.name, given):
            raise _not_found("of a request of yours; for a question: /api/v1/libraries/NAME/traces/ID/feedback")
        return {"id": ident, "feedback": given}

    return await exchange.quickly(make)


async def _feedback(exchange: Exchange) -> dict[str, Any]:
    fields = await exchange.fields()
    fields.only(FEEDBACK)
    thumb = fields.text("thumb")
    if thumb not in ("up", "down"):
        raise wrong("thumb", '"thumb" must be "up" or "down"')
    return {"thumb": thumb, "comment": fields.text("comment", "", most=10_000), "by": exchange.caller.name, "at": time.time()}


def _libraries(exchange: Exchange) -> list[str]:
    return [name for name in exchange.runtime.shelf.names() if exchange.caller.may_see(name)]


def _of_library(exchange: Exchange, name: str, limit: int) -> list[dict[str, Any]]:
    with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
        return opened.store.traces(limit)


def _in_library(exchange: Exchange, name: str, ident: str) -> dict[str, Any] | None:
    with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
        found = opened.store.trace(ident)
    return found if found is not None and found["id"] == ident else None


def _not_found(where: str) -> Refused:
    return Refused(404, "trace_not_found", f"there is no such trace {where}", "id")
