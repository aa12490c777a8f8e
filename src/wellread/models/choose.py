"""Choosing the next token from a model's logits, and saying how likely it was.

The order of the steps is that of Hugging Face's transformers: biases and penalties, temperature, then top-k, top-p (Holtzman et al., 2020,
https://arxiv.org/abs/1904.09751) and min-p (Nguyen et al., 2024, https://arxiv.org/abs/2407.01082).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wellread.types import Sampling


def choose(logits: np.ndarray, sampling: Sampling, prompt: Sequence[int], written: Sequence[int], random: np.random.Generator) -> int:
    """The next token after `prompt` and `written`, for float32 `logits` of shape [vocabulary]. Greedy where the temperature is 0."""
    shifted = adjusted(logits, sampling, prompt, written)
    if sampling.temperature <= 0:
        return int(shifted.argmax())
    with np.errstate(over="ignore"):  # next to no temperature leaves the likeliest one at 0 and the others at -inf
        kept = probabilities((shifted - shifted.max()) / sampling.temperature, sampling)
    return int(random.choice(len(kept), p=kept))


def adjusted(logits: np.ndarray, sampling: Sampling, prompt: Sequence[int], written: Sequence[int]) -> np.ndarray:
    """Logits [vocabulary] with biases added and penalties taken off, as float64."""
    shifted = logits.astype(np.float64)
    if sampling.repeat_penalty != 1:
        seen = np.unique(np.array([*prompt, *written], np.int64))
        values = shifted[seen]
        shifted[seen] = np.where(values > 0, values / sampling.repeat_penalty, values * sampling.repeat_penalty)
    if (sampling.presence_penalty or sampling.frequency_penalty) and written:
        tokens, counts = np.unique(np.array(written, np.int64), return_counts=True)
        shifted[tokens] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    for token, bias in sampling.logit_bias:
        shifted[token] += bias
    return shifted


def probabilities(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """The probabilities [vocabulary] from which a token is drawn: what top-k, top-p and min-p leave, scaled to 1."""
    order = np.argsort(-logits, kind="stable")
    found = np.exp(logits[order] - logits[order[0]])
    found /= found.sum()
    if 0 < sampling.top_k < len(found):
        found[sampling.top_k :] = 0
        found /= found.sum()
    if sampling.top_p < 1:
        found[np.cumsum(found) - found >= sampling.top_p] = 0
        found /= found.sum()
    if sampling.min_p > 0:
        found[found < sampling.min_p * found[0]] = 0
    spread: np.ndarray = np.zeros_like(found)
    spread[order] = found / found.sum()
    return spread


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """The natural logarithms of the model's own probabilities, over the last axis, as float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    result: np.ndarray = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return result


def likeliest(logprobs: np.ndarray, count: int) -> list[int]:
    """The `count` likeliest tokens, likeliest first."""
    if count < 1:
        return []
    some = np.argpartition(-logprobs, min(count, len(logprobs)) - 1)[:count]
    ordered: list[int] = some[np.argsort(-logprobs[some], kind="stable")].tolist()
    return ordered
