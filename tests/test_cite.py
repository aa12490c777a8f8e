"""What a sentence rests on, and how far."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.cite import SUPPORTED, Evidence, Support, check
from wellread.literals import missing_literals
from wellread.models.fake import HashEmbedder

EMBEDDER = HashEmbedder(256)
PARIS = "The tower in Paris was built in 1889 and is 330 metres tall."


def evidence(*texts: str, gap: int = 1, document: str = "d", context: str = "") -> list[Evidence]:
    """Sentences of one document, one after the other, with some characters between them."""
    made, at = [], 0
    for text, vector in zip(texts, EMBEDDER.embed(texts), strict=True):
        made.append(Evidence(1, document, at, at + len(text), text, vector, context or " ".join(texts)))
        at += len(text) + gap
    return made


def judged(sentence: str, *texts: str, question: str = "", **how: object) -> Support:
    return check(sentence, evidence(*texts, **how), EMBEDDER.embed([sentence])[0], question=question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("The pump does not need oil.", "The pump needs oil."),
        ("The pump never needs oil.", "The pump needs oil."),
        ("The pump doesn't need oil.", "The pump needs oil."),
        ("The pump doesn’t need oil.", "The pump needs oil."),
        ("The pump runs without oil.", "The pump runs on oil."),
        ("水泵不需要油。", "水泵需要油。"),
        ("水泵没有油。", "水泵有油。"),
    ],
)
def test_a_negation_must_stand_in_the_quote(sentence: str, quote: str) -> None:
    assert "negation" in missing_literals(sentence, quote)
    assert "negation" not in missing_literals(sentence, sentence)
    assert judged(sentence, quote).score < SUPPORTED
    assert judged(sentence, sentence).score >= SUPPORTED


# --- judgement


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        (PARIS, PARIS),
        ("The tower is 330 metres tall.", PARIS),
        ("It was built in 1889.", PARIS),
        ("检索增强生成减少了幻觉。", "检索增强生成减少了幻觉，并提高了准确率。"),
    ],
)
def test_what_the_quote_says_is_supported(sentence: str, quote: str) -> None:
    found = judged(sentence, "Something else entirely stands here.", quote)
    assert found.score >= SUPPORTED
    assert [piece.text for piece in found.evidence] == [quote]


@pytest.mark.parametrize(
    "sentence",
    [
        "The tower in Paris was built in 1899.",
        "The tower in London was built in 1889.",
        "The tower was painted by famous artists.",
        "这座塔在巴黎。",
    ],
)
def test_what_the_quote_does_not_say_is_not(sentence: str) -> None:
    found = judged(sentence, PARIS)
    assert found.claims
    assert found.score < SUPPORTED


@pytest.mark.parametrize("sentence", ["", "...", "They are these:", "The tower?", "它们是什么呢"])
def test_what_claims_nothing_is_not_judged(sentence: str) -> None:
    found = judged(sentence, PARIS, question="它们 Where is the tower, and what are they?")
    assert found.claims is False
    assert (found.score, found.evidence) == (0.0, ())


def test_without_evidence_nothing_is_supported() -> None:
    assert judged(PARIS) == Support(0.0, ())


def test_what_the_sentence_adds_counts_for_more_than_what_it_repeats() -> None:
    question = "Which optimizer did the team choose for training the network?"
    repeats_only = "The team chose for training the network momentum."
    quote = "The team had to choose an optimizer for training the network."
    assert judged(repeats_only, quote).score > judged(repeats_only, quote, question=question).score
    assert judged(repeats_only, quote, question=question).score < SUPPORTED
    around = "The optimizer for training the network. In the end it was Adam, as the team wished."
    assert judged("The optimizer was Adam.", "In the end it was Adam.", question=question, context=around).score >= SUPPORTED


def test_a_quote_about_something_else_does_not_answer() -> None:
    question = "How tall is the lighthouse?"
    sentence = "The lighthouse is 330 metres tall."
    quote = "It is 330 metres tall."
    assert judged(sentence, quote, question=question, context="The lighthouse. It is 330 metres tall.").score >= SUPPORTED
    assert judged(sentence, "The engine is 330 metres from here.", question=question, context="Engines").score < SUPPORTED


def test_two_quotes_support_what_neither_does_alone() -> None:
    one, other = "The panels were installed in May.", "Their inverter comes from Norway."
    sentence = "The panels were installed in May and their inverter comes from Norway."
    together = judged(sentence, one, other)
    assert {piece.text for piece in together.evidence} == {one, other}
    assert together.score >= SUPPORTED
    assert together.score > max(judged(sentence, one).score, judged(sentence, other).score)
    far = judged(sentence, one, other, gap=5000)
    assert len(far.evidence) == 1
    assert far.score < together.score
    elsewhere = check(sentence, [*evidence(one), *evidence(other, document="e")], EMBEDDER.embed([sentence])[0])
    assert len(elsewhere.evidence) == 1


def test_one_quote_is_enough_where_it_says_everything() -> None:
    found = judged("It is 330 metres tall.", PARIS, "It is 330 metres tall.", "It is tall.")
    assert [piece.text for piece in found.evidence] == ["It is 330 metres tall."]


def test_cosines_count_from_what_unrelated_texts_have() -> None:
    """An embedder whose unrelated texts have a cosine of 0.8 must not make everything look alike."""
    vector = EMBEDDER.embed(["x"])[0]
    piece = Evidence(1, "d", 0, 5, "Quite another thing.", 0.8 * vector)
    low = check("Solar panels rust quickly.", [piece], vector, unrelated=0.8).score
    assert low < check("Solar panels rust quickly.", [piece], vector).score
    assert low < 0.1


# --- the trained checker


class Says:
    """A checker that gives every pair the same probability, and keeps what it read."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.read: list[tuple[str, str]] = []

    def __call__(self, claim: str, texts: Sequence[str]) -> np.ndarray:
        self.read += [(claim, text) for text in texts]
        return np.full(len(texts), self.probability, np.float32)


def read(sentence: str, *texts: str, says: Says) -> Support:
    return check(sentence, evidence(*texts), EMBEDDER.embed([sentence])[0], checker=says)


def test_what_nearly_repeats_a_sentence_is_for_the_checker_to_judge() -> None:
    other = "The tower in Lyon was sold in 1889 and is 330 metres tall."
    yes, no = Says(0.99), Says(0.001)
    found = read(PARIS, other, PARIS, says=yes)
    assert found.score >= SUPPORTED
    assert [piece.text for piece in found.evidence] == [PARIS]
    assert read(PARIS, other, PARIS, says=no).score < SUPPORTED
    assert yes.read == no.read == [(PARIS, PARIS)]  # one sentence: what others say besides would hide a changed name


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("The tower stands in the middle of a park.", PARIS),  # a paraphrase, if that
        ("The tower in Paris was built in 1899 and is 330 metres tall.", PARIS),  # a guard has spoken
        ("Hillary Rodham Clinton", "It was written by Hillary Rodham Clinton in the spring."),
        ("这座塔建于1889年，高330米。", "这座塔建于1889年，高330米。"),
    ],
)
def test_what_the_checker_did_not_learn_to_read_is_kept_from_it(sentence: str, quote: str) -> None:
    says = Says(0.5)
    assert read(sentence, quote, says=says).score == judged(sentence, quote).score
    assert says.read == []


def test_a_synonym_needs_less_certainty_than_a_repetition() -> None:
    """One word that the text has not: a change of what is said, or another word for it."""
    says = Says(0.3)
    assert read(PARIS, PARIS, says=says).score < SUPPORTED
    assert read("The tower in Paris was erected in 1889 and is 330 metres tall.", PARIS, says=says).score >= SUPPORTED


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_support_rises_with_what_the_checker_says(one: float, other: float) -> None:
    low, high = (read(PARIS, PARIS, says=Says(each)).score for each in sorted((one, other)))
    assert 0.0 <= low <= high <= 1.0


# --- properties

WORD = st.sampled_from("tower bridge engine valley garden window river castle market letter signal copper".split())
NUMBER = st.one_of(st.integers(0, 10**6).map(str), st.integers(1000, 10**6).map(lambda n: f"{n:,}"), st.decimals(0, 999, places=2).map(str))
NAME = st.sampled_from(["Anna", "Norway", "BERT", "Smith"])
SENTENCE = st.lists(st.one_of(WORD, WORD, NUMBER, NAME), min_size=2, max_size=10).map(lambda parts: f"The {' '.join(parts)}.")


@given(SENTENCE, st.lists(SENTENCE, max_size=4))
def test_a_sentence_that_stands_in_the_documents_is_supported(sentence: str, others: list[str]) -> None:
    found = judged(sentence, *others, sentence)
    assert found.score >= SUPPORTED
    assert missing_literals(sentence, sentence) == []


@given(SENTENCE, NUMBER, st.data())
def test_another_number_is_never_supported(sentence: str, number: str, data: st.DataObject) -> None:
    words = sentence.split()
    at = data.draw(st.integers(1, len(words) - 1))
    changed = " ".join([*words[:at], number, *words[at:]])
    value = float(number.replace(",", ""))
    held = {float(found.replace(",", "")) for found in re.findall(r"\d+(?:[.,]\d+)*", sentence)}
    if value not in held:
        assert judged(changed, sentence).score < SUPPORTED


@given(SENTENCE, st.lists(SENTENCE, max_size=5), st.sampled_from(["", "Where is the tower?"]))
def test_support_is_a_share_and_its_evidence_was_given(sentence: str, texts: list[str], question: str) -> None:
    pieces = evidence(*texts) if texts else []
    found = check(sentence, pieces, EMBEDDER.embed([sentence])[0], question=question)
    assert 0.0 <= found.score <= 1.0
    assert len(found.evidence) <= 3
    assert all(any(piece is given for given in pieces) for piece in found.evidence)
    assert found == check(sentence, pieces, EMBEDDER.embed([sentence])[0], question=question)
