"""What cannot be paraphrased: numbers, units, dates, names, negations, quantifiers, and who is who."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.literals import missing_literals
from wellread.quantities import quantities

PARIS = "The tower in Paris was built in 1889 and is 330 metres tall."


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


@pytest.mark.parametrize(
    ("sentence", "quote", "missing"),
    [
        ("It is 5 km long.", "It is 5 miles long.", ["5 km"]),
        ("It is 5 km long.", "It is 5 kilometres long.", []),
        ("It is a 5-mile road.", "The road is five miles long.", []),
        ("It is 5 km long.", "It is 5 to 6 km long.", []),
        ("It is 5 km long.", "Length (km): 5", []),
        ("A rate of 5 %.", "A rate of 5.", ["5 %"]),
        ("A rate of 5 %.", "A rate of 5 to 6 percent.", []),
        ("It took 2 months.", "It took 2 years.", ["2 month"]),
        ("It cost $3.5 million.", "It cost 3.5 billion dollars.", ["3.5"]),
        ("It cost $3.5m.", "It cost 3,500,000 dollars.", []),
        ("It cost €5.", "It cost $5.", ["5 euro"]),
        ("From 2 to 3 million people.", "From 2 million to 3 million people.", []),
        ("人口为1.2万。", "人口为1.2亿。", ["1.2"]),
        ("人口为12000。", "人口为1.2万。", []),
        ("全长5公里。", "全长5英里。", ["5 km"]),
        ("全长5公里。", "全长5千米。", []),
        ("占百分之5。", "占5%。", []),
        ("低于百分之三十时启动。", "低于30%时启动。", []),
        ("使用四十八伏电池。", "使用四十九伏电池。", ["四十八"]),
        ("二〇二一年有一千二百三十名员工。", "2021年有1,230名员工。", []),
        ("一个七八米高的塔，十分美。", "塔很美。", []),
        ("星期六开航。", "星期二和星期五开航。", ["星期六"]),
    ],
)
def test_a_number_counts_what_it_counts_in_the_quote(sentence: str, quote: str, missing: list[str]) -> None:
    assert missing_literals(sentence, quote) == missing


@pytest.mark.parametrize(
    ("sentence", "quote", "same"),
    [
        ("It opened on 5 March 2024.", "It opened on March 5th, 2024.", True),
        ("It opened on 5 March 2024.", "Opened: 2024-03-05", True),
        ("It opened 2024-03-05.", "It opened on 5 March 2024.", True),
        ("It opened in March.", "It opened in Mar. 2020.", True),
        ("It opened on 5 March.", "It opened on 5 May, after works since March.", False),
        ("It opened on 5 March.", "It opened between 5 and 9 March.", True),
        ("3月5日开放。", "3月5日开放，5月3日关闭。", True),
        ("3月5日开放。", "5月3日开放。", False),
    ],
)
def test_a_day_is_one_of_its_month(sentence: str, quote: str, same: bool) -> None:
    assert (missing_literals(sentence, quote) == []) == same


@pytest.mark.parametrize(
    ("sentence", "quote", "missing"),
    [
        ("All residents voted.", "Some residents voted.", ["all"]),
        ("Some residents voted.", "All of the residents voted.", []),
        ("Most residents voted.", "Few residents voted.", ["most"]),
        ("All residents voted.", "All residents voted, and some residents twice.", []),
        ("All residents voted.", "Residents voted.", []),
        ("所有居民投票。", "部分居民投票。", ["all"]),
        ("部分居民投票。", "所有居民投票。", []),
        ("仅居民投票。", "居民投票。", ["only"]),
    ],
)
def test_more_is_not_said_than_the_quote_says(sentence: str, quote: str, missing: list[str]) -> None:
    assert missing_literals(sentence, quote) == missing


@pytest.mark.parametrize(
    ("sentence", "traded"),
    [
        ("Tom Arkwright took over from Ines Halvorsen.", True),
        ("Ines Halvorsen took over from Tom Arkwright.", False),
        ("In 1999 it was 23 metres and in 1990 it was 45 metres.", True),
        ("In 1990 it was 23 metres and in 1999 it was 45 metres.", False),
        ("Lyon and Paris were visited.", False),  # a list has no roles
    ],
)
def test_who_is_who(sentence: str, traded: bool) -> None:
    quote = (
        "In March Ines Halvorsen took over from Tom Arkwright, who left. In 1990 it was 23 metres and in 1999 it was 45 metres."
        " Paris and Lyon were visited."
    )
    assert (missing_literals(sentence, quote) == ["roles"]) == traded


@given(st.integers(1, 999), st.sampled_from([("thousand", 3), ("million", 6), ("billion", 9), ("万", 4), ("亿", 8)]))
def test_a_scale_is_so_many_noughts(number: int, scale: tuple[str, int]) -> None:
    name, noughts = scale
    (found,) = quantities(f"{number} {name}")
    assert found.value == str(number * 10**noughts)


@given(
    st.lists(
        st.sampled_from("5 3,000 2.50 two twenty-one $7 % km miles of 月 日 3 March 年 万 million all 不 not Anna".split()), max_size=12
    )
)
def test_a_text_holds_all_that_it_states(parts: list[str]) -> None:
    text = " ".join(parts)
    assert missing_literals(text, text) == []
