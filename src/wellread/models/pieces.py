"""The text of an answer as it comes: whole characters, and nothing from a stop string on."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Detokeniser:
    """Token ids to text, in pieces that never split a character.

    A token may hold part of a character (the decoder leaves such a part out), and how a token reads can depend on the ones before
    it; so a short stretch is decoded with and without the new ids, and their difference is the new text.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._given = ""

    def add(self, ids: Sequence[int]) -> str:
        self._ids.extend(ids)
        new = self._decode(self._ids)[len(self._given) :]
        if new:
            self._ids = self._ids[-4:]  # the part of a character has at most three bytes, so at most three tokens
            self._given = self._decode(self._ids)
        return new


class StopCutter:
    """Passes text on until one of the stop strings, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def add(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max((n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        held, self._held = self._held, ""
        return "" if self.stopped else held
