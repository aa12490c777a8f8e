"""Is a drafted question a good one? Only if the library finds the answer again, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wellread.evaluate.answers import holds_answer
from wellread.scoreboard.draft import Draft
from wellread.scoreboard.gold import overlaps
from wellread.sentences import sentence_spans
from wellread.types import Hit
from wellread.words import content_words

DEPTH = 20
"""Among so many of the best passages must the gold span be found: more than any score looks at, or these were 1 by selection."""

_LONG_ANSWER = 60
_ALSO_ANSWERS = 0.5
_ALSO_ABOUT = 0.95

Search = Callable[[str, int], Sequence[Hit]]
"""(question, how many): the passages that a library finds, best first."""


def fault(draft: Draft, document: str, text: str, search: Search) -> str | None:
    """Why a question about the document with this id and text is not kept, or None when it is.

    "the answer is not in its quote", "not found again" among the best passages, or "answered in several places": another sentence of
    these passages holds the answer and half of the question's words, or as many of its words as the gold sentence does.
    """
    quote = text[draft.start : draft.end]
    if not holds_answer(quote, [draft.answer]):
        return "the answer is not in its quote"
    hits = search(draft.question, DEPTH)
    gold = (document, draft.start, draft.end)
    if not any(overlaps((hit.chunk.document, hit.chunk.start, hit.chunk.end), gold) for hit in hits):
        return "not found again"
    asked = set(content_words(draft.question))
    here = _share(asked, quote)
    for hit in hits:
        for start, end in sentence_spans(hit.chunk.text):
            place = (hit.chunk.document, hit.chunk.start + start, hit.chunk.start + end)
            if not overlaps(place, gold) and _rivals(hit.chunk.text[start:end], draft, asked, here):
                return "answered in several places"
    return None


def _rivals(sentence: str, draft: Draft, asked: set[str], here: float) -> bool:
    """Whether another sentence may answer too."""
    share = _share(asked, sentence)
    if share >= _ALSO_ANSWERS and len(draft.answer) <= _LONG_ANSWER and holds_answer(sentence, [draft.answer]):
        return True
    return draft.kind not in ("heading", "value") and share >= max(here, _ALSO_ANSWERS) * _ALSO_ABOUT


def _share(words: set[str], text: str) -> float:
    return len(words & set(content_words(text))) / len(words) if words else 0.0
