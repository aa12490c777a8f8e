"""How passages are to be found: which lists count, what is left out, how much of the surroundings comes along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from wellread.errors import UsageError, suggest

By = Literal["hybrid", "keyword", "dense", "rrf"]
Expand = Literal["none", "rewrite", "multi", "hyde", "decompose", "stepback"]
Widen = Literal["none", "sentences", "neighbours", "parent", "section"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How passages are found.

    by: "hybrid" joins keyword and dense search, each trusted as far as the question allows; "keyword" and "dense" are one of them
        alone; "rrf" joins them by reciprocal rank, for comparison.
    min_relevance: passages of less relevance (0..1, see `Hit.why`) are left out.
    mmr: None for the order of relevance, or how much relevance counts against variety, 0..1 (maximal marginal relevance).
    rerank: how many of the best a reranker reads again, 0 for none.
    expand: other wordings of the question that a chat model writes and that are searched for too: "rewrite", "multi" (several wordings),
        "hyde" (a made-up answer), "decompose" (its parts) or "stepback" (a more general question).
    widen: what is read with a passage: the sentences beside it, its neighbours, its passage of about 2,000 characters ("parent"), or its
        section.
    """

    by: By = "hybrid"
    min_relevance: float = 0.0
    mmr: float | None = None
    rerank: int = 0
    expand: Expand = "none"
    widen: Widen = "none"

    def __post_init__(self) -> None:
        _one_of("way to search", self.by, get_args(By))
        _one_of("way to expand a question", self.expand, get_args(Expand))
        _one_of("way to widen", self.widen, get_args(Widen))
        if not 0 <= self.min_relevance <= 1:
            raise UsageError(f"the least relevance cannot be {self.min_relevance:g}.", hint="give a number from 0 to 1")
        if self.mmr is not None and not 0 <= self.mmr <= 1:
            raise UsageError(f"mmr cannot be {self.mmr:g}.", hint="give a number from 0 (all variety) to 1 (all relevance)")
        if not 0 <= self.rerank <= 100:
            raise UsageError(f"{self.rerank} passages cannot be reranked.", hint="give a number from 0 to 100")


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f'there is no {what} "{value}".', hint=suggest(value, known) or f"choose one of {', '.join(known)}")
