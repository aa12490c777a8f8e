"""Each recipe reads the layouts people have, puts the usual prompt, and scores as its paper does."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from wellread.errors import UsageError
from wellread.evaluate.examinee import Examinee, LogLikelihood, Outcome
from wellread.evaluate.recipes import RECIPES, tasks_of
from wellread.evaluate.run import examine
from wellread.evaluate.task import Item, Task, prompt

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def put(task: Task, item: Item | None = None) -> str:
    item = item or task.items[0]
    return prompt(task, item.before, item.shots, item.question)


def means(task: Task, examinee: Examinee, out: Path) -> dict[str, float]:
    return {name: round(score.mean, 4) for name, score in examine([task], examinee, out).results.tasks[task.name].scores.items()}


def says(answer: Callable[[str], str]) -> Examinee:
    return Examinee("e", lambda ask: answer(ask.prompt))


def test_mmlu_of_the_authors_and_of_the_hub_is_one_task(tmp_path: Path) -> None:
    questions = [
        ("What is 2+2?", ["3", "4", "5", "6"], 1),
        ("Who, then?", ["a", "b, c", 'd "e"', "f"], 2),
        ("Last?", ["1", "2", "3", "4"], 0),
    ]
    for split, some in (("dev", questions[:2]), ("test", questions[2:])):
        (tmp_path / "csv" / split).mkdir(parents=True)
        with (tmp_path / "csv" / split / f"abstract_algebra_{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([text, *choices, "ABCD"[answer]] for text, choices, answer in some)
        rows: list[dict[str, object]] = [
            {"subject": "abstract_algebra", "question": text, "choices": choices, "answer": answer} for text, choices, answer in some
        ]
        write(tmp_path / "hub" / f"{split}.jsonl", rows)
    (one,), (other,) = tasks_of("mmlu", tmp_path / "csv"), tasks_of("mmlu", tmp_path / "hub")
    assert (
        put(one)
        == put(other)
        == (
            "The following are multiple choice questions (with answers) about abstract algebra.\n\n"
            "What is 2+2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer: B\n\n"
            'Who, then?\nA. a\nB. b, c\nC. d "e"\nD. f\nAnswer: C\n\n'
            "Last?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
        )
    )
    assert one.items[0].answers == ("A",)
    assert any("2 examples instead of 5" in note for note in one.notes)
    assert means(one, says(lambda text: "A"), tmp_path / "out") == {"acc": 1}


def test_gsm8k_takes_the_number_strictly_or_not(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": f"{n}?", "answer": f"So it is {n},000.\n#### {n},000"} for n in range(1, 9)]
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows[:6])).encode()))
    write(tmp_path / "test.jsonl", rows[6:])
    (task,) = tasks_of("gsm8k", tmp_path, shots=1)
    assert put(task) == "Question: 1?\nAnswer: So it is 1,000.\n#### 1,000\n\nQuestion: 7?\nAnswer:"
    said = {"7?": "7 * 1000\n#### 7000\n\nQuestion: more? #### 8", "8?": "It is $8,000."}
    examinee = says(lambda text: next(answer for question, answer in said.items() if f"Question: {question}" in text))
    assert means(task, examinee, tmp_path / "out") == {"exact_match,strict-match": 0.5, "exact_match,flexible-extract": 1}
    (alone,) = tasks_of("gsm8k", tmp_path / "train.jsonl.gz")
    assert [item.question for item in alone.items] == ["Question: 6?\nAnswer:"]
    assert len(alone.items[0].shots) == 5


@needs_data
def test_bbh_reasons_as_in_its_worked_examples(tmp_path: Path) -> None:
    (tmp_path / "cot-prompts").symlink_to(DATA / "bbh" / "cot-prompts")
    examples = [{"input": "Question: Ann lies. Bob says Ann lies. Does Bob tell the truth?", "target": "Yes"}] * 2
    (tmp_path / "bbh").mkdir()
    (tmp_path / "bbh" / "web_of_lies.json").write_text(json.dumps({"canary": "x", "examples": examples}))
    (task,) = tasks_of("bbh", tmp_path)
    text = put(task)
    assert text.startswith("Evaluate a random boolean function expressed as a word problem.\n\nQ: Question: Fidel tells the truth.")
    assert text.count("A: Let's think step by step.\n") == 4
    assert "So the answer is No.\n\nQ: Question: Ann lies." in text
    for answer, right in (("(1) Ann lies. So the answer is Yes.", 1), ("So the answer is Yes", 1), ("the answer is No.", 0), ("Yes", 0)):
        assert means(task, says(lambda text, answer=answer: answer), tmp_path / answer[:20]) == {"exact_match,get-answer": right}  # type: ignore[misc]


def test_arc_in_three_layouts_is_one_task(tmp_path: Path) -> None:
    texts, labels = ["ice", "steam", "sand"], ["A", "B", "C"]
    stem = "Which is hot?"
    layouts: list[dict[str, object]] = [
        {
            "id": "q",
            "question": {"stem": stem, "choices": [{"text": t, "label": x} for t, x in zip(texts, labels, strict=True)]},
            "answerKey": "B",
        },
        {"id": "q", "question": stem, "choices": {"text": texts, "label": labels}, "answerKey": "B"},
        {"id": "q", "question": stem, "choices": texts, "answer": 1},
    ]
    tasks = [tasks_of("arc", write(tmp_path / f"{n}" / "ARC-Challenge-Test.jsonl", [row]).parent)[0] for n, row in enumerate(layouts)]
    assert {(put(task), task.items[0].choices, task.items[0].right) for task in tasks} == {
        ("Question: Which is hot?\nAnswer:", ("ice", "steam", "sand"), (1,))
    }
    assert len({(task.data, task.template_hash()) for task in tasks}) == 1


def test_truthfulqa_with_one_and_with_several_right_answers(tmp_path: Path) -> None:
    targets = {"mc1_targets": {"t": 1, "f": 0}, "mc2_targets": {"t": 1, "u": 1, "f": 0}}
    authors = tmp_path / "mc_task.json"
    authors.write_text(json.dumps([{"question": "Is it?", **targets}] * 2))
    hub = [
        {"question": "Is it?", **{name: {"choices": list(one), "labels": list(one.values())} for name, one in targets.items()}}
        for _ in range(2)
    ]
    tasks, others = tasks_of("truthfulqa", authors), tasks_of("truthfulqa", write(tmp_path / "hub.jsonl", list(hub)))
    assert [task.data for task in tasks] == [task.data for task in others]
    likely = {" t": 0.2, " u": 0.3, " f": 0.5}

    def likelihood(before: str, text: str) -> LogLikelihood:
        assert before.endswith("The 1992 Olympics were held in Barcelona, Spain.\n\nQ: Is it?\nA:")
        return LogLikelihood(math.log(likely[text]))

    examinee = Examinee("lm", lambda ask: Outcome(""), likelihood)
    found = examine(tasks, examinee, tmp_path / "out").results.tasks
    assert found["truthfulqa_mc1"].scores["acc"].mean == 0
    assert found["truthfulqa_mc2"].scores["mc2"].mean == pytest.approx(0.5)
    letters = examine(tasks, says(lambda text: "A"), tmp_path / "letters").results.tasks
    assert letters["truthfulqa_mc2"].not_judged == {"mc2": 2}


def test_squad_of_the_authors_and_in_rows_is_scored_with_refusals(tmp_path: Path) -> None:
    asked = [
        {"id": "1", "question": "Where?", "answers": [{"text": "in Paris", "answer_start": 0}, {"text": "Paris", "answer_start": 3}]},
        {"id": "2", "question": "When?", "answers": [], "is_impossible": True},
        {"id": "3", "question": "Who?", "answers": [], "is_impossible": True},
    ]
    article = {"title": "T", "paragraphs": [{"context": "It is in Paris.", "qas": asked}]}
    (tmp_path / "dev-v2.0.json").write_text(json.dumps({"version": "v2.0", "data": [article]}))
    (task,) = tasks_of("squad", tmp_path)
    assert task.name == "squad_v2"
    assert put(task).endswith("Title: T\n\nBackground: It is in Paris.\n\nQuestion: Where?\n\nAnswer:")
    rows: list[dict[str, object]] = []
    for number, texts in (("1", ["in Paris", "Paris"]), ("2", []), ("3", [])):
        question = asked[int(number) - 1]["question"]
        rows.append({"id": number, "title": "T", "context": "It is in Paris.", "question": question, "answers": {"text": texts}})
    (other,) = tasks_of("squad", write(tmp_path / "rows.jsonl", rows))
    assert (other.items, other.data) == (task.items, task.data)
    said = {"Where?": "the paris", "When?": " Unanswerable.", "Who?": "Paris"}
    examinee = says(lambda text: next(answer for question, answer in said.items() if question in text))
    assert means(task, examinee, tmp_path / "out") == {"exact": 0.6667, "f1": 0.6667, "false_refusal": 0, "false_answer": 0.5}


WORDS = {"word": "bank", "sentence1": "The banks lend.", "sentence2": "River bank.", "start1": 4, "end1": 9, "label": False}
FALL = {"premise": "He fell.", "choice1": "He hurt.", "choice2": "It rained.", "question": "cause", "label": 1}


@pytest.mark.parametrize(
    ("name", "file", "lines", "question", "right"),
    [
        (
            "sst2",
            "dev.tsv",
            ["sentence\tlabel", 'a "fine film\t1'],
            'a "fine film\nQuestion: Is this sentence positive or negative?',
            "positive",
        ),
        ("cola", "dev.tsv", ["gj04\t0\t*\tHim goes."], "Him goes.\nQuestion: Does this sentence make sense?", "no"),
        (
            "rte",
            "dev.tsv",
            ["index\tsentence1\tsentence2\tlabel", "0\tA b.\tC d.\tnot_entailment"],
            "A b.\nQuestion: C d. True or False?",
            "False",
        ),
        (
            "mrpc",
            "dev.tsv",
            ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t1\t2\tOne\tTwo"],
            "Sentence 1: One\nSentence 2: Two\nQuestion: Do both sentences mean the same thing?",
            "yes",
        ),
        (
            "mnli",
            "dev_matched.tsv",
            ["index\tsentence1\tsentence2\tgold_label", "0\tA.\tB\tneutral"],
            "A.\nQuestion: B. True, False or Neither?",
            "Neither",
        ),
        ("boolq", "val.jsonl", ['{"question": "is it", "passage": "It is.", "label": true}'], "It is.\nQuestion: is it?", "yes"),
        ("copa", "val.jsonl", [json.dumps(FALL)], "He fell because", "it rained."),
        (
            "wic",
            "val.jsonl",
            [json.dumps(WORDS)],
            "Sentence 1: The banks lend.\nSentence 2: River bank.\n"
            "Question: Is the word 'banks' used in the same way in the two sentences above?",
            "no",
        ),
    ],
)
def test_shapes_of_glue(name: str, file: str, lines: list[str], question: str, right: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text("\n".join(lines) + "\n")
    (task,) = tasks_of(name, tmp_path)
    assert task.items[0].question == question + ("" if name == "copa" else "\nAnswer:")
    assert task.items[0].answers == (right,)


@needs_data
@pytest.mark.parametrize(("name", "folder", "count"), [("mmlu", "mmlu", 500), ("arc", "arc_challenge", 294), ("sst2", "sst2", 872)])
def test_real_copies(name: str, folder: str, count: int) -> None:
    (task,) = tasks_of(name, DATA / folder)
    assert len(task.items) == count
    assert all(item.answers and set(item.answers) <= set(item.choices) for item in task.items)
    assert "arxiv.org" in task.source


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='did you mean "gsm8k"'):
        tasks_of("gsm8", tmp_path)
    for name in RECIPES:
        with pytest.raises(UsageError, match="was not found in"):
            tasks_of(name, tmp_path)
    (tmp_path / "test.tsv").write_text("sentence\tlabel\nx\t-1\n")
    with pytest.raises(UsageError, match="kept back"):
        tasks_of("sst2", tmp_path)
    with pytest.raises(UsageError, match="has no column question"):
        tasks_of("boolq", write(tmp_path / "val.jsonl", [{"passage": "a", "label": True}]))
