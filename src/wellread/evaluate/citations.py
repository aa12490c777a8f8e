"""Whether what an answer cites supports what it says: citation recall and precision as ALCE defines them.

Source: Gao et al. 2023, Enabling Large Language Models to Generate Text with Citations, section 4, and its eval.py. There an
entailment model decides; here any function does that says whether a premise supports a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Supports = Callable[[str, str], bool]  # (premise, claim)


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence of an answer without its citation marks, and the passages it cites; None is a citation of nothing that is there."""

    text: str
    passages: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class CitationCounts:
    """Of an answer, or of many: how many sentences, how many cite, how many are supported, how many citations, how many are right."""

    sentences: int
    cited: int
    supported: int
    citations: int
    right: int

    @property
    def recall(self) -> float:
        """The share of sentences that all their citations together support; one without citations is not. 0 without sentences."""
        return self.supported / self.sentences if self.sentences else 0.0

    @property
    def precision(self) -> float:
        """The share of citations that are right, 0 when there are none."""
        return self.right / self.citations if self.citations else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return 2 * self.recall * self.precision / (self.recall + self.precision) if self.supported else 0.0

    @property
    def cited_precision(self) -> float:
        """The share of sentences with citations that these support, 0 when none cites: how far a citation can be trusted (not ALCE's)."""
        return self.supported / self.cited if self.cited else 0.0


@dataclass(frozen=True, slots=True)
class CitationMeans:
    """The mean recall and precision of answers that say something, of how many, and how many said nothing and were left out."""

    recall: float
    precision: float
    answers: int
    empty: int


def citation_counts(sentences: Sequence[CitedSentence], supports: Supports, at_most: int | None = None) -> CitationCounts:
    """Judge every citation of one answer.

    A sentence is supported when its passages, joined by line breaks, support it. A citation of a supported sentence is right
    unless it neither supports it alone nor is needed by the others; every citation of another sentence is wrong. Of each sentence the
    first `at_most` citations count (ALCE's runs take 3). A citation of nothing leaves the sentence unsupported and counts as a wrong
    one; ALCE's script leaves the citations of such a sentence out of precision.
    """
    cited = supported = citations = right = 0
    for sentence in sentences:
        given = sentence.passages[:at_most]
        passages = [passage for passage in given if passage is not None]
        cited += bool(given)
        citations += len(given)
        if given and len(passages) == len(given) and supports("\n".join(passages), sentence.text):
            supported += 1
            right += sum(_is_right(passages, place, sentence.text, supports) for place in range(len(passages)))
    return CitationCounts(len(sentences), cited, supported, citations, right)


def mean_citations(answers: Iterable[CitationCounts]) -> CitationMeans:
    """ALCE's figures for a data set: the mean over answers, of which those without a sentence are left out and counted."""
    several = list(answers)
    said = [answer for answer in several if answer.sentences]
    number = len(said)
    return CitationMeans(
        sum(answer.recall for answer in said) / number if number else 0.0,
        sum(answer.precision for answer in said) / number if number else 0.0,
        number,
        len(several) - number,
    )


def total_citations(answers: Iterable[CitationCounts]) -> CitationCounts:
    """All answers as one, so that every sentence and every citation weighs the same."""
    several = list(answers)
    return CitationCounts(
        sum(answer.sentences for answer in several),
        sum(answer.cited for answer in several),
        sum(answer.supported for answer in several),
        sum(answer.citations for answer in several),
        sum(answer.right for answer in several),
    )


def _is_right(passages: list[str], place: int, claim: str, supports: Supports) -> bool:
    if len(passages) == 1 or supports(passages[place], claim):
        return True
    return not supports("\n".join(passages[:place] + passages[place + 1 :]), claim)
