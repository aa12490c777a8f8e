"""Whatever a judge says, a figure comes out or the reason why there is none: a count of what was not judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ModelError
from wellread.evaluate.grounding import Judged
from wellread.evaluate.judge import judged_answer_relevancy, judged_context_precision, judged_context_recall, judged_faithfulness, verdict


def embed(texts: Sequence[str]) -> np.ndarray:
    return np.array([[text.count(char) for char in "abc"] for text in texts])


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Yes", True),
        ("yes.", True),
        ("**No**", False),
        ("No, the text says otherwise.", False),
        ("The answer is: yes", True),
        ("<think>no, wait</think>\n\nYes", True),
        ("<think>is it yes", None),
        ("是", True),
        ("是的，可以推断", True),
        ("不是", False),
        ("否。", False),
        ("该陈述不支持", False),
        ("TRUE", True),
        ('"no"', False),
        ("", None),
        ("Maybe", None),
        ("Yes and no", None),
        ("No doubt: yes", None),
        ("Nothing says so", None),
        ("I know", None),
        ("是否支持？", None),
        ("0.8", None),
        ("yesterday", None),
    ],
)
def test_verdicts_are_read_only_where_they_are_plain(reply: str, said: bool | None) -> None:
    assert verdict(reply) is said


@given(st.lists(st.sampled_from(["yes", "no", "hm", "", "Yes but no"]), max_size=6))
def test_every_claim_is_judged_or_counted(replies: list[str]) -> None:
    found = judged_faithfulness(replies, "context", lambda prompt: prompt.split("Claim:\n")[1].split("\n")[0])
    assert found.judged + found.not_judged == len(replies)
    assert found.judged == sum(reply in ("yes", "no") for reply in replies)
    assert found.value == (pytest.approx(replies.count("yes") / found.judged) if found.judged else None)


def test_a_judge_that_fails_has_not_judged() -> None:
    def fails(prompt: str) -> str:
        raise ModelError("it takes too long")

    assert judged_faithfulness(["a", "b"], "context", fails) == Judged(None, 0, 2)
    assert judged_answer_relevancy("q", "a", fails, embed) == Judged(None, 0, 3)


def test_passages_are_judged_in_their_order() -> None:
    def judge(prompt: str) -> str:
        return next(reply for word, reply in (("good", "yes"), ("bad", "no"), ("odd", "who knows")) if word in prompt)

    assert judged_context_precision("q", "a", ["odd", "bad", "good"], judge) == Judged(0.5, 2, 1)
    assert judged_context_precision("q", "a", ["odd"], judge) == Judged(None, 0, 1)
    assert judged_context_recall(["x", "y"], ["one", "good"], judge) == Judged(1, 2, 0)


def test_questions_that_the_judge_writes_are_held_against_the_one_asked() -> None:
    assert judged_answer_relevancy("ab", "x", lambda _: "1. ab\n\n2. c\n3. ba\n4. c", embed) == Judged(pytest.approx(2 / 3), 3, 0)
    assert judged_answer_relevancy("ab", "x", lambda _: "- ab", embed) == Judged(pytest.approx(1), 1, 2)
    assert judged_answer_relevancy("ab", "I cannot say.", lambda _: "NONE.", embed) == Judged(0, 3, 0)
    assert judged_answer_relevancy("ab", "x", lambda _: "<think>hm", embed) == Judged(None, 0, 3)
