"""How good a ranking is, judged by what people marked as relevant.

Every measure takes `ranked`, the ids of documents from best to worst, each at most once, and `relevant`, the judgement of every judged
document: a grade, where 0 and less mean not relevant. A document without a judgement counts as not relevant. Results lie in 0..1; they
are 0 where nothing is relevant. Definitions are those of NIST's trec_eval, and the tests hold them to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """Discounted cumulative gain of the first `depth` places, as a share of the best possible (trec_eval's `ndcg_cut`).

    The gain of a document is its grade, divided by the binary logarithm of one more than its place. Source: Järvelin and Kekäläinen
    2002, Cumulated gain-based evaluation of IR techniques, with the discount that trec_eval takes.
    """
    best = _discounted(sorted(relevant.values(), reverse=True)[:depth])
    return _discounted(relevant.get(document, 0) for document in ranked[:depth]) / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, int], depth: int) -> float:
    """The share of all relevant documents that stand in the first `depth` places (trec_eval's `recall`)."""
    wanted = _wanted(relevant)
    return _found(ranked[:depth], relevant) / wanted if wanted else 0.0


def precision(ranked: Sequence[str], relevant: Mapping[str, int], depth: int) -> float:
    """The share of the first `depth` places that hold a relevant document; an empty place holds none (trec_eval's `P`)."""
    return _found(ranked[:depth], relevant) / depth


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """One divided by the place of the first relevant document, or 0 when there is none in the first `depth` places."""
    for place, document in enumerate(ranked[:depth], 1):
        if relevant.get(document, 0) > 0:
            return 1 / place
    return 0.0


def average_precision(ranked: Sequence[str], relevant: Mapping[str, int]) -> float:
    """The mean, over all relevant documents, of the precision at the place where each was found, 0 for those not found (`map`)."""
    wanted, found, total = _wanted(relevant), 0, 0.0
    for place, document in enumerate(ranked, 1):
        if relevant.get(document, 0) > 0:
            found += 1
            total += found / place
    return total / wanted if wanted else 0.0


def _discounted(grades: Iterable[int]) -> float:
    return sum(max(0, grade) / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def _wanted(relevant: Mapping[str, int]) -> int:
    return sum(grade > 0 for grade in relevant.values())


def _found(ranked: Sequence[str], relevant: Mapping[str, int]) -> int:
    return sum(relevant.get(document, 0) > 0 for document in ranked)
