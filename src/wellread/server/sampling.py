"""How tokens are to be chosen, in the words of OpenAI's API and of the local servers that extend it."""

from __future__ import annotations

from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.types import Sampling

_MOST_STOPS = 16
_LONGEST_STOP = 200
_MOST_ANSWERS = 8

_MOST_BIASES = 300
_SMALLEST = 1e-5
_MOST_TOP = 20

_CANNOT: dict[str, tuple[object, str]] = {"typical_p": (1, "no engine here has it; top_p, top_k and min_p are there")}
"""What can be asked for and is not there: the value that asks for nothing, and what is said to any other."""


def sampling(fields: Fields, *limits: str) -> Sampling:
    """The sampling that a request asks for; without a temperature the likeliest tokens are taken. `limits` are the names that the longest
    answer goes by; 0 is that none is given."""
    refuse(fields, _CANNOT)
    longest = next((fields.whole(name, least=1) for name in limits if name in fields), 0)
    penalty = "repetition_penalty" if "repetition_penalty" in fields else "repeat_penalty"
    return Sampling(
        temperature=temperature(fields),
        top_p=top_p(fields),
        top_k=max(0, fields.whole("top_k", 0, least=-1, most=1 << 20)),
        seed=fields.whole("seed", least=-(1 << 63), most=(1 << 64) - 1) & 0x7FFFFFFF if "seed" in fields else None,
        max_tokens=longest,
        stop=_stops(fields),
        repeat_penalty=fields.number(penalty, 1.0, least=0.01, most=10),
        min_p=fields.number("min_p", 0.0, least=0, most=0.99),
        presence_penalty=fields.number("presence_penalty", 0.0, least=-2, most=2),
        frequency_penalty=fields.number("frequency_penalty", 0.0, least=-2, most=2),
        logit_bias=_biases(fields),
        adapters=_scales(fields),
    )


def temperature(fields: Fields) -> float:
    """How freely tokens are drawn; below what engines compute with, the likeliest one is taken."""
    given = fields.number("temperature", 0.0, least=0, most=2)
    return given if given >= _SMALLEST else 0.0


def top_p(fields: Fields) -> float:
    """The share of the likeliest tokens that is drawn from; of 0 there is the likeliest one left."""
    return max(_SMALLEST, fields.number("top_p", 1.0, least=0, most=1))


def chat_logprobs(fields: Fields) -> int | None:
    """How many of the likeliest tokens are told beside each one, as chat completions ask for it; None where none are told."""
    if not fields.flag("logprobs"):
        if fields.whole("top_logprobs", 0, most=_MOST_TOP):
            raise wrong("top_logprobs", '"top_logprobs" is told with "logprobs" only', hint='send "logprobs": true as well')
        return None
    return fields.whole("top_logprobs", 0, most=_MOST_TOP)


def _biases(fields: Fields) -> tuple[tuple[int, float], ...]:
    """Biases by token number; their keys are text in JSON."""
    given = fields.inner("logit_bias")
    if len(given.values) > _MOST_BIASES:
        raise wrong("logit_bias", f'"logit_bias" holds more than {_MOST_BIASES} tokens')
    found = []
    for name in given.values:
        if not (name.isascii() and name.isdigit() and len(name) < 10):
            raise wrong(given.at(name), f'"{given.at(name)}" is no token number')
        found.append((int(name), given.number(name, least=-100, most=100)))
    return tuple(found)


def _scales(fields: Fields) -> tuple[float, ...] | None:
    """The scales of a model's adapters, as llama.cpp's server takes them: [{"id", "scale"}], those that are not named at 0."""
    rows = fields.objects("lora", most=16)
    if not rows:
        return None
    scales = {row.whole("id", most=15): row.number("scale", least=-10, most=10) for row in rows}
    return tuple(scales.get(number, 0.0) for number in range(max(scales) + 1))


def refuse(fields: Fields, cannot: dict[str, tuple[object, str]]) -> None:
    """Raise `Refused` for what is asked for and cannot be done."""
    for name, (nothing, why) in cannot.items():
        if name in fields and fields.values[name] != nothing:
            raise unsupported(fields.at(name), why)


def answers(fields: Fields) -> int:
    """How many answers are wanted."""
    return fields.whole("n", 1, least=1, most=_MOST_ANSWERS)


def _stops(fields: Fields) -> tuple[str, ...]:
    found = [fields.text("stop")] if isinstance(fields.values.get("stop"), str) else fields.texts("stop", most=_MOST_STOPS)
    for each in found:
        if not 0 < len(each) <= _LONGEST_STOP:
            raise wrong("stop", f"a stop string has from 1 to {_LONGEST_STOP} characters")
    return tuple(found)
