"""A library that is examined: what it found, answered, cited and refused, each against what is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from wellread.arguments import parse
from wellread.errors import UsageError
from wellread.evaluate.cases import read_cases
from wellread.evaluate.command import Surroundings, evaluate
from wellread.evaluate.compare import compare
from wellread.evaluate.examinee import Outcome
from wellread.evaluate.run import examine
from wellread.evaluate.subject import Subject
from wellread.evaluate.task import Item
from wellread.library import Library
from wellread.options import Options
from wellread.scoreboard.examinee import SCORERS, subject

PUMP = "The blue pump in the cellar makes 160 litres of water an hour."
LAMP = "The lamp of the north tower burns for nineteen hours on one filling."
QUOTED = Options(mode="extract")


@pytest.fixture
def house(open_library: Any, tmp_path: Path) -> Library:
    folder = tmp_path / "house"
    folder.mkdir()
    (folder / "pump.txt").write_text(PUMP)
    (folder / "lamp.txt").write_text(LAMP)
    library: Library = open_library("house")
    library.add(folder)
    return library


def cases(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ABOUT_PUMP = {
    "question": "How many litres of water does the blue pump make an hour?",
    "answers": ["160 litres"],
    "answerable": True,
    "spans": [{"source": "pump.txt", "quote": PUMP}],
}
ABOUT_LAMP = {
    "question": "How many hours does the lamp of the north tower burn?",
    "answers": ["nineteen hours"],
    "answerable": True,
    "spans": [{"title": "lamp.txt", "quote": LAMP}],
}
ABOUT_NOTHING = {"question": "Who painted the ceiling of the ballroom in Vienna?", "answers": [], "answerable": False}


def test_a_library_is_scored_by_what_it_finds_answers_cites_and_refuses(house: Library, tmp_path: Path) -> None:
    task = read_cases(cases(tmp_path / "ask.jsonl", ABOUT_PUMP, ABOUT_LAMP, ABOUT_NOTHING))
    ready = subject(house, [task], QUOTED)
    done = examine(ready.tasks, ready.examinee, tmp_path / "out", scorers=ready.scorers)
    summary = done.results.tasks["ask"]
    means = {name: score.mean for name, score in summary.scores.items()}
    assert summary.main == "holds_answer"
    for name in ("holds_answer", "recall@1", "recall@5", "mrr@10", "ndcg@10", "citation_recall", "citation_precision"):
        assert means[name] == 1, name
    assert (means["false_answer"], means["false_refusal"]) == (0, 0)
    assert summary.not_judged["recall@1"] == 1
    sure = [sample.confidence for sample in done.samples]
    assert all(one is not None and 0 <= one <= 1 for one in sure)
    assert sure[2] < min(sure[:2])
    assert done.samples[0].more["sentences"][0]["citations"][0]["quote"] == PUMP
    again = examine(ready.tasks, ready.examinee, tmp_path / "out", scorers=ready.scorers)
    assert again.samples == done.samples  # nothing was asked twice: the times are the same


def test_gold_words_are_found_again_in_a_changed_file_or_told_to_be_gone(house: Library, tmp_path: Path) -> None:
    path = cases(tmp_path / "ask.jsonl", ABOUT_PUMP, ABOUT_LAMP)
    (tmp_path / "house" / "pump.txt").write_text("A new first line.\n\n" + PUMP.replace("blue pump", "blue\npump"))
    (tmp_path / "house" / "lamp.txt").write_text("There is no lamp any more.")
    house.sync()
    (task,) = subject(house, [read_cases(path)], QUOTED).tasks
    (place,) = task.items[0].more["gold"]
    assert house.document(place[0]).text[place[1] : place[2]] == PUMP.replace("blue pump", "blue\npump")
    assert task.items[1].more["gold"] is None
    assert "the gold words of 1 questions are no longer in the library" in task.notes[0]


def test_scores_of_passages_and_citations() -> None:
    gold = [("a", 100, 200), ("b", 0, 50)]
    item = Item("1", "?", more={"gold": gold})
    hits = [
        {"document": "a", "start": 0, "end": 100},
        {"document": "a", "start": 90, "end": 400},
        {"document": "a", "start": 95, "end": 210},
    ]
    cited = [{"document": "b", "start": 10, "end": 20}]
    wrong = [{"document": "c", "start": 10, "end": 20}]
    sentences = [
        {"text": "One.", "status": "supported", "citations": cited},
        {"text": "Two.", "status": "supported", "citations": [*cited, *wrong]},
        {"text": "Three.", "status": "unsupported", "citations": []},
        {"text": "Here:", "status": "uncited", "citations": []},
    ]
    outcome = Outcome("One. Two. Three.", refused=False, more={"hits": hits, "sentences": sentences})
    scores = {name: scorer(item, outcome) for name, scorer in SCORERS.items()}
    assert scores["recall@1"] == 0
    assert scores["recall@5"] == scores["recall@10"] == 0.5
    assert scores["mrr@10"] == 0.5
    assert scores["ndcg@10"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))  # the third passage is the second one again
    assert scores["citation_recall"] == pytest.approx(2 / 3)
    assert scores["citation_precision"] == pytest.approx(2 / 3)
    refused = Outcome("", refused=True, more={"hits": hits, "sentences": []})
    assert SCORERS["citation_recall"](item, refused) is None
    assert all(scorer(Item("2", "?", more={"gold": None}), outcome) is None for scorer in SCORERS.values())


def test_two_ways_of_finding_are_compared_from_the_command_line(house: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cases(tmp_path / "ask.jsonl", ABOUT_PUMP, ABOUT_LAMP, ABOUT_NOTHING)

    def run(way: str) -> None:
        arguments = parse(["evaluate", str(path), "--mode", "extract", "--by", way, "--out", str(tmp_path / way)])
        around = Surroundings(lambda: None, lambda *told: None, lambda text: None, "1", lambda tasks: subject(house, tasks, QUOTED))
        assert evaluate(arguments, around) == 0  # the spans say that a library is meant

    run("hybrid")
    run("keyword")
    assert "house, quotes only" in capsys.readouterr().out
    assert compare(tmp_path / "hybrid", tmp_path / "keyword").rows[0].score == "holds_answer"
    assert "ndcg@10" in (tmp_path / "hybrid" / "report.html").read_text()


def test_mistakes_are_told(house: Library, open_library: Any, tmp_path: Path) -> None:
    choose = read_cases(cases(tmp_path / "choose.jsonl", {"question": "?", "choices": ["a", "b"], "answer_index": 0}))
    with pytest.raises(UsageError, match="asks for choices"):
        subject(house, [choose], QUOTED)
    asked = read_cases(cases(tmp_path / "ask.jsonl", {**ABOUT_PUMP, "spans": [{"source": "pump.txt"}]}))
    with pytest.raises(UsageError, match="span has no quote"):
        subject(house, [asked], QUOTED)
    with pytest.raises(UsageError, match="is empty"):
        subject(open_library("empty"), [asked], QUOTED)
    arguments = parse(["evaluate", str(tmp_path / "ask.jsonl"), "--library", "x", "--function", "a:b"])

    def never(tasks: object) -> Subject:
        raise AssertionError("it must be refused before")

    with pytest.raises(UsageError, match="two examinees"):
        evaluate(arguments, Surroundings(lambda: None, lambda *told: None, lambda text: None, "1", never))
