"""How tokens are to be chosen, in the words of OpenAI's API and of the local servers that extend it."""

from __future__ import annotations

from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.types import Sampling

_MOST_STOPS = 16
_LONGEST_STOP = 200
_MOST_ANSWERS = 8

_CANNOT = {
    "presence_penalty": (0, "no engine here has this penalty; repeat_penalty is there"),
    "frequency_penalty": (0, "no engine here has this penalty; repeat_penalty is there"),
    "logit_bias": ({}, "no engine here shifts single tokens"),
    "logprobs": (False, "no engine here tells them"),
    "top_logprobs": (0, "no engine here tells them"),
    "min_p": (0, "no engine here has it; top_p and top_k are there"),
    "typical_p": (1, "no engine here has it; top_p and top_k are there"),
}
"""What can be asked for and is not there: the value that asks for nothing, and what is said to any other."""


def sampling(fields: Fields, *limits: str) -> Sampling:
    """The sampling that a request asks for; without a temperature the likeliest tokens are taken. `limits` are the names that the longest
    answer goes by; 0 is that none is given."""
    refuse(fields, _CANNOT)
    longest = next((fields.whole(name, least=1) for name in limits if name in fields), 0)
    penalty = "repetition_penalty" if "repetition_penalty" in fields else "repeat_penalty"
    return Sampling(
        temperature=fields.number("temperature", 0.0, least=0, most=2),
        top_p=fields.number("top_p", 1.0, least=0, most=1) or 1.0,
        top_k=max(0, fields.whole("top_k", 0, least=-1, most=1 << 20)),
        seed=fields.whole("seed", least=-(1 << 63), most=(1 << 64) - 1) & 0x7FFFFFFF if "seed" in fields else None,
        max_tokens=longest,
        stop=_stops(fields),
        repeat_penalty=fields.number(penalty, 1.0, least=0.01, most=10),
    )


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
