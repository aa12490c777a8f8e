"""How an answer is to be made."""

from __future__ import annotations

from dataclasses import dataclass

from wellread.errors import UsageError, suggest
from wellread.recipe import Recipe

MODES = ("auto", "compact", "extract")


@dataclass(frozen=True, slots=True)
class Options:
    """How an answer is made.

    mode: "compact" lets the chat model write and marks what nothing supports; "extract" quotes sentences and needs no chat model;
        "auto" keeps what the model wrote only if every sentence is supported, and quotes instead otherwise, for lists, and in
        languages that the model cannot write.
    strict: in "compact", drop sentences that nothing supports instead of marking them.
    evidence_tokens: how much of what was found the model is shown, in tokens; None for what suits the model.
    filter: answer only from what this filter lets through, such as "type:pdf date>=2024" (see docs/filters.md).
    recipe: how passages are found, and how much is read around them.
    min_strength: a question that the documents fit less well than this is refused (see `Selection.strength`).
    """

    mode: str = "auto"
    strict: bool = False
    max_tokens: int = 200
    evidence_tokens: int | None = None
    min_strength: float = 0.45
    filter: str | None = None
    recipe: Recipe = Recipe()

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(
                f'there is no answer mode "{self.mode}".', hint=suggest(self.mode, MODES) or f"choose one of {', '.join(MODES)}"
            )
