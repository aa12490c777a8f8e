"""BLEU, at parity with sacrebleu 2: clipped precision of runs of one to four tokens, and a penalty for what is too short.

Source: Papineni et al. 2002, BLEU: a Method for Automatic Evaluation of Machine Translation; Post 2018, A Call for Clarity in
Reporting BLEU Scores. The scale is 0..100, as everywhere BLEU is reported.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_ORDER = 4
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# The rules of mteval-v13a: marks stand alone, a full stop or comma unless digits are around it, a dash after a digit.
_RULES = (
    (re.compile(r"([{-~[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
# What sacrebleu's table means in effect. Its two ranges beyond U+FFFF are written with four digits: the first takes in U+2001..U+2A6D
# (quotation marks, dashes, arrows), the second nothing new, and Han characters of extension B are not cut.
_CHINESE = re.compile(
    r"[\u2001-\u2a6d\u2e80-\u2eff\u2f00-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff\u3400-\u4db5"
    r"\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]"
)

Ngrams = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Bleu:
    """A BLEU score (0..100), with the precision of each order (0..100), the brevity penalty (0..1) and the lengths in tokens."""

    score: float
    precisions: tuple[float, ...]
    brevity: float
    length: int
    reference_length: int


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one text: its length, that of the reference nearest in length, and for each order the runs that are right and all runs."""

    length: int
    reference_length: int
    right: tuple[int, ...]
    total: tuple[int, ...]


def cut_13a(text: str) -> list[str]:
    """The tokens of mteval-v13a, the tokenisation that WMT uses: for languages that put spaces between words."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return _cut(f" {text} ")


def cut_zh(text: str) -> list[str]:
    """sacrebleu's `zh`: Chinese characters and full-width marks one by one, the rest by the rules of mteval-v13a."""
    return _cut(_CHINESE.sub(r" \g<0> ", text.strip()))


def corpus_bleu(texts: Sequence[str], references: Sequence[Sequence[str]], cut: Callable[[str], list[str]] = cut_13a) -> Bleu:
    """BLEU of all texts together; `references[i]` are those of `texts[i]` (sacrebleu wants them the other way round).

    An order without a right run counts as half, a quarter, ... of one, in turn (sacrebleu's `exp`). Source: sacrebleu, corpus_bleu.
    """
    if len(texts) != len(references):
        raise ValueError(f"{len(texts)} texts cannot be scored against the references of {len(references)}")
    return _score([_counts(text, among, cut) for text, among in zip(texts, references, strict=True)], short=False)


def sentence_bleu(text: str, references: Sequence[str], cut: Callable[[str], list[str]] = cut_13a) -> Bleu:
    """BLEU of one text; orders longer than the text are left out (sacrebleu's `effective_order`). Source: sacrebleu, sentence_bleu."""
    return _score([_counts(text, references, cut)], short=True)


def _cut(text: str) -> list[str]:
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    return text.split()


def _ngrams(tokens: list[str]) -> Ngrams:
    return Counter(tuple(tokens[i : i + n]) for n in range(1, _ORDER + 1) for i in range(len(tokens) - n + 1))


def _counts(text: str, references: Sequence[str], cut: Callable[[str], list[str]]) -> _Counts:
    if not references:
        raise ValueError("a text cannot be scored without a reference")
    said = cut(text)
    wanted = [cut(reference) for reference in references]
    allowed: Ngrams = Counter()
    for tokens in wanted:
        allowed |= _ngrams(tokens)
    runs = _ngrams(said)
    return _Counts(
        len(said),
        min((len(tokens) for tokens in wanted), key=lambda length: (abs(length - len(said)), length)),
        _by_order(runs & allowed),
        _by_order(runs),
    )


def _by_order(runs: Ngrams) -> tuple[int, ...]:
    counts = [0] * _ORDER
    for run, count in runs.items():
        counts[len(run) - 1] += count
    return tuple(counts)


def _score(counts: Iterable[_Counts], *, short: bool) -> Bleu:
    counts = list(counts)
    length, reference_length = sum(one.length for one in counts), sum(one.reference_length for one in counts)
    right = [sum(column) for column in zip(*(one.right for one in counts), strict=True)]
    total = [sum(column) for column in zip(*(one.total for one in counts), strict=True)]
    brevity = 1.0
    if length < reference_length:
        brevity = math.exp(1 - reference_length / length) if length else 0.0
    if not any(right):
        return Bleu(0.0, (0.0,) * _ORDER, brevity, length, reference_length)
    precisions, share = [0.0] * _ORDER, 1.0
    for order in range(_ORDER):
        if not total[order]:
            break
        share = share if right[order] else share / 2
        precisions[order] = 100 * (right[order] or share) / total[order]
    counted = sum(map(bool, total)) if short else _ORDER
    if not all(precisions[:counted]):
        return Bleu(0.0, tuple(precisions), brevity, length, reference_length)
    score = brevity * math.exp(sum(map(math.log, precisions[:counted])) / counted)
    return Bleu(score, tuple(precisions), brevity, length, reference_length)
