"""The body of a request: JSON, within limits, read field by field.

Fields that nobody asks for are tolerated, as clients of a protocol send more than any one server knows. A field of the wrong type is
refused, and null is as good as none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from wellread.errors import UsageError, suggest
from wellread.server.errors import Refused, wrong

_DEEPEST = 100
_MOST_VALUES = 1_000_000
_MOST_DIGITS = 300  # of a whole number: a float holds no more
_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "an object"}


def parse(data: bytes) -> Fields:
    """A JSON object within the limits of depth and size. Raises `Refused` for anything else."""
    try:
        value = json.loads(data, parse_constant=_no_constant, parse_float=_finite, parse_int=_countable)
    except RecursionError:
        raise wrong(None, "the request is nested too deeply", code="invalid_json") from None
    except ValueError as error:  # also of text that is no UTF-8, and of numbers with thousands of digits
        told = error.msg if isinstance(error, json.JSONDecodeError) else "it holds a number or a character that JSON does not know"
        raise wrong(None, f"the request is not valid JSON: {told}", code="invalid_json") from None
    _check_size(value)
    if not isinstance(value, dict):
        raise wrong(None, "the request is not a JSON object", code="invalid_json")
    return Fields(value)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _countable(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(text)
    return int(text)


def _check_size(value: Any) -> None:
    """Depth, number of values, and that every string is text: a lone surrogate cannot be written to anything."""
    level, seen = [value], 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each)
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
            elif isinstance(each, str) and not each.isascii():
                _check_text(each)
        seen += len(below)
        if seen > _MOST_VALUES:
            raise wrong(None, f"the request holds more than {_MOST_VALUES} values", code="invalid_json")
        if not below:
            return
        level = below
    raise wrong(None, "the request is nested too deeply", hint=f"at most {_DEEPEST} levels", code="invalid_json")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise wrong(None, "the request holds half of a surrogate pair, which is no text", code="invalid_json") from None


class Fields:
    """A JSON object, read by name and type. `path` is where it stands in the request, for messages ("messages[0]")."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def at(self, name: str | int) -> str:
        """The full name of a field."""
        if isinstance(name, int):
            return f"{self._path}[{name}]"
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str, default: str | None = None, *, most: int = 1 << 24) -> str:
        """A string; without a `default` it must be there. `most` is in characters."""
        value: str = self._take(name, str, default)
        if len(value) > most:
            raise wrong(self.at(name), f'"{self.at(name)}" is longer than {most} characters')
        return value

    def maybe_text(self, name: str) -> str | None:
        """A string, or None where there is none."""
        return self.text(name) if name in self else None

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value: bool = self._take(name, bool, default)
        return value

    def whole(self, name: str, default: int | None = None, *, least: int = 0, most: int = 1 << 31) -> int:
        """A whole number from `least` to `most`."""
        value: int = self._take(name, int, default)
        self._check_range(name, value, least, most)
        return value

    def number(self, name: str, default: float | None = None, *, least: float = -1e308, most: float = 1e308) -> float:
        """A number from `least` to `most`."""
        value: float = self._take(name, float, default)
        self._check_range(name, value, least, most)
        return float(value)

    def items(self, name: str, *, most: int) -> list[Any]:
        """A list of at most `most` items; an absent one is empty."""
        value: list[Any] = self._take(name, list, [])
        if len(value) > most:
            raise wrong(self.at(name), f'"{self.at(name)}" holds {len(value)} items, at most {most} are taken')
        return value

    def texts(self, name: str, *, most: int) -> list[str]:
        """A list of strings."""
        items = self.items(name, most=most)
        for position, item in enumerate(items):
            if not isinstance(item, str):
                raise wrong(self.at(name), f'"{self.at(name)}[{position}]" must be a string', code="invalid_type")
        return items

    def objects(self, name: str, *, most: int) -> list[Fields]:
        """A list of objects."""
        found = []
        for position, item in enumerate(self.items(name, most=most)):
            path = f"{self.at(name)}[{position}]"
            if not isinstance(item, dict):
                raise wrong(path, f'"{path}" must be an object', code="invalid_type")
            found.append(Fields(item, path))
        return found

    def inner(self, name: str) -> Fields:
        """An object; an absent one is empty."""
        return Fields(self._take(name, dict, {}), self.at(name))

    def only(self, known: Mapping[str, Any] | set[str]) -> None:
        """Raise `Refused` for a name that is not among those known: for our own fields, where a slip of the pen must not pass."""
        for name in self.values:
            if name not in known:
                near = suggest(name, known)
                raise wrong(
                    self.at(name), f'there is no field "{self.at(name)}"', hint=near or f"the fields are {', '.join(sorted(known))}"
                )

    def _take(self, name: str, kind: type, default: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            if default is None:
                raise wrong(self.at(name), f'"{self.at(name)}" is missing', code="missing_required_parameter")
            return default
        if kind in (int, float) and isinstance(value, bool):
            fits = False
        elif kind is int:
            fits = isinstance(value, int)
        else:
            fits = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
        if not fits:
            raise wrong(self.at(name), f'"{self.at(name)}" must be {_NAMES[kind]}', code="invalid_type")
        return value

    def _check_range(self, name: str, value: float, least: float, most: float) -> None:
        if not least <= value <= most:
            given = f"{value:g}" if abs(value) < 1e300 else "far too large"  # whole numbers may have thousands of digits
            raise wrong(self.at(name), f'"{self.at(name)}" is {given}, it must be from {least:g} to {most:g}')


def told(error: UsageError, param: str) -> Refused:
    """A mistake that a lower room found in a field, as a refusal that names the field."""
    return wrong(param, error.message.rstrip("."), hint=error.hint)
