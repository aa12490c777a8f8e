"""Documents into chunks that are spans."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.split import CHUNK_CHARS, split
from wellread.types import Document, Page, Section

WORDS = ("Word ", "word. ", "x" * 45 + " ", "检索增强生成。", "模型" * 20, "end:\n", "- item\n", "?!  ", "    indented()\n")
PIECES = (*WORDS, "\n", "\n\n", "\n \n", "\t", "\u3000")
BODY = st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text(max_size=80))


def document(text: str, *, media_type: str = "text/plain", pages: tuple[Page, ...] = (), sections: tuple[Section, ...] = ()) -> Document:
    return Document(hashlib.sha256(text.encode()).hexdigest(), "a.txt", "a", media_type, text, pages, sections)


def chunks(text: str, **made_of: object) -> list[str]:
    return [text[span.start : span.end] for span in split(document(text, **made_of))]  # type: ignore[arg-type]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text, perhaps as pages, with headings anywhere."""
    bodies = draw(st.lists(BODY, min_size=1, max_size=4))
    text, pages = "", []
    for at, body in enumerate(bodies):
        body = body.replace("\f", " ")
        text += "\f" * (at > 0)
        pages.append(Page(at, str(at + 1), len(text), len(text) + len(body)))
        text += body
    starts = sorted(draw(st.sets(st.integers(0, max(len(text) - 1, 0)), max_size=4))) if text else []
    sections = [Section(1, f"h{at}", at, end) for at, end in pairwise([*starts, len(text)])]
    return document(
        text,
        media_type=draw(st.sampled_from(["text/plain", "text/x-python"])),
        pages=tuple(pages) if draw(st.booleans()) else (),
        sections=tuple(sections),
    )


@given(documents(), st.integers(20, 200))
def test_chunks_are_spans_that_hold_every_character_once(document: Document, limit: int) -> None:
    """White space between chunks is in none of them, and nothing else is left out."""
    text, at = document.text, 0
    for span in split(document, chunk_chars=limit):
        assert at <= span.start < span.end <= len(text)
        assert not text[at : span.start].strip()
        assert span.end - span.start <= limit
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        at = span.end
    assert not text[at:].strip()


@given(documents(), st.integers(20, 200))
def test_no_chunk_crosses_a_heading_or_a_page(document: Document, limit: int) -> None:
    for span in split(document, chunk_chars=limit):
        assert not any(span.start < section.start < span.end for section in document.sections)
        if span.section is None:
            assert all(section.start > span.start for section in document.sections)
        else:
            assert document.sections[span.section].start <= span.start
            assert all(section.start > span.start for section in document.sections[span.section + 1 :])
        if span.page is not None:
            page = document.pages[span.page]
            assert page.start <= span.start < span.end <= page.end
        else:
            assert not document.pages


@given(documents())
def test_the_same_document_gives_the_same_chunks(document: Document) -> None:
    assert split(document) == split(document)


def test_short_paragraphs_are_read_together_and_long_ones_stand_alone() -> None:
    long = "This sentence says a thing. " * 16
    assert chunks("One.\n\nTwo.\n\nThree.") == ["One.\n\nTwo.\n\nThree."]
    assert chunks(f"{long.strip()}\n\n{long.strip()}") == [long.strip()] * 2


def test_what_a_colon_announces_comes_with_it() -> None:
    intro = "The following list was long in the making and it is now complete, as everyone agreed that it should be: " * 3
    items = "- a first item that says a good deal about itself\n- a second item that says as much about itself, and more"
    assert len(intro.strip()) > CHUNK_CHARS // 2 and len(items) > CHUNK_CHARS // 8
    assert len(chunks(f"{intro.strip()}\n\n{items}")) == 1


@pytest.mark.parametrize("sentence", ["This sentence is of a middling length, no more. ", "这句话不长也不短，正好用来测试切分。"])
def test_a_long_paragraph_is_cut_between_sentences_into_parts_of_about_one_length(sentence: str) -> None:
    text = (sentence * 40).strip()
    parts = chunks(text)
    assert len(parts) == -(-len(text) // CHUNK_CHARS)
    assert all(part.endswith((".", "。")) for part in parts)
    assert max(map(len, parts)) - min(map(len, parts)) <= 2 * len(sentence)


def test_a_sentence_too_long_for_a_chunk_is_cut_at_white_space_if_there_is_any() -> None:
    words = " ".join(f"word{number}" for number in range(400))
    assert all(set(part.split()) <= set(words.split()) for part in chunks(words))
    assert "".join(chunks("检" * 1200)) == "检" * 1200
    assert max(map(len, chunks("检" * 1200))) == CHUNK_CHARS


def test_code_is_cut_between_lines_and_says_so() -> None:
    text = "\n".join(f"value_{number} = compute(value_{number - 1}) if number else None  # note" for number in range(60))
    spans = split(document(text, media_type="text/x-python"))
    assert len(spans) > 3
    assert {span.kind for span in spans} == {"code"}
    assert [line for span in spans for line in text[span.start : span.end].split("\n")] == text.split("\n")
    assert {span.kind for span in split(document(text))} == {"text"}


def test_pages_and_headings_are_named() -> None:
    text = "Preface here.\n\nOne\n\nText of one.\fMore of one.\n\nTwo\n\nText of two."
    one, two, break_at = text.index("One"), text.index("Two"), text.index("\f")
    made = document(
        text,
        pages=(Page(0, "i", 0, break_at), Page(1, "1", break_at + 1, len(text))),
        sections=(Section(1, "One", one, two), Section(1, "Two", two, len(text))),
    )
    found = [(text[span.start : span.end], span.page, span.section) for span in split(made)]
    assert found == [
        ("Preface here.", 0, None),
        ("One\n\nText of one.", 0, 0),
        ("More of one.", 1, 0),
        ("Two\n\nText of two.", 1, 1),
    ]


@pytest.mark.parametrize("text", ["", " \n\n\f \t"])
def test_nothing_gives_no_chunk(text: str) -> None:
    assert split(document(text)) == []
