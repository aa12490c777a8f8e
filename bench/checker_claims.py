"""True and false claims, each with the text that it should rest on: two public sets, and true sentences with one thing changed."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from wellread.sentences import sentence_spans
from wellread.train.claims import Change, shortened, with_other
from wellread.train.twins import put

CALIBRATED_ON = 400
"""Rows at the beginning of HaluEval QA on which `cite.py` was calibrated; they are left out here."""

_SENTENCE = range(50, 280)
_CHINESE_SENTENCE = range(15, 120)
_LENDERS = 8

_UNITS = dict(
    pair
    for one, other in (
        each.split()
        for each in (
            "million billion,percent degrees,km miles,kilometres miles,kilometers miles,years months,days weeks,hours minutes,metres feet,"
            "meters feet,dollars euros,tons pounds,century decade,centuries decades,inches yards,acres hectares,thousand million"
        ).split(",")
    )
    for pair in ((one, other), (other, one))
)
_UNIT = re.compile(rf"(?:(?<=\d)|(?<=two|six|ten)|(?<=four|five|nine)|(?<=three|seven|eight))(?:%|[ -](?:{'|'.join(_UNITS)})\b)")
_CHINESE_UNITS = {
    **dict(zip("万亿年月日米天周岁%", "亿万月日月里周天年万", strict=True)),
    "公里": "英里",
    "小时": "分钟",
    "分钟": "小时",
}
_CHINESE_UNIT = re.compile(rf"(?<=\d)\s?(?:{'|'.join(sorted(_CHINESE_UNITS, key=len, reverse=True))})")
_CHINESE_VERB = re.compile(r"(?<![不没并])(?:可以|能够|(?<![但尤其特别只于还而正就也或都总算])是(?!否)|需要|允许|属于|支持|包括)")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and its text; `kind` is what was changed in it, or "true" or "false"."""

    group: str
    kind: str
    text: str
    claim: str
    question: str
    truth: bool


def halueval(path: Path, limit: int) -> list[Claim]:
    """Right and made-up answers to questions on a passage (Li et al. 2023, arXiv:2305.11747), as many of each."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines()[CALIBRATED_ON : CALIBRATED_ON + limit]:
        row = json.loads(line)
        found.append(Claim("HaluEval QA", "true", row["context"], row["right_answer"], row["question"], True))
        found.append(Claim("HaluEval QA", "false", row["context"], row["hallucinated_answer"], row["question"], False))
    return found


def summedits(path: Path, limit: int) -> list[Claim]:
    """Summaries, some edited to be false (Laban et al. 2023, arXiv:2305.14540), of news and of dialogues."""
    rows = [row for row in _rows(path) if not _calibrated_on(row["source"])][:limit]
    rows.sort(key=lambda row: (row["domain"], row["source"]))
    names = {"samsum": "dialogues"}
    return [
        Claim(
            f"SummEdits, {names.get(row['domain'], row['domain'])}",
            "true" if row["supported"] else "false",
            row["source"],
            row["claim"],
            "",
            bool(row["supported"]),
        )
        for row in rows
    ]


def _calibrated_on(text: str) -> bool:
    """Whether a text of SummEdits is one of those on which `cite.py` was calibrated: every other, by chance."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2 == 0


def changed_english(squad: Path, hotpot: Path, count: int) -> list[Claim]:
    """Sentences of SQuAD's development paragraphs and of HotpotQA's, as they are or shortened, and each with one thing
    changed: at most `count` of a kind. The changes are those that the checker's training makes, and units; it has not seen the articles."""
    chance = random.Random(1)
    texts = sorted({row["context"] for row in _rows(squad)}) + [row["text"] for row in _rows(hotpot)]
    found: list[Claim] = []
    for text, sentence in _sentences(texts, chance):
        claim = shortened(sentence, chance)
        if len(claim) in _SENTENCE:
            far = chance.sample(texts, _LENDERS)
            changed = {kind: with_other(kind, claim, text, far, chance) for kind in get_args(Change)}
            found += _group("English sentences", text, claim, changed | {"unit": _other_unit(claim, chance)})
    return _at_most(count, found)


def changed_chinese(path: Path, count: int) -> list[Claim]:
    """Sentences of XQuAD's Chinese paragraphs, and each with a number, a unit or a negation changed."""
    chance = random.Random(1)
    texts = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
    found: list[Claim] = []
    for text, claim in _sentences(texts, chance):
        if len(claim) in _CHINESE_SENTENCE:
            found += _group("Chinese sentences", text, claim, _changed_chinese(claim, chance))
    return _at_most(count, found)


def _sentences(texts: Sequence[str], chance: random.Random) -> list[tuple[str, str]]:
    """Each text with each of its sentences, in an order by chance."""
    found = [(text, text[start:end]) for text in texts for start, end in sentence_spans(text)]
    chance.shuffle(found)
    return found


def _changed_chinese(claim: str, chance: random.Random) -> dict[str, str | None]:
    numbers, units, verbs = (list(pattern.finditer(claim)) for pattern in (_DIGITS, _CHINESE_UNIT, _CHINESE_VERB))
    changed: dict[str, str | None] = {}
    if numbers:
        match = chance.choice(numbers)
        at, old = chance.randrange(len(match.group())), match.group()
        changed["number"] = put(claim, match, f"{old[:at]}{(int(old[at]) + chance.randint(1, 9)) % 10}{old[at + 1 :]}")
    if units:
        match = chance.choice(units)
        changed["unit"] = put(claim, match, _CHINESE_UNITS[match.group().strip()])
    if verbs:
        match = chance.choice(verbs)
        changed["negation"] = put(claim, match, f"不{match.group()}")
    return changed


def _other_unit(claim: str, chance: random.Random) -> str | None:
    found = list(_UNIT.finditer(claim))
    if not found:
        return None
    match = chance.choice(found)
    old = match.group()
    return put(claim, match, " degrees" if old == "%" else old[0] + _UNITS[old[1:]])


def _group(group: str, text: str, claim: str, changed: dict[str, str | None]) -> list[Claim]:
    """A true claim with what was made of it; nothing where nothing could be."""
    twins = [Claim(group, kind, text, twin, "", False) for kind, twin in changed.items() if twin is not None]
    return [Claim(group, "true", text, claim, "", True), *twins] if twins else []


def _at_most(count: int, claims: Iterable[Claim]) -> list[Claim]:
    seen: dict[str, int] = {}
    kept = []
    for each in claims:
        seen[each.kind] = seen.get(each.kind, 0) + 1
        if seen[each.kind] <= count:
            kept.append(each)
    return kept


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
