"""From passages to the sentences that answer, and to the end of the lists they announce."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.cite import Evidence
from wellread.confidence import confidence
from wellread.evidence import Found, Selection, lead, list_after, select, units_of
from wellread.library import Library
from wellread.models.fake import HashEmbedder
from wellread.types import Document, Section

EMBEDDER = HashEmbedder()
_FIRST, _SECOND = "- the first part, which is the larger", "- the second part, which is the smaller"


def document(text: str, *sections: str) -> Document:
    """A text, with sections that begin where given words stand."""
    starts = [text.index(section) for section in sections]
    ends = [*starts[1:], len(text)]
    made = tuple(Section(1, title, start, end) for title, start, end in zip(sections, starts, ends, strict=False))
    return Document("d" * 64, "a", "a", "text/plain", text, sections=made)


def units(text: str) -> list[str]:
    return [text[start:end] for start, end in units_of(text, 0, len(text))]


def items(text: str, *sections: str) -> list[str]:
    """The items of the list that the first colon of a text announces."""
    at = min(at for at in (text.find(":"), text.find("：")) if at >= 0) + 1
    return [text[start:end] for start, end in list_after(document(text, *sections), at)]


# --- units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Retrieval Challenges. The retrieval phase often struggles.", ["Retrieval Challenges. The retrieval phase often struggles."]),
        ("Yes. No. This is a sentence of some length.", ["Yes. No. This is a sentence of some length."]),
        ("This is a sentence of a length. So is this one, or nearly.", ["This is a sentence of a length.", "So is this one, or nearly."]),
        ("Heading\n\nThis is a sentence of some length.", ["Heading", "This is a sentence of some length."]),
        ("Page\fThis is a sentence of some length.", ["Page", "This is a sentence of some length."]),
        ("This is a sentence of some length. Short.", ["This is a sentence of some length.", "Short."]),
        ("效果很好。检索增强生成减少了模型的幻觉。", ["效果很好。检索增强生成减少了模型的幻觉。"]),
        ("检索增强生成减少了幻觉。它还提高了答案的准确率。", ["检索增强生成减少了幻觉。", "它还提高了答案的准确率。"]),
    ],
)  # fmt: skip
def test_a_sentence_too_short_to_say_anything_is_read_with_the_next(text: str, expected: list[str]) -> None:
    assert units(text) == expected


@given(
    st.lists(
        st.sampled_from(["Short. ", "A sentence that is of a certain length, as they go. ", "\n\n", "短句。", "\n- item ", "\f"]),
        max_size=20,
    )
)
def test_units_cover_every_character_once(parts: list[str]) -> None:
    text, at = "".join(parts), 0
    for start, end in units_of(text, 0, len(text)):
        assert at <= start < end
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()


# --- lists


def test_bullets_are_followed_to_the_last() -> None:
    parts = [
        "- it is slow, and slower still in winter",
        "- it is large and heavy, so that it takes two",
        "- it costs a lot to buy and to run",
    ]
    text = "It has three drawbacks:\n\n" + "\n".join(parts) + "\n\nA paragraph after the list follows here."
    assert items(text) == parts


@pytest.mark.parametrize(
    "parts", [["- slow", "- heavy"], ["- it is slow", "- it is heavy", "- it costs a lot"], ["1. slow", "2. heavy", "3. big"]]
)
def test_short_items_are_items(parts: list[str]) -> None:
    assert items("It has drawbacks:\n\n" + "\n".join(parts)) == parts


def test_numbered_items_of_several_sentences_are_followed() -> None:
    text = (
        "The steps are these:\n\n1. Open the valve. It turns to the left, and needs some force.\n2. Wait for a minute, but no longer.\n"
        "3. Close the valve again, to the right.\n"
    )
    found = items(text)
    assert len(found) == 3
    assert [item[:2] for item in found] == ["1.", "2.", "3."]
    assert "needs some force." in found[0]


def test_run_in_titles_are_items() -> None:
    text = (
        "Naive RAG encounters notable drawbacks:\n\n"
        "Retrieval Challenges. The retrieval phase often struggles with precision and recall. It selects misaligned chunks.\n\n"
        "Generation Difficulties. In generating responses, the model may face the issue of hallucination.\n\n"
        "Augmentation Hurdles. Integrating retrieved information with the different task can be challenging.\n"
    )
    found = items(text)
    assert [item.split(".")[0] for item in found] == ["Retrieval Challenges", "Generation Difficulties", "Augmentation Hurdles"]
    assert all(len(item.split(".")) > 2 for item in found)


def test_titles_with_a_colon_are_items() -> None:
    text = "There are two kinds:\n\nDense: it compares the vectors of texts.\n\nSparse: it compares the words of texts, weighted.\n"
    assert [item.split(":")[0] for item in items(text)] == ["Dense", "Sparse"]


@pytest.mark.parametrize(
    "marks",
    [
        ("一、", "二、", "三、"),
        ("（一）", "（二）", "（三）"),
        ("(1)", "(2)", "(3)"),
        ("1、", "2、", "3、"),
        ("（1）", "（2）", "（3）"),
        ("1）", "2）", "3）"),
    ],
)
def test_chinese_enumerations_are_followed(marks: tuple[str, ...]) -> None:
    bodies = ("检索的准确率和召回率都偏低，容易遗漏。", "生成的内容可能出现幻觉，与上下文不符。", "增强的过程会让输出重复而且不连贯。")
    text = "主要有三个缺点：\n\n" + "\n\n".join(mark + body for mark, body in zip(marks, bodies, strict=True))
    assert items(text) == [mark + body for mark, body in zip(marks, bodies, strict=True)]


def test_a_list_ends_with_its_section() -> None:
    text = f"It has parts:\n\n{_FIRST}\n{_SECOND}\n\nOther things\n\n- not a part of it, for all its looks\n- nor is this one, in the least"
    assert items(text, "Other things") == [_FIRST, _SECOND]
    assert len(items(text)) > 2


def test_a_list_ends_when_no_item_comes_for_long() -> None:
    text = f"It has parts:\n\n{_FIRST}\n{_SECOND}\n\n" + "Some other text that goes on. " * 70 + "\n\n- not a part of it"
    assert items(text) == [_FIRST, _SECOND]


@pytest.mark.parametrize(
    "text",
    [
        "He said: this is a plain sentence of some length. And so is this one, which follows it.",
        "One item only:\n\n- the only item of this list\n\nThen a paragraph of plain text follows.",
        "Nothing follows:",
        "结论：这只是一个普通的句子而已。后面还有另一个句子。",
    ],
)
def test_what_is_no_list_has_no_items(text: str) -> None:
    assert items(text) == []


def test_a_long_list_is_cut_off() -> None:
    text = "It has parts:\n\n" + "\n".join(f"- part number {number}, as long as the others" for number in range(40))
    assert len(items(text)) == 12


# --- selection


@pytest.fixture
def selected(open_library: Callable[..., Library], tmp_path: Path) -> Callable[..., Selection]:
    """Selects from documents given as name=text."""

    def run(question: str, **files: str) -> Selection:
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
        library = open_library()
        library.add(folder)
        return select(question, library.search(question), library.store, library.parts.embedder("hash-64"))

    return run


def test_the_best_sentence_comes_first_and_is_a_span(selected: Callable[..., Selection]) -> None:
    chosen = selected(
        "How often is the generator serviced?",
        station="# Power\n\nThe station has panels on its roof. The generator is serviced every four months. Fuel comes by ship.",
        food="# Food\n\nBread is baked on Monday morning. Fish is caught in the bay by those who like it.",
    )
    assert chosen.found[0].evidence.text == "The generator is serviced every four months."
    assert [one.score for one in chosen.found] == sorted((one.score for one in chosen.found), reverse=True)
    for one in chosen.found:
        text = chosen.documents[one.evidence.document].text
        assert text[one.evidence.start : one.evidence.end] == one.evidence.text
        assert one.evidence.text in one.evidence.context
    assert 0.5 < chosen.coverage < 1.0  # no document says "often"


def test_a_question_that_has_nothing_to_do_with_it_is_weaker(selected: Callable[..., Selection]) -> None:
    text = "# Power\n\nThe station has panels on its roof. The generator is serviced every four months."
    right, wrong = (selected(question, station=text) for question in ("How is the generator serviced?", "Who wrote the second symphony?"))
    assert confidence("How is the generator serviced?", right) > 0.9
    assert confidence("Who wrote the second symphony?", wrong) < 0.1


def test_headings_and_references_answer_nothing(selected: Callable[..., Selection]) -> None:
    chosen = selected(
        "generator service",
        station="# Generator service\n\nThe generator is serviced every four months by Anna.\n\n[12] A. Smith. Generator service.",
    )
    assert [one.evidence.text for one in chosen.found] == ["The generator is serviced every four months by Anna."]


def test_a_list_comes_with_the_sentence_that_announces_it(selected: Callable[..., Selection]) -> None:
    chosen = selected(
        "What are the weaknesses of the station?",
        station=f"# Faults\n\nThe weaknesses of the station are these:\n\n{_FIRST}\n{_SECOND}\n",
    )
    best = chosen.found[0]
    assert best.evidence.text == "The weaknesses of the station are these:"
    assert [item.text for item in best.items] == [_FIRST, _SECOND]
    assert best.all == (best.evidence, *best.items)
    assert not {one.evidence.start for one in chosen.found[1:]} & {item.start for item in best.items}
    text = chosen.documents[best.evidence.document].text
    assert all(text[item.start : item.end] == item.text for item in best.items)


def test_no_hits_say_nothing(open_library: Callable[..., Library]) -> None:
    chosen = select("Anything?", [], open_library().store, EMBEDDER)
    assert (chosen.found, chosen.coverage, chosen.closeness, confidence("Anything?", chosen)) == ((), 0.0, 0.0, 0.0)


def test_the_lead_is_the_best_and_what_is_nearly_as_good() -> None:
    def found(score: float) -> Found:
        return Found(Evidence(1, "d", 0, 1, "x", EMBEDDER.embed(["x"])[0]), score)

    assert lead([]) == []
    scores = [1.0, 0.9, 0.84, 0.83]
    assert [one.score for one in lead([found(score) for score in scores])] == [1.0, 0.9]
    assert len(lead([found(1.0) for _ in range(9)])) == 3
