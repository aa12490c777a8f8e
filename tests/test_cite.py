"""What a sentence rests on, and how far."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.cite import SUPPORTED, Evidence, Support, check, missing_literals
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


# --- literal guards


@pytest.mark.parametrize(
    ("sentence", "quote", "missing"),
    [
        ("It is 330 metres tall.", PARIS, []),
        ("It is 331 metres tall.", PARIS, ["331"]),
        ("It was built in 1889 or 1890.", PARIS, ["1890"]),
        ("It cost 1,234,567 dollars.", "The price was 1234567 dollars.", []),
        ("It cost 1234 dollars.", "The price was 1,234 dollars.", []),
        ("The rate is 2.5 percent.", "A rate of 2.50 percent.", []),
        ("The rate is 2.5 percent.", "A rate of 25 percent.", ["2.5"]),
        ("The rate is 0.5 percent.", "A rate of 0.05 percent.", ["0.5"]),
        ("There are 12 of them.", "There are １２ of them.", []),
        ("There are 0 of them.", "There are 0.0 of them.", []),
        ("1. It is 330 metres tall.", PARIS, []),
        ("2) It is 1 metre tall.", PARIS, ["1"]),
        ("准确率为95%。", "准确率达到95％。", []),
        ("准确率为95%。", "准确率达到59%。", ["95"]),
        ("版本是3.2。", "版本为3.12。", ["3.2"]),
    ],
)
def test_a_number_must_stand_in_the_quote(sentence: str, quote: str, missing: list[str]) -> None:
    assert missing_literals(sentence, quote) == missing


@pytest.mark.parametrize(
    ("sentence", "quote", "missing"),
    [
        ("The tower stands in Paris.", PARIS, []),
        ("The tower stands in London.", PARIS, ["London"]),
        ("It was measured by Anna Smith.", "Anna Smith measured it.", []),
        ("It was measured by Anna Jones.", "Anna Smith measured it.", ["Jones"]),
        ("Towers are tall.", PARIS, []),  # a capital that only begins the sentence is no name
        ("It uses BERT.", "It uses GPT.", ["BERT"]),
        ("It uses GPT4.", "It uses GPT4 now.", []),
        ("It uses LLMs.", "An LLM is used.", []),
        ("模型采用 BERT。", "模型采用 GPT。", ["BERT"]),
        ("模型采用BERT。", "模型采用GPT。", ["BERT"]),
    ],
)
def test_a_name_must_stand_in_the_quote(sentence: str, quote: str, missing: list[str]) -> None:
    assert missing_literals(sentence, quote) == missing


def test_a_name_of_the_question_may_be_repeated() -> None:
    assert missing_literals("The tower of Paris is tall.", "It is a tall tower.") == ["Paris"]
    assert missing_literals("The tower of Paris is tall.", "It is a tall tower.", frozenset({"paris"})) == []


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
    assert low == 0.0


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


@pytest.mark.parametrize(
    ("sentence", "quote", "denies"),
    [
        ("The method improves accuracy.", "The method does not improve accuracy.", True),
        ("The method does not improve accuracy.", "The method improves accuracy.", True),
        ("The method does not improve accuracy.", "It was seen that the method doesn't improve accuracy.", False),
        ("The turbine braked.", "Turbine braked, no damage.", False),
        ("水泵需要油。", "水泵不需要油。", True),
        ("水泵非常大。", "水泵大。", False),
        ("The islands have three towers.", "The islands have five towers.", False),
    ],
)
def test_what_is_denied_cannot_support(sentence: str, quote: str, denies: bool) -> None:
    assert ("negation" in missing_literals(sentence, quote)) == denies


def test_number_words_are_numbers() -> None:
    assert missing_literals("It has three towers.", "It has five towers.") == ["three"]
    assert missing_literals("It has three towers.", "It has 3 towers.") == []
    assert missing_literals("共有三个塔。", "共有五个塔。") == ["三"]
