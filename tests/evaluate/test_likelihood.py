"""Perplexity and bits per byte by hand, and of a corpus."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.likelihood import likelihood, together

LOGS = st.lists(st.floats(-20, 0), min_size=1, max_size=30)


def test_a_model_that_wavers_between_four_has_a_perplexity_of_four() -> None:
    found = likelihood([math.log(1 / 4)] * 3, "three more words")
    assert (found.perplexity, found.bits_per_token, found.bits) == (pytest.approx(4), pytest.approx(2), pytest.approx(6))
    assert found.bits_per_byte == pytest.approx(6 / 16)
    assert found.word_perplexity == pytest.approx(4)
    assert likelihood([math.log(1 / 2)], "北京").bits_per_byte == pytest.approx(1 / 6)  # bytes of UTF-8, not characters


@given(LOGS, LOGS)
def test_a_corpus_is_one_long_text(one: list[float], other: list[float]) -> None:
    whole = likelihood(one + other, "some words more")
    parts = together([likelihood(one, "some "), likelihood(other, "words more")])
    assert (parts.tokens, parts.bytes, parts.words) == (whole.tokens, whole.bytes, whole.words)
    assert parts.perplexity == pytest.approx(whole.perplexity)
    assert parts.bits_per_byte == pytest.approx(whole.bits_per_byte)


def test_an_impossible_token_makes_perplexity_infinite() -> None:
    assert likelihood([-1.0, -math.inf], "a b").perplexity == math.inf
    assert likelihood([-1e5], "a").perplexity == math.inf


@pytest.mark.parametrize(("logs", "text"), [([], "a"), ([-1.0], " "), ([0.5], "a"), ([math.nan], "a")])
def test_what_is_no_likelihood_is_refused(logs: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=r"not defined|above nought"):
        likelihood(logs, text)
