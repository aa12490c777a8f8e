"""What has been written so far, and the judgement of each of its sentences. This is the one place where sentences are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wellread.cite import SUPPORTED, Evidence, check
from wellread.models.base import Embedder, Reranker
from wellread.sentences import sentence_spans
from wellread.types import Verdict
from wellread.words import words

_MAX_SENTENCES = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence, the verdict on it, how far it is supported (0..1), and the evidence that it cites."""

    text: str
    status: Verdict
    support: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(slots=True)
class Draft:
    """Sentences that have been judged, and what stands before each: a space or a line break."""

    sentences: list[Judged] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)

    def add(self, sentence: Judged, gap: str = " ") -> None:
        self.sentences.append(sentence)
        self.breaks.append(gap)

    def only(self, *statuses: Verdict) -> Draft:
        """The draft without the sentences of any other status."""
        kept = [at for at, sentence in enumerate(self.sentences) if sentence.status in statuses]
        return Draft([self.sentences[at] for at in kept], [self.breaks[at] for at in kept])

    @property
    def text(self) -> str:
        together = "".join(gap + sentence.text for gap, sentence in zip(self.breaks, self.sentences, strict=True))
        return together[len(self.breaks[0]) :] if self.breaks else ""

    @property
    def supported(self) -> int:
        return sum(sentence.status == "supported" for sentence in self.sentences)

    @property
    def recall(self) -> float:
        """Citation recall (ALCE, Gao et al. 2023, arXiv:2305.14627): the share of the sentences that claim something which their
        citations support, as our checker sees it; 0 for a draft that claims nothing."""
        claims = [sentence for sentence in self.sentences if sentence.status != "uncited"]
        return self.supported / len(claims) if claims else 0.0


@dataclass(frozen=True, slots=True)
class Judge:
    """What sentences are held against: `pool`, whose vectors `embedder` made. What repeats the question counts for less; where there is
    a `checker`, it reads what is English."""

    question: str
    embedder: Embedder
    pool: Sequence[Evidence]
    checker: Reranker | None = None

    def verdict(self, sentence: str) -> Judged:
        """A sentence, judged."""
        vector = self.embedder.embed([sentence])[0]
        checker = self.checker.score if self.checker else None
        support = check(sentence, self.pool, vector, question=self.question, unrelated=self.embedder.unrelated, checker=checker)
        if not support.claims:
            return Judged(sentence, "uncited", support.score)
        if support.score < SUPPORTED:
            return Judged(sentence, "unsupported", support.score)
        return Judged(sentence, "supported", support.score, support.evidence)

    def read(self, text: str, draft: Draft, *, final: bool) -> bool:
        """Add the sentences of `text` that are complete by now to the draft. False when the writer has begun to repeat itself."""
        spans = sentence_spans(text)
        complete = spans if final else spans[:-1]
        for at in range(len(draft.sentences), len(complete)):
            start, end = complete[at]
            sentence = text[start:end]
            said = words(sentence)
            if any(words(before.text) == said for before in draft.sentences) or at == _MAX_SENTENCES:
                return False
            draft.add(self.verdict(sentence), "\n" if "\n" in text[complete[at - 1][1] if at else start : start] else " ")
        return True
