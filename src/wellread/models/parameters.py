"""The parameters of a made model, as Ollama's Modelfile names them: which there are, and which values they take.

What cannot be had is refused: a parameter that is written down and does nothing would be believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wellread.errors import UsageError, suggest

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Range:
    """The values a parameter takes: its kind, and the least and the most of them."""

    kind: type[int] | type[float] | type[str]
    least: float = -math.inf
    most: float = math.inf


KNOWN = {
    "temperature": Range(float, 0, 10),
    "top_p": Range(float, 0.0001, 1),
    "top_k": Range(int, 0, 1 << 20),
    "seed": Range(int, 0, (1 << 31) - 1),
    "min_p": Range(float, 0, 0.99),
    "repeat_penalty": Range(float, 0.01, 10),
    "presence_penalty": Range(float, -2, 2),
    "frequency_penalty": Range(float, -2, 2),
    "stop": Range(str),
    "num_predict": Range(int, -2, 1 << 24),
    "num_ctx": Range(int, 1, 1 << 27),
    "num_thread": Range(int, 1, 1 << 10),
    "num_keep": Range(int, -1, 1 << 24),
}
"""`num_predict` of -1 or -2 is no limit. `num_keep` says what stays when a prompt is cut; prompts are never cut here, so all of it does."""

_OFF = {"typical_p": 1, "tfs_z": 1, "mirostat": 0, "repeat_last_n": -1}
"""Parameters that are only had switched off, with the value that does so."""

_ELSEWHERE = (
    "num_gpu", "main_gpu", "num_batch", "use_mmap", "use_mlock", "low_vram", "numa", "f16_kv", "mirostat_tau", "mirostat_eta",
    "penalize_newline", "draft_num_predict",
)  # fmt: skip


def checked(name: str, text: str) -> tuple[str, Value]:
    """A parameter's name in lower case and its value. Raises `UsageError` for one that is unknown, cannot be had, or is out of range."""
    name = name.lower()
    if name in _OFF:
        if _number(text) != _OFF[name]:
            raise UsageError(f"the parameter {name} is not supported here, other than {_OFF[name]}.", hint="leave it out")
        return name, _OFF[name]
    if name in _ELSEWHERE:
        raise UsageError(f"the parameter {name} is one of Ollama's that is not supported here.", hint="leave it out")
    if name not in KNOWN:
        raise UsageError(f'there is no parameter "{name}".', hint=suggest(name, KNOWN) or f"there are {', '.join(KNOWN)}")
    allowed = KNOWN[name]
    if allowed.kind is str:
        if not text:
            raise UsageError(f"the parameter {name} is empty.", hint="write a text behind it")
        return name, text
    number = _number(text)
    whole = number is not None and number == int(number)
    if number is None or not allowed.least <= number <= allowed.most or (allowed.kind is int and not whole):
        what = "whole number" if allowed.kind is int else "number"
        raise UsageError(f"{name} is {text!r}.", hint=f"a {what} from {allowed.least:.10g} to {allowed.most:.10g}")
    return name, int(number) if allowed.kind is int else number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
