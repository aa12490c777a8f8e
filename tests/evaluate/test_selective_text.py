"""What is gained by answering less, told in words."""

from __future__ import annotations

from wellread.evaluate.sample import Sample
from wellread.evaluate.selective_text import given, selective_text


def sample(at: int, *, confidence: float | None, right: float, answerable: bool | None = True, refused: bool = False) -> Sample:
    return Sample("t", str(at), str(at), "?", confidence=confidence, right=right, answerable=answerable, refused=refused)


def test_risk_is_that_of_the_answers_given_and_refusal_that_of_all() -> None:
    answered = [sample(at, confidence=0.5 + at / 100, right=float(at >= 4)) for at in range(12)]
    refused = [sample(at, confidence=0.1, right=1.0, answerable=False, refused=True) for at in range(12, 20)]
    wrongly = [sample(20, confidence=0.505, right=0.0, answerable=False)]
    told = selective_text(answered + refused + wrongly)
    assert len(given(answered + refused + wrongly)) == 13
    assert "wrong among the surest of 13 answers given: 100%: 0.385" in told
    assert "25%: 0.000" in told
    assert "if refusals followed confidence alone (21 questions):" in told
    # Of nine questions without an answer, none may be answered: then the first of the twelve is refused too.
    assert "below 0.510: false answers 0.000, false refusals 0.083" in told
    assert "below 0.500: false answers 0.111, false refusals 0.000" in told or "below 0.505: false answers 0.111" in told


def test_of_too_few_answers_or_of_one_kind_nothing_is_said() -> None:
    assert selective_text([sample(at, confidence=0.5, right=1.0) for at in range(9)]) == ""
    assert selective_text([sample(at, confidence=None, right=1.0) for at in range(30)]) == ""
    assert "if refusals" not in selective_text([sample(at, confidence=0.5, right=1.0) for at in range(30)])
