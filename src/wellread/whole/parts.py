"""Summaries and comparisons: a part for each document, from its own evidence."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from wellread.models.base import Writer
from wellread.modes.draft import Draft
from wellread.modes.run import Run
from wellread.whole.central import central
from wellread.whole.kinds import CHINESE_NUMBERS, LENGTH, NUMBERS
from wellread.whole.listed import listing
from wellread.whole.made import Made
from wellread.whole.mapped import summarized
from wellread.whole.meant import Meant
from wellread.whole.passages import Passages

_SHORTEST, _LONGEST = 3, 8
_MOST = 20


def parts(run: Run, meant: Meant, texts: Sequence[Passages], reader: Writer | None, made: Made) -> None:
    """Add a part for each document, in the model's words where it reads them and they hold, else in the document's own; a list of what is
    asked about is quoted whole."""
    for text in texts:
        written = None if reader is None else _written(run, meant, text, reader, made, max(1, run.options.max_calls // len(texts)))
        if len(texts) > 1:
            made.title(text)
        if written is not None:
            made.join(written)
            continue
        with run.recorder.step("extract"):
            told = listing(text, run.question, meant.topic, run.embedder) if meant.topic else None
            if told is not None and told.announced is not None:
                made.quote(told.announced, *told.items)
                continue
            count = _length(run.question, text, len(texts))
            found = central(text, run.embedder, count, topic=meant.topic, question=run.question)
        made.quote(*found[:1], gap="\n" if len(texts) > 1 else " ")
        made.quote(*found[1:], gap=" ")
        if not found and len(texts) > 1:
            made.say("没有找到与此有关的内容。" if made.chinese else "Nothing about this was found in it.")


def _written(run: Run, meant: Meant, text: Passages, reader: Writer, made: Made, calls: int) -> Draft | None:
    """The model's summary, or None when too little of it holds.

    In "auto" and under `strict` a summary loses what nothing supports, since it is a summary without that too; if that is more than
    half of it, it is none.
    """
    if not text.chunks:
        return None
    mapped = summarized(run, reader, text, " ".join(meant.topic), calls)
    made.account(mapped)
    draft = mapped.draft
    if not draft.supported or (run.options.mode == "auto" and draft.recall < 0.5):
        made.notes.append(f"too little of what the model made of “{text.document.title}” was supported, so its own sentences are quoted")
        return None
    kept = draft if run.options.mode != "auto" and not run.options.strict else draft.only("supported", "uncited")
    if lost := len(draft.sentences) - len(kept.sentences):
        made.notes.append(f"{lost} of {len(draft.sentences)} sentences that the model wrote were not supported and are left out")
    if kept.breaks:
        kept.breaks[0] = "\n"
    return kept


def _length(question: str, text: Passages, documents: int) -> int:
    """How many sentences a part has: as many as are asked for, else more for a longer document and fewer for each of many."""
    if wanted := LENGTH.search(question):
        return min(max(1, _number((wanted["number"] or wanted["chinese"]).lower())), _MOST)
    if documents > 1:
        return 3 if documents <= 4 else 2 if documents <= 8 else 1
    return min(max(_SHORTEST, 2 + isqrt(len(text.chunks))), _LONGEST)


def _number(word: str) -> int:
    if word.isdecimal():
        return int(word)
    if word == "两":
        return 2
    return 1 + (NUMBERS.index(word) if word in NUMBERS else CHINESE_NUMBERS.index(word))
