"""POST /v1/messages and /v1/messages/count_tokens: https://platform.claude.com/docs/en/api/messages"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from starlette.responses import Response

from wellread.server.answering import LIBRARY, answering, count, from_documents
from wellread.server.anthropic_errors import anthropic_error
from wellread.server.anthropic_read import Block, blocks, chosen, functions, output_schema, sampling
from wellread.server.anthropic_writing import Writing
from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.given import Given
from wellread.server.given import read as documents_of
from wellread.server.halting import Halted, halting
from wellread.server.sampling import refuse
from wellread.server.sse import Form, event
from wellread.server.tools import told
from wellread.server.turn import Called, Ended, Piece, Said, Turn
from wellread.types import Message

_CANNOT: dict[str, tuple[object, str]] = {
    "container": (None, "no code is carried out here"),
    "mcp_servers": ([], "no other server is asked"),
    "context_management": (None, "nothing is left out of a conversation here"),
    "speed": ("standard", "there is one speed"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. The turn has its messages once the documents in `blocks` are read; `once`: at most one tool is called."""

    turn: Turn
    blocks: tuple[Block, ...]
    once: bool = False

    @property
    def documents(self) -> tuple[Given, ...]:
        """The documents, in order."""
        return tuple(part for block in self.blocks for part in block.parts if isinstance(part, Given))


async def messages(exchange: Exchange) -> Response:
    """Answer a conversation."""
    fields = await exchange.fields()
    asked = read(fields)
    if fields.flag("stream"):
        return await exchange.stream(lambda stop: _frames(exchange, asked, stop), _STREAM)
    return await exchange.whole(lambda stop: _whole(exchange, asked, stop))


async def count_tokens(exchange: Exchange) -> Response:
    """How many tokens a conversation takes, documents and tools included."""
    fields = await exchange.fields()
    asked = read(Fields({**fields.values, "max_tokens": 1}))
    if asked.turn.model.startswith(LIBRARY):
        raise unsupported("model", "what a library's answer takes is known once its passages are found", hint="name a chat model")

    def make(stop: threading.Event) -> dict[str, Any]:
        chat = exchange.runtime.models.chat(asked.turn.model).model
        return {"input_tokens": chat.count_tokens(told(_settled(exchange, asked)))}

    return await exchange.whole(make)


def read(fields: Fields) -> Asked:
    """What a request asks for. Raises `Refused` for what is wrong with it, and for what cannot be done."""
    refuse(fields, _CANNOT)
    refuse(fields.inner("output_config"), {"effort": ("high", "the models here cannot be told how hard to try")})
    if fields.inner("thinking").text("type", "disabled") != "disabled":
        raise unsupported("thinking", "the models here do not think first")
    choice, callable_ = chosen(fields, functions(fields))
    turn = Turn(
        model=fields.text("model"),
        messages=(),
        sampling=sampling(fields),
        schema=output_schema(fields),
        functions=callable_,
        choice=choice,
        own=fields.inner("wellread").values or None,
    )
    asked = Asked(turn, blocks(fields), fields.inner("tool_choice").flag("disable_parallel_tool_use"))
    _check(asked)
    return asked


def _check(asked: Asked) -> None:
    """Raise `Refused` for what an answer from documents cannot do."""
    turn, library = asked.turn, asked.turn.model.startswith(LIBRARY)
    if asked.documents and library:
        raise unsupported("messages", "a library answers from its own documents", hint="name a chat model to answer from those you send")
    if not library and not any(given.cited for given in asked.documents):
        return
    if turn.choice in ("required", "named"):
        raise unsupported("tool_choice", "an answer from documents calls no tools")
    if turn.schema is not None:
        raise unsupported("output_config", "an answer from documents is in sentences", hint='it is there as JSON in the field "wellread"')
    if turn.sampling.stop:
        raise unsupported("stop_sequences", "an answer from documents ends where it ends")


_PING = event({"type": "ping"}, "ping")
_STREAM = Form(lambda refused: event(anthropic_error(refused), "error"), waiting=_PING)


def _frames(exchange: Exchange, asked: Asked, stop: threading.Event) -> Generator[str, None, None]:
    writing, pieces = _answered(exchange, asked, stop)
    first = next(pieces)  # what is wrong is told by the status, so nothing is said before
    yield event({"type": "message_start", "message": writing.head(first)}, "message_start")
    yield _PING
    for piece in chain([first], pieces):
        for data in writing.add(piece):
            yield event(data, data["type"])


def _whole(exchange: Exchange, asked: Asked, stop: threading.Event) -> dict[str, Any]:
    writing, pieces = _answered(exchange, asked, stop)
    for piece in pieces:
        for _ in writing.add(piece):
            pass
    return writing.message


def _answered(exchange: Exchange, asked: Asked, stop: threading.Event) -> tuple[Writing, Iterator[Piece | Halted]]:
    turn = _settled(exchange, asked)
    cited = [given for given in asked.documents if given.cited]
    if cited:
        question = replace(turn, messages=_question(turn.messages), functions=(), choice="none")
        writing = Writing(turn.model, 0, {given.ident: given for given in cited})
        return writing, _checked(from_documents(exchange, question, cited, _unused(turn, cited), stop))
    if turn.model.startswith(LIBRARY):
        return Writing(turn.model, 0, {}), _checked(answering(exchange, turn, stop))
    prompt = exchange.runtime.models.chat(turn.model).model.count_tokens(told(turn))
    pieces = answering(exchange, replace(turn, sampling=replace(turn.sampling, stop=())), stop)
    writing = Writing(turn.model, prompt, {})
    return writing, _counted(exchange, halting(_one_call(pieces) if asked.once else pieces, turn.sampling.stop, prompt))


def _settled(exchange: Exchange, asked: Asked) -> Turn:
    """The turn with its messages, in which the documents stand that are not to be cited. PDF are read for it."""
    plain = [given for given in asked.documents if not given.cited]
    documents = documents_of(plain, exchange.runtime.parts.settings)
    return replace(asked.turn, messages=tuple(block.message(documents) for block in asked.blocks))


def _question(given: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation up to the last question, without what tools were asked and said: their results are documents now."""
    said = [replace(message, tool_calls=()) for message in given if message.role != "tool" and message.content.strip()]
    while said and said[-1].role != "user":
        said.pop()
    if not said:
        raise wrong("messages", "there is no question beside the documents", hint="add a block of text")
    return tuple(said)


def _unused(turn: Turn, cited: Sequence[Given]) -> tuple[str, ...]:
    """What came with documents and has no part in an answer from them."""
    notes = []
    if turn.choice == "auto":
        notes.append("no tools were called: this answer is from the documents only")
    if any(message.role == "tool" and message.content.strip() for message in turn.messages):
        notes.append("what tools gave back as plain text was not used: this answer is from the documents only")
    if any(given.context for given in cited):
        notes.append("what was said of documents in their context was not used")
    return tuple(notes)


def _checked(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces without the text, which the checked answer has with its citations."""
    return (piece for piece in pieces if not isinstance(piece, Said))


def _one_call(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces with the first call only."""
    return (piece for piece in pieces if not isinstance(piece, Called) or piece.position == 0)


def _counted(exchange: Exchange, pieces: Iterator[Piece | Halted]) -> Iterator[Piece | Halted]:
    """An answer that was ended here is counted here."""
    for piece in pieces:
        if isinstance(piece, Halted):
            count(exchange.runtime, Ended(0, "stop", piece.usage))
        yield piece
