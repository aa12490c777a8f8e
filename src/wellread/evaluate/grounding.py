"""Whether an answer stands on what was found, and whether what was found is what was needed: ragas' measures, without a language model.

Source: Es et al. 2023, RAGAS: Automated Evaluation of Retrieval Augmented Generation, and ragas 0.3 where it is more exact. Nothing here
is ever NaN: a figure over nothing is None, and what could not be judged is counted. The variants that ask a language model are in
wellread.evaluate.judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")

Supports = Callable[[str, str], bool | None]  # (premise, claim), None where it cannot tell


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure over the things that were judged (None when none was), how many these are, and how many could not be judged."""

    value: float | None
    judged: int
    not_judged: int


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end`, the latter left out, of a document."""

    document: str
    start: int
    end: int


def share(verdicts: Sequence[bool | None]) -> Judged:
    """The share of verdicts that are yes, among those that were given."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return Judged(sum(given) / len(given) if given else None, len(given), len(verdicts) - len(given))


def faithfulness(claims: Sequence[str], context: str, supports: Supports) -> Judged:
    """The share of an answer's claims that the context supports. Source: Es et al. 2023, section 3, with the claims already cut.

    With the claims of a gold answer it is ragas' LLMContextRecall: the share of what is to be said that was found.
    """
    return share([supports(context, claim) for claim in claims])


def answer_relevancy(question: str, answer: str, embed: Callable[[Sequence[str]], np.ndarray]) -> float:
    """How near the answer is to the question in meaning, the cosine of their vectors, -1..1; 0 where a vector is nought.

    `embed` gives a vector for each text, float [2, d]. ragas compares the question with questions that a model writes for
    the answer (`judged_answer_relevancy`); to compare the answer itself needs no model and is lower, so compare like with like.
    """
    return cosine(*np.asarray(embed([question, answer]), np.float64))


def context_precision(retrieved: Sequence[T], relevant: Sequence[T], closeness: Callable[[T, T], float], threshold: float = 0.5) -> float:
    """Whether what was needed stands before what was not: the mean of the precision at each place that holds something relevant.

    `retrieved` is in rank order; one is relevant if its closeness to any of `relevant` is at least `threshold`. 0 when none is. It is an
    average precision over what was retrieved: what was missed lowers `context_recall`, not this. `closeness` is `similarity` for
    texts, `overlap` for spans, `same` for ids. Source: ragas, NonLLMContextPrecisionWithReference.
    """
    useful = [any(closeness(one, wanted) >= threshold for wanted in relevant) for one in retrieved]
    return average_precision(useful)


def context_recall(
    retrieved: Sequence[T], relevant: Sequence[T], closeness: Callable[[T, T], float], threshold: float = 0.5
) -> float | None:
    """The share of `relevant` that something retrieved comes close to (at least `threshold`); None when nothing is needed.

    Source: ragas, NonLLMContextRecall, which wants a closeness above the threshold, and gives NaN when nothing is needed.
    """
    if not relevant:
        return None
    return sum(any(closeness(one, wanted) >= threshold for one in retrieved) for wanted in relevant) / len(relevant)


def average_precision(useful: Sequence[bool]) -> float:
    """The mean of the precision at each place, in rank order, that holds something useful; 0 when nothing is."""
    precisions = [sum(useful[:place]) / place for place, one in enumerate(useful, 1) if one]
    return sum(precisions) / len(precisions) if precisions else 0.0


def same(one: object, other: object) -> float:
    """1 for equals, such as the ids of two passages, 0 otherwise."""
    return float(one == other)


def overlap(retrieved: Span, wanted: Span) -> float:
    """The share of the wanted characters that the retrieved span holds, 0..1."""
    if retrieved.document != wanted.document or wanted.end <= wanted.start:
        return 0.0
    return max(0, min(retrieved.end, wanted.end) - max(retrieved.start, wanted.start)) / (wanted.end - wanted.start)


def similarity(one: str, other: str) -> float:
    """1 less the edits (a character put in, left out or changed) that make one text the other, as a share of the longer; 0..1.

    Source: Levenshtein 1966, normalised as ragas does.
    """
    longer = max(len(one), len(other))
    return 1 - _edits(one, other) / longer if longer else 1.0


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine between two vectors, 0 where one is nought."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.dot(one, other)) / length if length else 0.0


def _edits(one: str, other: str) -> int:
    """Levenshtein's distance, with a column of the table in the bits of two numbers. Source: Myers 1999; Hyyrö 2003."""
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for place, char in enumerate(one):
        places[char] = places.get(char, 0) | 1 << place
    full, last = (1 << len(one)) - 1, 1 << len(one) - 1
    up, down, distance = full, 0, len(one)  # where a cell is one more, or one less, than the cell above it
    for char in other:
        equal = places.get(char, 0)
        diagonal = ((((equal & up) + up) ^ up) | equal | down) & full
        more = down | ~(diagonal | up) & full
        less = up & diagonal
        distance += bool(more & last) - bool(less & last)
        more, less = (more << 1 | 1) & full, less << 1 & full
        up, down = less | ~(equal | down | more) & full, more & (equal | down)
    return distance
