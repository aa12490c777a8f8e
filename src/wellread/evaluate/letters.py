"""Choosing by letter: how a question with choices is put to those who can write but cannot say how likely a text is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from wellread.evaluate.task import Item, Shot, Task, prompt

MAX_TOKENS = 24
INSTRUCTION = "Answer each question with the letter of the right choice."
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CUE = re.compile(r"\n\s*(?:Answer|A):\s*$")
_FIRST = re.compile(r"^\W*([A-Z])(?:[\W_]|$)")
_NAMED = re.compile(r"(?i:\b(?:answer|choice|option)\b[^A-Za-z\n]*(?:is|:)?[^A-Za-z\n]*)\(?([A-Z])\b")


@dataclass(frozen=True, slots=True)
class Lettered:
    """A prompt that shows the choices, and which choice each letter stands for."""

    prompt: str
    order: tuple[int, ...]


def always_first(items: Sequence[Item]) -> bool:
    """Whether the right choice is at the same place in all items, as in TruthfulQA's files: who always says "A" must not pass."""
    return len(items) > 1 and len({item.right for item in items}) == 1


def lettered(task: Task, item: Item, *, shuffle: bool) -> Lettered:
    """The prompt of an item with its choices as lines "A. ...". Items that show letters already are left as they are.

    `shuffle` puts the choices in an order drawn from the item's id.
    """
    if _shown(item.choices):
        return Lettered(prompt(task, item.before, item.shots, item.question), tuple(range(len(item.choices))))
    order = list(range(len(item.choices)))
    if shuffle:
        Random(item.id).shuffle(order)
    shots = [_lettered_shot(shot) for shot in item.shots]
    before = f"{item.before.rstrip()}\n{INSTRUCTION}\n\n".lstrip()
    return Lettered(prompt(task, before, shots, _listed(item.question, [item.choices[at] for at in order])), tuple(order))


def chosen(text: str, item: Item, order: Sequence[int]) -> int:
    """Which choice was written, or -1 when none can be told: a letter, or the words of one choice and no other."""
    letters = _LETTERS[: len(order)]
    text = text.strip()
    for pattern in (_FIRST, _NAMED):
        found = pattern.search(text)
        if found and found[1] in letters and not _is_article(found[1], text):
            return order[letters.index(found[1])]
    said = _plain(text)
    same = [at for at, choice in enumerate(item.choices) if said and _plain(choice) == said]
    within = [at for at, choice in enumerate(item.choices) if len(choice) > 1 and _plain(choice) and _plain(choice) in said]
    for places in (same, within):
        if len(places) == 1:
            return places[0]
    return -1


def _shown(choices: Sequence[str]) -> bool:
    return list(choices) == list(_LETTERS[: len(choices)])


def _listed(question: str, choices: Sequence[str]) -> str:
    lines = [f"{letter}. {choice}" for letter, choice in zip(_LETTERS, choices, strict=False)]
    return "\n".join([_CUE.sub("", question).rstrip(), *lines, "Answer:"])


def _lettered_shot(shot: Shot) -> Shot:
    return Shot(_listed(shot.question, shot.choices), _LETTERS[shot.right[0]], shot.choices, shot.right)


def _is_article(letter: str, text: str) -> bool:
    """Whether an "A" begins a sentence ("A star is ...") and is no letter."""
    return letter == "A" and re.match(r"\W*A\s+[a-z]", text) is not None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())
