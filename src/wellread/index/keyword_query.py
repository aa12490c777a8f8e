"""Questions to an open keyword index: BM25 over words and phrases, inside a filter where there is one.

Measured on a million made-up passages (`wellread bench scale`), processor milliseconds at the median: a question takes 1 to 1.7, one
within 10, 333, 3,339 and 16,695 of 33,387 documents 0.8, 3.6, 2.6 and 1.7, the scores of a hundred given chunks 0.5 to 0.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

import numpy as np

from wellread.index.within import Within

DOCUMENT_BITS = 17
"""A chunk's id without so many of its lowest bits is its document's number: the field `document`."""

_BROAD = 0.03
"""The share of all chunks from which a filter lets so much through that looking at the best of all chunks is quicker than looking for
the filter's documents: at a million chunks, 2.4 against 7.7 ms for a tenth of all, 1.7 against 23 for half, but 9 against 2 for a
hundredth."""


@dataclass(frozen=True, slots=True)
class KeywordHits:
    """What a query found: BM25 scores by chunk id, and `coverage`: the share of the query's weight that the best chunk holds.

    `terms` are the stemmed words of the query, each with its weight (inverse document frequency); `missing` those that no chunk has.
    """

    scores: dict[int, float]
    coverage: float
    terms: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def known(self) -> float:
        """The share of the query's weight that any chunk holds."""
        total = sum(self.terms.values())
        return 1 - sum(self.terms[term] for term in self.missing) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as the index takes it: its distinct terms, what the weight of some is multiplied by, and terms to be found in a row."""

    terms: tuple[str, ...]
    boosts: Mapping[str, float]
    phrases: tuple[tuple[str, ...], ...]


def search(schema: Any, searcher: Any, asked: Asked, limit: int, within: Within | None) -> KeywordHits:
    """The best `limit` chunks of those in `within`."""
    total = searcher.num_docs
    frequencies = {term: searcher.doc_freq("words", term) for term in asked.terms}
    weights = {term: _idf(frequency, total) for term, frequency in frequencies.items()}
    missing = tuple(term for term, frequency in frequencies.items() if not frequency)
    known = [term for term in weights if frequencies[term]]
    nothing = KeywordHits({}, 0.0, weights, missing)
    if not known or not total or limit < 1:
        return nothing
    query = _any_of(schema, asked, known)
    found = _best(searcher, query, limit) if within is None else _best_within(schema, searcher, query, limit, within)
    if not found:
        return nothing
    held = _held(schema, searcher, known, next(iter(found)))
    return KeywordHits(found, sum(weights[term] for term in held) / sum(weights.values()), weights, missing)


def scores(schema: Any, searcher: Any, asked: Asked, chunks: Sequence[int]) -> dict[int, float]:
    """BM25 of given chunks; those that share no word with the query are left out."""
    import tantivy

    if not asked.terms or not chunks:
        return {}
    # One query for each id: up to some hundred ids that takes half the time of one query for the set of them.
    these = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "chunk", chunk)) for chunk in chunks]
    query = _only(_any_of(schema, asked, asked.terms), tantivy.Query.boolean_query(these))
    return _best(searcher, query, len(chunks))


def ids_of(searcher: Any, hits: Sequence[Any]) -> list[int]:
    """The chunk ids of what a search found. Raises `ValueError` when the index has lost one."""
    ids = searcher.fast_field_values("chunk", [address for _, address in hits])
    if None in ids:
        raise ValueError("an entry has lost its number")
    return [int(chunk) for chunk in ids]


def _best(searcher: Any, query: Any, limit: int) -> dict[int, float]:
    hits = searcher.search(query, limit=limit, count=False).hits
    return {chunk: float(score) for chunk, (score, _) in zip(ids_of(searcher, hits), hits, strict=True)}


def _best_within(schema: Any, searcher: Any, query: Any, limit: int, within: Within) -> dict[int, float]:
    """The best in a filter: in its documents only or, where it lets much through, in all of them, and then what lies in the filter.

    What is found is the same either way. A broad filter whose documents have little to do with the query is then treated as a narrow
    one.
    """
    import tantivy

    if not within.count or not len(within.first):
        return {}
    total = searcher.num_docs
    if within.count >= _BROAD * total:
        wanted = min(int(1.3 * limit * total / within.count) + limit, total)
        found = _best_kept(searcher, query, limit, wanted, within)
        if found is not None:
            return found
    documents = _documents(within, total)
    if documents is not None:
        query = _only(query, tantivy.Query.term_set_query(schema, "document", documents))
    wanted = min(limit, total)
    while (found := _best_kept(searcher, query, limit, wanted, within)) is None:  # ranges that are parts of documents
        wanted = min(8 * wanted, total)
    return found


def _best_kept(searcher: Any, query: Any, limit: int, wanted: int, within: Within) -> dict[int, float] | None:
    """The best `limit` in a filter, as far as they are among the best `wanted` of all; None when more of all must be looked at."""
    hits = searcher.search(query, limit=wanted, count=False).hits
    ids = ids_of(searcher, hits)
    kept = np.flatnonzero(within.holds(np.array(ids, np.int64)))[:limit]
    if len(kept) < limit and len(hits) == wanted < searcher.num_docs:
        return None
    return {ids[at]: float(hits[at][0]) for at in kept}


def _documents(within: Within, total: int) -> list[int] | None:
    """The numbers of the documents that a filter's ranges touch, or None when the ranges are wider than the library is."""
    first, last = within.first >> DOCUMENT_BITS, within.last >> DOCUMENT_BITS
    if int((last - first).sum()) + len(first) > max(total, len(first)):
        return None
    if np.array_equal(first, last):
        return [int(one) for one in np.unique(first)]
    return [int(one) for one in np.unique(np.concatenate([np.arange(low, high + 1) for low, high in zip(first, last, strict=True)]))]


def _only(query: Any, these: Any) -> Any:
    """What `query` finds among `these`, with the score that it gives."""
    import tantivy

    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, tantivy.Query.const_score_query(these, 0.0))])


def _any_of(schema: Any, asked: Asked, terms: Sequence[str]) -> Any:
    """Chunks that hold any of the terms. A phrase counts once more what its words count."""
    import tantivy

    parts = []
    for term in terms:
        part = tantivy.Query.term_query(schema, "words", term, index_option="freq")
        boost = asked.boosts.get(term, 1.0)
        parts.append(part if boost == 1.0 else tantivy.Query.boost_query(part, boost))
    parts += [tantivy.Query.phrase_query(schema, "words", list(phrase)) for phrase in asked.phrases]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])


def _held(schema: Any, searcher: Any, terms: Sequence[str], chunk: int) -> list[str]:
    """Which of the terms a chunk holds."""
    import tantivy

    held = []
    this = tantivy.Query.term_query(schema, "chunk", chunk)
    for term in terms:
        query = tantivy.Query.term_query(schema, "words", term, index_option="basic")
        if searcher.search(_only(query, this), limit=1, count=False).hits:
            held.append(term)
    return held


def _idf(frequency: int, total: int) -> float:
    """BM25's inverse document frequency, Robertson & Zaragoza 2009 with +1 inside the logarithm.

    The engine counts what was deleted until it merges that away, so that a frequency may be more than all.
    """
    return log(1 + (max(total - frequency, 0) + 0.5) / (frequency + 0.5))
