"""The seam between the child process and the engine that is loaded in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wellread.errors import WellreadError
from wellread.types import Sampling, Token, Usage


class Reply(Protocol):
    """What an engine tells about one request; it ends with `done`, `scored` or `failed`."""

    def piece(self, text: str, tokens: Sequence[Token] = ()) -> bool:
        """A piece of whole characters, "" to say that work goes on. True when nobody waits for the rest: stop soon, without `done`."""
        ...

    def done(self, finish: str, usage: Usage) -> None:
        """The end: "stop" or "length"."""
        ...

    def scored(self, tokens: Sequence[Token]) -> None:
        """The end of what `Engine.score` was asked for."""
        ...

    def failed(self, error: WellreadError) -> None:
        """This request cannot be answered; the others go on."""
        ...


class Engine(Protocol):
    """A loaded model that works on several requests at a time. `notes` are sentences for people about how it was loaded.

    Whatever it raises out of `step` ends the process, and all requests with it.
    """

    notes: tuple[str, ...]

    def encode(self, prompt: str) -> list[int]:
        """The token numbers of a prompt; control tokens in it count as such."""
        ...

    def begin(self, prompt: Sequence[int], sampling: Sampling, schema: str | None, reply: Reply) -> None:
        """Take up a request, and return at once."""
        ...

    def step(self) -> bool:
        """Work a little on all that was begun; False when there is nothing to be done here."""
        ...

    def score(self, prompt: Sequence[int], top: int, reply: Reply) -> None:
        """Take up a text of which every token is to be told with its probability after those before it, and the `top` likeliest at its
        place; return at once."""
        ...
