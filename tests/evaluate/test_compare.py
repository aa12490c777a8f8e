"""A comparison finds a planted difference, is quiet about noise, and refuses to compare what was not measured alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wellread.errors import UsageError
from wellread.evaluate.bootstrap import difference
from wellread.evaluate.cases import read_cases
from wellread.evaluate.compare import compare
from wellread.evaluate.examinee import Examinee
from wellread.evaluate.pool import pseudo_values
from wellread.evaluate.run import examine
from wellread.evaluate.score import pooled
from wellread.evaluate.task import Metric, Task


def questions(folder: Path, count: int) -> Task:
    path = folder / "cases.jsonl"
    path.write_text("".join(json.dumps({"question": str(n), "answers": ["yes"]}) + "\n" for n in range(count)))
    return read_cases(path)


def run(task: Task, right: np.ndarray, out: Path) -> Path:
    examine([task], Examinee(out.name, lambda ask: "yes" if right[int(ask.prompt)] else "no"), out)
    return out


def flipped(right: np.ndarray, up: int, down: int, rng: np.random.Generator) -> np.ndarray:
    """The same answers but for so many that became right and so many that became wrong."""
    changed = right.copy()
    changed[rng.choice(np.flatnonzero(~right), up, replace=False)] = True
    changed[rng.choice(np.flatnonzero(right), down, replace=False)] = False
    return changed


def test_a_planted_difference_of_three_points_in_500_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    task = questions(tmp_path, 500)
    right = rng.random(500) < 0.6
    before = run(task, right, tmp_path / "before")
    better = compare(before, run(task, flipped(right, 25, 10, rng), tmp_path / "better"))
    row = better.rows[0]
    assert (row.score, row.n, row.verdict) == ("answer_match", 500, "better")
    assert row.difference.mean == pytest.approx(0.03)
    assert 0 < row.difference.low < 0.03 < row.difference.high
    assert len(better.changed) == 35
    assert sum(one.after - one.before for one in better.changed) == 15
    clean = compare(before, run(task, flipped(right, 15, 0, rng), tmp_path / "clean")).rows[0]  # all else the same
    assert (clean.verdict, clean.difference.p < 0.001) == ("better", True)


def test_noise_is_not_taken_for_a_difference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    task = questions(tmp_path, 500)
    right = rng.random(500) < 0.6
    tossed = [np.where(rng.random(500) < 0.12, rng.random(500) < 0.5, right) for _ in range(2)]  # a coin answers some items
    one, other = (run(task, each, tmp_path / f"tossed{n}") for n, each in enumerate(tossed))
    noise = compare(one, other)
    assert len(noise.changed) > 25
    assert noise.rows[0].verdict == "no difference found"
    same = compare(one, run(task, flipped(tossed[0], 18, 18, rng), tmp_path / "same"))
    assert same.rows[0].verdict == "no difference found"
    assert same.rows[0].detectable == pytest.approx(2.8 * (36 / 500) ** 0.5 / 500**0.5, rel=0.01)
    assert compare(one, one).rows[0].difference.p == 1


@pytest.mark.slow
def test_false_alarms_are_rare_and_power_is_as_stated() -> None:
    rng = np.random.default_rng(1)
    alarms = found = 0
    for _ in range(100):
        one = rng.random(500) < 0.6
        alarms += difference(flipped(one, *rng.multinomial(40, [0.5, 0.5]), rng).astype(float), one.astype(float)).significant
        up = int(rng.binomial(35, 25 / 35))  # of 35 items that differ, 15 more on one side in the mean: three points of 500
        found += difference(flipped(one, up, 35 - up, rng).astype(float), one.astype(float)).significant
    assert alarms <= 8
    assert found >= 60


def test_less_is_better_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps({"question": str(n), "answerable": False}) + "\n" for n in range(60)))
    task = read_cases(path)
    folders = []
    for name, answers in (("before", 30), ("after", 5)):
        examinee = Examinee(name, lambda ask, answers=answers: "something" if int(ask.prompt) < answers else "unanswerable")  # type: ignore[misc]
        examine([task], examinee, tmp_path / name)
        folders.append(tmp_path / name)
    rows = {row.score: row for row in compare(*folders).rows}
    assert rows["false_answer"].difference.mean < 0
    assert rows["false_answer"].verdict == rows["answer_match"].verdict == "better"


def test_other_data_or_prompts_are_not_compared_unless_asked(tmp_path: Path) -> None:
    task = questions(tmp_path, 12)
    right = np.arange(12) % 2 == 0
    before = run(task, right, tmp_path / "before")
    for name, changed in (("data", replace(task, data="other")), ("prompts or scoring", replace(task, max_tokens=3))):
        after = run(changed, right, tmp_path / name.split()[0])
        with pytest.raises(UsageError, match=f"different {name}"):
            compare(before, after)
        assert any(f"different {name}" in note for note in compare(before, after, anyway=True).notes)
    with pytest.raises(UsageError, match="no task in common"):
        compare(before, run(replace(task, name="another"), right, tmp_path / "another"))


def test_scores_of_all_items_together_are_compared_too(tmp_path: Path) -> None:
    task = replace(questions(tmp_path, 80), metrics=(Metric("bleu"),))
    said = ("the cat sat on the mat today", "the cat sat on a mat")
    task = replace(task, items=tuple(replace(item, answers=("the cat sat on the mat today",)) for item in task.items))
    folders = []
    for name, period in (("before", 2), ("after", 8)):
        examinee = Examinee(name, lambda ask, period=period: said[int(ask.prompt) % period == 0])  # type: ignore[misc]
        score = examine([task], examinee, tmp_path / name).results.tasks["cases"].scores["bleu"]
        assert score.low < score.mean < score.high <= 100.5
        folders.append(tmp_path / name)
    row = compare(*folders).rows[0]
    assert (row.verdict, row.n) == ("better", 80)
    assert row.after - row.before == pytest.approx(row.difference.mean)


def test_pseudo_values_of_a_mean_are_the_means_of_the_groups() -> None:
    parts: list[list[object]] = [[float(n % 7), 1] for n in range(120)]
    values = pseudo_values(parts, lambda some: sum(one[0] for one in some) / len(some))  # type: ignore[misc]
    groups = [np.mean([parts[place][0] for place in range(group, 120, 40)]) for group in range(40)]
    assert values == pytest.approx(groups)
    assert pseudo_values(parts, lambda some: pooled("perplexity", some)).mean() == pytest.approx(pooled("perplexity", parts))
