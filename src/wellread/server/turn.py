"""A turn of a conversation, whatever protocol it came by: what is asked, and the pieces that the answer comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wellread.types import Answer, Message, Sampling, Token, Usage

Choice = Literal["none", "auto", "required", "named"]
"""Whether a model calls a function: never, when it wants to, some, or this one."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the client can carry out; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked of `model`. `sampling.max_tokens` 0 is as much as the window holds, within reason.

    schema: what the answer, as JSON, must fit. functions: those that may be called, of which "named" leaves one. count: how many answers.
    own: Wellread's own options, for a library.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    schema: Mapping[str, Any] | None = None
    functions: tuple[Function, ...] = ()
    choice: Choice = "none"
    count: int = 1
    own: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of text of the answer `index`, and its tokens where these are wanted."""

    index: int
    text: str
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a function: first with its `name` and `id`, then with pieces of its `arguments`, which is JSON in the end."""

    index: int
    position: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The checked answer of a library, whose text `Said` has told. `notes` say what of the request was not heeded."""

    index: int
    answer: Answer
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the answer `index`: "stop", "length" or "tool_calls"."""

    index: int
    finish: str
    usage: Usage


Piece = Said | Called | Found | Ended
