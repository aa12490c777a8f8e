"""POST /v1/chat/completions: https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from wellread.record import answer_json
from wellread.server.answering import answering
from wellread.server.body import Fields
from wellread.server.cited import marked, url_citation
from wellread.server.errors import openai_error, unsupported
from wellread.server.exchange import Exchange
from wellread.server.openai_read import chosen, functions, messages, response_format
from wellread.server.sampling import answers, chat_logprobs, refuse, sampling
from wellread.server.sse import DONE, Form, event
from wellread.server.turn import Called, Found, Piece, Said, Turn
from wellread.types import Token, Usage

_CANNOT: dict[str, tuple[object, str]] = {
    "functions": ([], 'this is the old way; use "tools"'),
    "function_call": ("none", 'this is the old way; use "tool_choice"'),
    "modalities": (["text"], "the models here write text only"),
    "audio": (None, "the models here write text only"),
    "web_search_options": (None, "nothing is searched on the web here"),
    "reasoning_effort": ("none", "the models here do not think first"),
    "verbosity": ("medium", "the models here cannot be told how much to say"),
}


async def chat_completions(exchange: Exchange) -> Response:
    """Answer a conversation."""
    fields = await exchange.fields()
    turn = read(fields)
    if not fields.flag("stream"):
        return await exchange.whole(lambda stop: whole(turn, answering(exchange, turn, stop)))
    with_usage = fields.inner("stream_options").flag("include_usage")

    def make(stop: threading.Event) -> Generator[str, None, None]:
        return frames(turn, answering(exchange, turn, stop), with_usage=with_usage)

    return await exchange.stream(make, STREAM)


def read(fields: Fields) -> Turn:
    """The turn that a request asks for. Raises `Refused` for what is wrong with it, and for what cannot be done."""
    refuse(fields, _CANNOT)
    offered = functions(fields)
    choice, callable_ = chosen(fields, offered)
    how = replace(sampling(fields, "max_completion_tokens", "max_tokens"), logprobs=chat_logprobs(fields))
    if how.logprobs is not None and choice != "none":
        raise unsupported("logprobs", "they are not told where functions may be called", hint='leave "tools" out')
    return Turn(
        model=fields.text("model"),
        messages=messages(fields),
        sampling=how,
        schema=response_format(fields.inner("response_format")),
        functions=callable_,
        choice=choice,
        count=answers(fields),
        own=fields.inner("wellread").values or None,
    )


STREAM = Form(lambda refused: event(openai_error(refused)) + DONE)
"""How OpenAI's completions are streamed."""


@dataclass
class _Message:
    """An answer as its pieces come in."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str = "stop"
    found: Found | None = None


def whole(turn: Turn, pieces: Iterator[Piece]) -> dict[str, Any]:
    """A chat completion."""
    made = [_Message() for _ in range(turn.count)]
    usage = Usage()
    for piece in pieces:
        message = made[piece.index]
        if isinstance(piece, Said):
            message.text += piece.text
            message.tokens += piece.tokens
        elif isinstance(piece, Called):
            if piece.name:
                message.calls.append(_call(piece))
            message.calls[piece.position]["function"]["arguments"] += piece.arguments
        elif isinstance(piece, Found):
            message.found = piece
        else:
            message.finish = piece.finish
            usage = _sum(usage, piece.usage)
    head = _head(turn, "chat.completion")
    told = turn.sampling.logprobs is not None
    choices = [_choice(index, message, logprobs_json(message.tokens) if told else None) for index, message in enumerate(made)]
    own = [own_json(message.found) for message in made if message.found]
    return head | {"choices": choices, "usage": usage_json(usage)} | ({"wellread": own[0]} if own else {})


def frames(turn: Turn, pieces: Iterator[Piece], *, with_usage: bool) -> Generator[str, None, None]:
    """The events of a streamed chat completion."""
    head = _head(turn, "chat.completion.chunk")
    usage = Usage()
    begun: set[int] = set()
    for piece in pieces:
        if piece.index not in begun:
            begun.add(piece.index)
            yield event(head | {"choices": [_delta(piece.index, {"role": "assistant", "content": ""})]})
        if isinstance(piece, Said):
            told = logprobs_json(piece.tokens) if piece.tokens else None
            yield event(head | {"choices": [_delta(piece.index, {"content": piece.text}) | {"logprobs": told}]})
        elif isinstance(piece, Called):
            call = {"index": piece.position, **(_call(piece) if piece.name else {"function": {"arguments": piece.arguments}})}
            yield event(head | {"choices": [_delta(piece.index, {"tool_calls": [call]})]})
        elif isinstance(piece, Found):
            notes = {"annotations": _annotations(piece)}
            yield event(head | {"choices": [_delta(piece.index, notes)], "wellread": own_json(piece)})
        else:
            usage = _sum(usage, piece.usage)
            yield event(head | {"choices": [_delta(piece.index, {}, piece.finish)]})
    if with_usage:
        yield event(head | {"choices": [], "usage": usage_json(usage)})
    yield DONE


def own_json(found: Found) -> dict[str, Any]:
    """The whole answer of a library, as `wellread ask --json` has it."""
    return answer_json(replace(found.answer, notes=(*found.answer.notes, *found.notes)))


def usage_json(usage: Usage) -> dict[str, Any]:
    """What an answer cost, in tokens."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def logprobs_json(tokens: Sequence[Token]) -> dict[str, Any]:
    """Tokens with their probabilities."""
    rows = [
        _token(token.text, token.logprob) | {"top_logprobs": [_token(text, logprob) for text, logprob in token.top]} for token in tokens
    ]
    return {"content": rows, "refusal": None}


def _token(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _choice(index: int, made: _Message, logprobs: dict[str, Any] | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": made.text if made.text or not made.calls else None, "refusal": None}
    if made.calls:
        message["tool_calls"] = made.calls
    if made.found is not None:
        message["annotations"] = _annotations(made.found)
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": made.finish}


def _annotations(found: Found) -> list[dict[str, Any]]:
    return [url_citation(cited, found.answer) for cited in marked(found.answer)[1]]


def _call(piece: Called) -> dict[str, Any]:
    return {"id": piece.id, "type": "function", "function": {"name": piece.name, "arguments": ""}}


def _delta(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _head(turn: Turn, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": turn.model}


def _sum(one: Usage, other: Usage) -> Usage:
    """What several answers to one prompt cost: it is read once."""
    return Usage(other.prompt_tokens, one.completion_tokens + other.completion_tokens, max(one.cached_tokens, other.cached_tokens))
