"""Changes of form leave numbers, names and words alone, and are the same at every run."""

from __future__ import annotations

import re
import unicodedata
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.robustness import PERTURBATIONS, effects, perturbed, worst_case
from wellread.words import words

QUESTIONS = st.lists(
    st.sampled_from(
        (
            "what is the total cost of Acme's plan, in 2019? don't 3.5% (gross) café 北京的 GPT-4 “得分” 是多少？"
            " $1,200 does not end-to-end a@b.org"
        ).split()
    ),
    min_size=1,
    max_size=12,
).map(" ".join)


@given(QUESTIONS, st.integers(0, 3))
def test_numbers_and_names_stay_and_all_is_repeatable(question: str, seed: int) -> None:
    forms = perturbed(question, seed)
    assert forms == perturbed(question, seed)
    for name, form in forms.items():
        assert form != question
        plain = unicodedata.normalize("NFKC", form)
        assert re.findall(r"\d+(?:[.,]\d+)*", plain) == re.findall(r"\d+(?:[.,]\d+)*", question), name
        for word in ("Acme", "GPT", "a@b.org", "3.5%", "$1,200", "北京"):
            assert (word.lower() in plain.lower()) == (word.lower() in question.lower()), name
        if name not in ("typos", "contracted", "expanded"):
            assert sorted("".join(words(form))) == sorted("".join(words(question))) or "北京" in question, name


@pytest.mark.parametrize(
    ("name", "question", "form"),
    [
        ("lower_case", "Who is Ada?", "who is ada?"),
        ("no_punctuation", "In 2.5 years, (is it) 10% more?", "In 2.5 years is it 10% more"),
        ("no_punctuation", "北京，上海：哪个大？", "北京 上海 哪个大"),
        ("no_punctuation", "1，200人？", "1，200人"),
        ("contracted", "What is it, and do not say what it is.", "What's it, and don't say what it is."),
        ("expanded", "Don’t they? I can't; it's late.", "Do not they? I cannot; it's late."),
        ("full_width", "GPT4 是什么?", "ＧＰＴ４ 是什么?"),
        ("half_width", "是（不是）？", "是(不是)?"),
        ("corner_quotes", "“好‘人’”是什么", "「好『人』」是什么"),
        ("seam_spaces", "用GPT4的人", "用 GPT4 的人"),
    ],
)
def test_each_change_by_hand(name: str, question: str, form: str) -> None:
    assert perturbed(question)[name] == form


def test_a_slip_stays_near_the_word_and_spares_what_matters() -> None:
    question = "which four companies reported losses without hedging at Siemens"
    forms = {perturbed(question, seed)["typos"] for seed in range(50)}
    assert len(forms) > 20
    for form in forms:
        assert [word for word in form.split() if word in ("four", "without", "at", "Siemens")] == ["four", "without", "at", "Siemens"]
        assert [word[0] for word in form.split()] == [word[0] for word in question.split()]
        assert all(abs(len(one) - len(other)) <= 1 for one, other in zip(form.split(), question.split(), strict=True))
    assert "typos" not in perturbed("Is it 7?")


def test_every_change_is_taken_by_some_question() -> None:
    question = "What is  “GPT4” and don't they do not 用GPT“吗”？"
    taken = {change.__name__ for change in PERTURBATIONS if change(question, Random(0)) != question}
    assert taken == {change.__name__ for change in PERTURBATIONS}


def test_the_worst_case_counts_the_question_as_it_was() -> None:
    found = worst_case([1, 0.5, 0], [{"typos": 0.2, "lower_case": 1}, {}, {"typos": 1}])
    assert found.tolist() == [0.2, 0.5, 0]


def test_effects_are_over_the_questions_that_changed() -> None:
    rng = np.random.default_rng(0)
    original = rng.random(60)
    variants = [{"typos": one - 0.1} | ({"lower_case": one} if place % 2 else {}) for place, one in enumerate(original)]
    found = effects(original.tolist(), variants)
    assert (found["typos"].mean, found["typos"].significant) == (pytest.approx(-0.1), True)
    assert (found["lower_case"].mean, found["lower_case"].p) == (0, 1)
