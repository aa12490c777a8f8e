"""Questions that a passage seems to answer and does not: answerable ones with one thing changed.

SQuAD 2.0's unanswerable questions were made by people in much the same ways: another entity, another number, an antonym, a negation
(Rajpurkar, Jia and Liang 2018, arXiv:1806.03822, table 3).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z]+")
_VERB = re.compile(r"\b(?:did|does|do|is|are|was|were|can|could|has|have|had|will|would)\b(?: [a-z]\w+| [A-Z]\w+)?")
_PAIRS = (
    "first last,before after,largest smallest,north south,northern southern,east west,eastern western,"
    "highest lowest,most least,more less,increase decrease,oldest youngest,early late,begin end,began ended,"
    "start stop,started stopped,win lose,won lost,male female,men women,best worst,old new,good bad,public private,"
    "strong weak,buy sell,born buried,major minor,maximum minimum,above below,inside outside,summer winter,"
    "upper lower,rich poor,support oppose,supported opposed,common rare,positive negative,primary secondary,"
    "founded dissolved,built destroyed,opened closed"
)
_OPPOSITES = {one: other for pair in _PAIRS.split(",") for one, other in (pair.split(), pair.split()[::-1])}
_NEGATED = 0.15  # of the questions that could be


def twin(question: str, others: Sequence[str], chance: random.Random) -> str | None:
    """The question with a name, a number or a word replaced, or negated; None when nothing in it can be. `others` are questions on the same
    matter, whose names and numbers are taken."""
    names, numbers = list(_NAME.finditer(question)), list(_NUMBER.finditer(question))
    words = [match for match in _WORD.finditer(question) if match.group().lower() in _OPPOSITES]
    verb = _VERB.search(question)
    kinds = ["name"] * 2 * bool(names) + ["number"] * 2 * bool(numbers) + ["word"] * 3 * bool(words)
    if verb and chance.random() < _NEGATED:
        kinds.append("verb")
    if not kinds:
        return None
    kind = chance.choice(kinds)
    if kind == "name":
        return _other_name(question, chance.choice(names), others, chance)
    if kind == "number":
        return _other_number(question, chance.choice(numbers), others, chance)
    if kind == "word":
        match = chance.choice(words)
        return _put(question, match, _OPPOSITES[match.group().lower()])
    return None if verb is None else _put(question, verb, f"{verb.group()} not")


def _other_name(question: str, match: re.Match[str], others: Sequence[str], chance: random.Random) -> str | None:
    names = [found for other in others for found in _NAME.findall(other)]
    fitting = [name for name in names if name not in question]
    return _put(question, match, chance.choice(fitting)) if fitting else None


def _other_number(question: str, match: re.Match[str], others: Sequence[str], chance: random.Random) -> str | None:
    old = match.group()
    fitting = [found for other in others for found in _NUMBER.findall(other) if found != old and len(found) == len(old)]
    if not fitting:
        at = chance.choice([place for place, char in enumerate(old) if char.isdigit()])
        fitting = [f"{old[:at]}{(int(old[at]) + chance.randint(1, 8)) % 10}{old[at + 1 :]}"]
    return _put(question, match, chance.choice(fitting))


def _put(text: str, match: re.Match[str], new: str) -> str:
    return text[: match.start()] + new + text[match.end() :]
