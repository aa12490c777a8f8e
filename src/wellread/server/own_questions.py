"""Questions of /api/v1: search and ask."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import Response

from wellread.models.base import Writer
from wellread.options import Options
from wellread.recipe import Recipe
from wellread.record import answer_json, hit_json
from wellread.server.answering import LIBRARY, count_answer, library_of, note_answer
from wellread.server.asked import asked, recipe_of
from wellread.server.body import Fields
from wellread.server.errors import Refused, openai_error
from wellread.server.exchange import Exchange
from wellread.server.own_libraries import named
from wellread.server.sse import Form, event
from wellread.types import Answer, Message

_OPTIONS = {each.name for each in dataclasses.fields(Options)} - {"recipe"}
_RECIPE = {each.name for each in dataclasses.fields(Recipe)}
_ASK = {"question", "history", "model", "stream"} | _OPTIONS | _RECIPE
_SEARCH = {"query", "limit", "filter"} | (_RECIPE - {"widen"})


async def search(exchange: Exchange) -> Response:
    """The passages that best match a query, each with the reason for its place."""
    name, fields = named(exchange), await exchange.fields()
    fields.only(_SEARCH)
    query, limit = fields.text("query", most=10_000), fields.whole("limit", 8, least=1, most=100)
    filter, recipe = fields.maybe_text("filter"), recipe_of(fields)

    def make(stop: threading.Event) -> dict[str, Any]:
        writer = None if recipe.expand == "none" else library_of(exchange, LIBRARY + name)[1]
        with exchange.runtime.shelf.open(name, writer, stop) as opened, exchange.tracing.work("search", LIBRARY + name, limit=limit):
            found = opened.find(query, limit=limit, filter=filter, recipe=recipe)
        return {"hits": [hit_json(hit) for hit in found.hits], "note": found.note or None}

    return await exchange.whole(make)


async def ask(exchange: Exchange) -> Response:
    """Answer a question. A stream has events "draft" (text that may yet be replaced) and, at its end, "answer" (all of it)."""
    name, fields = named(exchange), await exchange.fields()
    fields.only(_ASK)
    question, history = fields.text("question", most=100_000), _history(fields)
    own = Fields({key: value for key, value in fields.values.items() if key in _OPTIONS | _RECIPE})
    options = asked(own, exchange.runtime.parts.settings)
    chat = fields.maybe_text("model")

    exchange.tracing.say(messages=(Message("user", question),))

    def pieces(stop: threading.Event) -> Iterator[tuple[str, Mapping[str, Any]]]:
        writer: Writer | None = None
        if options.mode != "extract":
            writer = library_of(exchange, LIBRARY + name + (f"@{chat}" if chat else ""))[1]
        with exchange.tracing.work("ask", LIBRARY + name), exchange.runtime.shelf.open(name, writer, stop) as opened:
            for piece in opened.stream(question, options=options, history=history):
                exchange.tracing.first()
                if isinstance(piece, Answer):
                    note_answer(exchange, name, opened, piece)
                    count_answer(exchange.runtime, piece)
                    exchange.tracing.say(text=piece.text)
                    yield "answer", answer_json(piece)
                elif piece.text:
                    yield "draft", {"text": piece.text}

    if fields.flag("stream"):
        return await exchange.stream(lambda stop: (event(data, kind) for kind, data in pieces(stop)), Form(_fail))
    return await exchange.whole(lambda stop: [data for kind, data in pieces(stop)][-1])


def _history(fields: Fields) -> list[tuple[str, str]]:
    turns = []
    for row in fields.objects("history", most=1_000):
        row.only({"question", "answer"})
        turns.append((row.text("question"), row.text("answer")))
    return turns


def _fail(refused: Refused) -> str:
    return event(openai_error(refused), "error")
