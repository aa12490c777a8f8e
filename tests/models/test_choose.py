"""Choosing tokens, against the definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.models.choose import adjusted, choose, likeliest, log_probabilities, probabilities
from wellread.types import Sampling

LOGITS = st.lists(st.integers(-80, 80), min_size=2, max_size=12, unique=True).map(lambda tenths: np.array(tenths, np.float32) / 10)


def softmax(logits: np.ndarray) -> list[float]:
    total = sum(math.exp(value) for value in logits)
    return [math.exp(value) / total for value in logits]


@given(LOGITS, st.integers(0, 12), st.floats(0.05, 1), st.floats(0, 0.9))
def test_what_is_left_of_a_distribution(logits: np.ndarray, top_k: int, top_p: float, min_p: float) -> None:
    got = probabilities(logits.astype(np.float64), Sampling(temperature=1, top_k=top_k, top_p=top_p, min_p=min_p))
    plain = softmax(logits)
    order = sorted(range(len(plain)), key=lambda token: -plain[token])
    kept = order[:top_k] if top_k else order
    mass, nucleus = 0.0, []
    whole = sum(plain[token] for token in kept)
    for token in kept:
        if abs(mass / whole - top_p) < 1e-9:  # a tie that rounding decides
            return
        if mass / whole >= top_p:
            break
        nucleus.append(token)
        mass += plain[token]
    if any(abs(plain[token] - min_p * plain[order[0]]) < 1e-9 for token in nucleus):
        return
    left = [token for token in nucleus if plain[token] >= min_p * plain[order[0]]]
    total = sum(plain[token] for token in left)
    assert got == pytest.approx([plain[token] / total if token in left else 0 for token in range(len(plain))], abs=1e-9)


@given(LOGITS, st.lists(st.integers(0, 1), max_size=5), st.lists(st.integers(0, 1), max_size=5))
def test_penalties_and_biases(logits: np.ndarray, prompt: list[int], written: list[int]) -> None:
    how = Sampling(repeat_penalty=1.5, presence_penalty=0.5, frequency_penalty=0.25, logit_bias=((1, -3.0),))
    got = adjusted(logits, how, prompt, written)
    for token, value in enumerate(float(each) for each in logits):
        if token in prompt + written:
            value = value / 1.5 if value > 0 else value * 1.5
        if token in written:
            value -= 0.5 + 0.25 * written.count(token)
        assert got[token] == pytest.approx(value - (3 if token == 1 else 0))


@given(LOGITS)
def test_greedy_takes_the_likeliest(logits: np.ndarray) -> None:
    random = np.random.default_rng(0)
    assert choose(logits, Sampling(), [], [], random) == int(logits.argmax())
    assert choose(logits, Sampling(temperature=1, top_k=1), [], [], random) == int(logits.argmax())
    assert logits[choose(logits, Sampling(temperature=1e-310), [], [], random)] == logits.max()


def test_draws_follow_the_distribution() -> None:
    logits, random = np.log(np.array([0.5, 0.3, 0.2], np.float32)), np.random.default_rng(1)
    drawn = np.bincount([choose(logits, Sampling(temperature=1), [], [], random) for _ in range(4000)], minlength=3) / 4000
    assert drawn == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@given(LOGITS, st.integers(0, 15))
def test_logarithms_and_the_likeliest(logits: np.ndarray, count: int) -> None:
    got = log_probabilities(logits)
    assert np.exp(got).sum() == pytest.approx(1)
    assert likeliest(got, count) == sorted(range(len(logits)), key=lambda token: -logits[token])[:count]
