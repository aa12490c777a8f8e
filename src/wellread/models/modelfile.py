"""Modelfiles: a model, and how it is to speak, in a text (https://docs.ollama.com/modelfile).

    FROM smollm2:135m
    PARAMETER temperature 0.7
    SYSTEM You answer in one sentence.
    MESSAGE user Who are you?
    MESSAGE assistant A model that was made from another.

A value is the rest of its line, or stands in quotation marks or in three of them and may then take several lines. Directives are read
whatever their case; a line that begins with "#" is a remark. What is not known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from wellread.errors import UsageError, suggest
from wellread.models.manner import PLAIN, Manner
from wellread.models.parameters import Value, checked
from wellread.types import Message, Role

DIRECTIVES = ("FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "MESSAGE", "LICENSE")
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_LONG, _SHORT = '"""', '"'


@dataclass(frozen=True, slots=True)
class Modelfile:
    """A Modelfile that was read: what it is made from (a model's name or the path of a file), paths or names of adapters, and the rest."""

    base: str
    manner: Manner = PLAIN
    adapters: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """What was read so far."""

    once: dict[str, str] = field(default_factory=dict)
    parameters: list[tuple[str, Value]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    adapters: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)


def parse_modelfile(text: str) -> Modelfile:
    """Read a Modelfile. Raises `UsageError` naming the line for anything that is not understood."""
    found = _Found()
    for line, directive, value in _directives(text):
        try:
            _take(found, directive, value)
        except UsageError as error:
            raise UsageError(f"line {line} of the Modelfile: {error.message}", hint=error.hint) from None
    if "FROM" not in found.once:
        raise UsageError("the Modelfile does not say what the model is made from.", hint="begin it with: FROM smollm2")
    manner = Manner(
        system=found.once.get("SYSTEM", ""),
        template=found.once.get("TEMPLATE", ""),
        parameters=tuple(found.parameters),
        messages=tuple(found.messages),
        licences=tuple(found.licences),
    )
    return Modelfile(found.once["FROM"], manner, tuple(found.adapters))


def modelfile_text(modelfile: Modelfile) -> str:
    """The text of a Modelfile; read again it is the same. Raises `UsageError` for a value that no quotation can hold."""
    manner = modelfile.manner
    rows = [("FROM", modelfile.base), *(("ADAPTER", adapter) for adapter in modelfile.adapters)]
    rows += [(directive, value) for directive, value in (("TEMPLATE", manner.template), ("SYSTEM", manner.system)) if value]
    lines = [f"{directive} {_quoted(value)}" for directive, value in rows]
    lines += [f"PARAMETER {name} {_quoted(str(value))}" for name, value in manner.parameters]
    lines += [f"MESSAGE {message.role} {_quoted(message.content)}" for message in manner.messages]
    lines += [f"LICENSE {_quoted(licence)}" for licence in manner.licences]
    return "".join(f"{line}\n" for line in lines)


def _take(found: _Found, directive: str, value: str) -> None:
    """Note what one directive says."""
    if directive == "PARAMETER":
        name, given = checked(*_split(value))
        if name != "stop" and name in dict(found.parameters):
            raise UsageError(f"{name} is there twice.", hint="keep one of them")
        found.parameters.append((name, given))
    elif directive == "MESSAGE":
        role, content = _split(value)
        if role.lower() not in _ROLES:
            raise UsageError(
                f'"{role}" does not speak in a conversation.', hint=suggest(role.lower(), _ROLES) or f"one of {', '.join(_ROLES)}"
            )
        found.messages.append(Message(_ROLES[role.lower()], content))
    elif not value.strip():
        raise UsageError(f"{directive} says nothing.", hint=f"write something behind {directive}, or leave it out")
    elif directive == "ADAPTER":
        found.adapters.append(value)
    elif directive == "LICENSE":
        found.licences.append(value)
    elif directive in found.once:
        raise UsageError(f"{directive} is there twice.", hint="keep one of them")
    else:
        found.once[directive] = value


def _split(value: str) -> tuple[str, str]:
    """What comes first in a PARAMETER or MESSAGE, and what it is given."""
    first, _, rest = value.partition(" ")
    return first, rest


def _directives(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, directive, value) of each, values out of their quotation marks."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        first, line = at, lines[at].strip(" \t")
        at += 1
        if not line or line.startswith("#"):
            continue
        word, value = _word(line)
        directive = word.upper()
        if directive not in DIRECTIVES:
            near = suggest(directive, DIRECTIVES) or f"there are {', '.join(DIRECTIVES)}"
            raise UsageError(f'line {first + 1} of the Modelfile: there is no directive "{word}".', hint=near)
        head = ""
        if directive in ("PARAMETER", "MESSAGE"):
            head, value = _word(value)
            head += " "
        if _open(value):
            value = lines[first][len(lines[first].rstrip(" \t")) - len(value) :]  # with the spaces at its end
        while _open(value):
            if at == len(lines):
                raise UsageError(f"line {first + 1} of the Modelfile: the quotation is never closed.", hint='close it with " or """')
            value += "\n" + lines[at]
            at += 1
        yield first + 1, directive, head + _unquoted(value)


def _word(text: str) -> tuple[str, str]:
    """The word that a text begins with, and the rest."""
    word, *rest = re.split(r"[ \t]+", text, maxsplit=1)
    return word, rest[0] if rest else ""


def _open(value: str) -> bool:
    """Whether a quotation begins here that is not closed: it is, where a line ends with the mark it began with."""
    text = value.rstrip(" \t")
    mark = _LONG if text.startswith(_LONG) else _SHORT
    return text.startswith(mark) and not (len(text) >= 2 * len(mark) and text.endswith(mark))


def _unquoted(value: str) -> str:
    text = value.rstrip(" \t")
    for mark in (_LONG, _SHORT):
        if text.startswith(mark):
            return text[len(mark) : -len(mark)]
    return text


def _quoted(value: str) -> str:
    """A value so that it is read again as it is: bare if that will do."""
    for form in (value, f"{_LONG}{value}{_LONG}", f"{_SHORT}{value}{_SHORT}"):
        try:
            if [each[2] for each in _directives(f"SYSTEM {form}\n")] == [value]:
                return form
        except UsageError:
            continue
    raise UsageError("a text with these quotation marks in it cannot stand in a Modelfile.", hint='leave out the """')
