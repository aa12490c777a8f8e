"""Answers are scored as the official scripts of SQuAD and CMRC 2018 score them, and both languages by one measure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.answers import cmrc_exact_match, cmrc_f1, exact_match, holds_answer, squad_exact_match, squad_f1, token_f1

TEXTS = st.text(st.sampled_from("ab theTHE 12.,'-的是北京，。３３①é"), max_size=12)
ASCII = st.text(st.characters(max_codepoint=127), max_size=20)

# What evaluate-v2.0.py gives: answer, gold answers, exact match, F1.
SQUAD = [
    ("the Denver Broncos!", ["Denver Broncos"], 1, 1),
    ("Denver", ["Denver Broncos", "Broncos"], 0, 2 / 3),
    ("a cat and a dog", ["cat and dog"], 1, 1),
    ("well-known", ["well known"], 0, 0),
    ("to to to", ["to be to"], 0, 2 / 3),
    ("", [], 1, 1),
    ("something", [], 0, 0),
    ("", ["Paris"], 0, 0),
    ("the", [""], 1, 1),  # nothing is left of either
    ("Paris", ["the", "Paris"], 1, 1),  # a gold answer of which nothing is left does not count
    ("", ["the", "Paris"], 0, 0),
    ("10,000", ["10000"], 1, 1),
]


@pytest.mark.parametrize(("answer", "golds", "exact", "f1"), SQUAD)
def test_scores_are_those_of_squad(answer: str, golds: list[str], exact: float, f1: float) -> None:
    assert (squad_exact_match(answer, golds), squad_f1(answer, golds)) == (exact, pytest.approx(f1))


@given(ASCII, st.lists(ASCII, max_size=3))
def test_one_measure_for_both_languages_is_squads_on_english(answer: str, golds: list[str]) -> None:
    assert (exact_match(answer, golds), token_f1(answer, golds)) == (squad_exact_match(answer, golds), squad_f1(answer, golds))


@pytest.mark.parametrize(
    ("answer", "golds", "exact", "f1"),
    [
        ("北京市", ["北京"], 0, 4 / 5),
        ("「北京」。", ["北京"], 1, 1),
        ("２０１９年３月", ["2019年3月"], 1, 1),
        ("COVID-19。", ["COVID-19"], 1, 1),
        ("the Chinese city 北京", ["北京"], 0, 4 / 6),
        ("don’t", ["don't"], 1, 1),
        ("", [], 1, 1),
        ("。", [], 1, 1),
    ],
)
def test_chinese_is_counted_by_characters(answer: str, golds: list[str], exact: float, f1: float) -> None:
    assert (exact_match(answer, golds), token_f1(answer, golds)) == (exact, pytest.approx(f1))


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_f1_lies_between_exact_match_and_one_and_knows_no_order(answer: str, golds: list[str]) -> None:
    for exact, f1 in ((exact_match, token_f1), (squad_exact_match, squad_f1)):
        assert 0 <= exact(answer, golds) <= f1(answer, golds) <= 1
        assert f1(answer, golds) == f1(answer, golds[::-1])
        assert f1(answer, [golds[0]]) == pytest.approx(f1(golds[0], [answer]))


@pytest.mark.parametrize(
    ("answer", "golds", "exact", "f1"),
    [
        ("北京市", ["北京"], 0, 4 / 5),
        ("北大京", ["北京"], 0, 2 / 5),  # one run of one character: a gap ends it
        ("《红楼梦》", ["红楼梦"], 1, 1),
        ("在1998年", ["1998年", "98年"], 0, 4 / 5),
        ("上海", ["北京", "上海市"], 0, 4 / 5),
        ("上海", ["北京"], 0, 0),
    ],
)
def test_scores_are_those_of_cmrc(answer: str, golds: list[str], exact: float, f1: float) -> None:
    assert (cmrc_exact_match(answer, golds), cmrc_f1(answer, golds)) == (exact, pytest.approx(f1))


@pytest.mark.parametrize(
    ("answer", "golds", "held"),
    [
        ("The pump makes 160 litres an hour.", ["160 litres"], 1),
        ("The pump makes 160 fine litres.", ["160 litres"], 0),
        ("It makes 1160 litres.", ["160 litres"], 0),
        ("By the Denver Broncos, then.", ["Denver Broncos", "Broncos"], 1),
        ("每小时可生产１６０升。", ["160升"], 1),
        ("", [], 1),
        ("Something.", [], 0),
        ("", ["Paris"], 0),
    ],
)
def test_an_answer_in_a_sentence_holds_the_gold_one(answer: str, golds: list[str], held: float) -> None:
    assert holds_answer(answer, golds) == held


@given(TEXTS, TEXTS)
def test_whoever_matches_exactly_also_holds(answer: str, gold: str) -> None:
    assert holds_answer(answer, [gold]) >= exact_match(answer, [gold])
