"""Citation recall and precision, on the cases that ALCE's paper tells apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.citations import CitationCounts, CitedSentence, citation_counts, mean_citations, total_citations


def supports(premise: str, claim: str) -> bool:
    """A claim is the letters it needs, a premise the letters it gives."""
    return set(claim) <= set(premise)


SENTENCES = st.builds(
    CitedSentence, st.text("abc", min_size=1, max_size=2), st.lists(st.none() | st.text("abc", max_size=2), max_size=4).map(tuple)
)


@pytest.mark.parametrize(
    ("claim", "passages", "supported", "right"),
    [
        ("a", ("ab",), 1, 1),
        ("a", ("b",), 0, 0),
        ("a", (), 0, 0),
        ("ab", ("a", "b"), 1, 2),  # neither does alone, both are needed
        ("ab", ("ab", "c"), 1, 1),  # the second is not needed and does not support alone
        ("ab", ("ab", "abc"), 1, 2),  # each supports alone, so neither is too much
        ("ab", ("ab", "a"), 1, 1),
        ("ab", ("a", "c"), 0, 0),  # an unsupported sentence has no right citation
        ("a", ("a", None), 0, 0),  # a citation of nothing
    ],
)
def test_one_sentence(claim: str, passages: tuple[str | None, ...], supported: int, right: int) -> None:
    found = citation_counts([CitedSentence(claim, passages)], supports)
    assert found == CitationCounts(1, bool(passages), supported, len(passages), right)


def test_an_answer_and_a_data_set() -> None:
    one = citation_counts([CitedSentence("a", ("a",)), CitedSentence("b", ("a", "c")), CitedSentence("c")], supports)
    assert (one.recall, one.precision, one.cited_precision, one.f1) == (1 / 3, 1 / 3, 1 / 2, pytest.approx(1 / 3))
    other = citation_counts([CitedSentence("a", ("a",))], supports)
    empty = citation_counts([], supports)
    found = mean_citations([one, other, empty])
    assert (found.recall, found.precision, found.answers, found.empty) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 2, 1)
    assert total_citations([one, other, empty]) == CitationCounts(4, 3, 2, 4, 2)
    assert (empty.recall, empty.precision, empty.f1, empty.cited_precision) == (0, 0, 0, 0)


def test_only_the_first_citations_count_when_asked() -> None:
    found = citation_counts([CitedSentence("a", ("b", "c", "b", "a"))], supports, at_most=3)
    assert (found.supported, found.citations) == (0, 3)


@given(st.lists(SENTENCES, max_size=5))
def test_bounds_and_order(sentences: list[CitedSentence]) -> None:
    found = citation_counts(sentences, supports)
    assert found.right <= found.citations and found.supported <= found.cited <= found.sentences
    turned = [CitedSentence(sentence.text, sentence.passages[::-1]) for sentence in sentences[::-1]]
    assert citation_counts(turned, supports) == found
