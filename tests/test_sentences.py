"""Where sentences begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.sentences import sentence_spans

MARKS = (". ", "? ", "!) ", "。", "！", "？」", "；", "…", ".", "“", "”")
SPACES = ("\n", "\n\n", "\f", " ", "\t", "\u3000")
WORDS = ("- ", "* ", "1. ", "| ", "Dr. ", "e.g. ", "J. ", "3.5", "Word", "word", "模型")
PIECES = MARKS + SPACES + WORDS
TRICKY = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It grew by 3.5 percent. Then it fell.", ["It grew by 3.5 percent.", "Then it fell."]),
        ("Dr. Smith met Prof. Jones. They spoke.", ["Dr. Smith met Prof. Jones.", "They spoke."]),
        ("See J. R. Tolkien, vol. 2. It is long.", ["See J. R. Tolkien, vol. 2.", "It is long."]),
        ("Some tools, e.g. Git, help. Use them.", ["Some tools, e.g. Git, help.", "Use them."]),
        ("As shown in Fig. 3 and Eq. 4, it works.", ["As shown in Fig. 3 and Eq. 4, it works."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ('"Really?" she asked.', ['"Really?"', "she asked."]),
        ("Well ... it depends. Fine.", ["Well ... it depends.", "Fine."]),
        ("1. First do this. 2. Then that.", ["1. First do this.", "2. Then that."]),
        ("It has parts:\n- one\n- two\n* three", ["It has parts:", "- one", "- two", "* three"]),
        ("Steps:\n1. open\n2) close", ["Steps:", "1. open", "2) close"]),
        ("| a | b |\n| 1 | 2 |", ["| a | b |", "| 1 | 2 |"]),
        ("A heading\n\nA paragraph that\nwraps here.", ["A heading", "A paragraph that\nwraps here."]),
        ("end of page\fnext page", ["end of page", "next page"]),
        ("我们用了检索。效果很好！真的吗？是的；对", ["我们用了检索。", "效果很好！", "真的吗？", "是的；", "对"]),
        ("他说：“好。”然后走了……就这样。", ["他说：“好。”", "然后走了……", "就这样。"]),
        ("准确率为3.5。RAG 很好。It works. 对", ["准确率为3.5。", "RAG 很好。", "It works.", "对"]),
        ("", []),
        (" \n\f\t ", []),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(TRICKY)
def test_spans_cover_every_character_that_is_not_white_space_once(text: str) -> None:
    spans = sentence_spans(text)
    at = 0
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert not text[at:start].strip()
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()


@given(TRICKY, st.integers(0, 60), st.integers(0, 60))
def test_a_part_of_a_text_is_covered_alike(text: str, one: int, other: int) -> None:
    low, high = sorted((min(one, len(text)), min(other, len(text))))
    spans = sentence_spans(text, low, high)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text[low:high].split())
    assert all(low <= start < end <= high for start, end in spans)


@given(st.lists(st.sampled_from(["The cat sat.", "Is it so?", "We saw 3 of them!", "模型很好。"]), min_size=1, max_size=8))
def test_plain_sentences_are_told_apart(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@given(TRICKY, TRICKY)
def test_what_follows_changes_no_sentence_that_another_one_follows(text: str, more: str) -> None:
    """An answer is checked sentence by sentence as it streams, so a sentence that is complete must stay as it is."""
    before = sentences(text)[:-1]
    assert sentences(text + more)[: len(before)] == before
