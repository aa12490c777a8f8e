"""A trace run again: the same, or what has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wellread.errors import UsageError
from wellread.library import Library
from wellread.models.fake import HashEmbedder, ScriptedChat
from wellread.options import Options
from wellread.parts import Parts
from wellread.recipe import Recipe

QUESTION = "How often is the generator serviced?"
SERVICED = "The generator is serviced every four months by Anna Berg."


@pytest.fixture
def library(open_library: Callable[..., Library], tmp_path: Path) -> Library:
    (tmp_path / "power.md").write_text(f"# Power\n\n{SERVICED}\n\n## Oil\n\nThe oil of the generator is changed in May.")
    library = open_library()
    library.add(tmp_path / "power.md")
    return library


def with_chat(library: Library, *replies: str, name: str = "scripted") -> Library:
    """The same library, opened with a model that says this."""
    return Library(library.folder, Parts(library.parts.settings, embedder=HashEmbedder(), chat=ScriptedChat(replies, name=name)))


OPTIONS = [
    Options(mode="extract", recipe=Recipe(by="keyword", mmr=0.5)),
    Options(mode="compact", strict=True, max_tokens=50),
    Options(mode="refine"),
    Options(mode="tree", overflow="drop"),
    Options(drafts=2, filter="title:power"),
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options.mode)
def test_the_same_comes_out_the_same(library: Library, options: Options) -> None:
    with with_chat(library, *[SERVICED] * 8) as asked:
        answer = asked.ask(QUESTION, options=options, history=[("Where is the station?", "On the point.")])
        replay = asked.replay(answer.trace_id)
        assert (replay.same, replay.differences, replay.changed) == (True, (), ())
        assert replay.answer.text == answer.text
        assert len(asked.store.traces()) == 1


def test_a_whole_document_too(library: Library) -> None:
    answer = library.ask("Summarise the document", options=Options(mode="extract"))
    assert library.replay(answer.trace_id).same


def test_another_text_is_shown_line_by_line(library: Library) -> None:
    with with_chat(library, SERVICED, "The oil of the generator is changed in May.") as asked:
        answer = asked.ask(QUESTION, options=Options(mode="compact"))
        replay = asked.replay(answer.trace_id)
    assert not replay.same
    assert f"  -{SERVICED}" in replay.differences
    assert "  +The oil of the generator is changed in May." in replay.differences
    assert "it cites other places in the documents" in replay.differences
    assert replay.changed == ()


def test_another_model_and_a_changed_library_are_named(library: Library, tmp_path: Path) -> None:
    with with_chat(library, SERVICED) as asked:
        answer = asked.ask(QUESTION, options=Options(mode="compact"))
    (tmp_path / "more.txt").write_text("Every generator needs oil, and someone who looks after it often.")
    library.add(tmp_path / "more.txt")
    with with_chat(library, SERVICED, name="other") as asked:
        replay = asked.replay(answer.trace_id)
    assert replay.same
    told = " ".join(replay.changed)
    assert "the library has changed 1 time since" in told
    assert "other passages were found" in told
    assert "the model is another: scripted before, other now" in told


def test_a_trace_from_before_cannot_be_replayed(library: Library) -> None:
    library.store.write_trace("old", "ask", QUESTION, {"answer": {}, "steps": []})
    with pytest.raises(UsageError, match="does not hold what is needed"):
        library.replay("old")


@pytest.mark.slow
def test_the_command_says_same_or_different(command: Any, papers: Path) -> None:
    settings = ("--in", papers, "--model", "none", "--embedder", "ngram-hash")
    question = "Who approved the installation of the solar panels?"
    answer = command.here("ask", question, *settings, "--json").data
    replayed = command.here("trace", answer["trace_id"], "--replay", *settings)
    assert (replayed.code, replayed.out) == (0, "same\n")
    (papers / "more.txt").write_text("The installation of the solar panels was approved by Olga Berg, said who approved it.\n")
    assert command.here("ask", question, *settings, "--json").data["answer"] != answer["answer"]
    replayed = command.here("trace", answer["trace_id"], "--replay", *settings, "--json")
    assert (replayed.code, replayed.data["same"]) == (1, False)
    assert "the library has changed" in " ".join(replayed.data["changed"])
    command.here("trace", "--replay", *settings).refuses(2, "no trace to replay")


def test_a_conversation_is_forgotten_with_any_document_that_goes(library: Library, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("The code of the safe is 4711.")
    library.add(tmp_path / "secret.txt")
    options = Options(mode="extract")
    plain = library.ask(QUESTION, options=options)
    library.ask(QUESTION, options=options, history=[("What is the code of the safe?", "The code of the safe is 4711.")])
    library.remove(str(tmp_path / "secret.txt"))
    kept = [trace["id"] for trace in library.store.traces()]
    assert kept == [plain.trace_id]  # the earlier answers that the other holds may be of what was removed
