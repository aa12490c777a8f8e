"""Tasks of one's own: a file with a question a line.

Every line is an object: `question` or `prompt` (the text that is put, as it is), and what is right: `answers` (a list), `answer` (one),
or `choices` with `answer_index`. It may have `id`, `category`, `context` (put before the question), and `answerable`: false where the
right thing is to refuse. Whatever else stands there is kept for scorers and not shown to the examinee.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.rows import data_digest, read_rows
from wellread.evaluate.task import Item, Metric, Task

_KEYS = ("id", "question", "prompt", "answers", "answer", "choices", "answer_index", "category", "context", "answerable")


def read_cases(path: Path) -> Task:
    """The task in a file of cases, named after it. Raises `UsageError`, with the line, for a case that cannot be asked or scored.

    Cases with choices are scored by accuracy, others by exact match and token F1; one file holds one kind.
    """
    rows = read_rows(path)
    if not rows:
        raise UsageError(f"{path} holds no cases.", hint='a line such as {"question": "...", "answers": ["..."]}')
    items = tuple(_item(row, number, f"{path}, case {number}") for number, row in enumerate(rows, 1))
    if twice := next((id for id, count in Counter(item.id for item in items).items() if count > 1), None):
        raise UsageError(f'{path}: two cases have the id "{twice}".', hint="give each case its own id")
    choose = {bool(item.choices) for item in items}
    if len(choose) > 1:
        raise UsageError(f"{path} has cases with choices and cases without.", hint="put them into two files")
    names = ("acc", "acc_norm") if True in choose else ("answer_match", "token_f1")
    return Task(
        name=path.name.split(".")[0],
        kind="multiple_choice" if True in choose else "generate_until",
        items=items,
        metrics=tuple(Metric(name) for name in names),
        template="cases: context, a blank line, question",
        data=data_digest(rows),
        source=f"{path.name}, a file of cases",
    )


def _item(row: dict[str, Any], number: int, where: str) -> Item:
    question = row.get("prompt", row.get("question"))
    if not isinstance(question, str) or not question.strip():
        raise UsageError(f"{where} has no question.", hint='"question": the text that is put')
    context = row.get("context")
    choices = tuple(str(choice) for choice in row.get("choices") or ())
    answerable = row.get("answerable")
    if answerable not in (None, True, False):
        raise UsageError(f"{where}: answerable is true or false, not {answerable!r}.")
    answers, right = _right(row, choices, where)
    if not answers and answerable is not False:
        raise UsageError(f"{where} does not say what is right.", hint='"answers": ["..."], or "answerable": false')
    return Item(
        id=str(row.get("id", number)),
        question=f"{context}\n\n{question}" if context else question,
        answers=answers,
        choices=choices,
        right=right,
        category=str(row.get("category") or ""),
        answerable=answerable,
        more={key: value for key, value in row.items() if key not in _KEYS},
    )


def _right(row: dict[str, Any], choices: tuple[str, ...], where: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    found = row.get("answers", [] if row.get("answer") is None else [row["answer"]])
    answers = tuple(str(answer) for answer in (found if isinstance(found, list) else [found]))
    if not choices:
        return answers, ()
    if "answer_index" in row:
        given = row["answer_index"]
        places = tuple(given if isinstance(given, list) else [given])
    else:
        places = tuple(choices.index(answer) if answer in choices else -1 for answer in answers)
    if not places or not all(isinstance(place, int) and 0 <= place < len(choices) for place in places):
        raise UsageError(f"{where}: the right answer is none of the choices.", hint='"answer_index": 0 is the first of "choices"')
    return tuple(choices[place] for place in places), places
