"""Hits and a question into a streamed answer whose every sentence is checked, or into an honest refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wellread.confidence import confidence
from wellread.errors import UsageError
from wellread.evidence import Selection, select
from wellread.index.store import Store
from wellread.models.base import Embedder, Judges, Writer
from wellread.modes.compact import compact
from wellread.modes.refine import refine
from wellread.modes.run import Run, is_chinese
from wellread.modes.tree import tree
from wellread.options import Options
from wellread.trace import Recorder
from wellread.types import Answer, Delta, Hit

__all__ = ["Options", "answer", "is_chinese"]

_MODES = {"auto": compact, "compact": compact, "refine": refine, "tree_summarize": tree}
"""How the model comes to its answer. "auto" is "compact", whose draft it keeps only if all of it is supported."""


def answer(
    question: str,
    hits: Sequence[Hit],
    store: Store,
    embedder: Embedder,
    writer: Writer | None,
    options: Options,
    recorder: Recorder,
    judges: Judges = Judges(),
) -> Iterator[Delta | Answer]:
    """Yield the answer's text as it is written, then the whole checked `Answer`.

    `judges` may be given where question and hits are English (see `evidence.readable`).
    Raises `UsageError` for an empty question and `ContextOverflow` for one that does not fit the model's window.
    """
    if not question.strip():
        raise UsageError("the question is empty.", hint='ask something, as in: wellread ask "What is this about?"')
    with recorder.step("select") as data:
        selection = select(question, hits, store, embedder, reader=judges.reader, widen=options.recipe.widen)
        sure = confidence(question, selection)
        data |= {
            "sentences": len(selection.found),
            "coverage": selection.coverage,
            "closeness": selection.closeness,
            "reader": judges.reader.name if judges.reader else None,
            "read": selection.located.score if selection.located else None,
            "confidence": sure,
        }
    run = Run(question, selection.documents, hits, embedder, options, recorder, judges, selection.located, round(sure, 3))
    if not selection.found or sure < options.min_confidence:
        yield run.refused(_why_refused(selection, sure, options))
        return
    reason = _why_extract(question, selection, writer, options)
    if writer is None or reason is not None:
        yield from run.extracted(selection.found, notes=(reason,) if reason else ())
        return
    yield from _MODES[options.mode](run, selection, writer)


def _why_refused(selection: Selection, sure: float, options: Options) -> str:
    if not selection.found:
        return "nothing in the documents is close to the question"
    return f"the documents do not seem to answer it (confidence {sure:.2f}, {options.min_confidence:g} is wanted)"


def _why_extract(question: str, selection: Selection, writer: Writer | None, options: Options) -> str | None:
    """Why the documents' own sentences are the answer, or None when the model is to write."""
    if options.mode == "extract":
        return None if writer is None else ""
    if writer is None:
        return "no chat model is at hand, so these are the documents' own sentences"
    if not writes(writer, question):
        return f"{writer.model.name} does not write Chinese, so these are the documents' own sentences"
    if options.mode == "auto" and selection.found[0].items:
        return "a list is quoted, not retold"
    return None


def writes(writer: Writer, question: str) -> bool:
    """Whether a model can write the language of a question."""
    return not is_chinese(question) or writer.languages is None or "zh" in writer.languages
