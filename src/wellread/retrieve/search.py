"""A question into Hits: keyword and dense search, joined by how far each can be trusted, each hit with the reason for its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wellread.index.chunk_rows import first_of_document
from wellread.index.index import Index
from wellread.index.keyword import PASSAGE_BITS, KeywordIndex
from wellread.index.keyword_query import KeywordHits
from wellread.index.store import Store
from wellread.index.within import Within
from wellread.models.base import Embedder
from wellread.recipe import Recipe
from wellread.retrieve.analysis import Literals, literals
from wellread.retrieve.diversity import marginal_relevance, repeated, spread
from wellread.retrieve.fusion import Scored, keyword_trust, reciprocal_ranks, with_heads, with_passages
from wellread.retrieve.relevance import closeness, relevance
from wellread.types import Hit

POOL = 100
"""Hits that each list contributes before fusion."""

_PASSAGES = 50
_OF_ONE_PASSAGE = 3
"""Chunks of one passage among the hits, before all others of the pool had their turn."""

_BM25_MOST = 2.2
"""What BM25 gives at most for a word, as a multiple of the word's weight: its k1 + 1."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Chunk ids, best first, with the score that orders them, the reasons for it, and how relevant each is, 0..1."""

    ids: Sequence[int]
    scores: Mapping[int, float]
    why: Mapping[int, Mapping[str, float]]
    relevance: Mapping[int, float]


def retrieve(
    question: str,
    index: Index,
    embedder: Embedder,
    *,
    recipe: Recipe = Recipe(),
    limit: int = 8,
    within: Within | None = None,
    as_passage: bool = False,
) -> list[Hit]:
    """The `limit` chunks that best match a question, best first, of those that a filter lets through.

    `why` holds what each part says of the hit: "bm25", "cosine", "relevance" (the calibrated probability, 0..1, that it is to the point)
    and, in a hybrid search, the parts of the score. Texts that were already found in another place are left out. `as_passage` says
    that the question is written like a passage and embedded as one.
    """
    pool = max(POOL, limit)
    found = ranked(question, index, embedder, recipe, pool=pool, within=within, as_passage=as_passage)
    ids = [chunk for chunk in found.ids if found.relevance[chunk] >= recipe.min_relevance]
    if recipe.mmr is not None:
        ids = ids[: 4 * limit]
        ids = marginal_relevance(ids, found.relevance, index.store.vectors(ids), recipe.mmr)
    ids = spread(ids, passage_bits=PASSAGE_BITS, most=_OF_ONE_PASSAGE)
    hits: list[Hit] = []
    while ids and len(hits) < limit:  # no more is loaded than is needed
        some, ids = ids[: limit - len(hits)], ids[limit - len(hits) :]
        hits += _hits(some, index.store, found)
        again = repeated((hit.chunk.id, hit.chunk.text) for hit in hits)
        hits = [hit for hit in hits if hit.chunk.id not in again]
    return hits


def ranked(
    question: str,
    index: Index,
    embedder: Embedder,
    recipe: Recipe,
    *,
    pool: int,
    within: Within | None = None,
    as_passage: bool = False,
) -> Ranking:
    """All chunks that one of the lists, each of `pool` hits, holds, in the order of a recipe."""
    asked = literals(question)
    keyword, dense = KeywordHits({}, 0.0), dict[int, float]()
    vector = np.zeros(0, np.float32)
    if recipe.by != "dense":
        keyword = index.keyword.search(question, limit=pool, within=within, boosts=asked.boosts, phrases=asked.phrases)
    if recipe.by != "keyword":
        vector = embedder.embed([question], query=not as_passage)[0]
        dense = index.vector.search(vector, index.store, limit=pool, within=within)
    if recipe.by == "hybrid":
        return _joined(question, asked, vector, embedder.unrelated, keyword, dense, index)
    scores: Mapping[int, float]
    if recipe.by == "rrf":
        scores = reciprocal_ranks([_by_score(keyword.scores), _by_score(dense)])
    else:
        scores = keyword.scores if recipe.by == "keyword" else dense
    most = _most(keyword)
    why: dict[int, dict[str, float]] = {chunk: {} for chunk in scores}
    for name, listed in (("bm25", keyword.scores), ("cosine", dense), ("rrf", scores if recipe.by == "rrf" else {})):
        for chunk, score in listed.items():
            why[chunk][name] = score
    told = {
        chunk: relevance(
            share=reasons["bm25"] / most if "bm25" in reasons else None,
            closeness=closeness(reasons["cosine"], embedder.unrelated) if "cosine" in reasons else None,
        )
        for chunk, reasons in why.items()
    }
    return Ranking(_by_score(scores), scores, {chunk: {**why[chunk], "relevance": told[chunk]} for chunk in why}, told)


def _joined(
    question: str, asked: Literals, vector: np.ndarray, unrelated: float, keyword: KeywordHits, dense: dict[int, float], index: Index
) -> Ranking:
    """Both lists, and what the words around each chunk add, summed as far as each can be trusted."""
    pool = sorted(keyword.scores.keys() | dense.keys())
    if not pool:
        return Ranking((), {}, {}, {})
    unlisted = [chunk for chunk in pool if chunk not in keyword.scores]
    bm25 = keyword.scores | index.keyword.scores(question, unlisted, boosts=asked.boosts, phrases=asked.phrases)
    cosine = dense | index.vector.rough_scores(vector, [chunk for chunk in pool if chunk not in dense])
    words, meaning = Scored(list(keyword.scores.values()), bm25), Scored(list(dense.values()), cosine)
    trust = keyword_trust(words, meaning, coverage=keyword.coverage, known=keyword.known)
    keyword_z, dense_z = words.z_scores(pool), meaning.z_scores(pool)
    around_z = _around(question, asked, index.passages, pool)
    head_z = _heads(vector, index, meaning, pool)
    fused = trust.weight * with_passages(keyword_z, around_z) + with_heads(dense_z, head_z)
    scores = dict(zip(pool, fused.tolist(), strict=True))
    most = _most(keyword)
    why, told = {}, {}
    for at, chunk in enumerate(pool):
        share = bm25.get(chunk, 0.0) / most if most else 0.0
        told[chunk] = relevance(share=share, closeness=closeness(cosine.get(chunk, unrelated), unrelated))
        why[chunk] = {
            "relevance": told[chunk],
            "bm25": bm25.get(chunk, 0.0),
            "cosine": cosine.get(chunk, 0.0),
            "keyword_z": float(keyword_z[at]),
            "passage_z": float(around_z[at]),
            "dense_z": float(dense_z[at]),
            "head_z": float(head_z[at]),
            "keyword_trust": trust.weight,
            "trust_coverage": trust.coverage,
            "trust_known": trust.known,
            "trust_standing": trust.standing,
        }
    return Ranking(_by_score(scores), scores, why, told)


def _around(question: str, asked: Literals, passages: KeywordIndex, pool: Sequence[int]) -> np.ndarray:
    """For each chunk the z-score of the passage that it lies in."""
    found = passages.search(question, limit=_PASSAGES, boosts=asked.boosts, phrases=asked.phrases).scores
    of = [chunk >> PASSAGE_BITS for chunk in pool]
    others = sorted(set(of) - found.keys())
    return Scored(list(found.values()), found | passages.scores(question, others, boosts=asked.boosts, phrases=asked.phrases)).z_scores(of)


def _heads(vector: np.ndarray, index: Index, meaning: Scored, pool: Sequence[int]) -> np.ndarray:
    """For each chunk what the vector of its document's first chunk says, on the scale of the dense list."""
    of = [first_of_document(chunk) for chunk in pool]
    return Scored(meaning.listed, index.vector.rough_scores(vector, sorted(set(of)))).z_scores(of)


def _most(keyword: KeywordHits) -> float:
    """The BM25 that no chunk can pass, for this question."""
    return _BM25_MOST * sum(keyword.terms.values())


def _by_score(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))


def _hits(ids: Sequence[int], store: Store, found: Ranking) -> list[Hit]:
    """The chunks with where they stand; one that another process has removed since the search is left out."""
    hits = []
    for place in store.places(ids):
        chunk = place.chunk
        hits.append(Hit(chunk, place.title, place.source, place.page_label, place.heading, found.scores[chunk.id], found.why[chunk.id]))
    return hits
