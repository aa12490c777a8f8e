"""Documents of /api/v1: what is in a library, what is sent to it, and what is taken out."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from wellread.index.tags import tag_names
from wellread.read.limits import MEGABYTE
from wellread.server.errors import Refused
from wellread.server.exchange import Exchange, Json
from wellread.server.own_jobs import check_may_begin
from wellread.server.own_libraries import MOST, named, number
from wellread.server.receiving import receive
from wellread.server.uploads import new_incoming, remove

PAGE = {"filter": "only what this lets through", "limit": "at most so many (100)", "offset": "after so many (0)"}
SPAN = {"start": "the first code point (0)", "end": "the one after the last"}
SENT = {"tags": "tags for what is sent, with commas between"}


async def documents(exchange: Exchange) -> Response:
    """The documents of a library, by title."""
    name, page = named(exchange), exchange.query(PAGE)
    limit, offset = number(page, "limit", 100, most=MOST), number(page, "offset", 0)
    filter = page.maybe_text("filter")

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            found = opened.documents(filter=filter)
        return {"total": len(found), "documents": [dataclasses.asdict(each) for each in found[offset : offset + limit]]}

    return await exchange.quickly(make)


async def document(exchange: Exchange) -> Response:
    """A document with a part of its text, or all of it; its pages and sections."""
    name, ident, span = named(exchange), exchange.request.path_params["id"], exchange.query(SPAN)
    start, end = number(span, "start", 0), number(span, "end", 1 << 40)

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            if not opened.store.has(ident):
                raise _not_found()
            found = opened.document(ident)
        return dataclasses.asdict(replace(found, text=found.text[start:end])) | {"start": start, "chars": len(found.text)}

    return await exchange.quickly(make)


async def send(exchange: Exchange) -> Response:
    """Take files into a library; a job reads them. One of a name that was sent before is a new version of that document."""
    name, given = named(exchange), exchange.query(SENT)
    tags = list(tag_names([tag for tag in given.text("tags", "").split(",") if tag.strip()]))
    await asyncio.to_thread(check_may_begin, exchange)
    runtime, settings = exchange.runtime, exchange.runtime.parts.settings
    ident, folder = new_incoming(runtime.shelf.folder(name))
    names = await receive(exchange.request, runtime.bounds, folder, settings.max_file_mb * MEGABYTE)

    def make() -> dict[str, Any]:
        job = runtime.jobs.add("add", name, exchange.caller.name, {"names": names, "tags": tags}, ident)
        runtime.runner.wake()
        return job.json()

    return Json(await asyncio.to_thread(make), 202)


async def delete(exchange: Exchange) -> Response:
    """Take a document out of a library, and its words out of traces and kept answers. It stays away at later syncs; its file is deleted
    where that was sent here."""
    name, ident, runtime = named(exchange), exchange.request.path_params["id"], exchange.runtime

    def make() -> dict[str, Any]:
        with runtime.shelf.open(name, None, threading.Event()) as opened:
            if not opened.store.has(ident):
                raise _not_found()
            remove(opened, ident)
        runtime.stored.forget(name, ident)
        return {"id": ident, "deleted": True}

    return await exchange.changed(make)


def _not_found() -> Refused:
    return Refused(404, "document_not_found", "there is no such document in this library", "id")
