"""Something else than a model that is examined, with its own scores: a library, for example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wellread.evaluate.examinee import Examinee
from wellread.evaluate.run import Scorer
from wellread.evaluate.task import Task


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is examined, the tasks as they are put to it, and the scores that only it has."""

    examinee: Examinee
    tasks: tuple[Task, ...]
    scorers: Mapping[str, Scorer]
