"""A turn of a conversation answered by a chat model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

from wellread.errors import ContextOverflow
from wellread.models.base import ChatModel
from wellread.models.watched import Watched
from wellread.server.tools import Calls, call_id, choosing, told
from wellread.server.turn import Called, Ended, Function, Piece, Said, Turn
from wellread.types import Message, Sampling, Usage

LONGEST = 1024
"""Tokens that an answer may have where the request does not say."""

_NAME_TOKENS = 64


def converse(turn: Turn, chat: ChatModel, stop: threading.Event) -> Iterator[Piece]:
    """The pieces of the answers to a turn, one answer after another.

    An answer is never longer than what the prompt leaves of the window; `Ended` says "length" where that cut it off. Raises
    `ContextOverflow` where nothing is left.
    """
    model = Watched(chat, stop)
    sampling = fitting(turn.sampling, model.count_tokens(told(turn)), model)
    for index in range(turn.count):
        seed = None if sampling.seed is None else sampling.seed + index
        yield from _answer(replace(turn, sampling=replace(sampling, seed=seed)), model, index)


def fitting(sampling: Sampling, prompt_tokens: int, model: ChatModel) -> Sampling:
    """Sampling with what the window leaves for an answer. Raises `ContextOverflow` where that is nothing."""
    room = model.context_window - prompt_tokens
    if room < 1:
        raise ContextOverflow(
            f"the prompt takes {prompt_tokens} tokens, and the window of {model.name} holds {model.context_window}.",
            hint="send less, or start the server with a larger --context-window",
        )
    return replace(sampling, max_tokens=min(sampling.max_tokens or LONGEST, room))


def _answer(turn: Turn, model: ChatModel, index: int) -> Iterator[Piece]:
    if turn.functions and turn.choice in ("required", "named"):
        yield from _demanded(turn, model, index)
    elif turn.functions and turn.choice == "auto":
        yield from _free(turn, model, index)
    else:
        for delta in model.stream(told(turn), schema=turn.schema, sampling=turn.sampling):
            if delta.text or delta.tokens:
                yield Said(index, delta.text, delta.tokens)
            if delta.finish:
                yield Ended(index, delta.finish, delta.usage or Usage())


def _free(turn: Turn, model: ChatModel, index: int) -> Iterator[Piece]:
    """The model calls a function where it wants to."""
    calls = Calls(index, turn.functions)
    for delta in model.stream(told(turn), sampling=turn.sampling):
        yield from calls.add(delta.text)
        if delta.finish:
            yield from calls.rest()
            finish = "tool_calls" if calls.count and delta.finish == "stop" else delta.finish
            yield Ended(index, finish, delta.usage or Usage())


def _demanded(turn: Turn, model: ChatModel, index: int) -> Iterator[Piece]:
    """The model must call a function: it names one, where there are several, then writes the arguments to that one's schema.

    Arguments that the length limit cuts off are told as they are, with "length": they are no JSON then.
    """
    spent = Usage()
    function = turn.functions[0]
    if len(turn.functions) > 1:
        function, spent = _chosen(turn, model)
    named = replace(turn, functions=(function,), choice="named")
    yield Called(index, 0, call_id(), function.name)
    sampling = replace(turn.sampling, stop=())  # inside of JSON a stop string would only do harm
    for delta in model.stream(told(named), schema=function.parameters, sampling=sampling):
        if delta.text:
            yield Called(index, 0, arguments=delta.text)
        if delta.finish:
            usage = delta.usage or Usage()
            both = Usage(usage.prompt_tokens, usage.completion_tokens + spent.completion_tokens, usage.cached_tokens)
            yield Ended(index, "length" if delta.finish == "length" else "tool_calls", both)


def _chosen(turn: Turn, model: ChatModel) -> tuple[Function, Usage]:
    """The function that the model names."""
    text, usage = "", Usage()
    sampling = replace(turn.sampling, stop=(), max_tokens=min(_NAME_TOKENS, turn.sampling.max_tokens))
    for delta in model.stream(told(turn), schema=choosing(turn.functions), sampling=sampling):
        text += delta.text
        usage = delta.usage or usage
    try:
        name = json.loads(text)["name"]
    except (ValueError, KeyError, TypeError):  # cut off, or an engine that keeps no schema
        name = None
    return next((each for each in turn.functions if each.name == name), turn.functions[0]), usage


def last_question(messages: tuple[Message, ...]) -> tuple[str, list[tuple[str, str]]]:
    """The last question of a conversation, and the (question, answer) turns before it."""
    turns: list[tuple[str, str]] = []
    asked = ""
    for message in messages[:-1]:
        if message.role == "user":
            asked = message.content
        elif message.role == "assistant" and asked:
            turns.append((asked, message.content))
            asked = ""
    return messages[-1].content, turns
