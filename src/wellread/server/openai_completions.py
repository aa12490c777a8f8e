"""POST /v1/completions: https://platform.openai.com/docs/api-reference/completions

The prompt is read as it is, control tokens included: whoever sends it writes the whole of what the model reads.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

from starlette.responses import Response

from wellread.models.base import ChatModel, TextModel
from wellread.models.watched import Stopped
from wellread.server.answering import completing
from wellread.server.body import Fields
from wellread.server.converse import fitting
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.openai_chat import STREAM, usage_json
from wellread.server.sampling import answers, refuse, sampling
from wellread.server.sse import DONE, event
from wellread.types import Delta, Sampling, Token, Usage

_MOST_PROMPTS = 128
_DEFAULT_TOKENS = 16  # what OpenAI's API writes when it is not told
_MOST_TOP = 20
_CANNOT: dict[str, tuple[object, str]] = {
    "suffix": ("", "no engine here fills in between"),
    "best_of": (1, "every answer is given as it comes; ask for n"),
}

Prompt = str | tuple[int, ...]
"""Text, or token numbers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be gone on from, how, and how often each; `echo` repeats the prompt first. A `sampling.max_tokens` of 0 writes nothing."""

    model: str
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    count: int
    echo: bool


async def completions(exchange: Exchange) -> Response:
    """Go on from a text."""
    fields = await exchange.fields()
    wanted = read(fields)

    def deltas(stop: threading.Event) -> Iterator[tuple[int, Delta]]:
        return completing(exchange, wanted.model, _deltas(wanted, exchange.runtime.models.chat(wanted.model).model, stop), wanted.count)

    if not fields.flag("stream"):
        return await exchange.whole(lambda stop: _whole(wanted, deltas(stop)))
    with_usage = fields.inner("stream_options").flag("include_usage")
    return await exchange.stream(lambda stop: _frames(wanted, deltas(stop), with_usage=with_usage), STREAM)


def read(fields: Fields) -> Wanted:
    """What a request asks for. Raises `Refused`."""
    refuse(fields, _CANNOT)
    echo = fields.flag("echo")
    nothing = echo and fields.values.get("max_tokens") == 0
    how = sampling(fields, *(() if nothing else ("max_tokens",)))
    top = fields.whole("logprobs", 0, most=_MOST_TOP) if "logprobs" in fields else None
    how = replace(how, max_tokens=0 if nothing else how.max_tokens or _DEFAULT_TOKENS, logprobs=top)
    return Wanted(fields.text("model"), _prompts(fields), how, answers(fields), echo)


def _prompts(fields: Fields) -> tuple[Prompt, ...]:
    value = fields.values.get("prompt")
    found: tuple[Prompt, ...]
    if not isinstance(value, list):
        found = (fields.text("prompt"),)
    elif value and all(isinstance(each, int) and not isinstance(each, bool) for each in value):
        found = (_numbers(value),)
    elif value and all(isinstance(each, list) for each in value):
        found = tuple(_numbers(each) for each in fields.items("prompt", most=_MOST_PROMPTS))
    else:
        found = tuple(fields.texts("prompt", most=_MOST_PROMPTS))
    if not found or not all(found):
        raise wrong("prompt", '"prompt" is empty')
    return found


def _numbers(value: list[Any]) -> tuple[int, ...]:
    if not all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 31 for each in value):
        raise wrong("prompt", '"prompt" must be text, token numbers, or a list of either', code="invalid_type")
    return tuple(value)


def _deltas(wanted: Wanted, model: ChatModel, stop: threading.Event) -> Iterator[tuple[int, Delta]]:
    """The pieces of every completion, each with its index: those of the first prompt come first."""
    if not isinstance(model, TextModel):
        raise unsupported("prompt", f"{model.name} answers conversations only", hint="use /v1/chat/completions")
    for number, prompt in enumerate(wanted.prompts):
        tokens = model.count_text(prompt)
        how = fitting(wanted.sampling, tokens, model)
        before = [_echoed(prompt, model, how)] if wanted.echo else []
        for turn in range(wanted.count):
            seed = None if how.seed is None else how.seed + turn
            nothing = (each for each in [Delta(finish="length", usage=Usage(tokens))])
            written: Any = model.complete(prompt, sampling=replace(how, seed=seed)) if wanted.sampling.max_tokens else nothing
            with closing(written):  # at once, and not when somebody lets go of the error
                for delta in chain(before, written):
                    if stop.is_set():
                        raise Stopped("the request was stopped.")
                    yield number * wanted.count + turn, delta


def _echoed(prompt: Prompt, model: TextModel, how: Sampling) -> Delta:
    """The prompt once more, with its probabilities where they are wanted."""
    if how.logprobs is None and isinstance(prompt, str):
        return Delta(text=prompt)
    tokens = model.score(prompt, how.logprobs or 0)
    text = prompt if isinstance(prompt, str) else "".join(token.text for token in tokens)
    return Delta(text=text, tokens=tuple(tokens) if how.logprobs is not None else ())


def _whole(wanted: Wanted, deltas: Iterator[tuple[int, Delta]]) -> dict[str, Any]:
    count = len(wanted.prompts) * wanted.count
    texts, tokens, finishes, usage = [""] * count, [list[Token]() for _ in range(count)], ["stop"] * count, Usage()
    for index, delta in deltas:
        texts[index] += delta.text
        tokens[index] += delta.tokens
        if delta.finish:
            finishes[index] = delta.finish
            usage = _sum(usage, delta.usage or Usage(), first=index % wanted.count == 0)
    told = wanted.sampling.logprobs is not None
    choices = [_choice(index, texts[index], finishes[index], _logprobs(tokens[index], 0) if told else None) for index in range(count)]
    return _head(wanted) | {"choices": choices, "usage": usage_json(usage)}


def _frames(wanted: Wanted, deltas: Iterator[tuple[int, Delta]], *, with_usage: bool) -> Generator[str, None, None]:
    head, usage = _head(wanted), Usage()
    at: dict[int, int] = {}
    for index, delta in deltas:
        if delta.finish:
            usage = _sum(usage, delta.usage or Usage(), first=index % wanted.count == 0)
        told = _logprobs(delta.tokens, at.get(index, 0)) if delta.tokens else None
        at[index] = at.get(index, 0) + len(delta.text)
        yield event(head | {"choices": [_choice(index, delta.text, delta.finish, told)]})
    if with_usage:
        yield event(head | {"choices": [], "usage": usage_json(usage)})
    yield DONE


def _logprobs(tokens: Sequence[Token], begin: int) -> dict[str, Any]:
    """Tokens as the older API tells of them; `begin` is where they stand in the text, in characters."""
    offsets = accumulate((len(token.text) for token in tokens[:-1]), initial=begin) if tokens else ()
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [None if token.logprob is None else dict(token.top) for token in tokens],
        "text_offset": list(offsets),
    }


def _choice(index: int, text: str, finish: str | None, logprobs: dict[str, Any] | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def _head(wanted: Wanted) -> dict[str, Any]:
    return {"id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time()), "model": wanted.model}


def _sum(one: Usage, other: Usage, *, first: bool) -> Usage:
    return Usage(one.prompt_tokens + (other.prompt_tokens if first else 0), one.completion_tokens + other.completion_tokens)
