"""All of a document read by the chat model, part by part: summaries that are joined, and items that are put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wellread.models.base import Embedder, Writer
from wellread.modes.draft import Draft, Judged
from wellread.modes.fit import budget
from wellread.modes.run import Run, is_chinese, silently, total
from wellread.modes.tree import Note, fan_in, join, most_leaves, packed
from wellread.prompts import items_prompt, summary_prompt
from wellread.types import Message, Usage
from wellread.whole.passages import Passages, sentences
from wellread.words import words

_BULLET = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,3}[.)、])\s*")
_MOST_ITEMS = 60


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the model made of a document: the judged draft, the tokens of each passage it read, the longest prompt, and the cost."""

    draft: Draft
    read: dict[int, int]
    largest: int
    usage: Usage


def summarized(run: Run, writer: Writer, passages: Passages, topic: str, calls: int) -> Mapped:
    """A summary in at most `calls` calls: of each part by itself, then of the summaries, until one is left."""
    chinese, model = is_chinese(run.question), writer.model
    groups, room, limit = _groups(run, writer, passages, summary_prompt([], topic, chinese=chinese))
    chosen = _most_central(passages, groups, most_leaves(calls, fan_in(run, model, limit, room)))
    notes = [[_note(note, passages, run.embedder) for note in group] for group in chosen]
    joined = silently(join(run, model, notes, lambda texts: summary_prompt(texts, topic, chinese=chinese), limit, room))
    return Mapped(joined.root.draft, _read(passages, chosen), joined.largest, joined.root.usage)


def itemized(run: Run, writer: Writer, passages: Passages, calls: int) -> Mapped:
    """Every item that is asked for, part by part, in at most `calls` calls; what nothing supports is left out."""
    chinese, model = is_chinese(run.question), writer.model
    groups, _, _ = _groups(run, writer, passages, items_prompt(run.question, [], chinese=chinese))
    chosen = _most_central(passages, groups, calls)
    draft, largest, usages = Draft(), 0, list[Usage]()
    seen: set[frozenset[str]] = set()
    for at, group in enumerate(chosen):
        prompt = items_prompt(run.question, [passages.chunks[each].text for each, _ in group], chinese=chinese)
        largest = max(largest, run.prompted(model, prompt, f"part {at + 1} of {len(chosen)}"))
        text, usage = run.text(model, prompt)
        usages.append(usage)
        judge = run.judge(sentences(passages.document, [passages.chunks[each] for each, _ in group], run.embedder, prose=False))
        for line in filter(None, (_BULLET.sub("", line).strip() for line in text.split("\n"))):
            said = frozenset(words(line))
            verdict = judge.verdict(line)
            if verdict.status == "supported" and said not in seen and len(seen) < _MOST_ITEMS:
                seen.add(said)
                draft.add(Judged(f"- {line}", "supported", verdict.support, verdict.evidence), "\n")
    return Mapped(draft, _read(passages, chosen), largest, total(*usages))


_Group = list[tuple[int, int]]
"""Passages of a part: (position, tokens)."""


def _groups(run: Run, writer: Writer, passages: Passages, bare: Sequence[Message]) -> tuple[list[_Group], int, int]:
    """The passages in parts that fit the window, with the room beside the instruction and how much of it is used."""
    model = writer.model
    room = run.room(model, bare)
    limit = room if run.options.evidence_tokens is None else budget(run, writer, room)
    sizes = [model.count_tokens([Message("user", chunk.text)]) for chunk in passages.chunks]
    plain = [Note(str(at), size, ()) for at, size in enumerate(sizes)]
    return [[(int(note.text), note.tokens) for note in group] for group in packed(plain, limit)], room, limit


def _most_central(passages: Passages, groups: Sequence[_Group], count: int) -> list[_Group]:
    """The `count` parts nearest to the whole document, in reading order."""
    if len(groups) <= count:
        return list(groups)
    mean = passages.vectors @ passages.vectors.mean(axis=0)
    worth = [float(np.mean([mean[at] for at, _ in group])) for group in groups]
    best = sorted(range(len(groups)), key=lambda at: -worth[at])[:count]
    return [groups[at] for at in sorted(best)]


def _note(place: tuple[int, int], passages: Passages, embedder: Embedder) -> Note:
    at, size = place
    chunk = passages.chunks[at]
    return Note(chunk.text, size, tuple(sentences(passages.document, [chunk], embedder, prose=False)))


def _read(passages: Passages, groups: Sequence[_Group]) -> dict[int, int]:
    return {passages.chunks[at].id: size for group in groups for at, size in group}
