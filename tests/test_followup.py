"""Follow-up questions made to stand alone, without anything being invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.followup import standalone, stands_alone
from wellread.models.fake import ScriptedChat

HISTORY = [("What is the capital of France?", "Paris is the capital of France."), ("How large is Paris?", "Paris has two million people.")]


@pytest.mark.parametrize(
    "question",
    [
        "How is green tea steeped?",
        "Who approved the solar panels in 2021?",
        "检索增强生成有哪些缺点？",
        "Compare dense and sparse retrieval.",
    ],
)
def test_a_question_that_names_its_subject_stands_alone(question: str) -> None:
    assert stands_alone(question)
    chat = ScriptedChat([])
    assert standalone(question, HISTORY, chat) == question
    assert chat.asked == []


@pytest.mark.parametrize(
    "question",
    [
        "And why?",
        "Why?",
        "How old is it?",
        "What about London?",
        "Why is that so dear there?",
        "它有多大？",
        "那伦敦呢？",
        "What did they say of pumps?",
    ],
)
def test_a_question_that_refers_back_does_not(question: str) -> None:
    assert not stands_alone(question)
    assert standalone(question, HISTORY, None) == f"How large is Paris – {question}"
    assert standalone(question, [], None) == question


def test_a_models_rewriting_is_taken_when_it_only_fills_in() -> None:
    chat = ScriptedChat(['"How old is Paris?"\nSome more talk.'])
    assert standalone("How old is it?", HISTORY, chat) == "How old is Paris?"
    assert "How large is Paris?" in chat.asked[0][-1].content


@pytest.mark.parametrize(
    "rewriting",
    [
        "How old is London?",  # invents a subject
        "How large is Paris?",  # loses a word of the question
        "How old is it?",  # adds nothing
        "Paris is old",  # is no question
        "",
    ],
)
def test_a_rewriting_that_invents_or_loses_anything_is_not_taken(rewriting: str) -> None:
    assert standalone("How old is it?", HISTORY, ScriptedChat([rewriting])) == "How large is Paris – How old is it?"


def test_a_model_that_fails_or_has_no_room_costs_nothing() -> None:
    expected = "How large is Paris – How old is it?"
    assert standalone("How old is it?", HISTORY, ScriptedChat([])) == expected
    assert standalone("How old is it?", HISTORY, ScriptedChat(["How old is Paris?"], context_window=10)) == expected


def test_chinese_question_marks_go_before_the_dash() -> None:
    assert standalone("它有多大？", [("巴黎在哪里？", "在法国。")], None) == "巴黎在哪里 – 它有多大？"


def test_only_the_last_turns_are_shown() -> None:
    chat = ScriptedChat(["How old is Paris?"])
    turns = [(f"Question {number}?", f"Answer {number}.") for number in range(5)]
    standalone("How old is it?", [*turns, *HISTORY], chat)
    shown = chat.asked[0][-1].content
    assert "Question 4?" in shown
    assert "Question 3?" not in shown


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_question_is_never_lost(question: str, rewriting: str) -> None:
    found = standalone(question, HISTORY, ScriptedChat([rewriting]))
    assert found.endswith(question) or (found in rewriting and found.endswith(("?", "？")))
