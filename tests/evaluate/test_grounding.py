"""Measures of grounding by hand, and edit distance and overlap by counting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.grounding import (
    Judged,
    Span,
    answer_relevancy,
    context_precision,
    context_recall,
    faithfulness,
    overlap,
    same,
    similarity,
)
from wellread.evaluate.ranking import average_precision

WORDS = st.text("abc北", max_size=8)
IDS = st.lists(st.sampled_from("abcdefg"), unique=True)


def embed(texts: Sequence[str]) -> np.ndarray:
    return np.array([[text.count(char) for char in "abcdef"] for text in texts])


@given(WORDS, WORDS)
def test_similarity_is_levenshteins(one: str, other: str) -> None:
    @cache
    def edits(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(edits(i - 1, j) + 1, edits(i, j - 1) + 1, edits(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    longer = max(len(one), len(other), 1)
    assert similarity(one, other) == pytest.approx(1 - edits(len(one), len(other)) / longer)


def test_similarity_of_long_texts() -> None:
    assert similarity("kitten" * 300, "sitting" * 300) == pytest.approx(1 - 3 / 7)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_overlap_is_a_share_of_characters(start: int, end: int, wanted_start: int, wanted_end: int) -> None:
    wanted = set(range(wanted_start, wanted_end))
    found = overlap(Span("d", start, end), Span("d", wanted_start, wanted_end))
    assert found == pytest.approx(len(wanted & set(range(start, end))) / len(wanted) if wanted else 0)
    assert overlap(Span("other", start, end), Span("d", wanted_start, wanted_end)) == 0


@given(IDS, IDS)
def test_by_ids_they_are_shares_and_precisions_at_ranks(retrieved: list[str], relevant: list[str]) -> None:
    found = set(retrieved) & set(relevant)
    assert context_recall(retrieved, relevant, same) == (pytest.approx(len(found) / len(relevant)) if relevant else None)
    assert context_precision(retrieved, relevant, same) == pytest.approx(average_precision(retrieved, dict.fromkeys(found, 1)))


def test_by_text_and_by_span() -> None:
    gold = ["Einstein was a theoretical physicist"]
    assert context_precision(["Bananas", "Einstein was a physicist"], gold, similarity) == 0.5
    assert context_recall(["Bananas", "Einstein was a physicist"], gold, similarity) == 1
    assert context_recall(["Einstein was a physicist"], gold, similarity, threshold=0.9) == 0
    assert context_precision([Span("d", 0, 10), Span("d", 10, 20)], [Span("d", 8, 16)], overlap) == 0.5


def test_claims_that_cannot_be_judged_are_counted() -> None:
    answers = {"yes": True, "no": False, "?": None}
    assert faithfulness(["yes", "no", "?", "yes"], "context", lambda _, claim: answers[claim]) == Judged(pytest.approx(2 / 3), 3, 1)
    assert faithfulness(["?"], "context", lambda _, claim: answers[claim]) == Judged(None, 0, 1)
    assert faithfulness([], "context", lambda _, claim: answers[claim]) == Judged(None, 0, 0)


def test_an_answer_near_the_question_is_relevant() -> None:
    assert answer_relevancy("ab", "ba", embed) == pytest.approx(1)
    assert answer_relevancy("ab", "bc", embed) == pytest.approx(0.5)
    assert answer_relevancy("ab", "", embed) == 0
