"""`wellread evaluate ...`: tasks are put, runs are compared, reports are written. Each function returns an exit code.

Chat model, progress and messages are handed in, so that this room needs to know nothing of what is above it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wellread.errors import UsageError
from wellread.evaluate.build import FEWSHOT_SEED
from wellread.evaluate.cases import read_cases
from wellread.evaluate.compare import Comparison, compare
from wellread.evaluate.examinee import Examinee, from_chat, from_path
from wellread.evaluate.harness import read_harness_task
from wellread.evaluate.recipes import RECIPES, tasks_of
from wellread.evaluate.report import FILE as REPORT
from wellread.evaluate.report import write_report
from wellread.evaluate.results import Results, TaskSummary
from wellread.evaluate.run import examine
from wellread.evaluate.selective_text import selective_text
from wellread.evaluate.subject import Subject
from wellread.evaluate.task import Task
from wellread.models.base import ChatModel
from wellread.places import expanded
from wellread.types import Progress

OK, PARTIAL = 0, 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the command line lends: the chat model that the settings name (None for "none"), progress, a way to tell people, the version
    of Wellread, and the library that the settings name, made ready for some tasks.
    """

    chat: Callable[[], ChatModel | None]
    progress: Progress
    say: Callable[[str], None]
    version: str
    library: Callable[[Sequence[Task]], Subject] | None = None


def evaluate(arguments: argparse.Namespace, around: Surroundings) -> int:
    """Run the command that `arguments.evaluate` names: "run", "compare" or "report"."""
    if arguments.evaluate == "compare":
        return _compare(arguments)
    if arguments.evaluate == "report":
        return _report(arguments, around)
    return _run(arguments, around)


# --- run


def _run(arguments: argparse.Namespace, around: Surroundings) -> int:
    for name in ("limit", "shots"):
        value = getattr(arguments, name)
        if value is not None and value < (name == "limit"):
            raise UsageError(f"--{name} cannot be {value}.", hint=f"leave it out, or give {int(name == 'limit')} or more")
    tasks = [task for given in arguments.tasks for task in read_tasks(given, shots=arguments.shots, seed=arguments.seed)]
    subject = _subject(tasks, arguments, around)
    examinee = subject.examinee
    out = expanded(arguments.out) if arguments.out else Path("evaluations") / _file_name(examinee.name, tasks)
    versions = {"wellread": around.version}
    done = examine(
        subject.tasks,
        examinee,
        out,
        limit=arguments.limit,
        seed=arguments.seed or 0,
        scorers=subject.scorers,
        versions=versions,
        progress=around.progress,
    )
    write_report(out)
    if arguments.json:
        print(json.dumps({"folder": str(out), **asdict(done.results)}, indent=2), flush=True)
    else:
        print(results_table(done.results) + selective_text(done.samples), flush=True)
        around.say(f"Kept in {out}; see {out / REPORT}")
    return PARTIAL if any(task.errors for task in done.results.tasks.values()) else OK


def read_tasks(given: str, *, shots: int | None, seed: int | None) -> list[Task]:
    """The tasks that a word of the command line names: RECIPE:PATH, a YAML file of lm-evaluation-harness, or a file of cases."""
    name, colon, place = given.partition(":")
    draw = FEWSHOT_SEED if seed is None else seed
    if colon and name in RECIPES:
        return tasks_of(name, _there(place), shots=shots, seed=draw)
    if given in RECIPES:
        raise UsageError(f"{given} needs your own copy of it.", hint=f"name its folder, as in: {given}:~/data/{given}")
    path = expanded(given)
    if not path.exists():
        raise UsageError(f"there is no task {given}.", hint=f"a .jsonl or .yaml file, or RECIPE:FOLDER with one of {', '.join(RECIPES)}")
    if path.suffix in (".yaml", ".yml"):
        return [read_harness_task(path, shots=shots, seed=draw)]
    if shots:
        raise UsageError(f"{given} is a file of cases, which has no examples to show.", hint="leave out --shots")
    return [read_cases(path)]


def _there(place: str) -> Path:
    path = expanded(place)
    if not path.exists():
        raise UsageError(f"there is no file or folder {place}.", hint="check the path")
    return path


def _subject(tasks: Sequence[Task], arguments: argparse.Namespace, around: Surroundings) -> Subject:
    """A library, where one is named or the questions name their words in one; otherwise a model, a server or a function."""
    other = arguments.function or arguments.endpoint
    named = bool(arguments.library or arguments.sources)
    if named and other:
        raise UsageError("a library and --function or --endpoint are two examinees.", hint="examine one at a time")
    if around.library is not None and (named or (not other and any("spans" in item.more for task in tasks for item in task.items))):
        return around.library(tasks)
    return Subject(_examinee(arguments, around), tuple(tasks), {})


def _examinee(arguments: argparse.Namespace, around: Surroundings) -> Examinee:
    if arguments.function and arguments.endpoint:
        raise UsageError("--function and --endpoint are two examinees.", hint="examine one at a time")
    if arguments.function:
        return from_path(arguments.function)
    if arguments.endpoint:
        from wellread.models.openai import OpenAIChat

        if not arguments.model:
            raise UsageError("a server needs to be told which model is asked for.", hint="--model NAME, as the server calls it")
        name = arguments.model.removeprefix("openai:")
        return from_chat(OpenAIChat(name, arguments.endpoint, os.environ.get("OPENAI_API_KEY")), where=arguments.endpoint)
    model = around.chat()
    if model is None:
        raise UsageError("there is no model to examine.", hint="name one with --model, --endpoint or --function")
    return from_chat(model)


def _file_name(examinee: str, tasks: Sequence[Task]) -> str:
    return re.sub(r"[^\w.-]+", "-", "-".join([examinee, *(task.name for task in tasks[:3])])).strip("-")


def results_table(results: Results) -> str:
    """The scores of a run, a line each, the main one of each task first."""
    lines = [f"{results.examinee}, seed {results.seed}"]
    for name, task in results.tasks.items():
        lines.append(f"\n{name}: {task.n:,} of {task.items:,} items, {task.shots} examples, {task.seconds_per_item:.2f} s an item")
        width = max([len(score) for score in (*task.scores, *task.not_judged)], default=0) + 2
        for score in dict.fromkeys((task.main, *task.scores, *task.not_judged)):
            lines.append(_score_line(task, score, width))
        lines += [f"  {task.errors} items failed"] * bool(task.errors) + [f"  note: {note}" for note in task.notes]
    return "\n".join(lines)


def _score_line(task: TaskSummary, name: str, width: int) -> str:
    missing = f", not judged: {task.not_judged[name]}" if name in task.not_judged else ""
    if name not in task.scores:
        return f"  {name:<{width}}{missing.removeprefix(', ')}"
    found = task.scores[name]
    return f"  {name:<{width}}{found.mean:.3f} ({found.low:.3f} to {found.high:.3f}), n = {found.n:,}{missing}"


# --- compare, report


def _compare(arguments: argparse.Namespace) -> int:
    found = compare(expanded(arguments.before), expanded(arguments.after), anyway=arguments.anyway)
    if arguments.json:
        rows = [{**asdict(row), "verdict": row.verdict} for row in found.rows]
        print(json.dumps({**asdict(found), "rows": rows}, indent=2), flush=True)
    else:
        print(comparison_text(found, arguments.items), flush=True)
    return OK


def comparison_text(found: Comparison, items: int) -> str:
    """A comparison in words, with the first `items` items that came out otherwise."""
    lines = [f"before: {found.before}", f"after:  {found.after}"]
    for row in found.rows:
        p = "p < .001" if row.difference.p < 0.001 else f"p = {row.difference.p:.3f}"
        told = f"{row.difference.mean:+.3f} ({row.difference.low:+.3f} to {row.difference.high:+.3f}), {p}: {row.verdict}"
        lines.append(f"\n{row.task}, {row.score}: {row.before:.3f} -> {row.after:.3f}, n = {row.n:,}\n  {told}")
        if row.detectable is not None and row.main:
            lines.append(f"  a true difference of {row.detectable:.3f} would be found four times in five")
    if found.changed:
        lines.append(f"\n{len(found.changed):,} items came out otherwise:")
        lines += [f"  {one.task} {one.id}: {one.before:g} -> {one.after:g}" for one in found.changed[:items]]
        lines += [f"  and {len(found.changed) - items:,} more (--items N shows more)"] * (len(found.changed) > items)
    return "\n".join(lines + [f"note: {note}" for note in found.notes])


def _report(arguments: argparse.Namespace, around: Surroundings) -> int:
    path = write_report(expanded(arguments.folder))
    if arguments.json:
        print(json.dumps({"report": str(path)}), flush=True)
    else:
        around.say(f"Written: {path}")
    return OK
