"""Embedders without weights: what a text is made of is counted, and each count is put at a place that its hash names.

Feature hashing: Weinberger et al. 2009 (arXiv:0902.2206). A vector depends on its text only. There is nothing to fit, so that a library
never has to be embedded anew because documents came or went; the price is that how rare a word is in the library is not known. What
stands in for it is whether the word is one of those that tell nothing in any text (`wellread.words.STOP_WORDS`). BM25, which Wellread
searches by too, does know the library's frequencies.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from wellread.models.classic.features import stems, subwords

Features = Callable[[str], Iterator[tuple[str, float]]]


class HashingEmbedder:
    """The `Embedder` of counted features: each adds its weight, with a sign from its hash, at a place from its hash.

    A feature that occurs n times weighs its worth times 1 + log n (sublinear term frequency; Salton and Buckley 1988).
    """

    def __init__(self, name: str, revision: str, dimensions: int, features: Features) -> None:
        self.name = name
        self.revision = revision
        self.dimensions = dimensions
        self.unrelated = 0.0
        self._features = features

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Vectors of shape [len(texts), dimensions], float32, of length 1; a text without words points along the first axis."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            weights = self._weights(text)
            if weights:
                numbers = np.array([zlib.crc32(feature.encode()) for feature in weights], np.int64)
                signs = np.where(numbers & 1, 1, -1).astype(np.float32)
                np.add.at(row, (numbers >> 1) % self.dimensions, signs * np.array(list(weights.values()), np.float32))
            if not row.any():
                row[0] = 1
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _weights(self, text: str) -> dict[str, float]:
        """What each feature of a text weighs."""
        counts: Counter[str] = Counter()
        worth: dict[str, float] = {}
        for feature, value in self._features(text):
            counts[feature] += 1
            worth[feature] = max(value, worth.get(feature, 0.0))
        return {feature: worth[feature] * (1 + float(np.log(count))) for feature, count in counts.items()}


def tfidf() -> HashingEmbedder:
    """Stems and CJK pairs."""
    return HashingEmbedder("tfidf", "1", 1024, stems)


def ngram_hash() -> HashingEmbedder:
    """Words and parts of words: finds misspelt and inflected words, in any language."""
    return HashingEmbedder("ngram-hash", "1", 1024, subwords)
