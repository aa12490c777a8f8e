"""chrF and chrF++, at parity with sacrebleu 2: how many short runs of characters (and words) two texts share. Scale 0..100.

Needs no tokenisation, so it serves languages with many endings and those without spaces alike. Source: Popović 2015, chrF: character
n-gram F-score for automatic MT evaluation; Popović 2017, chrF++: words helping character n-grams.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

_CHARACTERS = 6
_BETA = 2  # recall counts twice as much as precision
_MARKS = frozenset(string.punctuation)

Counts = list[tuple[int, int, int]]  # for each order: runs in the text, in the reference, in both


def chrf(texts: Sequence[str], references: Sequence[Sequence[str]], words: int = 0) -> float:
    """chrF of all texts together, 0..100; `references[i]` are those of `texts[i]`, of which the best counts.

    `words` is the longest run of words that is counted as well: 0 for chrF, 2 for chrF++. White space is no character.
    """
    if len(texts) != len(references):
        raise ValueError(f"{len(texts)} texts cannot be scored against the references of {len(references)}")
    best = [_best(text, among, words) for text, among in zip(texts, references, strict=True)]
    return _f_score([(sum(a), sum(b), sum(c)) for a, b, c in (zip(*order, strict=True) for order in zip(*best, strict=True))])


def sentence_chrf(text: str, references: Sequence[str], words: int = 0) -> float:
    """chrF of one text, 0..100; `words` as in `chrf`."""
    return _f_score(_best(text, references, words))


def _best(text: str, references: Sequence[str], words: int) -> Counts:
    if not references:
        raise ValueError("a text cannot be scored without a reference")
    said = _runs(text, words)
    return max((_compared(said, _runs(reference, words)) for reference in references), key=_f_score)


def _compared(said: list[Counter[str]], wanted: list[Counter[str]]) -> Counts:
    # An order that is too long for the reference is not held against the text.
    return [(one.total() if other else 0, other.total(), (one & other).total()) for one, other in zip(said, wanted, strict=True)]


def _f_score(counts: Counts) -> float:
    usable = [(both / said, both / wanted) for said, wanted, both in counts if said and wanted]
    precision, recall = sum(one for one, _ in usable), sum(one for _, one in usable)
    if not precision + recall:
        return 0.0
    precision, recall = precision / len(usable), recall / len(usable)
    factor = _BETA**2
    return 100 * (1 + factor) * precision * recall / (factor * precision + recall)


def _runs(text: str, words: int) -> list[Counter[str]]:
    solid = "".join(text.split())
    found = [Counter(solid[i : i + n] for i in range(len(solid) - n + 1)) for n in range(1, _CHARACTERS + 1)]
    tokens = [token for word in text.split() for token in _parted(word)] if words else []
    found.extend(Counter(" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)) for n in range(1, words + 1))
    return found


def _parted(word: str) -> tuple[str, ...]:
    """A word without one mark at its end or, failing that, at its start, and that mark, as chrF++ has it."""
    if len(word) > 1 and word[-1] in _MARKS:
        return word[:-1], word[-1]
    if len(word) > 1 and word[0] in _MARKS:
        return word[0], word[1:]
    return (word,)
