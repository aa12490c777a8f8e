"""Models as the terminal shows them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from wellread.models.abilities import CANNOT
from wellread.models.facts import Facts, Weights
from wellread.models.files import Pulled
from wellread.models.memory import gigabytes


def listed(models: Sequence[Pulled]) -> str:
    """A table of models, as `ollama list` has it, with what each is for."""
    rows = [("NAME", "KIND", "ID", "SIZE", "MODIFIED")]
    for model in models:
        rows.append((model.name, model.kind, model.digest[7:19], gigabytes(model.size), _ago(time.time() - model.modified)))
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def listed_json(model: Pulled) -> dict[str, Any]:
    """A model of the list."""
    record = {key: getattr(model, key) for key in ("name", "kind", "licence", "description", "languages", "size", "digest", "modified")}
    return record | {
        "base": model.manner.base,
        "files": [{"role": file.role, "size": file.size, "sha256": file.sha256} for file in model.files],
    }


def shown(facts: Facts, model: Pulled | None) -> str:
    """All that is known of a model, a line each."""
    rows = [("name", facts.name), ("kind", facts.kind), ("licence", facts.licence or "not told")]
    if facts.description:
        rows.append(("about", facts.description))
    if facts.languages:
        rows.append(("languages", "many" if facts.languages == ("mul",) else ", ".join(facts.languages)))
    rows.append(("size", gigabytes(facts.size) + ("" if facts.here else ", not on this machine yet")))
    if facts.digest:
        rows.append(("digest", facts.digest))
    rows += [("came from", source) for source in facts.sources]
    if facts.weights is not None:
        rows += _of_weights(facts.weights, facts.kind)
    if model is not None:
        rows += _of_manner(model)
    return "\n".join(f"{name:<12} {value}" for name, value in rows)


def _of_weights(weights: Weights, kind: str) -> list[tuple[str, str]]:
    context = f"{weights.context:,} tokens" if weights.context else "not told"
    rows = [
        ("weights", f"{weights.architecture}, {_count(weights.parameters)} parameters, {weights.quantization}"),
        ("context", f"{context}; {weights.window:,} are used unless --context-window says otherwise"),
    ]
    if kind != "chat":
        return rows[:1] if kind == "adapter" else [*rows[:1], ("engine", "none here runs it yet")]
    need = weights.need
    parts = f"{gigabytes(need.weights)} weights, {gigabytes(need.cache)} context, {gigabytes(need.overhead)} else"
    fits = "" if weights.free is None else f"; {gigabytes(weights.free)} are free: it " + ("fits" if weights.fits else "does not fit")
    rows.append(("memory", f"{gigabytes(need.total)} ({parts}){fits}"))
    if weights.fitting:
        rows.append(("", weights.fitting))
    rows.append(("engine", " or ".join(weights.engines)))
    rows += [("", f"{engine} cannot do: {', '.join(CANNOT[engine])}") for engine in weights.engines]
    if not weights.template:
        rows.append(("template", "none in the file: it cannot hold a conversation by itself"))
    return rows


def _of_manner(model: Pulled) -> list[tuple[str, str]]:
    manner = model.manner
    rows = [("made from", manner.base)] if manner.base else []
    rows += [("adapter", str(path)) for path in model.adapters]
    rows += [("system", " ".join(manner.system.split())[:100])] if manner.system else []
    rows += [("template", "its own, of the Modelfile")] if manner.template else []
    rows += [("parameter", f"{name} {value!r}" if name == "stop" else f"{name} {value}") for name, value in manner.parameters]
    return rows + ([("messages", f"{len(manner.messages)} that every conversation begins with")] if manner.messages else [])


def _count(number: int) -> str:
    return f"{number / 1e9:.1f} billion" if number >= 1e9 else f"{number / 1e6:.0f} million" if number >= 1e6 else f"{number:,}"


def _ago(seconds: float) -> str:
    for length, unit in ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count != 1)} ago"
    return "just now"
