"""ROUGE: how much of a reference summary's words, pairs of words or order of words a text has.

Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries; the figures are those of Google's rouge-score without its
stemmer. A token is a run of ASCII letters and digits in lower case, as there, and also each CJK character, of which rouge-score
sees none. Of several references the one with the highest F1 counts. Pass `stem` to compare stems instead of words: with NLTK's Porter
stemmer the figures are those of rouge-score's `use_stemmer=True`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wellread.words import CJK

_TOKEN = re.compile(f"[a-z0-9]+|{CJK.pattern}")


@dataclass(frozen=True, slots=True)
class Rouge:
    """How much of the text stands in the reference (`precision`), of the reference in the text (`recall`), and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def rouge_n(text: str, references: Sequence[str], n: int = 1, stem: Callable[[str], str] | None = None) -> Rouge:
    """ROUGE-n: runs of `n` tokens in common; one that stands twice counts twice only if it stands twice in both (clipping)."""
    said = _ngrams(_tokens(text, stem), n)
    return _best([_ngram_score(said, _ngrams(_tokens(reference, stem), n)) for reference in references])


def rouge_l(text: str, references: Sequence[str], stem: Callable[[str], str] | None = None) -> Rouge:
    """ROUGE-L: the longest common subsequence of the two texts, each taken as one sentence."""
    said = _tokens(text, stem)
    scores = []
    for reference in references:
        wanted = _tokens(reference, stem)
        scores.append(_score(_common_length(wanted, said), len(said), len(wanted)))
    return _best(scores)


def rouge_lsum(text: str, references: Sequence[str], stem: Callable[[str], str] | None = None) -> Rouge:
    """ROUGE-Lsum: for each sentence of the reference, the union of its longest common subsequences with all sentences of the text.

    Sentences are lines: break the text into lines first. No token counts more often than it stands in either text, as in
    ROUGE 1.5.5, which the paper's section 3.2 does not say.
    """
    said = _lines(text, stem)
    return _best([_summary_score(said, _lines(reference, stem)) for reference in references])


def _tokens(text: str, stem: Callable[[str], str] | None) -> list[str]:
    found = _TOKEN.findall(text.lower())
    return [stem(token) if len(token) > 3 else token for token in found] if stem else found


def _lines(text: str, stem: Callable[[str], str] | None) -> list[list[str]]:
    return [_tokens(line, stem) for line in text.split("\n")]


def _best(scores: list[Rouge]) -> Rouge:
    if not scores:
        raise ValueError("a text cannot be scored without a reference")
    return max(scores, key=lambda score: score.f1)


def _score(common: int, said: int, wanted: int) -> Rouge:
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    return Rouge(common / said, common / wanted, 2 * common / (said + wanted))


def _ngrams(tokens: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))


def _ngram_score(said: Counter[tuple[str, ...]], wanted: Counter[tuple[str, ...]]) -> Rouge:
    return _score((said & wanted).total(), said.total(), wanted.total())


def _common_length(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence, a row of the table at a time held in the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << place
    full = row = (1 << len(one)) - 1
    for token in other:
        met = row & places.get(token, 0)
        row = (row + met | row - met) & full
    return len(one) - row.bit_count()


def _summary_score(said: list[list[str]], wanted: list[list[str]]) -> Rouge:
    left_said = Counter(token for line in said for token in line)
    left_wanted = Counter(token for line in wanted for token in line)
    lengths = left_said.total(), left_wanted.total()
    common = 0
    for line in wanted:
        for place in sorted(set().union(*(_common_places(line, other) for other in said))):
            token = line[place]
            if left_said[token] > 0 and left_wanted[token] > 0:
                common += 1
                left_said[token] -= 1
                left_wanted[token] -= 1
    return _score(common, *lengths)


def _common_places(one: list[str], other: list[str]) -> list[int]:
    """Where in `one` a longest common subsequence stands. Of several, the one that rouge-score takes: walking back, up before left."""
    table = [[0] * (len(other) + 1)]
    for token in one:
        row, above = [0], table[-1]
        for column, candidate in enumerate(other):
            row.append(above[column] + 1 if token == candidate else max(above[column + 1], row[column]))
        table.append(row)
    places: list[int] = []
    i, j = len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            places.append(i - 1)
            i, j = i - 1, j - 1
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places
