"""Writing questions about the documents of a library: drafted, checked, some of them swapped, all in the same order for the same seed."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.index.rows import Listed
from wellread.library import Library
from wellread.models.base import ChatModel
from wellread.recipe import Recipe
from wellread.scoreboard.check import fault
from wellread.scoreboard.draft import Draft
from wellread.scoreboard.drafts import drafts_of, language_of
from wellread.scoreboard.gold import Gold, as_json
from wellread.scoreboard.swap import swapped
from wellread.scoreboard.written import written
from wellread.split import split
from wellread.types import Document, Hit, Progress, one_line, silent
from wellread.words import words

COUNT, SHARE = 50, 0.2
_TRIES_FOR_EACH = 40
"""Drafts that are looked at, at most, for each question that is wanted."""

_ABSENT_AMONG = 10


@dataclass(frozen=True, slots=True)
class Made:
    """Questions as lines of a file. `dropped` counts drafts by what was wrong with them; `silent` documents gave no draft at all, and
    `foreign` ones are in a language that no rules are here for."""

    cases: tuple[Mapping[str, Any], ...]
    dropped: Mapping[str, int]
    silent: int
    foreign: int


@dataclass(slots=True)
class _Kept:
    drafts: list[tuple[Draft, Document]] = field(default_factory=list)
    questions: set[str] = field(default_factory=set)
    places: set[tuple[str, int]] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    foreign: int = 0


def make(
    library: Library,
    *,
    count: int = COUNT,
    share: float = SHARE,
    seed: int = 0,
    model: ChatModel | None = None,
    progress: Progress = silent,
) -> Made:
    """`count` questions, of which a `share` (0..1) has no answer in the library; fewer where the documents do not give so many.

    With a `model`, it writes every other question, the rest follows from rules. Raises `UsageError` for a library without documents.
    """
    if count < 1 or not 0 <= share < 1:
        raise UsageError(
            f"{count} questions with a share of {share:g} cannot be made.", hint="--count is 1 or more, --unanswerable 0 to 0.9"
        )
    listed = sorted(library.documents(), key=lambda one: one.id)
    if not listed:
        raise UsageError(f"the library {library.folder} is empty.", hint="add something with: wellread add PATH")
    rng = random.Random(f"{seed}")
    rng.shuffle(listed)
    wanted = count - round(count * share)
    kept = _keep(listed, library, wanted, seed, model, progress)
    cases = [_case(number, draft, document) for number, (draft, document) in enumerate(kept.drafts, 1)]
    cases += _unanswerable(kept, library, round(len(cases) * share / (1 - share)), seed)
    return Made(tuple(cases), dict(sorted(kept.dropped.items())), kept.silent, kept.foreign)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` where questions would take the place of others, or there is no folder for them."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already.", hint="it may have been edited: name another file with --out, or --overwrite it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}.", hint="make it, or name another file with --out")


def write(cases: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One question a line, to be edited by hand."""
    path.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases), encoding="utf-8")


class _Queue:
    """What can still be asked about one document."""

    def __init__(self, document: Document, rng: random.Random, model: ChatModel | None) -> None:
        self.document = document
        self._drafts = drafts_of(document)
        rng.shuffle(self._drafts)
        spans = [(span.start, span.end) for span in split(document)] if model is not None else []
        rng.shuffle(spans)
        self._written = iter(()) if model is None else _written(model, document, spans)
        self._writes = model is not None

    @property
    def promising(self) -> bool:
        return bool(self._drafts) or self._writes

    def take(self, kinds: Counter[str]) -> Draft | None:
        """The next draft: one that the model writes as long as there are fewer of these, else one of the kind that is rarest so far."""
        if self._writes and 2 * kinds["written"] <= kinds.total():
            if (draft := next(self._written, None)) is not None:
                return draft
            self._writes = False
        if not self._drafts:
            return None
        rarest = min(range(len(self._drafts)), key=lambda at: (_weight(self._drafts[at].kind) * kinds[self._drafts[at].kind], at))
        return self._drafts.pop(rarest)


def _weight(kind: str) -> int:
    """How much a question of a kind counts against further ones: people ask less by headings than about things."""
    return 2 if kind in ("heading", "value") else 1


def _written(model: ChatModel, document: Document, spans: Sequence[tuple[int, int]]) -> Iterator[Draft]:
    return (draft for start, end in spans if (draft := written(model, document, start, end)) is not None)


def _keep(listed: Sequence[Listed], library: Library, wanted: int, seed: int, model: ChatModel | None, progress: Progress) -> _Kept:
    """Good drafts, from one document after the other, until there are enough. A document is read when its turn comes first."""
    kept, waiting = _Kept(), deque[Listed | _Queue](listed)
    for _ in range(wanted * _TRIES_FOR_EACH + len(listed)):
        if len(kept.drafts) == wanted or not waiting:
            break
        progress("Writing questions", len(kept.drafts), wanted)
        first = waiting.popleft()
        queue = first if isinstance(first, _Queue) else _begun(library.document(first.id), seed, model, kept)
        draft = None if queue is None else queue.take(kept.kinds)
        if queue is None or draft is None:
            continue
        waiting.append(queue)
        wrong = _fault(draft, queue.document, kept, library)
        if wrong is not None:
            kept.dropped[wrong] += 1
            continue
        kept.drafts.append((draft, queue.document))
        kept.questions.add(_plain(draft.question))
        kept.places.add((queue.document.id, draft.start))
        kept.kinds[draft.kind] += 1
    progress("Writing questions", wanted, wanted)
    return kept


def _begun(document: Document, seed: int, model: ChatModel | None, kept: _Kept) -> _Queue | None:
    """What can be asked about a document that has not been looked at yet, or None, counted, where nothing can."""
    if language_of(document) is None and model is None:
        kept.foreign += 1
        return None
    queue = _Queue(document, random.Random(f"{seed} {document.id}"), model)
    kept.silent += not queue.promising
    return queue


def _fault(draft: Draft, document: Document, kept: _Kept, library: Library) -> str | None:
    if _plain(draft.question) in kept.questions:
        return "asked already"
    if (document.id, draft.start) in kept.places:
        return "its sentence was asked about already"

    def search(question: str, limit: int) -> list[Hit]:
        return library.search(question, limit=limit)

    return fault(draft, document.id, document.text, search)


def _unanswerable(kept: _Kept, library: Library, wanted: int, seed: int) -> list[dict[str, Any]]:
    """Questions swapped from those that were kept, which stay in."""
    cases: list[dict[str, Any]] = []
    rng = random.Random(f"{seed} unanswerable")
    order = list(enumerate(kept.drafts, 1))
    rng.shuffle(order)
    order.sort(key=lambda numbered: numbered[1][0].kind in ("heading", "value"))  # their subject is a title, less telling to swap

    def absent(word: str) -> bool:
        hits = library.search(word, limit=_ABSENT_AMONG, recipe=Recipe(by="keyword"))
        plain = words(word)
        return not any(_has(words(f"{hit.title} {hit.heading or ''} {hit.chunk.text}"), plain) for hit in hits)

    for number, (draft, _) in order:
        if len(cases) == wanted:
            break
        found = swapped(draft, rng, absent)
        if found is None:
            kept.dropped["nothing in it can be swapped"] += 1
        elif _plain(found.question) not in kept.questions:
            kept.questions.add(_plain(found.question))
            cases.append(
                {
                    "id": f"u{len(cases) + 1:03}",
                    "question": found.question,
                    "answers": [],
                    "answerable": False,
                    "category": "unanswerable",
                    "language": draft.language,
                    "swapped": {"from": found.out, "to": found.into, "of": f"q{number:03}"},
                }
            )
    return cases


def _case(number: int, draft: Draft, document: Document) -> dict[str, Any]:
    quote = document.text[draft.start : draft.end]
    gold = Gold(document.id, one_line(document.title), document.source, draft.start, draft.end, quote)
    return {
        "id": f"q{number:03}",
        "question": draft.question,
        "answers": [draft.answer],
        "answerable": True,
        "category": draft.kind,
        "language": draft.language,
        "spans": [as_json(gold)],
    }


def _has(text: Sequence[str], run: Sequence[str]) -> bool:
    return any(list(text[at : at + len(run)]) == list(run) for at in range(len(text) - len(run) + 1))


def _plain(question: str) -> str:
    return re.sub(r"\W+", " ", question).strip().casefold()
