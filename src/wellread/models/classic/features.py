"""The parts of a text that the hashing embedders count, and how much each of them is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator

from wellread.words import CJK, STOP_WORDS, stem, words

_STOP_WORTH = 0.1
"""What a word such as "the" is worth beside one that tells something. Not 0, so that "To be or not to be" is not an empty text."""

_SHORTEST, _LONGEST = 3, 5
"""Letters of the parts of words."""


def stems(text: str) -> Iterator[tuple[str, float]]:
    """The words of a text cut to their stems, and the pairs of its CJK characters, each with what it is worth."""
    for word in words(text):
        yield stem(word), _STOP_WORTH if word in STOP_WORDS else 1.0


def subwords(text: str) -> Iterator[tuple[str, float]]:
    """The words of a text and the parts of 3 to 5 letters of each, its ends marked by "<" and ">" (Bojanowski et al. 2017, fastText,
    arXiv:1607.04606); of CJK text the pairs of characters and the characters. The parts of a word are together worth as much as the word.
    """
    for word in words(text):
        worth = _STOP_WORTH if word in STOP_WORDS else 1.0
        yield word, worth
        if CJK.match(word):
            parts = list(word) if len(word) > 1 else []
        else:
            marked = f"<{word}>"
            parts = [marked[at : at + size] for size in range(_SHORTEST, _LONGEST + 1) for at in range(len(marked) - size + 1)]
        for part in parts:
            yield f"~{part}", worth / math.sqrt(len(parts))
