"""Wellread's own interface, /api/v1: libraries, documents, search, questions, traces.

Here a field that there is not is an error, as everywhere in Wellread. Offsets count Unicode code points.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from wellread.models.base import Writer
from wellread.options import Options
from wellread.recipe import Recipe
from wellread.record import answer_json, hit_json
from wellread.server.answering import LIBRARY, library_of
from wellread.server.asked import asked, recipe_of
from wellread.server.body import Fields
from wellread.server.errors import Refused, openai_error, wrong
from wellread.server.exchange import Exchange, Protocol, Route
from wellread.server.sse import Form, event
from wellread.types import Answer

_OPTIONS = {each.name for each in dataclasses.fields(Options)} - {"recipe"}
_RECIPE = {each.name for each in dataclasses.fields(Recipe)}
_ASK = {"question", "history", "model", "stream"} | _OPTIONS | _RECIPE
_SEARCH = {"query", "limit", "filter"} | (_RECIPE - {"widen"})
_PAGE = {"filter": "only what this lets through", "limit": "at most so many (100)", "offset": "after so many (0)"}
_SPAN = {"start": "the first code point (0)", "end": "the one after the last"}
_MOST = 1_000


async def libraries(exchange: Exchange) -> Response:
    """The libraries that are here."""
    names = [name for name in exchange.runtime.shelf.names() if exchange.caller.may_see(name)]
    return await exchange.quickly(lambda: {"libraries": [{"name": name, "model": LIBRARY + name} for name in names]})


async def library(exchange: Exchange) -> Response:
    """One library."""
    name = _named(exchange)

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            return {
                "name": name,
                "model": LIBRARY + name,
                "documents": len(opened.documents()),
                "chunks": opened.store.chunk_count(),
                "embedder": opened.store.meta("embedder"),
                "change": opened.store.change,
            }

    return await exchange.quickly(make)


async def documents(exchange: Exchange) -> Response:
    """The documents of a library, by title."""
    name, page = _named(exchange), exchange.query(_PAGE)
    limit, offset = _number(page, "limit", 100, most=_MOST), _number(page, "offset", 0)
    filter = page.maybe_text("filter")

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            found = opened.documents(filter=filter)
        return {"total": len(found), "documents": [dataclasses.asdict(each) for each in found[offset : offset + limit]]}

    return await exchange.quickly(make)


async def document(exchange: Exchange) -> Response:
    """A document with a part of its text, or all of it; its pages and sections."""
    name, ident, span = _named(exchange), exchange.request.path_params["id"], exchange.query(_SPAN)
    start, end = _number(span, "start", 0), _number(span, "end", 1 << 40)

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            if not opened.store.has(ident):
                raise Refused(404, "document_not_found", "there is no such document in this library", "id")
            found = opened.document(ident)
        return dataclasses.asdict(replace(found, text=found.text[start:end])) | {"start": start, "chars": len(found.text)}

    return await exchange.quickly(make)


async def search(exchange: Exchange) -> Response:
    """The passages that best match a query, each with the reason for its place."""
    name, fields = _named(exchange), await exchange.fields()
    fields.only(_SEARCH)
    query, limit = fields.text("query", most=10_000), fields.whole("limit", 8, least=1, most=100)
    filter, recipe = fields.maybe_text("filter"), recipe_of(fields)

    def make(stop: threading.Event) -> dict[str, Any]:
        writer = None if recipe.expand == "none" else library_of(exchange, LIBRARY + name)[1]
        with exchange.runtime.shelf.open(name, writer, stop) as opened:
            found = opened.find(query, limit=limit, filter=filter, recipe=recipe)
        return {"hits": [hit_json(hit) for hit in found.hits], "note": found.note or None}

    return await exchange.whole(make)


async def ask(exchange: Exchange) -> Response:
    """Answer a question. A stream has events "draft" (text that may yet be replaced) and, at its end, "answer" (all of it)."""
    name, fields = _named(exchange), await exchange.fields()
    fields.only(_ASK)
    question, history = fields.text("question", most=100_000), _history(fields)
    own = Fields({key: value for key, value in fields.values.items() if key in _OPTIONS | _RECIPE})
    options = asked(own, exchange.runtime.parts.settings)
    chat = fields.maybe_text("model")

    def pieces(stop: threading.Event) -> Iterator[tuple[str, Mapping[str, Any]]]:
        writer: Writer | None = None
        if options.mode != "extract":
            writer = library_of(exchange, LIBRARY + name + (f"@{chat}" if chat else ""))[1]
        with exchange.runtime.shelf.open(name, writer, stop) as opened:
            for piece in opened.stream(question, options=options, history=history):
                if isinstance(piece, Answer):
                    yield "answer", answer_json(piece)
                elif piece.text:
                    yield "draft", {"text": piece.text}

    if fields.flag("stream"):
        return await exchange.stream(lambda stop: (event(data, kind) for kind, data in pieces(stop)), Form(_fail))
    return await exchange.whole(lambda stop: [data for kind, data in pieces(stop)][-1])


async def traces(exchange: Exchange) -> Response:
    """The latest questions of a library."""
    name, page = _named(exchange), exchange.query({"limit": ""})
    limit = _number(page, "limit", 20, most=_MOST)

    def make() -> dict[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            return {"traces": opened.store.traces(limit)}

    return await exchange.quickly(make)


async def trace(exchange: Exchange) -> Response:
    """How an answer came about."""
    name, ident = _named(exchange), exchange.request.path_params["id"]

    def make() -> Mapping[str, Any]:
        with exchange.runtime.shelf.open(name, None, threading.Event()) as opened:
            found = opened.store.trace(ident)
        if found is None or found["id"] != ident:
            raise Refused(404, "trace_not_found", "there is no such trace in this library", "id")
        return found

    return await exchange.quickly(make)


def _named(exchange: Exchange) -> str:
    """The library that the address names. Raises `Refused` (404)."""
    name = exchange.seen(exchange.request.path_params["name"])
    exchange.runtime.shelf.folder(name)
    return name


def _number(given: Fields, name: str, default: int, *, most: int = 1 << 40) -> int:
    text = given.text(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most):
        raise wrong(name, f'"{name}" must be a whole number from 0 to {most}')
    return int(text)


def _history(fields: Fields) -> list[tuple[str, str]]:
    turns = []
    for row in fields.objects("history", most=1_000):
        row.only({"question", "answer"})
        turns.append((row.text("question"), row.text("answer")))
    return turns


def _fail(refused: Refused) -> str:
    return event(openai_error(refused), "error")


_BASE = "/api/v1/libraries"
_ONE = _BASE + "/{name}"
_TEXT, _FLAG, _COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
_RECIPE_SCHEMA = {
    "by": {"enum": ["hybrid", "keyword", "dense", "rrf"]},
    "min_relevance": {"type": "number", "minimum": 0, "maximum": 1},
    "mmr": {"type": "number", "minimum": 0, "maximum": 1},
    "rerank": {"type": "integer", "minimum": 0, "maximum": 100},
    "expand": {"enum": ["none", "rewrite", "multi", "hyde", "decompose", "stepback"]},
}
_SEARCH_SCHEMA = {
    "type": "object",
    "required": ["query"],
    "additionalProperties": False,
    "properties": {"query": _TEXT, "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "filter": _TEXT, **_RECIPE_SCHEMA},
}
_TURN_SCHEMA = {"type": "object", "required": ["question", "answer"], "properties": {"question": _TEXT, "answer": _TEXT}}
_ASK_SCHEMA = {
    "type": "object",
    "required": ["question"],
    "additionalProperties": False,
    "properties": {
        "question": _TEXT,
        "history": {"type": "array", "items": _TURN_SCHEMA},
        "model": _TEXT,
        "stream": _FLAG,
        "mode": {"enum": ["auto", "compact", "refine", "tree_summarize", "extract"]},
        "strict": _FLAG,
        "filter": _TEXT,
        "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "max_tokens": {"type": "integer", "minimum": 1},
        "evidence_tokens": {"type": "integer", "minimum": 1},
        "drafts": {"type": "integer", "minimum": 1, "maximum": 16},
        "whole": _FLAG,
        "max_calls": {"type": "integer", "minimum": 1},
        "memory_tokens": {"type": "integer", "minimum": 1},
        "overflow": {"enum": ["error", "drop"]},
        "widen": {"enum": ["none", "sentences", "neighbours", "parent", "section"]},
        **_RECIPE_SCHEMA,
    },
}

OWN = Protocol(
    "/api/v1",
    (
        Route("GET", _BASE, libraries, "The libraries that are here."),
        Route("GET", _ONE, library, "One library."),
        Route("GET", _ONE + "/documents", documents, "The documents of a library, by title.", query=_PAGE),
        Route("GET", _ONE + "/documents/{id}", document, "A document, with its text or a part of it.", query=_SPAN),
        Route("POST", _ONE + "/search", search, "The passages that match a query, and why.", body=_SEARCH_SCHEMA),
        Route("POST", _ONE + "/ask", ask, "Answer a question; all of the answer, or events.", body=_ASK_SCHEMA),
        Route("GET", _ONE + "/traces", traces, "The latest questions.", query={"limit": "at most so many (20)"}),
        Route("GET", _ONE + "/traces/{id}", trace, "How an answer came about."),
    ),
    openai_error,
)
