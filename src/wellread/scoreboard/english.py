"""Questions in English that one sentence answers, by rules: how many, how much, when, who, where, why, what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from wellread.scoreboard.clause import BE, Clause, clauses_of
from wellread.words import content_words

Asked = tuple[str, str, str, str]
"""(question, answer, kind, subject)"""

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAY = rf"\d{{1,2}} (?:{_MONTH}) \d{{4}}|(?:{_MONTH}) \d{{1,2}}, \d{{4}}|(?:{_MONTH}) \d{{4}}|\d{{1,2}} (?:{_MONTH})|(?:1[5-9]|20)\d\d"
_DATE = re.compile(rf"\b(?:in|on|since|by|until) ({_DAY})\b(?! ?[%a-z]*-)")
_LEADING_DATE = re.compile(rf"^(?:In|On|Since|By) ({_DAY}),? (?=[A-Z]|the |a |an )")
_TIME = re.compile(r"\bat (\d{1,2}[:.]\d\d(?: ?[ap]\.?m)?|noon|midnight)\b")
_WEEKDAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_WEEKDAYS = re.compile(rf"\bon ({_WEEKDAY}(?:(?:, | and |, and ){_WEEKDAY})*)\b")
_FEW = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|nineteen|twenty|thirty|forty|fifty|ninety|hundred"
_ABOUT = "(?:about |up to |at least |around |more than )?"
_COUNT = re.compile(rf"(?:^|(?<= ))({_ABOUT}(?:\d[\d,]*(?:\.\d+)?|{_FEW})) ((?:[a-z-]+ ){{0,2}}?[a-z-]+)")
_MONEY = re.compile(rf"^({_ABOUT}[$€£]\d[\d,.]*\d?(?: (?:thousand|million|billion))?)(?= |$)")
_SHARE = re.compile(rf"^({_ABOUT}(?:\d[\d.]*|{_FEW}) ?(?:percent|per cent|%)) of ")
_AND_SHARE = re.compile(r" or \d[\d.,]*(?:%| percent)")
"""The same amount once more, as in "rose $39 million or 2%"."""

_NAME = re.compile(r"[A-Z][a-z’'-]+(?: (?:[A-Z]\.|de|van|von|[A-Z][a-z’'-]+)){1,3}")
_NOT_A_PERSON = re.compile(
    r"\b(?:Inc|Corp|Corporation|Company|Ltd|University|Institute|Station|Office|Department|Committee|Board|Council|Court|Act|Agency|River"
    r"|Lake|City|County|Street|States|Kingdom|System|Systems|Model|Network|Networks|Learning|Group|Section|Chapter|Part|Point|Center"
    r"|Centre|Bank|Association|Society|School|Museum|Union|Team|Project|Program|Service|Services|Version|Table|Figure|Note)\b"
)
_PLACED = re.compile(r"^((?:located|situated|kept|stored|held|installed|built)) ((?:in|at|near|on|under) (?!\d).+)$")
_STRANDED = ("on", "for", "with", "of", "at", "into")
_MEANS = {"means": "What does {} mean?", "refers": "What does {} refer to?"}
_BAD = re.compile(
    r"\b(?:it|they|them|he|she|his|her|we|our|us|you|your|this|these|those|that|above|below|following|herein|former|latter|former|there are"
    r" there)\b|[\[\](){}<>|\\=_^“”\"•]|\d\?$|\.\.|\b(?:and|or|the|an?|to|be)\?$",
    re.IGNORECASE,
)
_NO_UNIT = frozenset("percent per cent million billion thousand of to and or in on at for the a an is are was were times more less".split())


def english_questions(sentence: str, is_common: Callable[[str], bool]) -> list[Asked]:
    """What can be asked of a sentence (on one line), each question with its answer in the sentence's own words."""
    text = re.sub(r"^(?:\d{1,2}[.)]|[-*•‣])\s+", "", sentence)
    dated = _LEADING_DATE.match(text)
    if dated is not None:
        text = text[dated.end() :]
        text = text[0].upper() + text[1:]
    found = list(_there(text))
    for clause in clauses_of(text, is_common):
        found += [(question, answer, kind, clause.subject) for question, answer, kind in _of_clause(clause)]
        if dated is not None:
            found.append((clause.asked("When", clause.rest), dated[1], "date", clause.subject))
    return [one for one in found if _is_good(one, sentence)]


def _of_clause(clause: Clause) -> Iterator[tuple[str, str, str]]:
    rest = _AND_SHARE.sub("", clause.rest)
    yield from _amounts(clause, rest)
    yield from _times(clause, rest)
    if _is_person(clause.subject) and len(rest.split()) >= 3:
        yield f"Who {clause.verb} {rest}?", clause.subject, "name"
    if clause.verb in BE:
        yield from _being(clause, rest)
    elif clause.verb in _MEANS and len(clause.subject.split()) <= 4:
        yield _MEANS[clause.verb].format(clause.subject), rest.removeprefix("to "), "definition"
    elif (preposition := clause.object_after) is not None and not clause.goes_on and 2 <= len(rest.split()) <= 14:
        yield clause.asked("What", preposition), rest.removeprefix(preposition).strip(), "what"
    if clause.reason:
        yield clause.asked("Why", rest), clause.reason, "reason"


def _being(clause: Clause, rest: str) -> Iterator[tuple[str, str, str]]:
    """What something is, who someone is, where something is."""
    if _NAME.fullmatch(rest) and not _NOT_A_PERSON.search(rest) and clause.subject.startswith("the "):
        yield f"Who {clause.verb} {clause.subject}?", rest, "name"
    elif placed := _PLACED.match(rest):
        yield f"Where {clause.verb} {clause.subject} {placed[1]}?", placed[2], "place"
    elif re.match(r"(?:a|an|the|one of) ", rest) and len(rest.split()) >= 4 and _can_be_defined(clause.subject):
        yield f"What {clause.verb} {clause.subject}?", rest, "definition"
    elif match := re.match(r"(called|known as|defined as) (.+)", rest):
        yield f"What {clause.verb} {clause.subject} {match[1]}?", match[2], "definition"
    elif (match := re.match(r"((?:\w+ed|made|kept|held|built|found|sent|run) (?:for|by|with|from|as|of)) (\w+ .+)", rest)) and (
        len(rest.split()) <= 14 and not clause.goes_on
    ):
        yield f"What {clause.verb} {clause.subject} {match[1]}?", match[2], "what"


def _can_be_defined(subject: str) -> bool:
    return len(subject.split()) <= 4 and not subject.startswith(("each ", "every "))


def _amounts(clause: Clause, rest: str) -> Iterator[tuple[str, str, str]]:
    if money := _MONEY.match(rest):
        yield clause.asked("How much", rest[money.end() :]), money[1], "number"
    if share := _SHARE.match(rest):
        yield clause.asked("What percentage of " + rest[share.end() :], ""), share[1], "number"
    for count in _COUNT.finditer(rest):
        before, unit, after = rest[: count.start()].strip(), _unit(count[2]), rest[count.start(2) :]
        if unit is None or re.search(r"\d", before + after) or (before and not _may_be_left(before)):
            continue
        left = f"{before} {after[len(unit) :].strip()}".strip()
        if left.startswith("of "):
            unit, left = f"{unit} {left}", ""
        yield clause.asked(f"How many {unit}", left), f"{count[1]} {_unit(count[2])}", "number"


def _may_be_left(before: str) -> bool:
    """Whether the words between verb and number may stay where they are, without the number after them."""
    return before.split()[-1] in _STRANDED and len(before.split()) <= 3


def _times(clause: Clause, rest: str) -> Iterator[tuple[str, str, str]]:
    for pattern, words, kind in ((_DATE, "When", "date"), (_TIME, "At what time", "date"), (_WEEKDAYS, "On which days", "date")):
        found = list(pattern.finditer(rest))
        if len(found) == 1:
            left = rest[: found[0].start()] + rest[found[0].end() :]
            yield clause.asked(words, left.strip()), found[0][1], kind


def _there(text: str) -> Iterator[Asked]:
    match = re.match(rf"There (are|were) (\d[\d,]*|{_FEW}) ([a-z-]+s) ([^,;:()]+?)\.?$", text, re.IGNORECASE)
    if match:
        yield f"How many {match[3]} {match[1]} there {match[4]}?", f"{match[2]} {match[3]}", "number", match[3]


def _unit(words: str) -> str | None:
    """Of the words after a number, those that say what is counted: up to the first plural, or None where there is none."""
    taken: list[str] = []
    for word in words.split():
        if word in _NO_UNIT or re.fullmatch(_MONTH, word, re.IGNORECASE):
            return None
        taken.append(word)
        if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            return " ".join(taken)
    return None


def _is_person(subject: str) -> bool:
    return bool(_NAME.fullmatch(subject)) and not _NOT_A_PERSON.search(subject)


def _is_good(asked: Asked, sentence: str) -> bool:
    """Whether a question stands by itself, and asks for something that it does not say."""
    question, answer, _, subject = asked
    told = set(content_words(question))
    return (
        4 <= len(question.split()) <= 28
        and len(told) >= 2 - (question.startswith(("What is ", "What are ")))
        and bool(content_words(subject))
        and not _BAD.search(question)
        and 1 <= len(answer) <= 200
        and answer in sentence
        and not re.search(r"[\[\](){}|]", answer)
        and not set(content_words(answer)) <= told
    )
