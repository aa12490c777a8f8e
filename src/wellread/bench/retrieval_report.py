"""What `bench retrieval` and `bench compare` show: tables for people, and JSON from which two runs can be compared later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wellread import __version__
from wellread.bench.retrieval import METRICS, Measured
from wellread.errors import UsageError
from wellread.evaluate.bootstrap import Difference, Estimate, difference, estimate

FIRST = "nDCG@10"
"""The metric that systems are compared by."""


def as_json(results: Sequence[Measured]) -> dict[str, Any]:
    """Everything that was measured, also question by question."""
    return {"wellread": __version__, "collections": [_collection_json(result) for result in results]}


def _collection_json(result: Measured) -> dict[str, Any]:
    return {
        "name": result.name,
        "embedder": result.embedder,
        "documents": result.documents,
        "chunks": result.chunks,
        "methods": {
            method: {metric: asdict(estimate(values)) for metric, values in scores.items()} for method, scores in result.scores.items()
        },
        "against": {method: asdict(found) | {"significant": found.significant} for method, found in _against(result).items()},
        "cpu_ms": dict(result.cpu_ms),
        "queries": list(result.queries),
        "scores": {method: {metric: values.tolist() for metric, values in by.items()} for method, by in result.scores.items()},
    }


def read_json(path: Path) -> list[Measured]:
    """What `as_json` wrote to a file. Raises `UsageError` when it is something else."""
    try:
        return [
            Measured(
                name=one["name"],
                embedder=one["embedder"],
                documents=one["documents"],
                chunks=one["chunks"],
                queries=tuple(one["queries"]),
                scores={
                    method: {metric: np.array(values, np.float64) for metric, values in by.items()} for method, by in one["scores"].items()
                },
                cpu_ms=one["cpu_ms"],
            )
            for one in json.loads(path.read_text(encoding="utf-8"))["collections"]
        ]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} holds no figures of retrieval.", hint="write some with: wellread bench retrieval DIR --json") from error


def table(result: Measured) -> str:
    """A collection's figures, at most 120 columns wide: every metric with its interval, what chance leaves of the differences, times."""
    sizes = f"{result.documents:,} documents, {result.chunks:,} chunks, {len(result.queries):,} questions"
    width = max(map(len, result.scores)) + 2
    lines = [f"{result.name}: {sizes}, {result.embedder}", "  " + " " * width + "".join(f"{metric:<20}" for metric in METRICS).rstrip()]
    for method, scores in result.scores.items():
        lines.append(f"  {method:<{width}}" + "".join(f"{_shown(estimate(scores[metric])):<20}" for metric in METRICS).rstrip())
    for method, found in _against(result).items():
        lines.append(f"  {next(iter(result.scores))} against {method:<{width}}{FIRST} {told(found)}")
    times = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in result.cpu_ms.items())
    return "\n".join([*lines, f"  processor ms a question, median: {times}"])


def compare(before: Sequence[Measured], after: Sequence[Measured]) -> list[dict[str, Any]]:
    """For every collection, method and metric of two runs, by how much the second is better, question by question.

    Raises `UsageError` where they have no collection in common, or not the same questions of one.
    """
    old = {result.name: result for result in before}
    rows = []
    for new in after:
        if new.name not in old:
            continue
        if new.queries != old[new.name].queries:
            raise UsageError(f"the two runs asked other questions of {new.name}.", hint="run both with the same --queries")
        for method in (method for method in new.scores if method in old[new.name].scores):
            for metric, values in new.scores[method].items():
                was = old[new.name].scores[method][metric]
                found = difference(values, was)
                means = {"before": float(np.mean(was)), "after": float(np.mean(values))}
                rows.append({"collection": new.name, "method": method, "metric": metric, **means, "difference": found})
    if not rows:
        raise UsageError("the two runs have no collection in common.", hint="run both on the same folders")
    return rows


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Two runs beside each other, a line for each collection and method."""
    lines = [f"{'':<40}{'before':>8}{'after':>8}   {FIRST}"]
    for row in rows:
        if row["metric"] == FIRST:
            name = f"{row['collection']}, {row['method']}"
            lines.append(f"{name:<40}{number(row['before']):>8}{number(row['after']):>8}   {told(row['difference'])}")
    return "\n".join(lines)


def told(found: Difference) -> str:
    """A difference in words: how much, the interval, p, and a star when it is significant."""
    p = "p < .001" if found.p < 0.001 else f"p = {number(found.p)}"
    low, high = number(found.low, sign=True), number(found.high, sign=True)
    return f"{number(found.mean, sign=True)} ({low} to {high}), {p}{' *' * found.significant}"


def number(value: float, *, sign: bool = False) -> str:
    """Three digits, and no nought before the point."""
    return f"{value:{'+' if sign else ''}.3f}".replace("0.", ".", 1)


def _shown(found: Estimate) -> str:
    return f"{number(found.mean)} ({number(found.low)}–{number(found.high)})"


def _against(result: Measured) -> dict[str, Difference]:
    """The first ranking, which is ours, against each other one."""
    (_, ours), *others = result.scores.items()
    return {method: difference(ours[FIRST], scores[FIRST]) for method, scores in others}
