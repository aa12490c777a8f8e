"""What cannot be paraphrased: the numbers, units, dates, names, negations and quantifiers of a sentence, looked for in a quote.

A guard speaks up only where both texts are clear: the quote says the same number with another unit only, the same noun with another
quantifier only. Where one of them leaves out the unit, or writes it in a way that is not known here, nothing is said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

from wellread.quantities import MONTH, MONTHS, Quantity, months_named, quantities
from wellread.words import STOP_WORDS, cjk_share, stem, words

_LIST_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s")
_PERCENT = re.compile(r"%|per\s?cent|percentage|\bpct\b|百分", re.IGNORECASE)
_NAME = re.compile(  # \b would not do: a Chinese character beside a Latin name counts as a letter
    r"(?<![.!?:\n“\"])(?<=[\w,;)]\s)[A-Z][\w'’-]*|(?<![A-Za-z0-9])[A-Z]{2,}[A-Za-z0-9-]*|(?<![A-Za-z0-9])[A-Za-z]+\d[A-Za-z0-9-]*"
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|neither|nor|without|cannot)\b(?!\s+(?:only|just|merely))|n['’]t\b"
    r"|不(?![仅但过断同])|[没沒]|[無无](?!人机|线|论)|未(?!来)|非(?!常|洲)",
    re.IGNORECASE,
)
_QUANTIFIERS = (
    (
        "all",
        re.compile(
            r"(?<!\bnot )(?<!nearly )(?<!almost )\b(?:all|every|each)\b(?: of)?(?: the| its| their)?|(?<!不是)(?:所有|全部|全体|一切)的?",
            re.I,
        ),
    ),
    (
        "most",
        re.compile(
            r"\b(?:most|nearly all|almost all|the majority)\b(?: of)?(?: the| its| their)?|(?:大部分|大多数|多数|绝大多数)的?", re.I
        ),
    ),
    ("some", re.compile(r"\b(?:some|several|a few|certain|part)\b(?: of)?(?: the| its| their)?|(?<!大)(?:部分|一些|有些|某些)的?", re.I)),
    ("few", re.compile(r"(?<!a )\b(?:few|hardly any)\b(?: of)?(?: the| its| their)?|(?:少数|极少)的?", re.I)),
)
_STRONGER = {"all": ("most", "some", "few"), "most": ("some", "few"), "some": (), "few": ("all", "most")}
"""What a quote may say of the same noun that does not support the quantifier of a sentence: "some" follows from "all", not the reverse."""

_ITEM = re.compile(r"\b(?:[A-Z][\w'’-]*(?:\s(?:of |the |von |de )?[A-Z][\w'’-]*)*|\d+(?:[.,]\d+)*)")
_LISTED = re.compile(r"[\s,;&/()–-]*(?:(?:and|or|nor|to|vs\.?)\b)?[\s,;&/()–-]*")
_WEEKDAY = re.compile("(?:星期|周|週|礼拜|禮拜)([一二三四五六日])")
_ONLY = re.compile(r"(?<!不)(?:仅|僅|只有|唯有)")
_CLAUSE = re.compile(r"[,.;:!?，。；：！？\n]")

_REPEATED = 0.85
"""The share of its words that a sentence must have from a quote, in their order, to be that quote with two names exchanged."""

_MOST_ITEMS, _MOST_WORDS = 10, 400
"""Names and numbers of a sentence, and words of a quote, beyond which it is not looked for who is who: such text is a table."""


def missing_literals(sentence: str, quote: str, asked: frozenset[str] = frozenset()) -> list[str]:
    """Numbers and names that a sentence states and a quote does not hold, numbers to which the quote gives another unit or day of another
    month, and "negation", a quantifier or "roles" where one text denies what the other says. `asked` are stems of names that need not be
    held."""
    plain_sentence, plain_quote = (unicodedata.normalize("NFKC", text) for text in (sentence, quote))
    missing = [*_other_quantities(_LIST_NUMBER.sub("", plain_sentence), plain_quote), *_other_names(plain_sentence, plain_quote, asked)]
    missing += _other_weekdays(plain_sentence, plain_quote)
    if _denied(plain_sentence, plain_quote):
        missing.append("negation")
    missing += _other_quantifiers(plain_sentence, plain_quote)
    return missing + (["roles"] if _trades_places(plain_sentence, plain_quote) else [])


def _other_quantities(sentence: str, quote: str) -> Iterator[str]:
    """Numbers that the quote does not hold, or only with another unit."""
    held = dict.fromkeys((*quantities(quote), *months_named(quote)))
    alike: dict[str, list[Quantity]] = {}
    for other in held:
        for key in {other.number, other.value}:
            alike.setdefault(key, []).append(other)
    stated = dict.fromkeys(quantities(sentence))
    any_scaled = any(one.number != one.value for one in stated)
    for one in stated:
        same = [other for key in {one.number, one.value} for other in alike.get(key, []) if _same(one, other, any_scaled)]
        if not same:
            yield one.written
        elif one.unit and not _counts(one.unit, [other.unit for other in same], quote):
            yield f"{one.written} {one.unit}"


def _counts(unit: str, held: Sequence[str | None], quote: str) -> bool:
    """Whether a number may count what is stated, which the quote gives with the units `held`; None is one that is not known, or left out:
    a quote that never speaks of percent has none."""
    return unit in held or (None in held and (unit != "%" or _PERCENT.search(quote) is not None))


def _same(stated: Quantity, held: Quantity, any_scaled: bool) -> bool:
    """Whether two numbers are the same. "2 to 3 million" and a column in millions leave out a scale that another number has."""
    if stated.value == held.value:
        return True
    left_out = (held.number == held.value and stated.number != stated.value) or (stated.number == stated.value and any_scaled)
    return left_out and stated.number == held.number


def _other_names(sentence: str, quote: str, asked: frozenset[str]) -> Iterator[str]:
    """Names that the quote does not hold; months also by their short names and numbers."""
    held = {stem(word) for word in words(quote)} | set(words(quote))
    units = [(one.unit or "", one.number) for one in (*quantities(quote), *months_named(quote))]
    months = {number if unit == MONTH else unit.removeprefix(f"{MONTH} ") for unit, number in units if unit.startswith(MONTH)}
    for name in _NAME.findall(sentence):
        if name in MONTHS and str(MONTHS[name]) in months:
            continue
        parts = [word for word in words(name) if word not in STOP_WORDS and not word[0].isdigit()]
        if parts and not all(word in held or stem(word) in held or stem(word) in asked for word in parts):
            yield name


def _other_weekdays(sentence: str, quote: str) -> list[str]:
    """Weekdays of the sentence that are not among those of the quote, where it has any; English ones are names, and looked at as such."""
    held = set(_WEEKDAY.findall(quote))
    return [f"星期{day}" for day in _WEEKDAY.findall(sentence) if held and day not in held]


def _denied(sentence: str, quote: str) -> bool:
    """Whether the sentence negates a word that the quote says without negating it, or the other way round.

    A quote says more than the sentence, so what it negates besides is let pass where both negate the same somewhere.
    """
    denials, others = list(_followed(sentence, _NEGATION)), list(_followed(quote, _NEGATION))
    negated, negated_there = frozenset[str]().union(*denials), frozenset[str]().union(*others)
    said, held = ({stem(word) for word in words(text)} for text in (sentence, quote))
    if any(after & held and not after & negated_there for after in denials):
        return True
    return bool(negated_there & said) and not negated & negated_there


def _other_quantifiers(sentence: str, quote: str) -> list[str]:
    """Quantifiers which the quote has weaker, or the other way round, before the same word."""
    said, held = (
        {kind: frozenset(word for after in _followed(text, pattern, 1) for word in after) for kind, pattern in _QUANTIFIERS}
        for text in (sentence, quote)
    )
    found = [kind for kind, others in _STRONGER.items() if any(said[kind] & held[other] - held[kind] for other in others)]
    return found + (["only"] if _ONLY.search(sentence) and not re.search("[仅僅只唯惟独獨]", quote) else [])


def _trades_places(sentence: str, quote: str) -> bool:
    """Whether the sentence repeats the quote but for two names or numbers, each of which stands where the other should."""
    said, held = words(sentence), words(quote)
    items = [item for item in _ITEM.finditer(sentence) if not {*words(item.group())} <= STOP_WORDS]
    if not 2 <= len(items) <= _MOST_ITEMS or len(held) > _MOST_WORDS or cjk_share(sentence) > 0:
        return False
    if len(set(said) & set(held)) < _REPEATED * len(set(said)):
        return False
    same = _in_a_row(said, held)
    for one, other in combinations(items, 2):
        between = sentence[one.end() : other.start()]
        if one.group() == other.group() or _LISTED.fullmatch(between):  # "Dresden and Hamburg" are no one's roles
            continue
        traded = words(f"{sentence[: one.start()]}{other.group()}{between}{one.group()}{sentence[other.end() :]}")
        if max(same + 1, _REPEATED * len(said)) < _in_a_row(traded, held):
            return True
    return False


def _in_a_row(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence of two lists of words."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for at, each in enumerate(other, start=1):
            before, row[at] = row[at], before + 1 if each == word else max(row[at], row[at - 1])
    return row[-1]


def _followed(text: str, pattern: re.Pattern[str], count: int = 2) -> Iterator[frozenset[str]]:
    """The words right after each match, up to the end of its clause: what is said not to be, or to be in all cases."""
    for match in pattern.finditer(text):
        end = _CLAUSE.search(text, match.end())
        after = [word for word in words(text[match.end() : end.start() if end else len(text)]) if word not in STOP_WORDS]
        yield frozenset(stem(word) for word in after[:count])
