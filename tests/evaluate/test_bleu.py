"""BLEU is that of sacrebleu, for a corpus and for a sentence, in English and in Chinese."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from wellread.evaluate.bleu import Bleu, corpus_bleu, cut_13a, cut_zh, sentence_bleu

README = Path(__file__).parents[2] / "README.md"
CUTS = {"13a": cut_13a, "zh": cut_zh}
TEXTS = st.lists(
    st.sampled_from("the a cat cat, sat on 3.5 mat. &amp; U.S.-based 北京 （大学） “quoted” — 1-2 \n".split(" ")), max_size=12
).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4)


def assert_same(found: Bleu, theirs: object) -> None:
    for ours, name in ((found.score, "score"), (found.brevity, "bp"), (found.length, "sys_len"), (found.reference_length, "ref_len")):
        assert ours == pytest.approx(getattr(theirs, name)), name
    assert found.precisions == pytest.approx(getattr(theirs, "precisions"))  # noqa: B009


@given(PAIRS, st.sampled_from(sorted(CUTS)))
def test_bleu_is_that_of_sacrebleu(pairs: list[tuple[str, str, str]], cut: str) -> None:
    texts = [text for text, _, _ in pairs]
    found = corpus_bleu(texts, [pair[1:] for pair in pairs], CUTS[cut])
    theirs = BLEU(tokenize=cut, force=True).corpus_score(texts, [[one for _, one, _ in pairs], [two for _, _, two in pairs]])
    assert_same(found, theirs)
    text, *references = pairs[0]
    assert_same(sentence_bleu(text, references, CUTS[cut]), BLEU(tokenize=cut, effective_order=True).sentence_score(text, references))


@given(
    st.text(max_size=30) | st.text(st.characters(min_codepoint=0x2000, max_codepoint=0x2FFFF), max_size=12), st.sampled_from(sorted(CUTS))
)
def test_any_text_is_cut_as_sacrebleu_cuts_it(text: str, cut: str) -> None:
    assert CUTS[cut](text) == BLEU(tokenize=cut)._preprocess_segment(text).split()


def test_real_texts_score_as_with_sacrebleu() -> None:
    lines = [line for line in README.read_text("utf-8").splitlines() if len(line) > 60]
    assert len(lines) > 10
    assert_same(corpus_bleu(lines, [[one] for one in lines[::-1]]), BLEU().corpus_score(lines, [lines[::-1]]))


def test_a_perfect_text_has_a_hundred_and_a_foreign_one_nought() -> None:
    assert corpus_bleu(["the cat sat on the mat"], [["the cat sat on the mat"]]).score == pytest.approx(100)
    assert corpus_bleu(["x y z"], [["the cat sat on the mat"]]).score == 0
    assert corpus_bleu(["x"], [[""]]) == Bleu(0.0, (0.0,) * 4, 1.0, 1, 0)


def test_every_text_needs_references() -> None:
    with pytest.raises(ValueError, match="cannot be scored"):
        corpus_bleu(["a", "b"], [["a"]])
