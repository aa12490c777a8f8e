"""Questions made about a library: checked, the same for the same seed, some without an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wellread.errors import UsageError
from wellread.evaluate.answers import holds_answer
from wellread.evaluate.cases import read_cases
from wellread.library import Library
from wellread.models.fake import ScriptedChat
from wellread.scoreboard.command import made_text
from wellread.scoreboard.make import check_free, make, write
from wellread.words import words

STATION = Path(__file__).parents[2] / "examples" / "station"


@pytest.fixture
def station(open_library: Any) -> Library:
    library: Library = open_library("station")
    library.add(STATION)
    return library


def test_every_question_has_its_words_in_one_place(station: Library, tmp_path: Path) -> None:
    made = make(station, count=12, share=0.25, seed=3)
    answerable = [case for case in made.cases if case["answerable"]]
    assert len(answerable) == 9
    for case in answerable:
        (span,) = case["spans"]
        assert station.document(span["document"]).text[span["start"] : span["end"]] == span["quote"]
        assert holds_answer(span["quote"], case["answers"]) == 1
    assert len({case["question"] for case in made.cases}) == len(made.cases)
    assert len({case["category"] for case in answerable}) >= 4
    write(made.cases, tmp_path / "made.jsonl")
    task = read_cases(tmp_path / "made.jsonl")
    assert [item.id for item in task.items] == [case["id"] for case in made.cases]
    assert task.items[0].more["spans"] == made.cases[0]["spans"]


def test_the_same_seed_gives_the_same_questions(station: Library) -> None:
    assert make(station, count=8, seed=1) == make(station, count=8, seed=1)
    assert make(station, count=8, seed=1).cases != make(station, count=8, seed=2).cases


def test_what_an_unanswerable_question_is_about_stands_nowhere(station: Library) -> None:
    made = make(station, count=12, share=0.25)
    held = {word for listed in station.documents() for word in words(station.document(listed.id).text)}
    swapped = [case for case in made.cases if not case["answerable"]]
    assert len(swapped) == 3
    for case in swapped:
        assert case["answers"] == []
        assert case["swapped"]["to"] in case["question"]
        assert not set(words(case["swapped"]["to"])) & held
        (origin,) = [other for other in made.cases if other["id"] == case["swapped"]["of"]]
        assert origin["question"] != case["question"]


def test_a_question_that_two_places_answer_is_dropped(open_library: Any, tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    (folder / "one.txt").write_text("The north lighthouse was built in 1884. The keeper is paid by the harbour and not by the town.")
    (folder / "two.txt").write_text("Of all that is here, the lighthouse of the north was built first, in 1884, and it is the tallest.")
    library = open_library("twice")
    library.add(folder / "one.txt")
    assert "When was the north lighthouse built?" in [case["question"] for case in make(library, count=5).cases]
    library.add(folder / "two.txt")
    made = make(library, count=5)
    assert "When was the north lighthouse built?" not in [case["question"] for case in made.cases]
    assert made.dropped["answered in several places"] >= 1


def test_a_model_writes_every_other_question_if_its_answer_is_there(open_library: Any, tmp_path: Path) -> None:
    (tmp_path / "pump.txt").write_text("The old pump in the cellar was replaced by Marta Quist after the flood, and the new one is blue.")
    good = json.dumps({"question": "Which colour has the new pump in the cellar?", "answer": "blue"})
    library = open_library("pump")
    library.add(tmp_path / "pump.txt")
    made = make(library, count=1, share=0, model=ScriptedChat([good]))
    (case,) = made.cases
    assert (case["question"], case["answers"], case["category"]) == ("Which colour has the new pump in the cellar?", ["blue"], "written")
    assert "the new one is blue" in case["spans"][0]["quote"]
    for bad in ("I cannot.", good.replace('"blue"', '"green"'), good.replace("Which", "According to this passage, which")):
        assert not any(case["category"] == "written" for case in make(library, count=1, share=0, model=ScriptedChat([bad])).cases)


def test_what_could_not_be_made_is_told(open_library: Any, tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("Die Pumpe liefert 160 Liter in der Stunde und wird jeden Abend gespült. " * 3)
    library = open_library("de")
    with pytest.raises(UsageError, match="is empty"):
        make(library)
    library.add(tmp_path / "de.txt")
    made = make(library, count=3)
    assert (made.cases, made.foreign) == ((), 1)
    told = made_text(made, "questions.jsonl", 3)
    assert "3 were wanted" in told
    assert "neither in English nor in Chinese" in told
    for given in ({"count": 0}, {"share": 1.0}, {"share": -0.1}):
        with pytest.raises(UsageError, match="cannot be made"):
            make(library, **given)


def test_a_file_that_may_have_been_edited_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    check_free(path, overwrite=False)
    path.write_text("{}")
    with pytest.raises(UsageError, match="there already"):
        check_free(path, overwrite=False)
    check_free(path, overwrite=True)
    with pytest.raises(UsageError, match="no folder"):
        check_free(tmp_path / "none" / "questions.jsonl", overwrite=False)
