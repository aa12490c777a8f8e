"""Two runs on the same questions: is one better, by how much, and could chance alone part them so far?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellread.errors import UsageError
from wellread.evaluate.bootstrap import Difference, difference
from wellread.evaluate.pool import pseudo_values
from wellread.evaluate.results import Results, TaskSummary, read_results
from wellread.evaluate.sample import Sample, read_samples
from wellread.evaluate.score import LOWER_IS_BETTER, pooled

_POWER = 1.96 + 0.84  # standard errors: 5 % false alarms on both sides, 80 % of true differences found


@dataclass(frozen=True, slots=True)
class Compared:
    """One score of two runs. `difference` is the second less the first, over the `n` items that were judged in both.

    `detectable` is the smallest true difference that a comparison like this one finds four times in five (None where no item differs).
    """

    task: str
    score: str
    main: bool
    before: float
    after: float
    difference: Difference
    n: int
    detectable: float | None

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "no difference found", at the 5 % level."""
        if not self.difference.significant:
            return "no difference found"
        return "better" if (self.difference.mean > 0) != (lower_is_better(self.score)) else "worse"


@dataclass(frozen=True, slots=True)
class Changed:
    """An item whose main score is not the same in both runs."""

    task: str
    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. `notes` say what the reader must know: items left out, hashes that differ, how many comparisons were made."""

    before: str
    after: str
    rows: tuple[Compared, ...]
    changed: tuple[Changed, ...]
    notes: tuple[str, ...]


def compare(before: Path, after: Path, *, anyway: bool = False) -> Comparison:
    """Compare the runs in two folders item by item.

    Raises `UsageError` where they have no task in common, or where a task's data or template is another one, unless `anyway`.
    """
    old, new = read_results(before), read_results(after)
    common = [name for name in old.tasks if name in new.tasks]
    if not common:
        raise UsageError("the two runs have no task in common.", hint=f"one has {', '.join(old.tasks)}, the other {', '.join(new.tasks)}")
    notes = [note for name in common for note in _differences(name, old.tasks[name], new.tasks[name], anyway=anyway)]
    notes += [f"only one run has {name}" for name in {**old.tasks, **new.tasks} if name not in common]
    samples_of = [_by_task(folder, common) for folder in (before, after)]
    rows: list[Compared] = []
    changed: list[Changed] = []
    for name in common:
        pairs, left_out = _pairs(samples_of[0][name], samples_of[1][name])
        if not pairs:
            raise UsageError(f"the two runs have no item of {name} in common.", hint="run both with the same --limit")
        if left_out:
            notes.append(f"{name}: {left_out} items are in one run only")
        rows += _rows(name, old.tasks[name], pairs, notes)
        changed += _changed(name, old.tasks[name].main, pairs)
    if len(rows) > 1:
        notes.append(f"of {len(rows)} comparisons at the 5 % level, {len(rows) / 20:.1f} are expected to be significant by chance")
    return Comparison(_called(old, before), _called(new, after), tuple(rows), tuple(changed), tuple(notes))


def lower_is_better(score: str) -> bool:
    """Whether less of a score is better."""
    return score.split(",")[0] in LOWER_IS_BETTER


Pairs = list[tuple[Sample, Sample]]


def _differences(name: str, old: TaskSummary, new: TaskSummary, *, anyway: bool) -> list[str]:
    told = []
    for what, one, other in (
        ("data", old.data_hash, new.data_hash),
        ("prompts or scoring", old.template_hash, new.template_hash),
    ):
        if one != other:
            how = f" ({old.asked} and {new.asked})" if what != "data" and old.asked != new.asked else ""
            told.append(f"{name}: the two runs have different {what}{how}")
    if told and not anyway:
        raise UsageError(f"{'; '.join(told)}.", hint="run both in the same way, or compare --anyway and mind what that means")
    return told


def _by_task(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Sample]]:
    found: dict[str, dict[str, Sample]] = {name: {} for name in names}
    for sample in read_samples(folder):
        if sample.task in found:
            found[sample.task][sample.id] = sample
    return found


def _pairs(old: dict[str, Sample], new: dict[str, Sample]) -> tuple[Pairs, int]:
    pairs = [(sample, new[id]) for id, sample in old.items() if id in new]
    return pairs, len(old) + len(new) - 2 * len(pairs)


def _rows(task: str, summary: TaskSummary, pairs: Pairs, notes: list[str]) -> list[Compared]:
    rows = []
    names = dict.fromkeys(name for pair in pairs for sample in pair for name in (*sample.parts, *sample.scores))
    for name in sorted(names, key=lambda name: name != summary.main):
        one, other, judged = _values(name, pairs)
        if not judged:
            continue
        scored = sum(any(name in sample.scores or name in sample.parts for sample in pair) for pair in pairs)
        if judged < scored:
            notes.append(f"{task}, {name}: {scored - judged} items were not judged in both runs")
        found = difference(other, one)
        spread = float(np.std(other - one, ddof=1)) if len(one) > 1 else 0.0
        detectable = _POWER * spread / math.sqrt(len(one)) if spread else None
        rows.append(Compared(task, name, name == summary.main, float(one.mean()), float(other.mean()), found, judged, detectable))
    return rows


def _values(name: str, pairs: Pairs) -> tuple[np.ndarray, np.ndarray, int]:
    """A score of both runs, number for number, and of how many items: items' own scores, or pseudo-values of a score of all items."""
    parts = [(one.parts[name], other.parts[name]) for one, other in pairs if name in one.parts and name in other.parts]
    if parts:
        metric = name.split(",")[0]
        one, other = (pseudo_values(list(column), lambda some: pooled(metric, some)) for column in zip(*parts, strict=True))
        return one, other, len(parts)
    scored = [(a, b) for one, other in pairs if (a := one.scores.get(name)) is not None and (b := other.scores.get(name)) is not None]
    values = np.array(scored, np.float64).reshape(-1, 2)
    return values[:, 0], values[:, 1], len(scored)


def _changed(task: str, main: str, pairs: Pairs) -> list[Changed]:
    changed = []
    for one, other in pairs:
        before, after = one.scores.get(main), other.scores.get(main)
        if before is not None and after is not None and before != after:
            changed.append(Changed(task, one.id, before, after))
    return changed


def _called(results: Results, folder: Path) -> str:
    return f"{results.examinee} ({folder.name})"
