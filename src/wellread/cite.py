"""Answer sentences, the spans they rest on, and how far each is supported.

Two verdicts are kept apart. *The quote is there* holds by construction: a citation is a span of the document. *The quote supports the
sentence* is judged here, by how much of what the sentence says the quote says too, with literal guards: a number or a name that the
quote does not hold cannot be supported by it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wellread.words import STOP_WORDS, content_words, stem, words

SUPPORTED = 0.6
"""A sentence whose support reaches this is called supported."""

_GUARDED = 0.3
"""The most support a sentence can have from a quote that lacks one of its numbers or names."""

_SUBJECT = 0.6
_OFF_SUBJECT = 0.5
"""The most support from quotes around which less than `_SUBJECT` of the sentence's question words stand: they speak of something else."""

_MAX_QUOTES = 3
_WORTH_A_QUOTE = 0.12
"""What a further quote must add to a sentence's support to be cited."""

_TOGETHER = 300
"""Characters that may lie between quotes which support a sentence only together."""

_WHOLE = 0.95

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORDS = {
    word: str(value) for value, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), start=2)
} | {char: str(value) for value, char in enumerate("一二三四五六七八九十", start=1)}
_NUMBER_WORD = re.compile(
    r"(?<![a-z])(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?![a-z])|第?[一二三四五六七八九十](?=[个種种条块台年月点次步类])",
    re.IGNORECASE,
)
_NAME = re.compile(  # \b would not do: a Chinese character beside a Latin name counts as a letter
    r"(?<![.!?:\n“\"])(?<=[\w,;)]\s)[A-Z][\w'’-]*|(?<![A-Za-z0-9])[A-Z]{2,}[A-Za-z0-9-]*|(?<![A-Za-z0-9])[A-Za-z]+\d[A-Za-z0-9-]*"
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|neither|nor|without|cannot)\b(?!\s+(?:only|just|merely))|n['’]t\b"
    r"|不(?![仅但过断同])|[没沒]|[無无](?!人机|线|论)|未(?!来)|非(?!常|洲)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,.;:!?，。；：！？\n]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a source, as a span of its document.

    `chunk` is the chunk it stands in and `context` that chunk's words with its headings, which name what the sentence may only call
    "it"; `vector` is the sentence's embedding (float32 [d]).
    """

    chunk: int
    document: str
    start: int
    end: int
    text: str
    vector: np.ndarray
    context: str = ""


@dataclass(frozen=True, slots=True)
class Support:
    """How far a sentence is supported (0..1), and by which evidence, strongest first. `claims` is False for text that claims nothing."""

    score: float
    evidence: tuple[Evidence, ...]
    claims: bool = True


def check(sentence: str, evidence: Sequence[Evidence], vector: np.ndarray, *, question: str = "", unrelated: float = 0.0) -> Support:
    """The least evidence that supports a sentence as far as it can be supported.

    `vector` is the embedding of the sentence, made by the same embedder as those of the evidence, and `unrelated` the cosine which
    that one gives to unrelated texts. Words of the question count for less than what the sentence adds to it.
    """
    asked = frozenset(content_words(question))
    said = frozenset(content_words(sentence))
    if not said or (said <= asked and not _NUMBER.search(sentence)):
        return Support(0.0, (), claims=False)
    if not evidence:
        return Support(0.0, ())
    cosines = closeness(np.stack([piece.vector for piece in evidence]) @ vector, unrelated)
    scores = [_score(sentence, [piece], float(cosine), said, asked) for piece, cosine in zip(evidence, cosines, strict=True)]
    order = sorted(range(len(evidence)), key=lambda at: -scores[at])
    chosen, best = [order[0]], scores[order[0]]
    for at in order[1:12]:
        if len(chosen) == _MAX_QUOTES or best >= _WHOLE:
            break
        if not any(_near(evidence[at], evidence[one]) for one in chosen):
            continue
        together = [evidence[one] for one in (*chosen, at)]
        score = _score(sentence, together, float(max(cosines[at], *(cosines[one] for one in chosen))), said, asked)
        if score >= best + _WORTH_A_QUOTE:
            chosen.append(at)
            best = score
    return Support(best, tuple(evidence[at] for at in chosen))


def _near(one: Evidence, other: Evidence) -> bool:
    """Whether two pieces of evidence may be read together: words picked from far apart can be made to say anything."""
    return one.document == other.document and max(one.start - other.end, other.start - one.end) <= _TOGETHER


def closeness(cosines: np.ndarray, unrelated: float) -> np.ndarray:
    """Cosines of any embedder on one scale: 0 for unrelated texts, 1 for the same text."""
    return (cosines - unrelated) / (1 - unrelated)


def _score(sentence: str, quotes: Sequence[Evidence], cosine: float, said: frozenset[str], asked: frozenset[str]) -> float:
    """How much of what a sentence says the quotes say too: word recall and meaning, capped by the guards.

    What the sentence adds to the question must stand in the quotes; what it repeats of the question may stand around them.
    """
    quote = " ".join(piece.text for piece in sorted(quotes, key=lambda piece: piece.start))
    held = frozenset(content_words(quote))
    new, repeated = said - asked, said & asked
    around = held.union(*(content_words(piece.context) for piece in quotes))
    recall = len(said & held) / len(said)
    recall_new = len(new & held) / len(new) if new else recall
    meaning = min(max((cosine - 0.2) / 0.6, 0.0), 1.0)
    score = 0.65 * (0.7 * recall_new + 0.3 * recall) + 0.35 * meaning
    if recall_new == 1.0:  # every word it adds stands in the quote: paraphrase does not come into it
        score = max(score, 0.75 + 0.25 * (0.5 * recall + 0.5 * meaning))
    if repeated and len(repeated & around) / len(repeated) < _SUBJECT:
        score = min(score, _OFF_SUBJECT)
    return min(score, _GUARDED) if missing_literals(sentence, quote, asked) else min(score, 1.0)


def missing_literals(sentence: str, quote: str, asked: frozenset[str] = frozenset()) -> list[str]:
    """Numbers and names that a sentence states and a quote does not hold, and "negation" where one denies what the other says."""
    plain_sentence, plain_quote = (unicodedata.normalize("NFKC", text) for text in (sentence, quote))
    in_quote = set(_numbers(plain_quote).values())
    without_list_number = re.sub(r"^\s*\d{1,2}[.)]\s", "", plain_sentence)
    missing = [number for number, value in _numbers(without_list_number).items() if value not in in_quote]
    held = {stem(word) for word in words(plain_quote)} | set(words(plain_quote))
    for name in _NAME.findall(plain_sentence):
        parts = [word for word in words(name) if word not in STOP_WORDS and not word[0].isdigit()]
        if parts and not all(word in held or stem(word) in held or stem(word) in asked for word in parts):
            missing.append(name)
    if _denies(plain_sentence, plain_quote) or _denies(plain_quote, plain_sentence):
        missing.append("negation")
    return missing


def _denies(one: str, other: str) -> bool:
    """Whether one text negates a word that the other says without negating it."""
    negated = _negated(one)
    return bool(negated) and bool(negated & {stem(word) for word in words(other)}) and not negated & _negated(other)


def _negated(text: str) -> frozenset[str]:
    """The words right after each negation, up to the end of its clause: what is said not to be."""
    found: set[str] = set()
    for match in _NEGATION.finditer(text):
        end = _CLAUSE.search(text, match.end())
        after = [word for word in words(text[match.end() : end.start() if end else len(text)]) if word not in STOP_WORDS]
        found.update(stem(word) for word in after[:2])
    return frozenset(found)


def _numbers(text: str) -> dict[str, str]:
    """The numbers of a text as they stand there, each with its value in digits; small ones also where they are written as words."""
    written = {number: _plain_number(number) for number in _NUMBER.findall(text)}
    return written | {word: _NUMBER_WORDS[word.lower().removeprefix("第")] for word in _NUMBER_WORD.findall(text)}


def _plain_number(number: str) -> str:
    """A number as digits, so that 1,234 equals 1234 and 2.50 equals 2.5."""
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", number).replace(",", ".")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits).lstrip("0") or "0"
