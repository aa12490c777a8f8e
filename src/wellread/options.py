"""How an answer is to be made."""

from __future__ import annotations

from dataclasses import dataclass

from wellread.errors import UsageError, suggest
from wellread.recipe import Recipe

MODES = ("auto", "compact", "refine", "tree_summarize", "extract")
OVERFLOWS = ("error", "drop")
MIN_CONFIDENCE = 0.5
_ALSO = {"tree": "tree_summarize"}
_MOST_DRAFTS = 16


@dataclass(frozen=True, slots=True)
class Options:
    """How an answer is made.

    mode: "compact" lets the chat model write from the best sentences and marks what nothing supports; "refine" shows it one source after
        another, and it revises its answer; "tree_summarize" ("tree" for short) has every group of sources answered by itself and joins the
        answers; "extract" quotes sentences and needs no chat model; "auto" keeps what the model wrote in "compact" only if every sentence
        is supported, and quotes instead otherwise, for lists, and in languages that the model cannot write.
    strict: in the modes in which the model writes, drop sentences that nothing supports instead of marking them.
    evidence_tokens: how much of what was found the model is shown at a time, in tokens; None for what suits the model.
    filter: answer only from what this filter lets through, such as "type:pdf date>=2024" (see docs/filters.md).
    recipe: how passages are found, and how much is read around them.
    min_confidence: a question is refused when the probability that the documents answer it is lower (0..1, see `Answer.confidence`). The
        higher it is, the fewer false answers there are, and the more false refusals; `wellread evaluate` draws one against the other.
    drafts: how many drafts are written in "compact" and "auto"; the one with the best citation recall is kept.
    whole: in "auto", "tree_summarize" and "extract", answer questions about whole documents (summarise, compare, how many, list all) from
        all of their text.
    max_calls: the most times that the chat model is asked for one answer in "refine", "tree_summarize" and about whole documents.
    memory_tokens: how much of a conversation is kept word for word, in tokens; what is older is condensed.
    overflow: "error" when something that was asked for does not fit the chat model's window, or "drop" to leave out what does not fit and
        say so in the ledger.
    """

    mode: str = "auto"
    strict: bool = False
    max_tokens: int = 200
    evidence_tokens: int | None = None
    min_confidence: float = MIN_CONFIDENCE
    filter: str | None = None
    recipe: Recipe = Recipe()
    drafts: int = 1
    whole: bool = True
    max_calls: int = 24
    memory_tokens: int = 400
    overflow: str = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", _ALSO.get(self.mode, self.mode))
        _one_of("answer mode", self.mode, MODES)
        _one_of("way to handle an overflow", self.overflow, OVERFLOWS)
        if self.max_tokens < 1:
            raise UsageError(f"an answer of {self.max_tokens} tokens cannot be written.", hint="max_tokens begins at 1")
        if self.evidence_tokens is not None and self.evidence_tokens < 1:
            raise UsageError(f"{self.evidence_tokens} tokens of evidence show nothing.", hint="evidence_tokens begins at 1")
        if not 0 <= self.min_confidence <= 1:
            raise UsageError(
                f"a confidence of {self.min_confidence} cannot be reached.", hint="min_confidence is a probability, from 0 to 1"
            )
        if not 1 <= self.drafts <= _MOST_DRAFTS:
            raise UsageError(f"{self.drafts} drafts cannot be written.", hint=f"give a number from 1 to {_MOST_DRAFTS}")
        if self.max_calls < 1:
            raise UsageError(f"the model cannot be asked {self.max_calls} times.", hint="max_calls begins at 1")
        if self.memory_tokens < 1:
            raise UsageError(f"a memory of {self.memory_tokens} tokens cannot be kept.", hint="memory_tokens begins at 1")


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        near = suggest(value, (*known, *_ALSO) if known is MODES else known)
        raise UsageError(f'there is no {what} "{value}".', hint=near or f"choose one of {', '.join(known)}")
