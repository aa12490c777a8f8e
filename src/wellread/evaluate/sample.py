"""What came of each item, a line of `samples.jsonl` each: prompt, answer, scores, or the error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from wellread.errors import WellreadError
from wellread.evaluate.examinee import LogLikelihood

FILE = "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """One item answered. `key` is the sha256 of all that was asked and of whom: an answer with the same key need not be asked for again.

    `answer` is what was written, or the choice taken; `extracted` is what each extraction found in it. In `scores`, None means "not
    judged". `parts` are what the item adds to scores of all items together. `chosen` is the place
    of a choice taken by letter, -1 where none could be told. `right` is the main score where that is from 0 to 1.
    """

    task: str
    id: str
    key: str
    prompt: str
    question: str = ""
    category: str = ""
    answer: str = ""
    extracted: Mapping[str, str] = field(default_factory=dict)
    golds: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    scores: Mapping[str, float | None] = field(default_factory=dict)
    parts: Mapping[str, list[Any]] = field(default_factory=dict)
    likelihoods: tuple[LogLikelihood, ...] = ()
    chosen: int | None = None
    right: float | None = None
    confidence: float | None = None
    answerable: bool | None = None
    refused: bool | None = None
    given: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False) + "\n"


_FIELDS = frozenset(one.name for one in fields(Sample))


def read_samples(folder: Path) -> list[Sample]:
    """The samples in a folder, of each item the last. A last line that was cut off when a run was killed is left out.

    Raises `WellreadError` for a file that holds something else; there are none where there is no file.
    """
    path = folder / FILE
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    whole = [line for line in lines[:-1] if line]  # what stands after the last newline was not finished
    found: dict[tuple[str, str], Sample] = {}
    for number, line in enumerate(whole, 1):
        sample = _sample(line, f"{path}, line {number}")
        found[sample.task, sample.id] = sample
    return list(found.values())


def write_samples(folder: Path, samples: Iterable[Sample]) -> None:
    """Put the file of samples in place in one step."""
    fresh = folder / (FILE + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.writelines(sample.line() for sample in samples)
    fresh.replace(folder / FILE)


def _sample(line: bytes, where: str) -> Sample:
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or set(found) - _FIELDS:
            raise ValueError("it holds no sample")
        sample = Sample(**found)
        return replace(
            sample,
            golds=tuple(sample.golds),
            choices=tuple(sample.choices),
            likelihoods=tuple(LogLikelihood(**one) for one in found.get("likelihoods", ())),
        )
    except (ValueError, TypeError) as error:
        raise WellreadError(
            f"{where} cannot be understood: {error}.", hint="it was written by something else, or by a newer Wellread"
        ) from error
