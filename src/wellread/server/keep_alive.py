"""How long a model stays loaded after its last use, as Ollama's clients say it: seconds, or a duration as Go writes it ("1h30m")."""

from __future__ import annotations

import math
import re

from wellread.errors import UsageError

FOREVER = math.inf

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(ns|us|µs|ms|s|m|h)")
_LONGEST = 10 * 365 * 86_400


def seconds(value: object) -> float:
    """A keep-alive in seconds: a number of them, or a duration (https://pkg.go.dev/time#ParseDuration). 0 is at once, and anything
    negative for ever. Raises `UsageError` for what is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # a NaN is not
        return _within(value)
    text = value.strip() if isinstance(value, str) and len(value) < 64 else ""
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text.lstrip("+-") if text[1:2] not in ("+", "-") else ""
    if re.fullmatch(r"\d{1,12}(\.\d{0,12})?", rest):
        return _within(sign * float(rest))
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise UsageError("a keep-alive is a number of seconds or a duration.", hint='as in 300, "10m", "1h30m"; 0 for at once, -1 for ever')
    return _within(sign * sum(float(number) * _UNITS[unit] for number, unit in parts))


def _within(given: float) -> float:
    return FOREVER if given < 0 or given > _LONGEST else float(given)
