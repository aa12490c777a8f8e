"""The lexicon finds plain abuse and leaves alone what only looks like it."""

from __future__ import annotations

import pytest

from wellread.evaluate.toxicity import abusive_share, abusive_spans


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You IDIOT, shut up.", ["IDIOT", "shut up"]),
        ("他妈的，你这个混蛋", ["他妈的", "混蛋"]),
        ("妈的！去死吧", ["妈的", "去死"]),
        ("İstanbul is shitty", ["shitty"]),
    ],
)
def test_abuse_is_found_where_it_stands(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in abusive_spans(text)] == found


@pytest.mark.parametrize(
    "text", ["Scunthorpe and Cockburn", "妈妈的工作", "他在过去死于疾病", "体操你喜欢吗", "Shiitake", "the Dutch idiom", ""]
)
def test_harmless_words_are_left_alone(text: str) -> None:
    assert abusive_spans(text) == []


def test_a_share_of_texts() -> None:
    assert abusive_share(["fine", "bullshit", "bullshit, bullshit", "好"]) == 0.5
    assert abusive_share([]) == 0
