"""A conversation within a budget: nothing is cut, what is old is condensed, and the trace says how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ModelError
from wellread.library import Library
from wellread.memory import Memory
from wellread.models.fake import ScriptedChat
from wellread.options import Options

TURNS = [
    ("Who runs the station?", "Sure. Ines Halvorsen runs the station. [1] She came in March. [2]"),
    ("How deep is the well?", "It is 40 metres deep. [1]"),
    ("How many boats are there?", "There are two boats. [1]"),
]


def test_a_short_conversation_is_kept_word_for_word_without_markers() -> None:
    kept = Memory().remember(TURNS, budget=1000, model=None)
    assert (kept.condensed, kept.summary) == (0, "")
    assert kept.turns[1] == ("How deep is the well?", "It is 40 metres deep.")


def test_older_turns_keep_their_question_and_first_cited_sentence() -> None:
    kept = Memory().remember(TURNS, budget=36, model=None)
    assert kept.turns[0] == ("Who runs the station?", "Ines Halvorsen runs the station.")  # "Sure." has no citation
    assert kept.turns[-1] == ("How many boats are there?", "There are two boats.")
    assert kept.condensed == 1


@given(st.lists(st.tuples(st.text(min_size=1, max_size=60), st.text(max_size=200)), max_size=30), st.integers(1, 300))
def test_no_question_is_ever_lost(turns: list[tuple[str, str]], budget: int) -> None:
    kept = Memory().remember(turns, budget=budget, model=None)
    assert [asked for asked, _ in kept.turns] == [asked for asked, _ in turns]
    answers = sum(len(answered) for _, answered in kept.turns[:-1])
    assert answers <= 8 * budget  # tokens are counted as four characters


def test_a_model_summarises_what_is_old_and_only_what_is_new_of_it() -> None:
    chat = ScriptedChat(["Ines Halvorsen runs the station.", "Ines Halvorsen runs the station; the well is 40 m deep."])
    memory = Memory()
    first = memory.remember(TURNS[:2], budget=15, model=chat)
    assert (first.turns, first.summarized) == (((TURNS[1][0], "It is 40 metres deep."),), 1)
    assert memory.remember(TURNS[:2], budget=15, model=chat) == first
    second = memory.remember(TURNS, budget=15, model=chat)
    assert second.summary == "Ines Halvorsen runs the station; the well is 40 m deep."
    assert len(chat.asked) == 2  # the same is not summarised again
    assert "Who runs" not in chat.asked[1][-1].content
    assert first.summary in chat.asked[1][-1].content


def test_a_model_that_fails_leaves_the_rules() -> None:
    kept = Memory().remember(TURNS, budget=15, model=ScriptedChat([]))
    assert kept.condensed == 2
    with pytest.raises(ModelError):
        list(ScriptedChat([]).stream([]))


def test_the_trace_says_what_was_condensed(open_library: Callable[..., Library], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The station is on Skerry Point. Ines Halvorsen runs the station since March.")
    chat = ScriptedChat(
        ["Ines Halvorsen runs the station.", "When did Ines Halvorsen come?", "Ines Halvorsen runs the station since March."]
    )
    library = open_library(chat=chat)
    library.add(tmp_path / "a.txt")
    answer = library.ask("When did she come?", history=TURNS, options=Options(memory_tokens=15, min_confidence=0.0))
    steps = library.trace(answer.trace_id)["steps"]
    memory = next(step["data"] for step in steps if step["kind"] == "memory")
    assert (memory["summarized"], memory["summary"], memory["budget"]) == (2, "Ines Halvorsen runs the station.", 15)
    assert next(step["data"] for step in steps if step["kind"] == "retrieve")["query"] == "When did Ines Halvorsen come?"
    assert [step["data"]["why"] for step in steps if step["kind"] == "prompt"] == ["memory", "follow-up", "answer"]
