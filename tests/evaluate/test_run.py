"""A run asks every item once, whatever happens on the way, and says exactly what it could not judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wellread.errors import UsageError, WellreadError
from wellread.evaluate.cases import read_cases
from wellread.evaluate.examinee import Ask, Examinee, LogLikelihood, Outcome, from_chat
from wellread.evaluate.results import read_results
from wellread.evaluate.run import examine
from wellread.evaluate.sample import read_samples
from wellread.evaluate.task import Item, Task
from wellread.models.fake import ScriptedChat


def cases(folder: Path, rows: list[dict[str, object]], name: str = "cases") -> Task:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_cases(path)


def numbers(folder: Path, count: int) -> Task:
    return cases(folder, [{"question": f"What is {n}?", "answers": [str(n)], "category": "odd" if n % 2 else "even"} for n in range(count)])


def knowing(right: Callable[[int], bool], asked: list[str], *, name: str = "one") -> Examinee:
    def answer(ask: Ask) -> str:
        asked.append(ask.prompt)
        number = int(ask.prompt.split()[-1].rstrip("?"))
        return str(number) if right(number) else "no idea"

    return Examinee(name, answer)


def choosing(text: str) -> Examinee:
    return Examinee("chooser", lambda ask: text)


def test_scores_and_categories(tmp_path: Path) -> None:
    done = examine([numbers(tmp_path, 20)], knowing(lambda n: n % 4 == 0, []), tmp_path / "out").results.tasks["cases"]
    score = done.scores["answer_match"]
    assert (score.mean, score.n, done.n, done.errors) == (0.25, 20, 20, 0)
    assert score.low < 0.25 < score.high
    assert {name: found.mean for name, found in done.categories.items()} == {"even": 0.5, "odd": 0}


def test_a_few_right_answers_are_no_certainty(tmp_path: Path) -> None:
    score = examine([numbers(tmp_path, 5)], knowing(lambda n: True, []), tmp_path / "out").results.tasks["cases"].scores["answer_match"]
    assert (score.mean, score.low, score.high) == (1, pytest.approx(0.478, abs=0.001), 1)


@pytest.mark.parametrize("killed_at", [0, 1, 7, 19])
@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_run_goes_on_and_ends_like_one_that_was_not(killed_at: int, torn: bool, tmp_path: Path) -> None:
    task, asked = numbers(tmp_path, 20), list[str]()
    whole = examine([task], knowing(lambda n: n % 3 == 0, []), tmp_path / "whole")
    out = tmp_path / "out"
    good = knowing(lambda n: n % 3 == 0, asked)

    def dying(ask: Ask) -> Outcome | str:
        if len(asked) == killed_at:
            raise KeyboardInterrupt
        return good.generate(ask)

    with pytest.raises(KeyboardInterrupt):
        examine([task], replace(good, generate=dying), out)
    if torn and killed_at:
        file = out / "samples.jsonl"
        file.write_bytes(file.read_bytes()[:-5])
    asked.clear()
    done = examine([task], good, out)
    assert len(asked) == 20 - killed_at + (torn and killed_at > 0)
    assert done.results.tasks["cases"].scores == whole.results.tasks["cases"].scores
    assert [replace(one, seconds=0) for one in read_samples(out)] == [replace(one, seconds=0) for one in whole.samples]
    asked.clear()
    examine([task], good, out)
    assert not asked


def test_what_is_asked_otherwise_is_asked_again(tmp_path: Path) -> None:
    task, asked = numbers(tmp_path, 3), list[str]()
    examinee = knowing(lambda n: True, asked)
    for changed in (examinee, replace(examinee, digest="sha256:2"), replace(examinee, settings={"k": 1})):
        asked.clear()
        examine([task], changed, tmp_path / "out")
        assert len(asked) == 3
    asked.clear()
    examine([replace(task, max_tokens=9)], changed, tmp_path / "out")
    assert len(asked) == 3


def test_errors_are_kept_and_tried_again(tmp_path: Path) -> None:
    task = numbers(tmp_path, 4)

    def failing(ask: Ask) -> str:
        if "2" in ask.prompt:
            raise WellreadError("the engine stopped.")
        if "3" in ask.prompt:
            raise ZeroDivisionError("division by zero")
        return "0"

    done = examine([task], Examinee("one", failing), tmp_path / "out")
    assert [sample.error for sample in done.samples] == [None, None, "the engine stopped.", "ZeroDivisionError: division by zero"]
    found = done.results.tasks["cases"]
    assert (found.errors, found.scores["answer_match"].n, found.scores["answer_match"].mean) == (2, 2, 0.5)
    assert found.not_judged == {"answer_match": 2, "token_f1": 2}
    again = examine([task], knowing(lambda n: True, asked := []), tmp_path / "out")
    assert len(asked) == 2
    assert again.results.tasks["cases"].errors == 0


def test_an_outcome_may_say_more(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"question": "a", "answers": ["x"], "answerable": True, "spans": [[0, 4]]},
        {"question": "b", "answerable": False, "spans": []},
        {"question": "c", "answerable": False, "spans": []},
    ]
    said = {
        "a": Outcome("x", confidence=0.9, refused=False, scores={"citation_recall": 0.5}, more={"cited": [[0, 4]]}),
        "b": Outcome("", confidence=0.1, refused=True),
        "c": Outcome("y", confidence=0.3, refused=False),
    }

    def cited(item: Item, outcome: Outcome) -> float | None:
        return float(outcome.more.get("cited") == item.more["spans"]) if item.answerable else None

    for _ in range(2):  # the second time from what was kept
        done = examine([cases(tmp_path, rows)], Examinee("rag", lambda ask: said[ask.question]), tmp_path / "out", scorers={"cited": cited})
        found = done.results.tasks["cases"].scores
        assert {name: (score.mean, score.n) for name, score in found.items()} == {
            "answer_match": (pytest.approx(2 / 3), 3),
            "token_f1": (pytest.approx(2 / 3), 3),
            "false_refusal": (0, 1),
            "false_answer": (0.5, 2),
            "citation_recall": (0.5, 1),
            "cited": (1, 1),
        }
        assert [(one.right, one.confidence) for one in done.samples] == [(1, 0.9), (1, 0.1), (0, 0.3)]


CHOICES: list[dict[str, object]] = [
    {"question": "Which is red?", "choices": ["sky", "blood", "grass"], "answer_index": 1},
    {"question": "Which is green?", "choices": ["sky", "blood", "grass"], "answer_index": 2},
]


@pytest.mark.parametrize(
    ("text", "right"),
    [("B", 0.5), (" C.", 0.5), ("(B) blood", 0.5), ("The answer is C", 0.5), ("blood", 0.5), ("It must be grass.", 0.5), ("A", 0.0),
     ("Z", 0.0), ("blood or grass", 0.0), ("A red thing is blood", 0.5), ("Both", 0.0), ("**B**", 0.5), ("Answer: C", 0.5)],
)  # fmt: skip
def test_who_cannot_tell_likelihoods_is_asked_for_a_letter(text: str, right: float, tmp_path: Path) -> None:
    done = examine([cases(tmp_path, CHOICES)], choosing(text), tmp_path / "out")
    found = done.results.tasks["cases"]
    assert done.samples[0].prompt.endswith("Which is red?\nA. sky\nB. blood\nC. grass\nAnswer:")
    assert found.asked == "letter"
    assert found.scores["acc"].mean == right
    assert found.not_judged == {"acc_norm": 2}
    assert any("by letter" in note for note in found.notes)


def test_the_right_choice_being_always_the_first_helps_nobody(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"{n}?", "choices": [f"{n}a", f"{n}b", f"{n}c", f"{n}d"], "answer_index": 0} for n in range(80)
    ]
    done = examine([cases(tmp_path, rows)], choosing("A"), tmp_path / "out")
    assert 0.1 < done.results.tasks["cases"].scores["acc"].mean < 0.45


def test_likelihoods_choose_and_say_how_sure(tmp_path: Path) -> None:
    def likelihood(prompt: str, text: str) -> LogLikelihood:
        return LogLikelihood({" sky": -4.0, " blood": -1.0, " grass": -3.0}[text])

    done = examine([cases(tmp_path, CHOICES)], Examinee("lm", lambda ask: "", likelihood), tmp_path / "out")
    assert done.results.tasks["cases"].scores["acc"].mean == 0.5
    assert done.samples[0].answer == "blood"
    assert done.samples[0].confidence == pytest.approx(1 / (1 + 2.718281828**-3 + 2.718281828**-2), abs=1e-6)


def test_a_chat_model_is_examined_and_its_tokens_counted(tmp_path: Path) -> None:
    chat = ScriptedChat(["the answer is 0", "1"])
    done = examine([numbers(tmp_path, 2)], from_chat(chat), tmp_path / "out")
    found = done.results.tasks["cases"]
    assert (found.scores["answer_match"].mean, found.prompt_tokens_per_item, found.completion_tokens_per_item) == (0.5, 4, 2.5)
    assert chat.asked[0][0].content == "What is 0?"


def test_a_short_run_sees_all_categories(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": f"What is {n}?", "answers": ["a"], "category": "abc"[n // 10]} for n in range(30)]
    done = examine([cases(tmp_path, rows)], choosing("a"), tmp_path / "out", limit=6)
    assert [sample.id for sample in done.samples] == ["1", "2", "11", "12", "21", "22"]


def test_results_come_back_as_they_were_and_mistakes_are_told(tmp_path: Path) -> None:
    task = numbers(tmp_path, 3)
    out = tmp_path / "out"
    done = examine([task], choosing("1"), out)
    assert read_results(out) == done.results
    with pytest.raises(UsageError, match="holds the results of chooser"):
        examine([task], knowing(lambda n: True, []), out)
    with pytest.raises(UsageError, match="two tasks are called cases"):
        examine([task, task], choosing("1"), out)
    with pytest.raises(WellreadError, match="no results"):
        read_results(tmp_path)
    (out / "samples.jsonl").write_text('{"nothing": 1}\n')
    with pytest.raises(WellreadError, match="line 1 cannot be understood"):
        read_samples(out)
    (out / "results.json").write_text('{"format": 1}')
    with pytest.raises(WellreadError, match="no results that can be understood"):
        read_results(out)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": ""}, "case 1 has no question"),
        ({"question": "a"}, "does not say what is right"),
        ({"question": "a", "choices": ["x"], "answer_index": 1}, "none of the choices"),
        ({"question": "a", "answers": ["b"], "answerable": "maybe"}, "true or false"),
    ],
)
def test_cases_that_cannot_be_asked(row: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        cases(tmp_path, [row])
