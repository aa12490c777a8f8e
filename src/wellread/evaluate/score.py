"""What each score of a task means. Most are means over items; some are of all items together, such as BLEU or perplexity.

Names and meanings are those of lm-evaluation-harness 0.4.13 (lm_eval/api/metrics.py, lm_eval/api/task.py); `ONLY_OURS` are not known
there. `None` means that an item could not be judged: that is counted, and never becomes a number.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wellread.evaluate.answers import exact_match, holds_answer, squad_exact_match, squad_f1, token_f1
from wellread.evaluate.bleu import corpus_bleu
from wellread.evaluate.chrf import chrf
from wellread.evaluate.examinee import LogLikelihood
from wellread.evaluate.extract import OPTIONS as EXTRACTION_OPTIONS
from wellread.evaluate.rouge import rouge_l, rouge_n
from wellread.evaluate.task import Item, Kind, Metric

__all__ = [
    "CHECKED_OPTIONS",
    "DEFAULT_METRICS",
    "EXTRACTION_OPTIONS",
    "KNOWN",
    "ONLY_OURS",
    "Evidence",
    "aggregation",
    "item_score",
    "pooled",
]

DEFAULT_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "generate_until": ("exact_match",),
    "multiple_choice": ("acc", "acc_norm"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
CHECKED_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "exact_match": ("ignore_case", "ignore_punctuation", "ignore_numbers", "regexes_to_ignore"),
}
ONLY_OURS = ("holds_answer", "answer_match", "token_f1", "exact", "rouge1", "rouge2", "rougeL", "mc2")

Part = list[Any]
"""What one item adds to a score of all items together; JSON can hold it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an item is scored by: the answer as extracted, or how likely each choice is, or which was chosen (-1: none can be told)."""

    text: str = ""
    likelihoods: tuple[LogLikelihood, ...] = ()
    chosen: int | None = None


def item_score(kind: Kind, metric: Metric, item: Item, evidence: Evidence) -> float | Part | None:
    """One item's score, or its part in a score of all (see `pooled`), or None when it cannot be judged."""
    if kind == "generate_until":
        if metric.name == "exact_match":
            return _literal_match(evidence.text, item.answers, metric.options)
        return _TEXT[metric.name](evidence.text, item.answers) if metric.name in _TEXT else [evidence.text, list(item.answers)]
    if kind == "multiple_choice":
        if metric.name in _RANKED and not evidence.likelihoods:
            return None
        return _CHOICE[metric.name](item, evidence)
    return _LIKELIHOOD[metric.name](item, evidence.likelihoods[0]) if evidence.likelihoods else None


def pooled(name: str, parts: Sequence[Part]) -> float:
    """The score of all items together, of the parts that `item_score` gave for each."""
    return _POOLED[name](parts)


def aggregation(name: str) -> str:
    """How lm-evaluation-harness calls the way in which items become one score."""
    weighted = dict.fromkeys(("word_perplexity", "byte_perplexity"), "weighted_perplexity")
    return ({name: name for name in _POOLED} | weighted | {"mcc": "matthews_corrcoef", "brier_score": "brier_score"}).get(name, "mean")


# --- of written answers


def _literal_match(text: str, golds: Sequence[str], options: Mapping[str, Any]) -> float:
    """Whether both are the same text, after what is to be ignored was taken out of both."""
    said = _without(text, options)
    return float(any(said == _without(gold, options) for gold in golds))


def _without(text: str, options: Mapping[str, Any]) -> str:
    for pattern in options.get("regexes_to_ignore") or ():
        text = re.sub(pattern, "", text)
    if options.get("ignore_case"):
        text = text.lower()
    if options.get("ignore_punctuation"):
        text = text.translate(str.maketrans("", "", string.punctuation))
    if options.get("ignore_numbers"):
        text = text.translate(str.maketrans("", "", string.digits))
    return text


_TEXT: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "holds_answer": holds_answer,
    "answer_match": exact_match,
    "token_f1": token_f1,
    "exact": squad_exact_match,
    "f1": squad_f1,
    "rouge1": lambda text, golds: rouge_n(text, golds, 1).f1,
    "rouge2": lambda text, golds: rouge_n(text, golds, 2).f1,
    "rougeL": lambda text, golds: rouge_l(text, golds).f1,
}


# --- of choices


def _chosen(evidence: Evidence, lengths: Sequence[int] | None = None) -> int:
    if not evidence.likelihoods:
        return -1 if evidence.chosen is None else evidence.chosen
    totals = np.array([one.total for one in evidence.likelihoods])
    return int(np.argmax(totals if lengths is None else totals / np.maximum(lengths, 1)))


def _acc(item: Item, evidence: Evidence) -> float:
    return float(_chosen(evidence) in item.right)


def _acc_norm(item: Item, evidence: Evidence) -> float:
    """By likelihood for each character, so that long choices are not at a disadvantage."""
    return float(_chosen(evidence, [len(choice) for choice in item.choices]) in item.right)


def _acc_bytes(item: Item, evidence: Evidence) -> float:
    return float(_chosen(evidence, [len(choice.encode()) for choice in item.choices]) in item.right)


def _greedy(item: Item, evidence: Evidence) -> float:
    return float(any(evidence.likelihoods[at].greedy for at in item.right))


def _brier(item: Item, evidence: Evidence) -> float:
    wanted = np.isin(np.arange(len(item.choices)), item.right)
    return float(np.sum((probabilities(evidence.likelihoods) - wanted) ** 2))


def _mc2(item: Item, evidence: Evidence) -> float:
    """The share of probability that right choices have together. Source: Lin, Hilton and Evans 2022, TruthfulQA, section 2.2."""
    return float(probabilities(evidence.likelihoods)[list(item.right)].sum())


def _places(item: Item, evidence: Evidence) -> Part:
    return [item.right[0], _chosen(evidence)]


def probabilities(likelihoods: Sequence[LogLikelihood]) -> np.ndarray:
    """The probability of each choice if one of them must be taken: float64 [choices]."""
    totals = np.array([one.total for one in likelihoods], np.float64)
    weights = np.exp(totals - totals.max())
    shares: np.ndarray = weights / weights.sum()
    return shares


_CHOICE: Mapping[str, Callable[[Item, Evidence], float | Part]] = {
    "acc": _acc,
    "acc_norm": _acc_norm,
    "acc_bytes": _acc_bytes,
    "exact_match": _greedy,
    "brier_score": _brier,
    "mc2": _mc2,
    "f1": _places,
    "mcc": _places,
}
_RANKED = ("acc_norm", "acc_bytes", "exact_match", "brier_score", "mc2")


# --- of likelihoods


_LIKELIHOOD: Mapping[str, Callable[[Item, LogLikelihood], float | Part]] = {
    "perplexity": lambda item, one: [one.total, 1],
    "acc": lambda item, one: float(one.greedy),
    "word_perplexity": lambda item, one: [one.total, len(re.split(r"\s+", item.answers[0]))],
    "byte_perplexity": lambda item, one: [one.total, len(item.answers[0].encode())],
    "bits_per_byte": lambda item, one: [one.total, len(item.answers[0].encode())],
}


# --- of all items together


def _rate(parts: Sequence[Part]) -> float:
    """The mean natural logarithm of the probability, of each unit."""
    rate: float = math.fsum(total for total, _ in parts) / max(1, sum(units for _, units in parts))
    return rate


def _perplexity(parts: Sequence[Part]) -> float:
    return math.exp(min(700.0, -_rate(parts)))  # what is larger no float can hold


def _binary_f1(parts: Sequence[Part]) -> float:
    """F1 of the choice at position 1, as the harness has it."""
    hits = sum(gold == said == 1 for gold, said in parts)
    missed = sum((gold == 1) != (said == 1) for gold, said in parts)
    return 2 * hits / (2 * hits + missed) if hits else 0.0


def _correlation(parts: Sequence[Part]) -> float:
    """Matthews correlation of what was chosen with what is right, for any number of choices; 0 where one of them never varies.

    Source: Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient.
    """
    golds, said = (np.array(column) for column in zip(*parts, strict=True))
    classes = np.union1d(golds, said)
    wanted, chosen = (np.equal.outer(column, classes).astype(float) for column in (golds, said))
    wanted, chosen = wanted - wanted.mean(axis=0), chosen - chosen.mean(axis=0)
    spread = math.sqrt((wanted**2).sum() * (chosen**2).sum())
    return float((wanted * chosen).sum() / spread) if spread else 0.0


_POOLED: Mapping[str, Callable[[Sequence[Part]], float]] = {
    "bleu": lambda parts: corpus_bleu([text for text, _ in parts], [golds for _, golds in parts]).score,
    "chrf": lambda parts: chrf([text for text, _ in parts], [golds for _, golds in parts]),
    "perplexity": _perplexity,
    "word_perplexity": _perplexity,
    "byte_perplexity": _perplexity,
    "bits_per_byte": lambda parts: -_rate(parts) / math.log(2),
    "f1": _binary_f1,
    "mcc": _correlation,
}

KNOWN: Mapping[Kind, tuple[str, ...]] = {
    "generate_until": ("exact_match", "bleu", "chrf", *_TEXT),
    "multiple_choice": ("acc", "acc_norm", "acc_bytes", "exact_match", "f1", "mcc", "brier_score", "mc2"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
"""The scores of each kind of task."""

LOWER_IS_BETTER = frozenset(
    ("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "false_answer", "false_refusal")
)
"""Scores of which less is more."""
