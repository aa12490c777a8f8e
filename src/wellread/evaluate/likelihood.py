"""How well a language model expects a text: perplexity, bits per token, bits per byte.

Perplexities of models with different tokenizers cannot be compared, bits per byte can. Source: Jelinek et al. 1977, Perplexity, a
measure of the difficulty of speech recognition tasks; bits per byte and word perplexity as in EleutherAI's lm-evaluation-harness.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How many bits a model needs for a text of so many tokens, UTF-8 bytes and words (at white space)."""

    bits: float
    tokens: int
    bytes: int
    words: int

    @property
    def bits_per_token(self) -> float:
        """The mean surprise at a token, in bits."""
        return self.bits / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of the text: the same text in fewer or more tokens is measured alike."""
        return self.bits / self.bytes

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model is as unsure; infinite where it holds a token of the text impossible."""
        return _power_of_two(self.bits_per_token)

    @property
    def word_perplexity(self) -> float:
        """Perplexity with white-space words in place of tokens (lm-evaluation-harness); means nothing for Chinese."""
        return _power_of_two(self.bits / self.words)


def likelihood(log_probabilities: Sequence[float] | np.ndarray, text: str) -> Likelihood:
    """From the natural log-probability of every scored token, and the text that those tokens make up.

    Raises ValueError for a text without tokens or words and for what is no log-probability (above 0, or not a number). If the
    first token was not scored because nothing stands before it, leave its text out as well.
    """
    found = np.asarray(log_probabilities, np.float64)
    if not found.size or not text.split():
        raise ValueError("the likelihood of nothing is not defined")
    if not np.all(found <= 1e-6):  # a little above nought is rounding; a comparison with NaN is false
        raise ValueError("a log-probability is above nought, or not a number")
    return Likelihood(float(-found.sum() / math.log(2)), found.size, len(text.encode()), len(text.split()))


def together(parts: Iterable[Likelihood]) -> Likelihood:
    """All texts of a corpus as one: bits, tokens, bytes and words are summed, so long texts weigh more."""
    several = list(parts)
    return Likelihood(
        sum(part.bits for part in several),
        sum(part.tokens for part in several),
        sum(part.bytes for part in several),
        sum(part.words for part in several),
    )


def _power_of_two(exponent: float) -> float:
    return 2.0**exponent if exponent < 1024 else math.inf
