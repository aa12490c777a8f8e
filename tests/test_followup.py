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
        "Compare dense and sparse retrieval.",
        "heat pump noise limits",
        "What is delegation?",
        "And what is the capital of Germany?",
        "Why does Python use indentation for grouping of statements?",
        "Is there a warranty on the heat pump?",
        "How many people were there at the meeting in Berlin?",
        "Does the report say that sales rose in March?",
        "Which papers that cite BERT use sparse retrieval?",
        "How did Siemens change its pension policy?",
        "What is it called when a plant loses its leaves?",
        "Is it true that Paris has two million people?",
        "What happened to the former president of France?",
        "How does one apply for a building permit?",
        "What does this report say about water use?",
        "检索增强生成有哪些缺点？",
        "怎么申请工作签证？",
        "应该怎样申请签证？",
        "土耳其的首都在哪里？",
        "吉他有几根弦？",
        "这份文件什么时候签署的？",
        "与人权公约同时成立的还有哪些实体？",
        "退货期限是多少天？",
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
        "Why not?",
        "What about London?",
        "In 2021?",
        "And in 2021?",
        "Side effects?",
        "And the price of the larger apartment?",
        "Which of the two is cheaper?",
        "What else did the board decide?",
        "Why is that so dear there?",
        "How many people live there?",
        "Does the second one have a park?",
        "What does the latter cost?",
        "Can you explain that?",
        "What if that fails?",
        "那伦敦呢？",
        "它有多大？",
        "为什么会失败？",
        "怎么申请？",
        "什么时候交付？",
        "有多大？",
        "还有别的方法吗？",
        "該公司的總部在哪裡？",
        "这种方法有什么缺点？",
    ],
)
def test_part_of_a_question_is_put_behind_the_question_before(question: str) -> None:
    assert not stands_alone(question)
    assert standalone(question, HISTORY, None) == f"How large is Paris – {question}"
    assert standalone(question, [], None) == question


@pytest.mark.parametrize(
    ("asked", "answered", "question", "names"),
    [
        ("How large is Paris?", "Two million people.", "How old is it?", "Paris"),
        ("How loud is the Vaillant aroTHERM?", "54 dB(A).", "How much does it cost?", "Vaillant aroTHERM"),
        ("What is self-RAG?", "A method.", "How does it differ from FLARE?", "self-RAG"),
        ("Who wrote the plan?", "Maria Keller wrote the plan.", "When did she join the company?", "Maria Keller, plan"),
        ("Who led the Bank of England?", "Mark Carney did.", "What did they say of pumps?", "Bank of England, Mark Carney"),
        ("Can I run the program on Windows?", "Yes.", "Does it need an account?", "Windows, program"),
        ("How is green tea steeped?", "At 80 degrees.", "Does it contain caffeine?", "How is green tea steeped"),
        ("谁批准了预算？", "王芳批准了预算。", "她什么时候批准的？", "谁批准了预算"),
    ],
)
def test_a_pronoun_is_given_the_names_it_may_stand_for(asked: str, answered: str, question: str, names: str) -> None:
    assert not stands_alone(question)
    assert standalone(question, [("Where is Rome?", "In Italy."), (asked, answered)], None) == f"{names} – {question}"


def test_names_come_from_the_last_turn_that_has_some_and_parts_go_behind_the_last_whole_question() -> None:
    turns = [("How large is Paris?", "Two million people."), ("And London?", "Nine million.")]
    assert standalone("How old is it?", turns, None) == "London – How old is it?"
    assert standalone("And Berlin?", turns, None) == "How large is Paris – And Berlin?"
    assert standalone("How old is it?", [*turns, ("And why?", "Who knows.")], None) == "London – How old is it?"


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
    assert standalone("How old is it?", HISTORY, ScriptedChat([rewriting])) == "Paris – How old is it?"


def test_a_model_that_fails_or_has_no_room_costs_nothing() -> None:
    expected = "Paris – How old is it?"
    assert standalone("How old is it?", HISTORY, ScriptedChat([])) == expected
    assert standalone("How old is it?", HISTORY, ScriptedChat(["How old is Paris?"], context_window=10)) == expected


def test_chinese_question_marks_go_before_the_dash() -> None:
    assert standalone("它有多大？", [("巴黎在哪里？", "在法国。")], None) == "巴黎在哪里 – 它有多大？"


def test_all_that_is_remembered_is_shown_and_may_be_used() -> None:
    chat = ScriptedChat(["How old is Paris?", "How old is Berlin?"])
    turns = [(f"Question {number}?", f"Answer {number}.") for number in range(5)]
    standalone("How old is it?", [*turns, *HISTORY], chat)
    assert "Question 0?" in chat.asked[0][-1].content
    assert standalone("How old is it?", HISTORY, chat, summary="They spoke of Berlin.") == "How old is Berlin?"
    assert "They spoke of Berlin." in chat.asked[1][-1].content


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_question_is_never_lost(question: str, rewriting: str) -> None:
    found = standalone(question, HISTORY, ScriptedChat([rewriting]))
    assert found.endswith(question) or (found in rewriting and found.endswith(("?", "？")))
