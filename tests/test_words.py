"""Text as words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.words import STOP_WORDS, asked_words, cjk_share, content_words, stem, words

MIXED = st.one_of(st.text(max_size=60), st.text(alphabet="aZé １2,.'’-_中文检索ａＢ한글カナ ﬁ½\n", max_size=60))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick-brown Fox", ["the", "quick", "brown", "fox"]),
        ("GPT4 costs 1,234.50 dollars", ["gpt4", "costs", "1,234.50", "dollars"]),
        ("don't and don’t", ["don't", "and", "don't"]),
        ("snake_case", ["snake", "case"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ ﬁle", ["full", "width", "file"]),
        ("Straße", ["strasse"]),
        ("检索增强生成", ["检索", "索增", "增强", "强生", "生成"]),
        ("用 RAG 来答", ["用", "rag", "来答"]),
        ("模型v2", ["模型", "v2"]),
        ("", []),
        ("… — !?", []),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(MIXED)
def test_normalising_first_changes_nothing(text: str) -> None:
    assert words(unicodedata.normalize("NFKC", text)) == words(text)
    assert all(word and not any(char.isspace() for char in word) for word in words(text))


@given(MIXED, MIXED)
def test_words_of_two_texts_are_those_of_both(one: str, other: str) -> None:
    assert words(f"{one} {other}") == words(one) + words(other)


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=12), st.data())
def test_any_part_of_a_chinese_run_is_made_of_its_words(run: str, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, len(run) - 2))
    part = run[low : data.draw(st.integers(low + 2, len(run)))]
    assert set(words(part)) <= set(words(run))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What are the drawbacks of Naive RAG?", ["drawbacks", "naive", "rag"]),
        ("朴素RAG有哪些缺点？", ["朴素", "rag", "缺点"]),
        ("什么是向量检索？", ["向量", "量检", "检索"]),
        ("What is it?", ["what", "is", "it"]),
        ("?", []),
    ],
)
def test_a_question_is_about_its_telling_words(question: str, expected: list[str]) -> None:
    assert asked_words(question) == expected


def test_content_words_are_stems_without_stop_words() -> None:
    assert content_words("The studies were comparing boxes with classes") == ["study", "compar", "box", "class"]
    assert content_words("模型是什么？") == ["模型"]
    assert not set(content_words(" ".join(STOP_WORDS)))


@pytest.mark.parametrize(
    "forms",
    [
        ("compare", "compares", "compared", "comparing"),
        ("stop", "stops", "stopped", "stopping"),
        ("model", "models", "model's"),
        ("study", "studies"),
        ("match", "matches", "matched"),
        ("process", "processes", "processed", "processing"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["bus", "this", "gas", "sing", "red", "class", "basis", "gpt4", "检索", "naïve", "1,234"])
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    assert stem(word) == word


@pytest.mark.parametrize(("text", "share"), [("abc", 0.0), ("中文", 1.0), ("ab中文", 0.5), ("123 !", 0.0), ("", 0.0), ("한글ab", 0.5)])
def test_the_share_of_cjk(text: str, share: float) -> None:
    assert cjk_share(text) == share
