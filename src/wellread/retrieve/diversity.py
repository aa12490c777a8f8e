"""Variety among what was found: no five chunks of one paragraph, no text twice, and maximal marginal relevance for who asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

import numpy as np

from wellread.words import words

_SAME = 0.9
"""The share of two texts' words that is common from which they are the same text."""


def spread(ranked: Sequence[int], *, passage_bits: int, most: int) -> list[int]:
    """Chunk ids, best first, without those of a passage of which `most` came before; these follow at the end, for who wants them all."""
    seen: dict[int, int] = {}
    first: list[int] = []
    later: list[int] = []
    for chunk in ranked:
        count = seen[chunk >> passage_bits] = seen.get(chunk >> passage_bits, 0) + 1
        (first if count <= most else later).append(chunk)
    return first + later


def repeated(texts: Iterable[tuple[int, str]]) -> dict[int, int]:
    """Which chunks say again what a chunk before them says: the id of each such chunk, with that of the first of its kind.

    Only texts that share one of their first words, in the order of the alphabet, are compared: of two texts with so much in common one
    in ten of them suffices to meet (prefix filtering, Chaudhuri, Ganti and Kaushik 2006).
    """
    kept: dict[int, frozenset[str]] = {}
    by_word: dict[str, list[int]] = {}
    again: dict[int, int] = {}
    for chunk, text in texts:
        these = frozenset(words(text))
        first = sorted(these)[: len(these) - ceil(_SAME * len(these)) + 1]
        near = dict.fromkeys(one for word in first for one in by_word.get(word, ()))
        same = next((one for one in near if _are_alike(these, kept[one])), None)
        if same is None:
            kept[chunk] = these
            for word in first:
                by_word.setdefault(word, []).append(chunk)
        else:
            again[chunk] = same
    return again


def _are_alike(these: frozenset[str], those: frozenset[str]) -> bool:
    fewer, more = sorted((len(these), len(those)))
    if not fewer or fewer < _SAME * more:
        return False
    common = len(these & those)
    return common >= _SAME * (fewer + more - common)


def marginal_relevance(ranked: Sequence[int], relevance: Mapping[int, float], vectors: Mapping[int, np.ndarray], share: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): chunk ids in the order in which each next one has the most of
    `share` x its relevance - (1 - `share`) x its cosine to the nearest one before it.

    `relevance` is 0..1 and the vectors are of length 1; a chunk without a vector is like no other. Ties keep their order.
    """
    left, chosen = list(ranked), list[int]()
    nearest = dict.fromkeys(ranked, 0.0)
    while left:
        best = max(left, key=lambda chunk: share * relevance[chunk] - (1 - share) * nearest[chunk])
        left.remove(best)
        chosen.append(best)
        if best in vectors:
            for chunk in left:
                if chunk in vectors:
                    nearest[chunk] = max(nearest[chunk], float(vectors[chunk] @ vectors[best]))
    return chosen
