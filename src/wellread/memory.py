"""What is kept of a conversation: the last turns word for word, as far as a budget goes, and a summary of what was before them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wellread.errors import ModelError
from wellread.models.base import ChatModel
from wellread.prompts import memory_prompt
from wellread.sentences import sentence_spans
from wellread.types import Sampling
from wellread.words import cjk_share

_CHINESE = 0.2
_SUMMARY_TOKENS = 160
_CONVERSATIONS = 64
"""Conversations whose summary is kept."""

_CHARS_PER_TOKEN, _CHINESE_CHARS_PER_TOKEN = 4, 1.5
_MARKER = re.compile(r"\s*(?:\[\d{1,3}\])+|\s*\[no support found\]")
_CITED = re.compile(r"\s*\[\d{1,3}\]")

Turn = tuple[str, str]
"""A question and its answer."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation as it is remembered: `turns` in their order, of which the first `condensed` are shortened to the question and the
    first cited sentence of its answer, and the `summary` of those before them that are in no turn any more (`summarized` of them).
    """

    turns: tuple[Turn, ...]
    condensed: int = 0
    summary: str = ""
    summarized: int = 0
    tokens: int = 0


class Memory:
    """Remembers conversations within a budget. What a model summarised is kept, so that a longer conversation costs its new turns only."""

    def __init__(self) -> None:
        self._known: dict[tuple[Turn, ...], str] = {}

    def remember(self, history: Sequence[Turn], *, budget: int, model: ChatModel | None) -> Remembered:
        """The last turns that fit `budget` tokens word for word; older ones condensed.

        With a model the older ones become one summary. Without, each keeps its question and the first sentence of its answer that has a
        citation (the first of all, where the answer shows none); turns that even so go beyond the budget keep their question only.
        """
        whole = _whole(history, budget)
        older, newer = list(history[: len(history) - whole]), [_plain(turn) for turn in history[len(history) - whole :]]
        if older and model is not None:
            try:
                summary = self._summary(tuple(older), model)
            except ModelError:
                summary = ""  # a conversation goes on without it
            if summary:
                tokens = _tokens(summary) + sum(map(_size, newer))
                return Remembered(tuple(newer), summary=summary, summarized=len(older), tokens=tokens)
        short = _condensed(older, budget)
        turns = (*short, *newer)
        return Remembered(turns, condensed=len(short), tokens=sum(map(_size, turns)))

    def _summary(self, older: tuple[Turn, ...], model: ChatModel) -> str:
        """The summary of some turns: that of the longest beginning which is known, carried on."""
        known = next((at for at in range(len(older), 0, -1) if older[:at] in self._known), 0)
        if known == len(older):
            return self._known[older]
        new = [_plain(turn) for turn in older[known:]]
        before = self._known.get(older[:known], "")
        prompt = memory_prompt(new, before, chinese=cjk_share(older[-1][0]) > _CHINESE)
        text = "".join(delta.text for delta in model.stream(prompt, sampling=Sampling(max_tokens=_SUMMARY_TOKENS))).strip()
        if text:
            self._known.pop(older[:known], None)
            self._known[older] = text
            for oldest in list(self._known)[:-_CONVERSATIONS]:
                del self._known[oldest]
        return text


def _whole(history: Sequence[Turn], budget: int) -> int:
    """How many of the last turns fit the budget, at least one."""
    used = count = 0
    for turn in reversed(history):
        used += _size(_plain(turn))
        if used > budget and count:
            break
        count += 1
    return count


def _condensed(older: Sequence[Turn], budget: int) -> list[Turn]:
    """Each turn as its question and one sentence, from the latest back; beyond the budget as its question alone."""
    used, short = 0, list[Turn]()
    for asked, answered in reversed(older):
        turn = (asked, _gist(answered))
        used += _size(turn)
        short.append(turn if used <= budget else (asked, ""))
    return short[::-1]


def _gist(answered: str) -> str:
    """The first sentence that has a citation, without its marker; the first of all where there is none."""
    spans = sentence_spans(answered)
    texts = [answered[start:end] for start, end in spans]
    cited = next((text for text, (_, end) in zip(texts, spans, strict=True) if _CITED.match(answered, end)), None)
    first = cited if cited is not None else texts[0] if texts else ""
    return _MARKER.sub("", first).strip()


def _plain(turn: Turn) -> Turn:
    return turn[0], _MARKER.sub("", turn[1])


def _size(turn: Turn) -> int:
    return _tokens(turn[0]) + _tokens(turn[1]) + 4


def _tokens(text: str) -> int:
    """About how many tokens a text has: models differ, and a budget need not be exact."""
    share = cjk_share(text)
    return round(len(text) * ((1 - share) / _CHARS_PER_TOKEN + share / _CHINESE_CHARS_PER_TOKEN)) + 1
