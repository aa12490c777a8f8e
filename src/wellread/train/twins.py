"""Questions that a passage seems to answer and does not: answerable ones with one thing changed.

SQuAD 2.0's unanswerable questions were made by people in much the same ways: another entity, another number, an antonym, a negation
(Rajpurkar, Jia and Liang 2018, arXiv:1806.03822, table 3).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]*(?: (?:of |the )?[A-Z][\w'’-]*)*")
"""What looks like a name: capitals that do not begin a sentence."""

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

_WORD = re.compile(r"[A-Za-z]+")
_VERB = re.compile(r"\b(?:did|does|do|is|are|was|were|can|could|has|have|had|will|would)\b(?: [a-z]\w+| [A-Z]\w+)?")
_NEGATED = 0.15  # of the questions that could be


def both_ways(pairs: str) -> dict[str, str]:
    """A table of opposites from "one other,one other"; a word that stands in several pairs has the opposite of the first."""
    found: dict[str, str] = {}
    for one, other in (pair.split() for pair in pairs.split(",")):
        found.setdefault(one, other)
        found.setdefault(other, one)
    return found


OPPOSITES: Mapping[str, str] = both_ways(
    "first last,before after,largest smallest,north south,northern southern,east west,eastern western,"
    "highest lowest,most least,more less,increase decrease,oldest youngest,early late,begin end,began ended,"
    "start stop,started stopped,win lose,won lost,male female,men women,best worst,old new,good bad,public private,"
    "strong weak,buy sell,born buried,major minor,maximum minimum,above below,inside outside,summer winter,"
    "upper lower,rich poor,support oppose,supported opposed,common rare,positive negative,primary secondary,"
    "founded dissolved,built destroyed,opened closed"
)


def twin(question: str, others: Sequence[str], chance: random.Random) -> str | None:
    """The question with a name, a number or a word replaced, or negated; None when nothing in it can be. `others` are questions on the same
    matter, whose names and numbers are taken."""
    names, numbers = list(NAME.finditer(question)), list(NUMBER.finditer(question))
    words = having_opposites(question, OPPOSITES)
    verb = _VERB.search(question)
    kinds = ["name"] * 2 * bool(names) + ["number"] * 2 * bool(numbers) + ["word"] * 3 * bool(words)
    if verb and chance.random() < _NEGATED:
        kinds.append("verb")
    if not kinds:
        return None
    kind = chance.choice(kinds)
    if kind == "name":
        return other_name(question, chance.choice(names), others, chance)
    if kind == "number":
        return other_number(question, chance.choice(numbers), others, chance)
    if kind == "word":
        return put(question, *chance.choice(words))
    return None if verb is None else put(question, verb, f"{verb.group()} not")


def having_opposites(text: str, table: Mapping[str, str]) -> list[tuple[re.Match[str], str]]:
    """The words of a text that have an opposite, with it. A word is looked up as it is written, then in small letters: "May" is no "may"
    where the table has both."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        if word in table:
            found.append((match, table[word]))
        elif word.lower() in table:
            found.append((match, table[word.lower()].capitalize() if word[0].isupper() else table[word.lower()]))
    return found


def other_name(text: str, match: re.Match[str], others: Sequence[str], chance: random.Random) -> str | None:
    """The text with a name of `others` in place of one of its own; None when they have no other."""
    names = [found for other in others for found in NAME.findall(other)]
    fitting = [name for name in names if name not in text and match.group() not in name]
    return put(text, match, chance.choice(fitting)) if fitting else None


def other_number(text: str, match: re.Match[str], others: Sequence[str], chance: random.Random) -> str:
    """The text with a number of `others` in place of one of its own, as long as that; when they have none, with one digit changed."""
    old = match.group()
    fitting = [found for other in others for found in NUMBER.findall(other) if found != old and len(found) == len(old)]
    if not fitting:
        at = chance.choice([place for place, char in enumerate(old) if char.isdigit()])
        fitting = [f"{old[:at]}{(int(old[at]) + chance.randint(1, 9)) % 10}{old[at + 1 :]}"]
    return put(text, match, chance.choice(fitting))


def put(text: str, match: re.Match[str], new: str) -> str:
    """The text with `new` in place of what was matched."""
    return text[: match.start()] + new + text[match.end() :]
