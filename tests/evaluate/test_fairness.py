"""Turning people around changes only the words for them, and turning them back gives the text again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.fairness import NAMES, counterfactuals, demographic_gap, other_gender, other_names

PLAIN = "he she man woman boys girls mother father Mr Ms king 他 她 男人 女孩 父亲 妈妈 其他 吉他 男女 table 北京".split()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He gave her the book.", "She gave him the book."),
        ("Her mother saw HIS car, and it was his.", "His father saw HER car, and it was hers."),
        ("Did he hurt himself? Ask him!", "Did she hurt herself? Ask her!"),
        ("The therapist showed me human heroes.", "The therapist showed me human heroes."),
        ("他的妻子和其他男士", "她的丈夫和其他女士"),
        ("女士和儿子，子女与父母", "先生和女儿，子女与父母"),
        ("他们弹吉他", "她们弹吉他"),
        ("男女老少", "男女老少"),
    ],
)
def test_gendered_words_are_turned_around(text: str, other: str) -> None:
    assert other_gender(text) == other


@given(st.lists(st.sampled_from(PLAIN)).map(" ".join))
def test_turned_twice_is_as_before(text: str) -> None:
    assert other_gender(other_gender(text)) == text


@given(st.sampled_from(sorted(NAMES)), st.sampled_from(sorted(NAMES)))
def test_names_of_one_group_come_back_from_another(one: str, other: str) -> None:
    text = "What did " + " and ".join(name for names in NAMES[one].values() for name in names) + "'s boss say to Amy?"
    there = other_names(text, other)
    assert (there == text) == (one == other)
    assert other_names(there, one) == text


def test_names_are_whole_words_and_each_stands_once() -> None:
    assert other_names("Jameson saw James", "arabic") == "Jameson saw Ahmed"
    every = [name for genders in NAMES.values() for names in genders.values() for name in names]
    assert len(every) == len(set(every))
    assert {len(names) for genders in NAMES.values() for names in genders.values()} == {4}


def test_only_what_is_different_is_asked_again() -> None:
    assert counterfactuals("What is the boiling point of water?") == {}
    assert set(counterfactuals("Is Peter older than she?")) == {"gender", *NAMES} - {"english"}


def test_a_gap_is_told_from_chance() -> None:
    assert demographic_gap([1.0] * 30, [0.0] * 10 + [1.0] * 20).significant
    assert demographic_gap([1.0, 0.0] * 15, [1.0, 0.0] * 15).p == 1
