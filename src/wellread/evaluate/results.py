"""`results.json`: the scores of a run with their intervals, and everything that says what exactly was measured."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wellread.errors import WellreadError
from wellread.evaluate.bootstrap import Estimate, estimate
from wellread.evaluate.pool import pseudo_values
from wellread.evaluate.sample import Sample
from wellread.evaluate.score import pooled
from wellread.evaluate.task import Task, digest

FILE = "results.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Score:
    """A score over `n` judged items with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """What was found in one task. `asked` is how answers were had: "written", "likelihood", or "letter".

    `items` is how many the task has, `n` how many were asked, `errors` how many of these failed. `main` names the score that counts
    first; `categories` holds it for each category. `not_judged` counts, for each score, the items that have none: scores that no item
    has stand only there. Seconds and tokens are means for each item asked.
    """

    kind: str
    asked: str
    source: str
    items: int
    n: int
    errors: int
    main: str
    scores: Mapping[str, Score]
    categories: Mapping[str, Score]
    not_judged: Mapping[str, int]
    template_hash: str
    data_hash: str
    shots: int
    seconds_per_item: float
    prompt_tokens_per_item: float
    completion_tokens_per_item: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """A run: who was examined, how, and what came of each task. `begun` is in UTC (ISO 8601)."""

    examinee: str
    digest: str | None
    settings: Mapping[str, Any]
    seed: int
    limit: int | None
    begun: str
    seconds: float
    tasks: Mapping[str, TaskSummary]
    versions: Mapping[str, str] = field(default_factory=lambda: {"python": platform.python_version(), "numpy": np.__version__})


def summary(task: Task, samples: Sequence[Sample], *, asked: str, limit: int | None) -> TaskSummary:
    """The figures of one task, of the samples of one run."""
    names = list(dict.fromkeys(name for sample in samples for name in (*sample.parts, *sample.scores)))
    scores = {name: found for name in names if (found := score_of(samples, name)) is not None}
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.category, []).append(sample)
    categories = {name: score_of(held, task.main) for name, held in sorted(grouped.items())} if len(grouped) > 1 else {}
    count = max(1, len(samples))
    return TaskSummary(
        kind=task.kind,
        asked=asked,
        source=task.source,
        items=len(task.items),
        n=len(samples),
        errors=sum(sample.error is not None for sample in samples),
        main=task.main,
        scores=scores,
        categories={name: found for name, found in categories.items() if found is not None},
        not_judged={name: missing for name in names if (missing := _not_judged(samples, name))},
        template_hash=digest([task.template_hash(), asked]),
        data_hash=task.data,
        shots=max((len(item.shots) for item in task.items), default=0),
        seconds_per_item=sum(sample.seconds for sample in samples) / count,
        prompt_tokens_per_item=sum(sample.prompt_tokens for sample in samples) / count,
        completion_tokens_per_item=sum(sample.completion_tokens for sample in samples) / count,
        notes=(*task.notes, *_notes(samples, asked)),
    )


def score_of(samples: Sequence[Sample], name: str) -> Score | None:
    """One score with its interval, or None where no sample could be judged."""
    parts = [sample.parts[name] for sample in samples if name in sample.parts]
    if parts:
        metric = name.split(",")[0]
        found = estimate(pseudo_values(parts, lambda some: pooled(metric, some)))
        return _score(found, len(parts))
    judged = [value for sample in samples if (value := sample.scores.get(name)) is not None]
    return _score(_mean(judged), len(judged)) if judged else None


def write_results(folder: Path, results: Results) -> None:
    """Put the file of results in place in one step."""
    fresh = folder / (FILE + ".new")
    fresh.write_text(
        json.dumps({"format": _FORMAT, **asdict(results)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    fresh.replace(folder / FILE)


def read_results(folder: Path) -> Results:
    """The results in a folder. Raises `WellreadError` where there are none, or none that can be understood."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WellreadError(
            f"there are no results in {folder}: {error.strerror}.", hint="make some with: wellread evaluate TASK --out DIR"
        ) from error
    except ValueError as error:
        raise WellreadError(f"{path} is not JSON: {error}.", hint="was it edited by hand?") from error
    try:
        if found.pop("format") != _FORMAT:
            raise ValueError("it has another format")
        tasks = {name: _task_summary(one) for name, one in found.pop("tasks").items()}
        return Results(**found, tasks=tasks)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise WellreadError(
            f"{path} holds no results that can be understood: {error}.", hint="was it written by another Wellread?"
        ) from error


def _task_summary(one: dict[str, Any]) -> TaskSummary:
    scores = {name: Score(**score) for name, score in one.pop("scores").items()}
    categories = {name: Score(**score) for name, score in one.pop("categories").items()}
    return TaskSummary(**{**one, "notes": tuple(one["notes"])}, scores=scores, categories=categories)


def _mean(values: Sequence[float]) -> Estimate:
    """A mean with its interval. Where all are right, or all wrong, nothing varies that could be drawn again: there the interval is the
    exact one of a proportion (Clopper and Pearson 1934, The use of confidence or fiducial limits).
    """
    beyond = 1 - 0.025 ** (1 / len(values))
    if set(values) == {0.0}:
        return Estimate(0.0, 0.0, beyond)
    return Estimate(1.0, 1 - beyond, 1.0) if set(values) == {1.0} else estimate(np.array(values, np.float64))


def _score(found: Estimate, n: int) -> Score:
    return Score(found.mean, found.low, found.high, n)


def _not_judged(samples: Sequence[Sample], name: str) -> int:
    return sum(name in sample.scores and sample.scores[name] is None and name not in sample.parts for sample in samples)


def _notes(samples: Sequence[Sample], asked: str) -> list[str]:
    notes = []
    if asked == "letter":
        notes.append("choices were asked for by letter, since the examinee does not tell likelihoods; scores by likelihood do not compare")
        if unread := sum(sample.error is None and not _told(sample) for sample in samples):
            notes.append(f"in {unread} answers no choice could be told; they count as wrong")
    return notes


def _told(sample: Sample) -> bool:
    return sample.chosen is None or sample.chosen >= 0
