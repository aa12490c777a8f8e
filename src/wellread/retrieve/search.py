"""A question into Hits: keyword and dense search, fused on their scores, each hit with the reason for its place.

Fusion is the sum of the two lists' z-scores. Measured on English retrieval sets this beats reciprocal rank fusion on all of five, and
BM25 alone on four; the keyword side is trusted only as far as the keywords cover the question, so that a question in another language
than the documents is left to the embedder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wellread.index.keyword import KeywordIndex
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
from wellread.models.base import Embedder
from wellread.types import Document, Hit

POOL = 100
"""Hits that each list contributes before fusion."""

_FLOOR = -3.0
"""No z-score counts for less: a chunk that one list does not know is not punished without end."""

_FULL_TRUST = 0.3
"""Share of the question's keyword weight that the best chunk must hold for the keyword list to count in full."""


@dataclass(frozen=True, slots=True)
class Index:
    """What is searched: the store and the indexes derived from it, all of the same change."""

    store: Store
    keyword: KeywordIndex
    vector: VectorIndex


def retrieve(question: str, index: Index, embedder: Embedder, *, limit: int = 8) -> list[Hit]:
    """The `limit` chunks that best match a question, best first. `why` holds bm25, cosine, their z-scores, and the keyword trust."""
    vector = embedder.embed([question], query=True)[0]
    keyword = index.keyword.search(question, limit=POOL)
    dense = index.vector.search(vector, index.store, limit=POOL)
    pool = sorted(keyword.scores.keys() | dense.keys())
    if not pool:
        return []
    bm25 = keyword.scores | index.keyword.scores(question, [chunk for chunk in pool if chunk not in keyword.scores])
    cosine = dense | index.vector.scores(vector, index.store, [chunk for chunk in pool if chunk not in dense])
    trust = min(keyword.coverage / _FULL_TRUST, 1.0)
    keyword_z = _z_scores(pool, bm25, list(keyword.scores.values()))
    dense_z = _z_scores(pool, cosine, list(dense.values()))
    fused = {chunk: trust * keyword_z[chunk] + dense_z[chunk] for chunk in pool}
    best = sorted(pool, key=lambda chunk: (-fused[chunk], chunk))[:limit]
    chunks = index.store.chunks(best)
    documents: dict[str, Document] = {}
    hits = []
    for chunk_id in best:
        chunk = chunks.get(chunk_id)
        if chunk is None:  # removed by another process since the search
            continue
        if chunk.document not in documents:
            documents[chunk.document] = index.store.document(chunk.document)
        document = documents[chunk.document]
        hits.append(
            Hit(
                chunk=chunk,
                title=document.title,
                source=document.source,
                page_label=document.pages[chunk.page].label if chunk.page is not None else None,
                heading=document.sections[chunk.section].title if chunk.section is not None else None,
                score=fused[chunk_id],
                why={
                    "bm25": bm25.get(chunk_id, 0.0),
                    "cosine": cosine.get(chunk_id, 0.0),
                    "keyword_z": keyword_z[chunk_id],
                    "dense_z": dense_z[chunk_id],
                    "keyword_trust": trust,
                },
            )
        )
    return hits


def _z_scores(pool: list[int], scores: Mapping[int, float], listed: list[float]) -> dict[int, float]:
    """Each chunk's distance from the mean of the list's own hits, in standard deviations, at least `_FLOOR`."""
    if not listed:
        return dict.fromkeys(pool, 0.0)
    mean, deviation = float(np.mean(listed)), float(np.std(listed))
    if deviation < 1e-9:  # one hit, or all alike: being in the list is all there is to know
        return {chunk: 1.0 if chunk in scores and scores[chunk] >= mean - 1e-9 else 0.0 for chunk in pool}
    return {chunk: max((scores.get(chunk, 0.0) - mean) / deviation, _FLOOR) for chunk in pool}
