"""What an examination is made of: items to be answered, how they are put, and how answers are scored. Plain values, no files.

Terms are those of lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness, docs/task_guide.md), whose task files
`wellread.evaluate.harness` reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["generate_until", "multiple_choice", "loglikelihood", "loglikelihood_rolling"]
"""What is asked of whoever is examined: to write, to choose, or how likely a text is (after a prompt, or all by itself)."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A solved example that stands before the question. `right` are positions in `choices`."""

    question: str
    answer: str
    choices: tuple[str, ...] = ()
    right: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `question` is the finished text without examples, `answers` are all texts that count as right.

    Of `choices`, those at the positions `right` are right. `answerable` is False where the right thing is to refuse and None where that
    is not asked. `before` stands in front of the examples. `more` holds what else a case says (gold spans of a library, for example):
    the examinee does not see it, scorers do.
    """

    id: str
    question: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    right: tuple[int, ...] = ()
    category: str = ""
    answerable: bool | None = None
    before: str = ""
    shots: tuple[Shot, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """The name of a score (see `wellread.evaluate.score`) and its options, such as `ignore_case`."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step in taking the answer out of what was written: a function of lm-evaluation-harness and its arguments."""

    function: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extraction:
    """A named way to take the answer out of what was written, step by step. Scores bear its name, unless that is "none"."""

    name: str
    steps: tuple[Step, ...]


AS_IT_IS = (Extraction("none", ()),)


@dataclass(frozen=True, slots=True)
class Task:
    """An examination. The first of `metrics`, under the first of `extractions`, is its main score.

    Between a question and its answer stands `delimiter`, between examples `between`. Writing ends at any of `until` and after
    `max_tokens`. `template` says how the data became items, `data` is the sha256 of that data; `source` cites where the task is from.
    """

    name: str
    kind: Kind
    items: tuple[Item, ...]
    metrics: tuple[Metric, ...]
    extractions: tuple[Extraction, ...] = AS_IT_IS
    until: tuple[str, ...] = ()
    max_tokens: int = 256
    temperature: float = 0.0
    delimiter: str = " "
    between: str = "\n\n"
    template: str = ""
    data: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> str:
        """The name of the main score."""
        return score_name(self.metrics[0].name, self.extractions[0].name)

    def template_hash(self) -> str:
        """The sha256 of all that shapes prompts and scores, except the data."""
        shape = asdict(self)
        for apart in ("name", "items", "data", "source", "notes"):
            del shape[apart]
        return digest(shape)


def score_name(metric: str, extraction: str) -> str:
    """What a score is called: "exact_match", or "exact_match,strict-match" where there is more than one way to find the answer."""
    return metric if extraction == "none" else f"{metric},{extraction}"


def prompt(task: Task, before: str, shots: Sequence[Shot], question: str) -> str:
    """The whole text that is put: what stands before, the examples with their answers, and the question."""
    solved = "".join(f"{shot.question}{task.delimiter}{shot.answer}{task.between}" for shot in shots)
    return before + solved + question


def digest(value: object) -> str:
    """The sha256 (hex) of a value that JSON can hold, however its keys are ordered."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
