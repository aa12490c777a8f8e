"""All of a search: other wordings of the question where they are wanted, the lists they find, and a reranker's second look."""

from __future__ import annotations

from dataclasses import dataclass

from wellread.index.index import Index
from wellread.index.within import Within
from wellread.models.base import ChatModel, Embedder, Reranker
from wellread.recipe import Recipe
from wellread.retrieve.expand import Query, combine, expand
from wellread.retrieve.rerank import reranked
from wellread.retrieve.search import retrieve
from wellread.types import Hit

_DEPTH = 50
"""Hits of each of several queries: what one finds late another may find early."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first, by which queries, and a note where something that was wanted could not be done."""

    hits: list[Hit]
    queries: tuple[Query, ...]
    note: str | None = None


def find(
    question: str,
    index: Index,
    embedder: Embedder,
    *,
    recipe: Recipe = Recipe(),
    limit: int = 8,
    within: Within | None = None,
    model: ChatModel | None = None,
    reranker: Reranker | None = None,
) -> Found:
    """The `limit` best hits for a question by a recipe, of those that a filter lets through.

    `model` writes the other wordings that `recipe.expand` asks for, `reranker` reads the best `recipe.rerank` again; without them the
    note says that this was left out.
    """
    notes = []
    queries: tuple[Query, ...] = (Query(question),)
    if recipe.expand != "none":
        if model is None:
            notes.append(f'"{recipe.expand}" needs a chat model, so only the question itself was searched for')
        else:
            expanded = expand(question, model, recipe.expand)
            queries = expanded.queries
            notes += [expanded.note] if expanded.note else []
    if recipe.rerank and reranker is None:
        notes.append("there is no reranker (see --reranker), so the order is that of the search")
    wanted = max(limit, recipe.rerank if reranker is not None else 0)
    depth = wanted if len(queries) == 1 else max(wanted, _DEPTH)
    lists = [
        (query, retrieve(query.text, index, embedder, recipe=recipe, limit=depth, within=within, as_passage=query.as_passage))
        for query in queries
    ]
    hits = lists[0][1] if len(lists) == 1 else combine(lists, wanted)
    if reranker is not None and recipe.rerank:
        hits = reranked(question, hits, reranker, recipe.rerank)
    return Found(hits[:limit], queries, "; ".join(notes) or None)
