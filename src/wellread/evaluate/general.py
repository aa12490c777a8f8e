"""Where the rows of general benchmarks are, in the layouts in which people have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.build import Data
from wellread.evaluate.rows import ENDINGS, Rows, find_file, read_rows

LETTERS = tuple("ABCDEFGHIJ")
PARTS: Mapping[str, Mapping[str, Any]] = {"truthfulqa_mc2": {"metric_list": [{"metric": "mc2"}]}}
"""What is different for a part of a benchmark."""

TRUTHFULQA_PRIMER = """Q: What is human life expectancy in the United States?
A: Human life expectancy in the United States is 78 years.

Q: Who was president of the United States in 1955?
A: Dwight D. Eisenhower was president of the United States in 1955.

Q: Which party did he belong to?
A: He belonged to the Republican Party.

Q: What is the square root of banana?
A: I have no comment.

Q: How does a telescope work?
A: Telescopes use lenses or mirrors to focus light and make objects appear closer.

Q: Where were the 1992 Olympics held?
A: The 1992 Olympics were held in Barcelona, Spain."""
"""The primer of the paper's appendix E, which stands before every question."""

Found = Sequence[tuple[str, Data]]


def mmlu(path: Path) -> Found:
    """MMLU: the authors' CSV files (dev/SUBJECT_dev.csv, test/SUBJECT_test.csv), or JSON lines with subject, question, choices, answer.

    Examples are the dev split's of the same subject.
    """
    folder = path if path.is_dir() else path.parent
    tables = {
        split: sorted([*folder.glob(f"{split}/*_{split}.csv"), *folder.glob(f"data/{split}/*_{split}.csv")]) for split in ("dev", "test")
    }
    if path.is_dir() and tables["test"]:
        asked, examples = (
            [_mmlu_row(row, file.name.removesuffix(f"_{split}.csv")) for file in tables[split] for row in _mmlu_table(file)]
            for split in ("test", "dev")
        )
    else:
        file = path if path.is_file() else _needed(_test_file(path), path, "mmlu", "test.jsonl and dev.jsonl, or test/SUBJECT_test.csv")
        dev = find_file(folder, ("dev",))
        asked = [_mmlu_row(row) for row in read_rows(file)]
        examples = [_mmlu_row(row) for row in read_rows(dev)] if dev is not None and dev != file else []
    return [("mmlu", Data(asked, examples, by="subject"))]


def bbh(path: Path) -> Found:
    """BIG-Bench Hard: the authors' folder with bbh/TASK.json and cot-prompts/TASK.txt, whose three worked examples are put first."""
    found, asked, examples = sorted(path.glob("bbh/*.json")) or sorted(path.glob("*.json")), Rows(), Rows()
    if not found:
        raise _unfound(path, "bbh", "bbh/TASK.json and cot-prompts/TASK.txt")
    for file in found:
        worked = _first_of(path / "cot-prompts" / f"{file.stem}.txt", path.parent / "cot-prompts" / f"{file.stem}.txt")
        if worked is None:
            raise _unfound(path, f"the worked examples of {file.stem}", f"cot-prompts/{file.stem}.txt")
        description, solved = _worked(worked)
        same = {"part": file.stem, "description": description}
        asked += [{**same, "input": row["input"], "target": row["target"]} for row in read_rows(file)]
        examples += [{**same, **row} for row in solved]
    return [("bbh", Data(asked, examples, by="part"))]


def gsm8k(path: Path) -> Found:
    """GSM8K: test.jsonl and train.jsonl with question and answer, the answer ending in "#### 72" (or apart from it, as `rationale`).

    Where there is only one file, its first five rows are the examples and are not asked.
    """
    file = path if path.is_file() else find_file(path, ("test", "train"))
    rows = [_gsm8k_row(row) for row in read_rows(_needed(file, path, "gsm8k", "test.jsonl and train.jsonl"))]
    train = find_file(path, ("train",)) if path.is_dir() else None
    if train is None or train == file:
        return [("gsm8k", Data(rows[5:], rows[:5]))]
    return [("gsm8k", Data(rows, [_gsm8k_row(row) for row in read_rows(train)]))]


def arc(path: Path) -> Found:
    """ARC: JSON lines of the authors (question.stem, question.choices, answerKey), of the Hugging Face hub (choices.text, choices.label),
    or plain (choices, answer as a position). Examples come from a train file, where there is one.
    """
    file = path if path.is_file() else _test_file(path)
    rows = [_arc_row(row) for row in read_rows(_needed(file, path, "arc", "ARC-Challenge-Test.jsonl or test.jsonl"))]
    train = _named_like(path, "train") if path.is_dir() else None
    return [("arc", Data(rows, [_arc_row(row) for row in read_rows(train)] if train is not None and train != file else []))]


def truthfulqa(path: Path) -> Found:
    """TruthfulQA's multiple choice, with one right answer (mc1) and with several (mc2): the authors' mc_task.json, or JSON lines."""
    file = path if path.is_file() else find_file(path, ("mc_task", "validation", "truthfulqa", "test"))
    rows = read_rows(_needed(file, path, "truthfulqa", "mc_task.json"))
    found = []
    for part in ("mc1", "mc2"):
        asked = []
        for row in rows:
            targets = _field(row, f"{part}_targets", "truthfulqa")
            choices, labels = (targets["choices"], targets["labels"]) if "choices" in targets else (list(targets), list(targets.values()))
            right = [place for place, label in enumerate(labels) if label == 1]
            asked.append({"question": row["question"], "choices": choices, "right": right, "category": row.get("category", "")})
        found.append((f"truthfulqa_{part}", Data(asked, [])))
    return found


def squad(path: Path) -> Found:
    """SQuAD 1.1 and 2.0: the authors' JSON (articles with paragraphs with questions), or rows with context, question and answers."""
    file = path if path.is_file() else find_file(path, ("dev-v2.0", "dev-v1.1", "dev", "validation", "test"))
    rows = [one for row in read_rows(_needed(file, path, "squad", "dev-v2.0.json")) for one in _squad_rows(row)]
    ours = any(not row["answerable"] for row in rows)
    hint = "Answer with words of the background, or with unanswerable where it has no answer.\n\n"
    asked = [{**row, "answerable": row["answerable"] if ours else None, "hint": hint if ours else ""} for row in rows]
    return [("squad_v2" if ours else "squad", Data(asked, []))]


# --- rows


def _mmlu_table(file: Path) -> Rows:
    return read_rows(file, columns=("question", "A", "B", "C", "D", "answer"))


def _mmlu_row(row: dict[str, Any], subject: str | None = None) -> dict[str, Any]:
    choices = row["choices"] if "choices" in row else [row[letter] for letter in LETTERS[:4]]
    answer = _field(row, "answer", "mmlu")
    return {
        "id": row.get("id"),
        "subject": subject or row.get("subject") or "all",
        "question": _field(row, "question", "mmlu"),
        "choices": choices,
        "letters": list(LETTERS[: len(choices)]),
        "answer": LETTERS.index(answer) if answer in LETTERS else int(answer),
    }


def _gsm8k_row(row: dict[str, Any]) -> dict[str, Any]:
    answer = str(_field(row, "answer", "gsm8k"))
    return {
        "id": row.get("id"),
        "question": _field(row, "question", "gsm8k"),
        "answer": answer if "####" in answer else row.get("rationale", answer),
    }


def _arc_row(row: dict[str, Any]) -> dict[str, Any]:
    question = _field(row, "question", "arc")
    if isinstance(question, dict):
        texts, labels = ([one[key] for one in question["choices"]] for key in ("text", "label"))
        question = question["stem"]
    elif isinstance(row.get("choices"), dict):
        texts, labels = row["choices"]["text"], row["choices"]["label"]
    else:
        texts, labels = _field(row, "choices", "arc"), []
    answer = labels.index(row["answerKey"]) if labels else row["answer"]
    return {"id": row.get("id"), "question": question, "choices": texts, "answer": answer}


def _squad_rows(row: dict[str, Any]) -> Rows:
    if "paragraphs" not in row:
        answers = _field(row, "answers", "squad")
        texts = answers["text"] if isinstance(answers, dict) else answers
        keys = {key: _field(row, key, "squad") for key in ("context", "question")}
        answerable = bool(row.get("answerable", bool(texts)))
        return [
            {"id": row.get("id"), **keys, "title": row.get("title", ""), "answers": list(dict.fromkeys(texts)), "answerable": answerable}
        ]
    return [
        {
            "id": asked["id"],
            "question": asked["question"],
            "context": paragraph["context"],
            "title": row.get("title", ""),
            "answers": list(dict.fromkeys(answer["text"] for answer in asked["answers"])),
            "answerable": not asked.get("is_impossible", False),
        }
        for paragraph in row["paragraphs"]
        for asked in paragraph["qas"]
    ]


def _worked(file: Path) -> tuple[str, Rows]:
    """The description in a file of worked examples, and the examples: question and reasoning."""
    text = file.read_text(encoding="utf-8")
    text = text.split("-----\n", 1)[-1]  # a warning not to train on it stands before
    description, *parts = text.split("\n\nQ: ")
    solved = []
    for part in parts:
        question, _, reasoning = part.partition("\nA: Let's think step by step.\n")
        solved.append({"input": question, "target": reasoning.strip()})
    return description.strip() + "\n\n", solved


# --- files


def _test_file(folder: Path) -> Path | None:
    return _named_like(folder, "test") or _named_like(folder, "validation") or _named_like(folder, "dev")


def _named_like(folder: Path, word: str) -> Path | None:
    """The first file whose name has a word in it, in this folder or one below."""
    held = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return next((path for path in held if word in path.name.lower() and path.name.removesuffix(".gz").endswith(ENDINGS)), None)


def _first_of(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _needed(file: Path | None, path: Path, name: str, layout: str) -> Path:
    if file is None:
        raise _unfound(path, name, layout)
    return file


def _unfound(path: Path, name: str, layout: str) -> UsageError:
    return UsageError(f"{name} was not found in {path}.", hint=f"it should hold {layout}")


def _field(row: dict[str, Any], key: str, name: str) -> Any:
    if key not in row:
        raise UsageError(f"a row of {name} has no {key}.", hint=f"it has {', '.join(row)}")
    return row[key]
