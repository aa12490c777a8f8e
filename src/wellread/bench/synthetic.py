"""A made-up library of any size: texts, vectors and questions whose statistics are those of real ones, the same for the same seed.

Words follow the law of Zipf and Mandelbrot: the English function words first, then pseudo-words, which are longer the rarer they are.
A document is about a topic, has favourite words of its topic and a few of its own, so that a question has passages that fit it.

Vectors are sums of Gaussians, all with the same spectrum (`_DECAY`): what all texts share, five levels of themes, each divided into
seven of the next, a document, and the passage itself. The weights were set by real passages and questions under all-MiniLM-L6-v2. Here
among 22,000 passages, and on squad, hotpot and scifact (5,000 to 21,000), median cosine of a question's best passage .64 (real .63 .66
.68), its tenth .45 (.45 .40 .54), its hundredth .32 (.29 .28 .41); of a passage's nearest other .75 (.73 .70 .88), tenth .69 (.59 .39
.59), hundredth .38 (.34 .26 .43); of two at random .06 +- .12 (.03 .03 .10, all +- .09 to .12); participation ratio of the spectrum 67
(83 129 78), nine tenths of it in 185 dimensions (166 to 182). Cut into 4 sqrt(n) clusters, those nearest to a question that hold 98 % of
its ten nearest passages have 6.6 % of 2,000 passages, 5.2 % of 8,000, 5.6 % of 55,000 (six real sets together: 26, 14 and 6.4 %), and for
its hundred nearest 34, 25 and 18 % (56, 30 and 10.5 %).

Nothing depends on how large the library gets: document 7 is the same among ten and among a million.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from wellread.index.rows import Source
from wellread.types import Document, Span

DIMENSIONS = 384
_WORDS = 300_000
_TOPIC_WORDS = 300
_RARE = 8_000
"""Words beyond this rank are rarer than Zipf's law has them, as in real texts."""
_BRANCHES = 7
"""Themes that a theme of the level above is divided into."""
_COMMON, _LEVELS, _DOCUMENT, _PASSAGE = 0.05, (0.09, 0.10, 0.12, 0.12, 0.11), 0.11, 0.30
"""Shares of a vector's square length."""
_THEMES, _TOPICS = _BRANCHES ** len(_LEVELS), _BRANCHES ** (len(_LEVELS) - 1)
_ASTRAY = 0.3
"""The share of passages that are about another theme than their document, two levels down from what they have in common."""
_DECAY = 0.75
"""The eigenvalue of direction i is about (1 + i) to minus this."""
_FUNCTION_WORDS = (
    "the of and in to a is was for as on by with that from at it his an are were be which this he or had not also have has their its"
    " but one first been two after they who new her other when she there all may more most during time such only years some into over"
    " used city world where between many these up would about than them made no state later being well then will three out known"
    " under including however became called part system both can use number while before through since united early until second each"
).split()
_ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p ph pl pr qu r s sc sh sl sp st str t th tr v w".split()
_SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in "a e i o u ai ea ee ie io ou".split()]
_CODAS = ["", "l", "m", "n", "nd", "ng", "nt", "r", "rd", "rt", "s", "st", "t", "x"]
_STEP = 7_368_787
"""A prime, by which neighbouring ranks get words that have nothing in common."""


@dataclass(frozen=True, slots=True)
class Passages:
    """A made-up document as a store takes it: cut into `spans`, with a unit vector (float32 [n, 384]) for each, found at `source`."""

    document: Document
    spans: tuple[Span, ...]
    vectors: np.ndarray
    source: Source


@dataclass(frozen=True, slots=True)
class Question:
    """A made-up question: its words, its unit vector (float32 [384]), and the passage that it was made from."""

    text: str
    vector: np.ndarray
    document: int
    passage: int


class Synthetic:
    """Documents and questions by number."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, 0])
        rank = np.arange(_WORDS)
        weights = 1 / (rank + 1.5) / np.maximum(rank / _RARE, 1)
        self._cumulated = np.cumsum(weights) / weights.sum()
        direction = np.arange(DIMENSIONS)
        spectrum = np.sqrt((1.0 + direction) ** -_DECAY * (1 - (direction / DIMENSIONS) ** 3))
        self._spectrum = (spectrum / np.linalg.norm(spectrum)).astype(np.float32)
        self._turn = np.linalg.qr(rng.standard_normal((DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
        self._shared = self._points(rng, 1)[0]
        themes = np.zeros((1, DIMENSIONS), np.float32)
        for share in _LEVELS:
            themes = np.repeat(themes, _BRANCHES, axis=0) + np.sqrt(np.float32(share)) * self._points(rng, _BRANCHES * len(themes))
        self._themes = themes
        self._topic_words = self._some_content(rng, _RARE, (_TOPICS, _TOPIC_WORDS))
        weights = 1 / (np.arange(_TOPIC_WORDS) + 5)
        self._topic_cumulated = np.cumsum(weights) / weights.sum()

    def document(self, number: int) -> Passages:
        """Document `number`: 20 to 40 passages of about 280 characters. It lies in one of ten folders, by its last digit."""
        rng = np.random.default_rng([self._seed, 1, number])
        theme = int(_THEMES * rng.random() ** 1.5)  # some are larger than others
        topic = theme // _BRANCHES
        own = self._some_content(rng, _WORDS, 40)
        count = int(rng.integers(20, 41))
        parts, spans, at = [], [], 0
        for _ in range(count):
            text = self._passage(rng, topic, own)
            parts.append(text)
            spans.append(Span(at, at + len(text)))
            at += len(text) + 2
        title = " ".join(map(_word, [*self._topic_words[topic, rng.integers(0, 20, 2)].tolist(), int(own[0])])).title()
        text = "\n\n".join(parts)
        name = hashlib.sha256(text.encode()).hexdigest()
        path = self.path(number)
        document = Document(name, path, title, "text/plain", text)
        return Passages(document, tuple(spans), self._vectors(rng, theme, count), Source(path, name, len(text), 1))

    def path(self, number: int) -> str:
        """Where document `number` is found."""
        return f"/synthetic/{number % 10}/{number}.txt"

    def question(self, number: int, documents: int) -> Question:
        """Question `number` to the first `documents` documents: 3 to 12 words, two in three from one passage."""
        rng = np.random.default_rng([self._seed, 2, number])
        chosen = int(rng.integers(documents))
        made = self.document(chosen)
        passage = int(rng.integers(len(made.spans)))
        span = made.spans[passage]
        held = made.document.text[span.start : span.end].lower().replace(".", "").split()
        content = [word for word in dict.fromkeys(held) if word not in _FUNCTION_WORDS] or held
        length = int(rng.integers(3, 13))
        taken = rng.choice(content, min(len(content), max(2, length * 2 // 3)), replace=False).tolist()
        words = [*taken, *map(_word, self._drawn(rng, length - len(taken)).tolist())]
        rng.shuffle(words)
        near = np.clip(rng.normal(0.64, 0.1), 0.3, 0.9)  # real: quartiles of the best cosine .54 .63 .71
        astray = self._points(rng, 1)[0]
        astray -= (astray @ made.vectors[passage]) * made.vectors[passage]
        vector = near * made.vectors[passage] + np.sqrt(1 - near**2) * astray / np.linalg.norm(astray)
        return Question(f"what is {' '.join(words)}?", vector.astype(np.float32), chosen, passage)

    def _drawn(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Words as they come in any text, by rank."""
        return np.searchsorted(self._cumulated, rng.random(count))

    def _some_content(self, rng: np.random.Generator, until: int, shape: int | tuple[int, int]) -> np.ndarray:
        """Words that tell something, by rank, below `until`: as many of them between 200 and 2,000 as between 2,000 and 20,000."""
        return (len(_FUNCTION_WORDS) * (until / len(_FUNCTION_WORDS)) ** rng.random(shape)).astype(np.int64)

    def _passage(self, rng: np.random.Generator, topic: int, own: np.ndarray) -> str:
        length = int(np.clip(rng.normal(45, 9), 12, 80))
        ranks = self._drawn(rng, length)
        kind = rng.random(length)
        of_topic = self._topic_words[topic, np.searchsorted(self._topic_cumulated, rng.random(length))]
        ranks = np.where(kind < 0.18, of_topic, np.where(kind < 0.26, own[rng.integers(0, len(own), length)], ranks))
        words = list(map(_word, ranks.tolist()))
        for at in range(0, length, 16):
            words[at] = words[at].capitalize()
            words[at - 1] += "."  # the last word of all, too
        return " ".join(words)

    def _points(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Points around the origin, of length 1 or nearly so: float32 [count, 384]."""
        return np.asarray((rng.standard_normal((count, DIMENSIONS), dtype=np.float32) * self._spectrum) @ self._turn)

    def _vectors(self, rng: np.random.Generator, theme: int, count: int) -> np.ndarray:
        near = theme - theme % _BRANCHES**2 + rng.integers(0, _BRANCHES**2, count)
        vectors = (
            np.sqrt(np.float32(_COMMON)) * self._shared
            + self._themes[np.where(rng.random(count) < _ASTRAY, near, theme)]
            + np.sqrt(np.float32(_DOCUMENT)) * self._points(rng, 1)[0]
            + np.sqrt(np.float32(_PASSAGE)) * self._points(rng, count)
        )
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@cache
def _word(rank: int) -> str:
    """The word of a rank, 0 for the most frequent. No two pseudo-words are alike."""
    if rank < len(_FUNCTION_WORDS):
        return _FUNCTION_WORDS[rank]
    syllables = 1 + (rank > 400) + (rank > 20_000)
    forms: int = len(_SYLLABLES) ** syllables
    left, coda = divmod(rank * _STEP % (forms * len(_CODAS)), len(_CODAS))
    parts = []
    for _ in range(syllables):
        left, at = divmod(left, len(_SYLLABLES))
        parts.append(_SYLLABLES[at])
    return "".join(parts) + _CODAS[coda]
