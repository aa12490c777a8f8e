"""Documents into chunks that are spans."""

from __future__ import annotations

import hashlib
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.split import CHUNK_CHARS, contexts, split
from wellread.types import Document, Page, Region, Section

WORDS = ("Word ", "word. ", "x" * 45 + " ", "检索增强生成。", "模型" * 20, "end:\n", "- item\n", "?!  ", "    indented()\n")
PIECES = (*WORDS, "\n", "\n\n", "\n \n", "\t", "\u3000")
BODY = st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text(max_size=80))


def document(
    text: str,
    *,
    pages: tuple[Page, ...] = (),
    sections: tuple[Section, ...] = (),
    regions: tuple[Region, ...] = (),
) -> Document:
    return Document(hashlib.sha256(text.encode()).hexdigest(), "a.txt", "a", "text/plain", text, pages, sections, (), regions)


def chunks(text: str, **made_of: object) -> list[str]:
    return [text[span.start : span.end] for span in split(document(text, **made_of))]  # type: ignore[arg-type]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text, perhaps as pages, with headings and regions anywhere."""
    bodies = draw(st.lists(BODY, min_size=1, max_size=4))
    text, pages = "", []
    for at, body in enumerate(bodies):
        body = body.replace("\f", " ")
        text += "\f" * (at > 0)
        pages.append(Page(at, str(at + 1), len(text), len(text) + len(body)))
        text += body
    offsets = st.integers(0, max(len(text) - 1, 0))
    starts = sorted(draw(st.sets(offsets, max_size=4))) if text else []
    sections = [Section(draw(st.integers(1, 3)), f"h{at}", at, end) for at, end in pairwise([*starts, len(text)])]
    edges = sorted(draw(st.sets(offsets, max_size=8))) if text else []
    kinds = st.sampled_from(["table", "code", "ocr"])
    regions = [Region(start, end, draw(kinds)) for start, end in pairwise(edges) if draw(st.booleans())]
    return document(text, pages=tuple(pages) if draw(st.booleans()) else (), sections=tuple(sections), regions=tuple(regions))


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
def test_no_chunk_crosses_a_page_or_a_heading_with_text_of_its_own(document: Document, limit: int) -> None:
    for span in split(document, chunk_chars=limit):
        if span.section is None:
            assert all(section.start >= span.end for section in document.sections)
        else:
            assert document.sections[span.section].start < span.end
            assert all(section.start >= span.end for section in document.sections[span.section + 1 :])
            for upper, lower in pairwise(document.sections[: span.section + 1]):
                if span.start < lower.start:  # the chunk began with the line of a heading above
                    assert "\n" not in document.text[max(upper.start, span.start) : lower.start].strip()
                    assert upper.level < lower.level
        if span.page is not None:
            page = document.pages[span.page]
            assert page.start <= span.start < span.end <= page.end
        else:
            assert not document.pages


@given(documents(), st.integers(20, 200))
def test_a_row_is_in_one_chunk_unless_it_is_too_long_for_any(document: Document, limit: int) -> None:
    spans = split(document, chunk_chars=limit)
    cuts = {span.end for span in spans} | {span.start for span in spans}
    breaks = {section.start for section in document.sections} | {page.start for page in document.pages}
    for region in document.regions:
        if region.kind != "table":
            continue
        for row in re.finditer(r"[^\n\f]+", document.text[region.start : region.end]):
            start, end = region.start + row.start(), region.start + row.end()
            if end - start <= limit and not any(start < at < end for at in breaks) and row.group().strip():
                trimmed = range(start + len(row.group()) - len(row.group().lstrip()) + 1, start + len(row.group().rstrip()))
                assert not cuts.intersection(trimmed)


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
    spans = split(document(text, regions=(Region(0, len(text), "code"),)))
    assert len(spans) > 3
    assert {span.kind for span in spans} == {"code"}
    assert [line for span in spans for line in text[span.start : span.end].split("\n")] == text.split("\n")
    assert {span.kind for span in split(document(text))} == {"text"}


def table(rows: int) -> tuple[str, Region]:
    text = "+----+\nname | size | food\n" + "\n".join(f"animal number {row} | {row} kg | grass. And leaves." for row in range(rows))
    return text, Region(0, len(text), "table")


def test_a_table_is_cut_between_rows_and_each_part_is_told_its_header() -> None:
    text, region = table(100)
    made = document(text, sections=(Section(1, "Animals", 0, len(text)),), regions=(region,))
    spans = split(made)
    assert len(spans) > 5
    assert [line for span in spans for line in text[span.start : span.end].split("\n")] == text.split("\n")
    assert contexts(made, spans) == ["Animals\n", *["Animals\nname | size | food\n"] * (len(spans) - 1)]


def test_a_table_takes_its_heading_and_caption_along_and_no_other_prose() -> None:
    rows, _ = table(40)
    prose = "This sentence says a thing. " * 6
    before = f"{prose.strip()}\n\nAnimals\n\nTable 1. What they eat.\n\n"
    text = f"{before}{rows}\n\nShort end."
    at = len(before)
    made = document(
        text, sections=(Section(1, "Animals", text.index("Animals"), len(text)),), regions=(Region(at, at + len(rows), "table"),)
    )
    spans = split(made)
    assert text[spans[1].start : spans[1].end].startswith("Animals\n\nTable 1. What they eat.\n\n+----+\nname |")
    assert [span.kind for span in spans] == ["text", *["table"] * (len(spans) - 2), "text"]
    assert contexts(made, spans)[:2] == ["", "Animals\n"]
    assert contexts(made, spans)[-1] == "Animals\n"


def test_the_lines_of_a_picture_are_read_as_prose() -> None:
    lines = ["A first line of a page that", "was scanned. A second", "sentence, and a third."]
    text = "Typed.\n\n" + "\n".join(lines)
    regions = tuple(Region(text.index(line), text.index(line) + len(line), "ocr", (0, 0, 9, 9)) for line in lines)
    spans = split(document(text, regions=regions), chunk_chars=60)
    assert [(text[span.start : span.end], span.kind) for span in spans] == [
        ("Typed.", "text"),
        ("A first line of a page that\nwas scanned.", "ocr"),
        ("A second\nsentence, and a third.", "ocr"),
    ]


def test_a_heading_without_text_goes_with_what_is_below_it() -> None:
    long = ("This sentence says a thing. " * 30).strip()
    text = f"# Top\n\n## Under\n\n### Deep\n\n{long}\n\n## Next\n\nText.\n\n# Lonely"
    starts = [text.index(mark) for mark in ("# Top", "## Under", "### Deep", "## Next", "# Lonely")]
    titles = ["Top", "Under", "Deep", "Next", "Lonely"]
    sections = [Section(*known, len(text)) for known in zip((1, 2, 3, 2, 1), titles, starts, strict=True)]
    spans = split(document(text, sections=tuple(sections)))
    assert text[spans[0].start : spans[0].end].startswith("# Top\n\n## Under\n\n### Deep\n\nThis sentence")
    assert [span.section for span in spans] == [2, 2, 3, 4]


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


@pytest.mark.parametrize(
    "unit",
    ["Words of a line without an end ", "no_space_at_all,", "检", "Short. ", "a\n", "\n\n", " \n", "x" + " " * 90],
    ids=["words", "marks", "han", "sentences", "lines", "blank", "space", "gaps"],
)
@pytest.mark.parametrize("kind", ["text", "table", "code"])
def test_the_time_grows_with_the_length(unit: str, kind: str) -> None:
    def took(length: int) -> float:
        text = unit * (length // len(unit))
        made = document(text, regions=(Region(0, len(text), kind),))
        began = time.process_time()
        split(made)
        return time.process_time() - began

    small = took(100_000)
    assert took(800_000) < 40 * max(small, 0.005)
