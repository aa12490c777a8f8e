"""ROUGE is that of rouge-score, with and without stems, and sees Chinese."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.rouge import Rouge, rouge_l, rouge_lsum, rouge_n

KINDS = ["rouge1", "rouge2", "rouge4", "rougeL", "rougeLsum"]
TEXTS = st.lists(st.sampled_from(["the", "cat", "Cat's", "running", "runs", "on", "mat", "3.5", "é", "\n", "."]), max_size=16).map(" ".join)
REFERENCES = st.lists(TEXTS, min_size=1, max_size=3)
README = Path(__file__).parents[2] / "README.md"


def ours(text: str, references: list[str], stem: bool) -> dict[str, Rouge]:
    from nltk.stem.porter import PorterStemmer  # here: it takes seconds to import, which every worker would pay

    by = PorterStemmer().stem if stem else None
    found = {f"rouge{n}": rouge_n(text, references, n, by) for n in (1, 2, 4)}
    return found | {"rougeL": rouge_l(text, references, by), "rougeLsum": rouge_lsum(text, references, by)}


def assert_same(text: str, references: list[str], stem: bool) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(KINDS, use_stemmer=stem).score_multi(references, text)
    for kind, score in ours(text, references, stem).items():
        assert (score.precision, score.recall, score.f1) == pytest.approx(tuple(theirs[kind])), kind


@given(TEXTS, REFERENCES, st.booleans())
def test_rouge_is_that_of_rouge_score(text: str, references: list[str], stem: bool) -> None:
    assert_same(text, references, stem)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_characters_are_read_as_rouge_score_reads_them(text: str, reference: str) -> None:
    if not any(map(_is_cjk, text + reference)):
        assert_same(text, [reference], stem=False)


def test_real_texts_score_as_with_rouge_score() -> None:
    paragraphs = [one.replace(". ", ".\n") for one in README.read_text("utf-8").split("\n\n") if len(one) > 150 and one.isascii()]
    assert len(paragraphs) > 5
    for text, reference in pairwise(paragraphs[:12]):
        assert_same(text, [reference], stem=False)
        assert_same(text, [reference], stem=True)


def test_chinese_is_counted_by_characters() -> None:
    assert rouge_n("北京大学", ["北京", "大"]) == Rouge(0.5, 1.0, pytest.approx(2 / 3))
    assert rouge_l("京北大学", ["北京大学"]).f1 == 0.75
    assert rouge_n("学GPT大", ["gpt大学"], 2).f1 == 0.5


@given(TEXTS, TEXTS)
def test_turning_the_texts_around_turns_precision_and_recall_around(text: str, reference: str) -> None:
    for one, other in ((rouge_n(text, [reference]), rouge_n(reference, [text])), (rouge_l(text, [reference]), rouge_l(reference, [text]))):
        assert (one.precision, one.recall) == (other.recall, other.precision)
        assert 0 <= one.f1 <= 1


def _is_cjk(char: str) -> bool:
    return "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ufaff" or char >= "\U00020000"
