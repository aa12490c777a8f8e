"""Libraries of /api/v1: those that are here, new ones, and none any more."""

from __future__ import annotations

import threading
from typing import Any

from starlette.responses import Response

from wellread.server.answering import LIBRARY
from wellread.server.body import Fields
from wellread.server.errors import Refused, wrong
from wellread.server.exchange import Exchange
from wellread.server.names import library_name

MOST = 1_000
"""Rows that one answer may have."""


async def libraries(exchange: Exchange) -> Response:
    """The libraries that are here."""
    names = [name for name in exchange.runtime.shelf.names() if exchange.caller.may_see(name)]
    return await exchange.quickly(lambda: {"libraries": [{"name": name, "model": LIBRARY + name} for name in names]})


async def library(exchange: Exchange) -> Response:
    """One library."""
    name = named(exchange)
    return await exchange.quickly(lambda: _told(exchange, name))


async def create(exchange: Exchange) -> Response:
    """Make a library in the first of the folders that are served."""
    fields = await exchange.fields()
    fields.only({"name"})
    name = library_name(fields.text("name", most=1_000))
    if not exchange.caller.may_see(name):
        raise Refused(403, "not_allowed", "this token is limited to libraries of other names", "name")

    def make() -> dict[str, Any]:
        exchange.runtime.shelf.create(name)
        return _told(exchange, name)

    return await exchange.changed(make, 201)


async def delete(exchange: Exchange) -> Response:
    """Delete a library with all that is in it, also what was answered from it."""
    name, runtime = named(exchange), exchange.runtime

    def make() -> dict[str, Any]:
        if any(job.state == "running" for job in runtime.jobs.unfinished(name)):
            raise Refused(409, "library_busy", "a job is changing this library", hint="wait for it, or cancel it, and try again")
        for job in runtime.jobs.unfinished(name):
            runtime.runner.cancel(job.id)
        runtime.shelf.delete(name)
        runtime.stored.forget(name)
        return {"name": name, "deleted": True}

    return await exchange.changed(make)


def named(exchange: Exchange) -> str:
    """The library that the address names. Raises `Refused` (404)."""
    name = exchange.seen(exchange.request.path_params["name"])
    exchange.runtime.shelf.folder(name)
    return name


def number(given: Fields, name: str, default: int, *, most: int = 1 << 40) -> int:
    """A whole number among the parameters of an address."""
    text = given.text(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most):
        raise wrong(name, f'"{name}" must be a whole number from 0 to {most}')
    return int(text)


def _told(exchange: Exchange, name: str) -> dict[str, Any]:
    with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
        return {
            "name": name,
            "model": LIBRARY + name,
            "documents": len(opened.documents()),
            "chunks": opened.store.chunk_count(),
            "embedder": opened.store.meta("embedder"),
            "change": opened.store.change,
        }
