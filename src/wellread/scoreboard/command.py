"""`wellread evaluate make`: questions about a library into a file, and what came of it told."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from wellread.config import Settings
from wellread.library import Library
from wellread.models.base import ChatModel
from wellread.places import expanded
from wellread.scoreboard.make import Made, check_free, make, write
from wellread.terminal import Screen

OK, FAILED = 0, 1


def make_questions(library: Library, arguments: argparse.Namespace, screen: Screen) -> int:
    """Write the file; 1 when no question could be made."""
    path = expanded(arguments.out)
    check_free(path, overwrite=arguments.overwrite)
    made = make(
        library,
        count=arguments.count,
        share=arguments.unanswerable,
        seed=arguments.seed,
        model=_model(library),
        progress=screen.progress,
    )
    if made.cases:
        write(made.cases, path)
    if arguments.json:
        told = {
            "file": str(path) if made.cases else None,
            "questions": len(made.cases),
            "kinds": _kinds(made),
            "dropped": dict(made.dropped),
            "silent_documents": made.silent,
            "foreign_documents": made.foreign,
        }
        print(json.dumps(told, indent=2), flush=True)
    else:
        screen.say(made_text(made, str(path), arguments.count))
    return OK if made.cases else FAILED


def made_text(made: Made, path: str, wanted: int) -> str:
    """What was made, what was dropped and why, and how to go on."""
    lines = []
    if made.cases:
        kinds = ", ".join(f"{count} {kind}" for kind, count in _kinds(made).items())
        lines.append(f"Wrote {len(made.cases)} questions to {path}: {kinds}.")
    if len(made.cases) < wanted:
        lines.append(f"{wanted} were wanted; the documents did not give more that could be checked.")
    if made.dropped:
        lines.append("Dropped: " + ", ".join(f"{count} ({why})" for why, count in made.dropped.items()) + ".")
    if made.silent:
        lines.append(f"Documents in which no sentence could be asked about: {made.silent}.")
    if made.foreign:
        lines.append(f"Documents neither in English nor in Chinese, which need a chat model to write questions: {made.foreign}.")
    if made.cases:
        lines.append(f"Look through them, then ask them of the same documents: wellread evaluate {path}, with --library or --in as here.")
    return "\n".join(lines)


def _kinds(made: Made) -> dict[str, int]:
    return dict(sorted(Counter(str(case["category"]) for case in made.cases).items()))


def _model(library: Library) -> ChatModel | None:
    """The chat model, where it is not too small to be trusted with writing questions."""
    if library.parts.settings.model == Settings().model:  # the default model is too small: it need not be loaded to be told so
        return None
    writer = library.parts.writer()
    return None if writer is None or writer.small else writer.model
