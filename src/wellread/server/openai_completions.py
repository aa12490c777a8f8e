"""POST /v1/completions: https://platform.openai.com/docs/api-reference/completions

The prompt is read as it is, control tokens included: whoever sends it writes the whole of what the model reads.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from wellread.models.base import ChatModel, TextModel
from wellread.models.watched import Stopped
from wellread.server.body import Fields
from wellread.server.converse import fitting
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.openai_chat import STREAM, usage_json
from wellread.server.sampling import answers, refuse, sampling
from wellread.server.sse import DONE, event
from wellread.types import Delta, Sampling, Usage

_MOST_PROMPTS = 128
_DEFAULT_TOKENS = 16  # what OpenAI's API writes when it is not told
_CANNOT: dict[str, tuple[object, str]] = {
    "echo": (False, "prompts are not repeated"),
    "suffix": ("", "no engine here fills in between"),
    "best_of": (1, "every answer is given as it comes; ask for n"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be gone on from, how, and how often each."""

    model: str
    prompts: tuple[str, ...]
    sampling: Sampling
    count: int


async def completions(exchange: Exchange) -> Response:
    """Go on from a text."""
    fields = await exchange.fields()
    wanted = read(fields)

    def deltas(stop: threading.Event) -> Iterator[tuple[int, Delta]]:
        return _deltas(wanted, exchange.runtime.models.chat(wanted.model).model, stop)

    if not fields.flag("stream"):
        return await exchange.whole(lambda stop: _whole(wanted, deltas(stop)))
    with_usage = fields.inner("stream_options").flag("include_usage")
    return await exchange.stream(lambda stop: _frames(wanted, deltas(stop), with_usage=with_usage), STREAM)


def read(fields: Fields) -> Wanted:
    """What a request asks for. Raises `Refused`."""
    refuse(fields, _CANNOT)
    if isinstance(fields.values.get("logprobs"), int) and not isinstance(fields.values["logprobs"], bool):
        raise unsupported("logprobs", "no engine here tells them")
    how = sampling(fields, "max_tokens")
    return Wanted(fields.text("model"), _prompts(fields), replace(how, max_tokens=how.max_tokens or _DEFAULT_TOKENS), answers(fields))


def _prompts(fields: Fields) -> tuple[str, ...]:
    value = fields.values.get("prompt")
    if isinstance(value, list) and value and not isinstance(value[0], str):
        raise wrong("prompt", "prompts of token numbers are not read", hint="send the text")
    found = tuple(fields.texts("prompt", most=_MOST_PROMPTS)) if isinstance(value, list) else (fields.text("prompt"),)
    if not found or not all(found):
        raise wrong("prompt", '"prompt" is empty')
    return found


def _deltas(wanted: Wanted, model: ChatModel, stop: threading.Event) -> Iterator[tuple[int, Delta]]:
    """The pieces of every completion, each with its index: those of the first prompt come first."""
    if not isinstance(model, TextModel):
        raise unsupported("prompt", f"{model.name} answers conversations only", hint="use /v1/chat/completions")
    for number, prompt in enumerate(wanted.prompts):
        how = fitting(wanted.sampling, model.count_text(prompt), model)
        for turn in range(wanted.count):
            seed = None if how.seed is None else how.seed + turn
            for delta in model.complete(prompt, sampling=replace(how, seed=seed)):
                if stop.is_set():
                    raise Stopped("the request was stopped.")
                yield number * wanted.count + turn, delta


def _whole(wanted: Wanted, deltas: Iterator[tuple[int, Delta]]) -> dict[str, Any]:
    choices = [_choice(index, "", "stop") for index in range(len(wanted.prompts) * wanted.count)]
    usage = Usage()
    for index, delta in deltas:
        choices[index]["text"] += delta.text
        if delta.finish:
            choices[index]["finish_reason"] = delta.finish
            usage = _sum(usage, delta.usage or Usage(), first=index % wanted.count == 0)
    return _head(wanted) | {"choices": choices, "usage": usage_json(usage)}


def _frames(wanted: Wanted, deltas: Iterator[tuple[int, Delta]], *, with_usage: bool) -> Generator[str, None, None]:
    head, usage = _head(wanted), Usage()
    for index, delta in deltas:
        if delta.finish:
            usage = _sum(usage, delta.usage or Usage(), first=index % wanted.count == 0)
        yield event(head | {"choices": [_choice(index, delta.text, delta.finish)]})
    if with_usage:
        yield event(head | {"choices": [], "usage": usage_json(usage)})
    yield DONE


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _head(wanted: Wanted) -> dict[str, Any]:
    return {"id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time()), "model": wanted.model}


def _sum(one: Usage, other: Usage, *, first: bool) -> Usage:
    return Usage(one.prompt_tokens + (other.prompt_tokens if first else 0), one.completion_tokens + other.completion_tokens)
