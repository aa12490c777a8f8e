"""Answer sentences, the spans they rest on, and how far each is supported.

Two verdicts are kept apart. *The quote is there* holds by construction: a citation is a span of the document. *The quote supports the
sentence* is judged here, by how much of what the sentence says the quote says too, with literal guards: a number or a name that the
quote does not hold cannot be supported by it. Where an English sentence nearly repeats one of a document, a trained checker reads the two.
Either way support is a probability.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wellread.literals import missing_literals
from wellread.words import cjk_share, content_words

SUPPORTED = 0.5
"""A sentence whose support reaches this is called supported: it is likelier than not, where as many are true as false."""

_BY_WORDS = (6.2, -3.72)
_BY_CHECKER = (0.30, 0.60)
"""Slope and intercept of the logistic functions that make probabilities of a score, 0..1, and of the checker's log odds where the claim has
words that its sentence has not. The first was fitted (Platt scaling, true and false claims and each set weighing the same) on the first
400 rows of HaluEval QA and 965 claims made of articles held out of the checker's training, then shifted from 0.58 so that a score of 0.6
stays even odds. The second, with half of the texts of SummEdits besides, came to (0.35, 0.77) with each set and to (0.25, 0.45) with each
claim weighing the same; it lies between. Where the sentence has every word of the claim, the checker's own probability is kept: it was
trained on such claims."""

_GUARDED = 0.3
"""The highest score of a sentence by a quote that lacks one of its numbers or names."""

_SUBJECT = 0.6
_OFF_SUBJECT = 0.5
"""The highest score by quotes around which less than `_SUBJECT` of the sentence's question words stand: they speak of something else."""

_MAX_QUOTES = 3
_WORTH_A_QUOTE = 0.12
"""What a further quote must add to a sentence's score to be cited."""

_TOGETHER = 300
"""Characters that may lie between quotes which support a sentence only together."""

_WHOLE = 0.95

_FIRST = 4
"""How many of the sentences that words and vectors put first are looked at for one that nearly repeats the claim."""

_REPEATED = 0.6
"""The share of a claim's content words that one sentence must hold for the trained checker to be asked: it learned from claims that
repeat their text but for one change. It is shown that sentence only; beside others, a name changed for one of theirs passes."""

_FRAGMENT_CONTENT, _FRAGMENT_WORDS = 3, 8
"""Fewer content words ("Delhi."), or fewer words without a mark at the end ("Hillary Rodham Clinton"), are no claim that it learned to
read."""

_END = re.compile(r"[.!?][\"'”’)\]]*$")

Checker = Callable[[str, Sequence[str]], np.ndarray]
"""The probabilities, float32 [n], that each of n English texts supports a claim."""


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


def check(
    sentence: str,
    evidence: Sequence[Evidence],
    vector: np.ndarray,
    *,
    question: str = "",
    unrelated: float = 0.0,
    checker: Checker | None = None,
) -> Support:
    """The least evidence that supports a sentence as far as it can be supported.

    `vector` is the embedding of the sentence, made by the same embedder as those of the evidence, and `unrelated` the cosine which
    that one gives to unrelated texts. Words of the question count for less than what the sentence adds to it. A `checker`
    may be given where the evidence is English: it reads the sentence of the evidence that nearly repeats the claim, where there is one.
    """
    asked = frozenset(content_words(question))
    said = frozenset(content_words(sentence))
    if not said or (said <= asked and not re.search(r"\d", sentence)):
        return Support(0.0, (), claims=False)
    if not evidence:
        return Support(0.0, ())
    cosines = closeness(np.stack([piece.vector for piece in evidence]) @ vector, unrelated)
    scores = [_score(sentence, [piece], float(cosine), said, asked) for piece, cosine in zip(evidence, cosines, strict=True)]
    order = sorted(range(len(evidence)), key=lambda at: -scores[at])
    score, chosen = _together(sentence, evidence, order, scores, cosines, said, asked)
    at = None if checker is None else _repeated(sentence, said, evidence, order)
    if checker is None or at is None:
        return Support(_probability(score), tuple(evidence[at] for at in chosen))
    piece = evidence[at]
    if scores[at] <= _GUARDED:  # words of the sentences around it would hide what was changed
        return Support(_probability(scores[at]), (piece,))
    read = _read(float(checker(sentence, [piece.text])[0]), every_word=said <= frozenset(content_words(piece.text)))
    return Support(min(read, _probability(score)), (piece,))


def _together(
    sentence: str,
    evidence: Sequence[Evidence],
    order: Sequence[int],
    scores: Sequence[float],
    cosines: np.ndarray,
    said: frozenset[str],
    asked: frozenset[str],
) -> tuple[float, list[int]]:
    """The best piece of evidence, and those that with it support more; `order` are places of the evidence, best `scores` first."""
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
    return best, chosen


def _repeated(sentence: str, said: frozenset[str], evidence: Sequence[Evidence], order: Sequence[int]) -> int | None:
    """The place of the piece of evidence that repeats a claim but for a few words, if there is one."""
    if cjk_share(sentence) > 0 or len(said) < _FRAGMENT_CONTENT or not (_END.search(sentence) or len(sentence.split()) >= _FRAGMENT_WORDS):
        return None
    shares = {at: len(said & frozenset(content_words(evidence[at].text))) / len(said) for at in order[:_FIRST]}
    at = max(shares, key=lambda at: shares[at])
    return at if shares[at] >= _REPEATED else None


def _probability(score: float) -> float:
    """That a claim is supported, by what words and vectors say of it."""
    return _logistic(_BY_WORDS, score)


def _read(read: float, *, every_word: bool) -> float:
    """That a claim is supported, by what the checker says of it. It takes a word that the text has not for a change of what is said, where
    it may be another word for the same."""
    if every_word:
        return read
    kept = min(max(read, 1e-6), 1 - 1e-6)
    return _logistic(_BY_CHECKER, math.log(kept / (1 - kept)))


def _logistic(line: tuple[float, float], value: float) -> float:
    slope, intercept = line
    return 1 / (1 + math.exp(-(slope * value + intercept)))


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
