"""What a chat model adds to a question: only what may be of use, and never less than the question itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.models.fake import EchoChat, ScriptedChat
from wellread.prompts import expansion_prompt
from wellread.retrieve.expand import METHODS, Query, combine, expand
from wellread.types import Chunk, Hit

QUESTION = "Which university did the designer of the Sydney Opera House attend?"


def texts(reply: str, method: str, question: str = QUESTION) -> list[str]:
    """The queries that a reply gives beside the question."""
    first, *others = expand(question, ScriptedChat([reply]), method).queries
    assert first == Query(question)
    return [query.text for query in others]


def test_each_method_gives_queries_of_its_kind() -> None:
    replies = {
        "rewrite": "Sydney Opera House designer university",
        "multi": "1. Where did the designer of the Opera House study?\n2. Which school taught the Sydney Opera House designer?\n",
        "hyde": "The Sydney Opera House was designed by Jørn Utzon. He studied in Denmark.\nThere are",
        "decompose": "1. Who designed the Sydney Opera House?\n2. Which university did the designer attend?",
        "stepback": "What is the education of the designer of the Sydney Opera House?",
    }
    kinds = {}
    for method, reply in replies.items():
        expanded = expand(QUESTION, ScriptedChat([reply]), method)
        assert expanded.queries[0] == Query(QUESTION, "question", 1.0, as_passage=False)
        assert expanded.note is None
        kinds[method] = [(query.kind, query.weight, query.as_passage) for query in expanded.queries[1:]]
    assert kinds == {
        "rewrite": [("rewrite", 0.5, False)],
        "multi": [("variant", 0.25, False)] * 2,
        "hyde": [("hypothetical", 0.5, True)],
        "decompose": [("part", 1.0, False)] * 2,
        "stepback": [("general", 0.5, False)],
    }
    assert texts("Here is a passage:\n\n" + replies["hyde"], "hyde") == [replies["hyde"].split("\n")[0]]
    assert texts(replies["decompose"], "decompose") == ["Who designed the Sydney Opera House?", "Which university did the designer attend?"]


def test_none_asks_no_model_and_an_unknown_method_is_an_error() -> None:
    assert expand(QUESTION, ScriptedChat([]), "none").queries == (Query(QUESTION),)
    with pytest.raises(UsageError, match='no method "hide"') as error:
        expand(QUESTION, ScriptedChat([]), "hide")
    assert error.value.hint == 'did you mean "hyde"?'


@pytest.mark.parametrize(
    "reply",
    [
        "1. Where did the designer of the Opera House study?\n2. What school did the Opera House designer go to?",
        "- Where did the designer of the Opera House study?\n- What school did the Opera House designer go to?",
        "Here are two:\n\n1) **Where did the designer of the Opera House study?**\n2) “What school did the Opera House designer go to?”",
        "1. Where did the designer of the Opera House study? 2. What school did the Opera House designer go to?",
        "Question 1: Where did the designer of the Opera House study?\nQuestion 2: What school did the Opera House designer go to?",
        "<think>The user wants\nthree questions.</think>Where did the designer of the Opera House study?\n"
        "What school did the Opera House designer go to?",
        f"{QUESTION}\n1. Where did the designer of the Opera House study?\n2. What school did the Opera House designer go to?",
    ],
)
def test_lists_are_read_however_they_are_written(reply: str) -> None:
    assert texts(reply, "multi") == ["Where did the designer of the Opera House study?", "What school did the Opera House designer go to?"]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "\n\n",
        QUESTION,
        f"1. {QUESTION.upper()}",
        "The designer of the Opera House attended the Royal Danish Academy.",  # an answer, and perhaps a wrong one
        "Which university did the designer attend in 1918?",  # where is that year from?
        "How can basil survive the winter indoors?",  # an echo of the example
        "the Opera House of the Opera House of the Opera House of the Opera House of the Opera House",
        "Here are three other questions about the Sydney Opera House:",
        "house " * 80,
    ],
)
def test_what_is_of_no_use_leaves_the_question_alone_and_says_so(reply: str) -> None:
    expanded = expand(QUESTION, ScriptedChat([reply]), "multi")
    assert expanded.queries == (Query(QUESTION),)
    assert expanded.note == "only the question itself was searched for: scripted gave no other query of use"


def test_a_model_that_fails_costs_nothing_but_a_note() -> None:
    for chat in (ScriptedChat([]), ScriptedChat(["x"], context_window=20)):
        expanded = expand(QUESTION, chat, "stepback")
        assert expanded.queries == (Query(QUESTION),)
        assert expanded.note is not None
        assert expanded.note.startswith("only the question itself was searched for: the ")


def test_a_model_is_stopped_once_it_has_written_enough_or_repeats_itself() -> None:
    line = "Where did the designer of the Opera House study?"
    endless = "".join(f"{number}. {line}\n" for number in range(1, 100))
    read: list[str] = []

    class Watched(ScriptedChat):
        def stream(self, *arguments, **options):  # type: ignore[no-untyped-def]
            for delta in super().stream(*arguments, **options):
                read.append(delta.text)
                yield delta

    chat = Watched([endless])
    assert [query.text for query in expand(QUESTION, chat, "multi").queries] == [QUESTION, line]
    assert len("".join(read).split("\n")) <= 4


def test_what_was_cut_off_is_cut_back() -> None:
    whole = "Where did the designer of the Opera House study?"
    assert texts(f"1. {whole}\n2. What school did the Opera House {'very ' * 90}", "multi") == [whole]
    passage = "The Sydney Opera House was designed by Jørn Utzon."
    assert texts(f"{passage} He attended {'many schools and ' * 40}", "hyde") == [passage]


def test_the_parts_of_a_question_are_questions() -> None:
    reply = "1. Who designed the Sydney Opera House?\n2. The designer attended a university\n3. Which university did the designer attend?"
    assert texts(reply, "decompose") == ["Who designed the Sydney Opera House?", "Which university did the designer attend?"]


def test_decimals_and_times_at_the_start_are_no_list_numbers() -> None:
    question = "What does 3.5 mm wire cost at 10:30 in the shop?"
    assert texts("3.5 mm wire price in the shop", "rewrite", question) == ["3.5 mm wire price in the shop"]
    assert texts("10:30 price of wire", "rewrite", question) == ["10:30 price of wire"]


def test_a_chinese_question_is_asked_about_in_chinese() -> None:
    chat = ScriptedChat(["1. 退货要在几天之内？\n2、商品最晚什么时候退货？\n"])
    expanded = expand("退货期限是多少天？", chat, "multi")
    assert [query.text for query in expanded.queries[1:]] == ["退货要在几天之内？", "商品最晚什么时候退货？"]
    assert "不要回答" in chat.asked[0][0].content
    assert texts("子问题：退货期限从哪天算起？", "decompose", "退货期限是多少天？") == ["退货期限从哪天算起？"]


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("method", METHODS[1:])
def test_every_prompt_ends_with_the_question_and_shows_how(method: str, chinese: bool) -> None:
    messages = expansion_prompt("Why?", method, chinese=chinese)
    assert messages[-1].content == "Why?"
    assert [message.role for message in messages] == ["system", *["user", "assistant"] * ((len(messages) - 2) // 2), "user"]
    assert len(messages) >= 6


@given(st.text(max_size=60), st.text(max_size=200), st.sampled_from(METHODS))
def test_whatever_is_asked_and_replied_the_question_comes_first(question: str, reply: str, method: str) -> None:
    expanded = expand(question, ScriptedChat([reply]), method)
    assert expanded.queries[0] == Query(question)
    assert len(expanded.queries) <= 5
    assert len({query.text for query in expanded.queries}) == len(expanded.queries)
    assert (expanded.note is None) == (len(expanded.queries) > 1 or method == "none")
    assert expand(question, EchoChat(), "rewrite").queries == (Query(question),)


def hits(*scores: tuple[int, float]) -> list[Hit]:
    return [
        Hit(Chunk(number, "d", 0, 1, None, None, "text", "t"), "title", "source", None, None, score, {"bm25": score})
        for number, score in scores
    ]


def order(found: Sequence[Hit]) -> list[int]:
    return [hit.chunk.id for hit in found]


def test_scores_are_averaged_by_weight_and_a_missing_one_is_the_lists_last() -> None:
    found = combine([(Query("q"), hits((1, 3.0), (2, 2.0), (3, 0.0))), (Query("v", "variant", 0.5), hits((3, 6.0), (4, 0.0)))], 10)
    assert order(found) == [1, 3, 2, 4]
    assert [hit.score for hit in found] == pytest.approx([2.0, 2.0, 4 / 3, 0.0])
    assert found[1].why == {"bm25": 0.0, "query_0": 3.0, "query_1": 1.0}
    assert found[0].why == {"bm25": 3.0, "query_0": 1.0}


def test_one_list_alone_stays_as_it_is() -> None:
    alone = hits((5, 3.0), (2, 1.0), (9, -2.0))
    for lists in ([(Query("q"), alone)], [(Query("q"), alone), (Query("v", "variant", 0.5), [])]):
        found = combine(lists, 2)
        assert order(found) == [5, 2]
        assert [hit.score for hit in found] == [3.0, 1.0]
    assert combine([], 3) == []
    assert combine([(Query("q"), [])], 3) == []


def test_each_part_of_a_question_is_represented() -> None:
    lists = [
        (Query("q"), hits((1, 9.0), (2, 8.0), (3, 7.0))),
        (Query("a", "part"), hits((1, 1.0), (4, 0.5))),
        (Query("b", "part"), hits((5, 0.1), (6, 0.0))),
    ]
    found = combine(lists, 4)
    assert order(found) == [1, 4, 5, 2]
    assert [hit.score for hit in found] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert found[0].why == {"bm25": 9.0, "query_0": 1.0, "query_1": 1.0}


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5)), unique_by=lambda one: one[0]), min_size=1, max_size=4),
    st.booleans(),
)
def test_nothing_that_was_found_is_lost_or_there_twice(found: list[list[tuple[int, int]]], parts: bool) -> None:
    kind = "part" if parts else "variant"
    lists = [(Query(str(number), kind, 0.5), hits(*((c, float(s)) for c, s in one))) for number, one in enumerate(found)]
    joined = combine(lists, 100)
    assert sorted(order(joined)) == sorted({chunk for one in found for chunk, _ in one})
    assert [hit.score for hit in joined] == sorted((hit.score for hit in joined), reverse=True)
    assert order(combine(lists, 3)) == order(joined)[:3]
