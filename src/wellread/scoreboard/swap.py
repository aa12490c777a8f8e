"""Questions that a library cannot answer: good ones in which what they are about is swapped for something that no document names."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from wellread.scoreboard.draft import Draft

Absent = Callable[[str], bool]
"""Whether no document of the library holds a word."""

_PEOPLE = (
    "Edmund Vasquez", "Ottilie Brandvold", "Rashid Tennant", "Maren Okafor", "Silvio Petrakis", "Greta Lindqvist", "Tobias Ashworth",
    "Noriko Castellan", "Wilhelm Adeyemi", "Beatrix Nakamura", "Lorcan Petrov", "Imelda Strand",
)  # fmt: skip
_NAMES = (
    "Halden", "Quorra", "Veltrix", "Brightmoor", "Tarnwick", "Ostrava", "Kelvingrove", "Zephyrine", "Larkfield", "Mirador", "Corvath",
    "Penhallow", "Ravensholm", "Trevanion", "Ulverston",
)  # fmt: skip
_THINGS = (
    "harpsichord", "submarine", "greenhouse", "observatory", "typewriter", "aqueduct", "planetarium", "locomotive", "distillery",
    "windmill", "cathedral", "monastery", "zeppelin", "barometer", "trampoline", "orchard", "gymnasium", "beekeeper",
)  # fmt: skip
_THINGS_ZH = tuple("潜水艇 天文馆 打字机 钢琴厂 热气球 植物园 修道院 酿酒厂 蒸汽机车 望远镜 体育馆 养蜂场 风筝".split())
_CALENDAR = frozenset(
    "January February March April May June July August September October November December Monday Tuesday Wednesday Thursday Friday"
    " Saturday Sunday".split()
)
_TWO_NAMES = re.compile(r"[A-Z][a-z’'-]+(?: [A-Z][a-z’'-]+)+")
_NAME = re.compile(r"(?<=[ \"])[A-Z][\w’'-]+(?<!'s)")
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Swapped:
    """A question without an answer, and which words took the place of which."""

    question: str
    out: str
    into: str


def swapped(draft: Draft, rng: random.Random, absent: Absent) -> Swapped | None:
    """A draft's question about something that is not in the library, or None where nothing in it can be swapped.

    A name is swapped for a name, else the noun that the question is about for another. Since the new word stands nowhere in the
    documents, they cannot answer, however much else of the question they hold.
    """
    for old, pool in _candidates(draft):
        for new in rng.sample(pool, min(_TRIES, len(pool))):
            if all(absent(word) for word in new.split()):
                question = draft.question.replace(old, new)
                if question != draft.question:
                    return Swapped(re.sub(rf"\ban? (?={re.escape(new)})", _article(new), question), old, new)
    return None


def _candidates(draft: Draft) -> list[tuple[str, tuple[str, ...]]]:
    """What can be swapped, and for which words, the best first."""
    if draft.language == "zh":
        return [(draft.subject, _THINGS_ZH)] if draft.subject and draft.subject in draft.question else []
    found: list[tuple[str, tuple[str, ...]]] = []
    after = draft.question.split(" ", 1)[-1]
    person = _TWO_NAMES.search(after)
    if person and draft.kind == "name" and not after[: person.start()].endswith("the "):
        found.append((person.group(), _PEOPLE))
    elif names := [name for name in _NAME.findall(" " + after) if name not in _CALENDAR]:
        found.append((names[0], _NAMES))
    head = re.split(r" (?:of|in|for|on|at|from|with) ", draft.subject)[0].split(" ")[-1]
    if draft.kind not in ("heading", "value") and re.fullmatch(r"[a-z]{3,}", head) and f" {head} " in f" {draft.question.rstrip('?')} ":
        plural = head.endswith("s") and not head.endswith("ss")
        found.append((head, tuple(map(_plural, _THINGS)) if plural else _THINGS))
    return found


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


def _article(word: str) -> str:
    return "an " if word[0].lower() in "aeiou" else "a "
