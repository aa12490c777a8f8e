"""Stop strings where a protocol must tell which of them ended an answer: no engine says that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from wellread.server.turn import Piece, Said
from wellread.types import Usage


@dataclass(frozen=True, slots=True)
class Halted:
    """The end of an answer that `sequence` ended."""

    sequence: str
    usage: Usage


def halting(pieces: Iterator[Piece], stops: Sequence[str], prompt_tokens: int) -> Iterator[Piece | Halted]:
    """The pieces of one answer up to the first of some strings, which is not told itself; what may be its beginning is held back.

    The work ends there. `Halted` counts a token for every piece of text that came.
    """
    held, came = "", 0
    given: Any = pieces
    with closing(given):
        for piece in pieces:
            if not isinstance(piece, Said):
                if held:
                    yield Said(0, held)
                    held = ""
                yield piece
                continue
            held, came = held + piece.text, came + 1
            found = [(at, stop) for stop in stops if (at := held.find(stop)) >= 0]
            if found:
                at, stop = min(found)
                if at:
                    yield Said(0, held[:at])
                yield Halted(stop, Usage(prompt_tokens, came))
                return
            keep = max((_begun(held, stop) for stop in stops), default=0)
            if len(held) > keep:
                yield Said(0, held[: len(held) - keep])
                held = held[len(held) - keep :]


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text may be the beginning of a string."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
