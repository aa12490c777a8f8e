"""The nouns: unchangeable, and shown alike everywhere."""

from __future__ import annotations

import dataclasses
import inspect
import pickle

import pytest

from wellread import types
from wellread.errors import ContextOverflow, ReadError, UsageError, WellreadError, suggest
from wellread.types import Answer, Citation, Ledger, ModelRef, Page, Sentence, Usage, marked_text, one_line, place

NOUNS = [noun for _, noun in inspect.getmembers(types, dataclasses.is_dataclass)]


def citation(marker: int, *, page: Page | None = None, section: str | None = None) -> Citation:
    return Citation(marker, "d" * 64, "A title", "/a.pdf", "application/pdf", page, section, 0, 5, "some\n words")


def answer(text: str, *sentences: Sentence, citations: tuple[Citation, ...] = ()) -> Answer:
    return Answer("Q?", text, sentences, citations, False, None, Ledger(0, 0), Usage(), ModelRef("m"), "compact", {}, "t")


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_every_noun_is_frozen_and_explained(noun: type) -> None:
    assert noun.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert not hasattr(noun, "__dict__") or "__slots__" in vars(noun)
    assert noun.__doc__
    assert not noun.__doc__.startswith(f"{noun.__name__}(")


def test_an_answer_is_shown_with_marks_and_quotes() -> None:
    text = "One. Two.\nThree? Four."
    made = answer(
        text,
        Sentence("One.", 0, 4, "supported", 0.9, (1, 2)),
        Sentence("Two.", 5, 9, "unsupported", 0.1),
        Sentence("Three?", 10, 16, "uncited", 0.0),
        Sentence("Four.", 17, 22, "supported", 1.0, (2,)),
        citations=(citation(1, page=Page(3, "iv", 0, 9)), citation(2, section="Intro")),
    )
    assert marked_text(made) == "One. [1][2] Two. [no support found]\nThree? Four. [2]"
    assert str(made).splitlines()[-2:] == ["  [1] A title, p. iv  “some words”", "  [2] A title, Intro  “some words”"]
    assert str(answer("No.")) == "No."


def test_a_place_is_a_page_or_a_section() -> None:
    assert place(citation(1)) == "A title"
    assert place(citation(1, section="Intro")) == "A title, Intro"
    assert place(citation(1, section="A title")) == "A title"
    assert place(citation(1, page=Page(0, "1", 0, 1), section="Intro")) == "A title, p. 1"


def test_documents_of_the_same_title_are_told_apart_by_their_files() -> None:
    one, other = citation(1), dataclasses.replace(citation(2), document="another", source="/reports/2023 Q1.pdf")
    assert (place(one, [one]), place(other, [one, other])) == ("A title", "A title (2023 Q1.pdf)")
    assert one_line(" a\n\n b\t c ") == "a b c"


def test_errors_are_a_sentence_and_a_hint() -> None:
    assert str(UsageError("it is wrong.", hint="do it right")) == "it is wrong.\nhint: do it right"
    assert str(WellreadError("it is wrong.")) == "it is wrong."
    assert (UsageError("x").exit_code, WellreadError("x").exit_code, ContextOverflow("x").exit_code) == (2, 1, 1)
    assert ReadError("x", reason="damaged").reason == "damaged"
    assert suggest("compct", ["compact", "extract"]) == 'did you mean "compact"?'
    assert suggest("zzz", ["compact", "extract"]) is None


def test_nouns_can_be_sent_to_another_process() -> None:
    made = answer("One.", Sentence("One.", 0, 4, "supported", 0.9, (1,)), citations=(citation(1),))
    assert pickle.loads(pickle.dumps(made)) == made
