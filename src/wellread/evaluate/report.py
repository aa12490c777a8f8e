"""One HTML file that shows a run: scores with their intervals, plots, and every item with its prompt and answer.

It loads nothing from anywhere, and its content security policy forbids it to: what a model wrote is shown as text and cannot act.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np

from wellread.evaluate.calibration import calibration_error, reliability
from wellread.evaluate.compare import lower_is_better
from wellread.evaluate.plots import interval_bar, reliability_diagram, risk_curve
from wellread.evaluate.results import Results, Score, TaskSummary, read_results
from wellread.evaluate.sample import Sample, read_samples
from wellread.evaluate.selective import auroc, risk_area, risk_coverage
from wellread.evaluate.selective_text import given

FILE = "report.html"
_MOST_SAMPLES = 5_000
_LONGEST_PROMPT = 4_000
_FEWEST_JUDGED = 10  # of fewer answers, no curve is worth looking at


def write_report(folder: Path) -> Path:
    """Write report.html beside the results in a folder, and return where it is. Raises `WellreadError` where there are none."""
    page = report(read_results(folder), read_samples(folder))
    path = folder / FILE
    fresh = folder / (FILE + ".new")
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(path)
    return path


def report(results: Results, samples: Sequence[Sample]) -> str:
    """The page."""
    style, script = (files("wellread.evaluate").joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    by_task: dict[str, list[Sample]] = {name: [] for name in results.tasks}
    for sample in samples:
        by_task.setdefault(sample.task, []).append(sample)
    sections = "".join(_task(name, summary, by_task[name]) for name, summary in results.tasks.items())
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(results.examinee)}: evaluation</title><style>{style}</style></head><body><main>"
        f"{_head(results)}{sections}{_browser(list(results.tasks), samples)}"
        f'</main><script type="application/json" id="data">{_data(samples)}</script><script>{script}</script></body></html>\n'
    )


# --- parts


def _head(results: Results) -> str:
    facts = [results.begun.replace("T", " ").replace("+00:00", " UTC"), f"seed {results.seed}"]
    facts += [] if results.limit is None else [f"at most {results.limit:,} items of each task"]
    facts += [f"{name} {value}" for name, value in {**results.settings, **results.versions}.items()]
    shown = "".join(f"<li>{escape(str(fact))}</li>" for fact in facts)
    digest = f"<li><code>{escape(results.digest)}</code></li>" if results.digest else ""
    return f'<h1>{escape(results.examinee)}</h1><ul class="facts">{shown}{digest}</ul>'


def _task(name: str, summary: TaskSummary, samples: Sequence[Sample]) -> str:
    main = summary.scores.get(summary.main)
    lead = (
        f"<strong>{main.mean:.3f} <small>{escape(summary.main)}, {main.low:.3f} to {main.high:.3f}</small></strong>"
        if main
        else "<strong>– <small>not judged</small></strong>"
    )
    asked = {"written": "answers in writing", "letter": "choices by letter", "likelihood": "choices by likelihood"}[summary.asked]
    facts = [f"{summary.n:,} of {summary.items:,} items", f"{summary.shots} examples", asked, f"{summary.seconds_per_item:.2f} s an item"]
    if summary.prompt_tokens_per_item:
        facts.append(f"{summary.prompt_tokens_per_item:,.0f} tokens read and {summary.completion_tokens_per_item:,.0f} written an item")
    facts += [f"{summary.errors:,} failed"] * bool(summary.errors)
    facts += [f"data {summary.data_hash[:12]}", f"template {summary.template_hash[:12]}"]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in summary.notes)
    return (
        f'<section><div class="lead"><h2>{escape(name)}</h2>{lead}</div>'
        f'<ul class="facts">{"".join(f"<li>{escape(fact)}</li>" for fact in facts)}</ul>'
        f'{_scores(summary)}{_categories(summary)}<div class="plots">{_plots(samples)}</div>{notes}'
        f'<p class="soft">{escape(summary.source)}</p></section>'
    )


def _scores(summary: TaskSummary) -> str:
    rows = []
    for name in dict.fromkeys((summary.main, *summary.scores, *summary.not_judged)):
        found, missing = summary.scores.get(name), summary.not_judged.get(name, 0)
        shown = escape(name).replace("_", "_<wbr>") + (" (less is better)" if lower_is_better(name) else "")
        if found is None:
            rows.append(f'<tr><td>{shown}</td><td>–</td><td></td><td class="wide"></td><td>not judged {missing:,}</td></tr>')
            continue
        items = f"{found.n:,}" + (f", not judged {missing:,}" if missing else "")
        rows.append(_row(shown, found, _best([found]), items))
    return _table("scores", "Score", rows)


def _categories(summary: TaskSummary) -> str:
    if not summary.categories:
        return ""
    best = _best(list(summary.categories.values()))
    rows = [_row(escape(name), score, best, f"{score.n:,}") for name, score in summary.categories.items()]
    return f"<h3>{escape(summary.main)} by category</h3>{_table('categories', 'Category', rows)}"


def _row(name: str, score: Score, best: float, items: str) -> str:
    return (
        f"<tr><td>{name}</td><td>{score.mean:.3f}</td><td>{score.low:.3f} to {score.high:.3f}</td>"
        f'<td class="wide">{interval_bar(score, best)}</td><td>{items}</td></tr>'
    )


def _table(kind: str, what: str, rows: Sequence[str]) -> str:
    head = f"<tr><th>{what}</th><th>Mean</th><th>95 % interval</th><th></th><th>Items</th></tr>"
    return f'<div class="scroll"><table class="{kind}">{head}{"".join(rows)}</table></div>'


def _plots(samples: Sequence[Sample]) -> str:
    figures = []
    judged = [(one.confidence, one.right) for one in given(samples) if one.confidence is not None and one.right is not None]
    if len(judged) >= _FEWEST_JUDGED:
        sure = np.array([confidence for confidence, _ in judged], np.float64)
        right = np.array([score >= 0.5 for _, score in judged])
        error = calibration_error(sure, right, equal_mass=True)
        diagram = reliability_diagram(reliability(sure, right, equal_mass=True))
        figures.append(
            _figure("Does it know how sure to be?", diagram, f"On the broken line it would. Expected calibration error {error:.3f}.")
        )
        told_apart = auroc(sure, right)
        told = f"Area under the curve {risk_area(sure, right):.3f}" + ("" if told_apart is None else f", AUROC {told_apart:.3f}")
        curve = risk_curve(risk_coverage(sure, right), float(1 - right.mean()))
        figures.append(
            _figure("What is gained by answering less?", curve, f"{told}. The broken line: all {len(judged):,} answers that it gave.")
        )
    return "".join(figures)


def _browser(tasks: Sequence[str], samples: Sequence[Sample]) -> str:
    outcomes = {"all": "all", "right": "right", "wrong": "wrong", "refused": "refused", "error": "failed", "unjudged": "not judged"}
    kinds = "".join(f'<option value="{value}">{text}</option>' for value, text in outcomes.items())
    names = "".join(f"<option>{escape(task)}</option>" for task in tasks)
    left_out = f" The first {_MOST_SAMPLES:,} are shown; all are in samples.jsonl." if len(samples) > _MOST_SAMPLES else ""
    return (
        '<section><h2>Items</h2><div class="tools"><input id="search" type="search" placeholder="Search" aria-label="Search items">'
        f'<select id="outcome" aria-label="Outcome">{kinds}</select>'
        f'<select id="task" aria-label="Task"><option value="">all tasks</option>{names}</select></div>'
        f'<p class="soft"><span id="told"></span>{left_out}</p><div id="list"></div>'
        '<button id="more" class="more" type="button" hidden>Show more</button>'
        "<noscript><p>The items are in samples.jsonl; to see them here, allow this page its script.</p></noscript></section>"
    )


def _data(samples: Sequence[Sample]) -> str:
    """What the page needs of each sample, as JSON that cannot end the element it stands in."""
    rows = []
    for sample in samples[:_MOST_SAMPLES]:
        row = asdict(sample)
        for unused in ("key", "parts", "likelihoods", "given", "chosen"):
            del row[unused]
        for text in ("prompt", "question"):
            if len(row[text]) > _LONGEST_PROMPT:
                row[text] = "… " + row[text][-_LONGEST_PROMPT:]
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _figure(title: str, plot: str, told: str) -> str:
    return f"<figure><h3>{escape(title)}</h3>{plot}<figcaption>{escape(told)}</figcaption></figure>"


def _best(scores: Sequence[Score]) -> float:
    """The right end of a scale: 1 for shares, 100 for BLEU and the like, and for what has no best, the largest."""
    largest = max(score.high for score in scores)
    return 1.0 if largest <= 1 else 100.0 if largest <= 100 else largest


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
