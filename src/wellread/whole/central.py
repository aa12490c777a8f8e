"""The sentences that stand for a whole document: those nearest to all of it, and unlike one another."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from wellread.cite import Evidence, closeness
from wellread.models.base import Embedder
from wellread.retrieve.diversity import marginal_relevance
from wellread.whole.passages import Passages, sentences
from wellread.words import content_words

_CHUNKS_PER_SENTENCE = 6
"""Passages whose sentences are looked at for each sentence that is wanted."""

_RELEVANCE = 0.6
"""What being central counts against being unlike what was chosen before."""

_FIRST_GAINS = 0.1
"""What the first sentences of a document or section gain: writers put there what it is about."""

_RELATED = 0.3
"""Where something is asked about, what a sentence must have of it, in words or in meaning."""


def central(passages: Passages, embedder: Embedder, count: int, *, topic: Sequence[str] = (), question: str = "") -> list[Evidence]:
    """Up to `count` sentences of a document, in reading order; with a topic only such as speak of it.

    Centrality is the mean cosine to everything else, as in LexRank without its random walk (Erkan and Radev 2004, arXiv:1109.2128);
    variety is maximal marginal relevance (Carbonell and Goldstein 1998).
    """
    if not passages.chunks:
        return []
    about = embedder.embed([question], query=True)[0] if topic else None
    worth = _centrality(passages.vectors)
    if about is not None:
        worth = worth * 0.3 + _related(passages.vectors, [chunk.text for chunk in passages.chunks], about, topic, embedder)
    chosen = sorted(_varied(worth, passages.vectors, count * _CHUNKS_PER_SENTENCE))
    pool = sentences(passages.document, [passages.chunks[at] for at in chosen], embedder)
    if not pool:
        return []
    vectors = np.stack([one.vector for one in pool])
    worth = _centrality(vectors) + _FIRST_GAINS * np.array([_is_first(passages, one) for one in pool])
    if about is not None:
        related = _related(vectors, [one.text for one in pool], about, topic, embedder)
        pool, vectors, worth = _only(related >= _RELATED, pool, vectors, worth * 0.3 + related)
    picked = _varied(worth, vectors, count) if pool else []
    return sorted((pool[at] for at in picked), key=lambda one: one.start)


def _centrality(vectors: np.ndarray) -> np.ndarray:
    """The mean cosine of each vector with all of them, scaled to 0..1: float32 [n]."""
    mean = vectors @ vectors.mean(axis=0)
    low, high = float(mean.min()), float(mean.max())
    scaled: np.ndarray = (mean - low) / (high - low) if high > low else np.ones(len(mean), np.float32)
    return scaled


def _related(vectors: np.ndarray, texts: Sequence[str], about: np.ndarray, topic: Sequence[str], embedder: Embedder) -> np.ndarray:
    """How far each text speaks of a topic, 0..1: half by meaning, half by the share of the topic's words that it
    holds, of which the rarer count more."""
    meaning = np.clip(closeness(vectors @ about, embedder.unrelated), 0.0, 1.0)
    said = [set(content_words(text)) for text in texts]
    weights = {word: log(1 + (len(said) + 1) / (sum(word in one for one in said) + 0.5)) for word in topic}
    held = [sum(weight for word, weight in weights.items() if word in one) / sum(weights.values()) for one in said]
    related: np.ndarray = (meaning + np.array(held, np.float32)) / 2
    return related


def _varied(worth: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    order = [int(at) for at in np.argsort(-worth, kind="stable")][: max(4 * count, 60)]
    relevance = {at: float(worth[at]) for at in order}
    return marginal_relevance(order, relevance, {at: vectors[at] for at in order}, _RELEVANCE)[:count]


def _is_first(passages: Passages, one: Evidence) -> bool:
    """Whether a sentence is the first of its document or of a section, after the heading."""
    starts = [0, *(section.start for section in passages.document.sections)]
    return any(0 <= one.start - start <= 120 for start in starts)


def _only(
    mask: np.ndarray, pool: Sequence[Evidence], vectors: np.ndarray, worth: np.ndarray
) -> tuple[list[Evidence], np.ndarray, np.ndarray]:
    kept = np.flatnonzero(mask)
    return [pool[int(at)] for at in kept], vectors[kept], worth[kept]
