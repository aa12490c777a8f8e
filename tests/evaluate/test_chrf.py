"""chrF and chrF++ are those of sacrebleu."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from wellread.evaluate.chrf import chrf, sentence_chrf

TEXTS = st.text(st.sampled_from("abcAB (.,) 北京大\n"), max_size=14) | st.text(max_size=10)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4)


@given(PAIRS, st.sampled_from([0, 1, 2]))
def test_chrf_is_that_of_sacrebleu(pairs: list[tuple[str, str, str]], words: int) -> None:
    texts = [text for text, _, _ in pairs]
    theirs = CHRF(word_order=words)
    expected = theirs.corpus_score(texts, [[one for _, one, _ in pairs], [two for _, _, two in pairs]]).score
    assert chrf(texts, [pair[1:] for pair in pairs], words) == pytest.approx(expected)
    text, *references = pairs[0]
    assert sentence_chrf(text, references, words) == pytest.approx(theirs.sentence_score(text, references).score)


def test_bounds_and_a_missing_reference() -> None:
    assert sentence_chrf("reading", ["reading"]) == pytest.approx(100)
    assert sentence_chrf("", ["reading"]) == sentence_chrf("reading", ["", "xy"]) == 0
    with pytest.raises(ValueError, match="cannot be scored"):
        chrf(["a"], [])
