"""How often the checker is wrong: true and false claims, each with the text it should rest on.

    python bench/checker.py DATA [--limit N] [--each N]

DATA holds halueval_qa/data.jsonl ({"context", "question", "right_answer", "hallucinated_answer"}), summedits/dev.jsonl.gz ({"source",
"claim", "supported", "domain"}), squad_v2/dev.jsonl.gz ({"context"}), hotpot_train500_retrieval/corpus.jsonl.gz and
xquad_zh_retrieval/corpus.jsonl ({"text"}). What the checker was calibrated on is left out. A claim of several sentences is as well
supported as the least supported of them, and one that claims nothing is unsupported.

Beside it stand the share of a claim's content words that one sentence of the text, or all of the text, holds, and the cosine of the nearest
sentence. Their thresholds are those that are best on the very claims they are judged by; the checker's is the one that ships.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import wellread
from checker_claims import Claim, changed_chinese, changed_english, halueval, summedits
from wellread.cite import SUPPORTED, Checker, Evidence, check
from wellread.config import load
from wellread.evaluate.calibration import calibration_error
from wellread.models.base import Embedder, Reranker
from wellread.parts import ENGLISH_EMBEDDER, MULTILINGUAL_EMBEDDER
from wellread.sentences import sentence_spans
from wellread.words import content_words

_SENTENCES = 150
"""Of a text, at most."""

WAYS = ("checker", "words and guards", "overlap, sentence", "overlap, text", "cosine")


@dataclass(frozen=True, slots=True)
class Scored:
    """A claim and how well each of `WAYS` finds it supported; `milliseconds` is what the checker cost, its text being embedded already."""

    claim: Claim
    scores: tuple[float, ...]
    milliseconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=10_000, help="rows of HaluEval QA and of SummEdits")
    parser.add_argument("--each", type=int, default=300, help="changed sentences of a kind")
    asked = parser.parse_args()
    with wellread.Parts(load().settings) as parts:
        english = Bench(parts.embedder(ENGLISH_EMBEDDER), parts.checker())
        found = english.scored(halueval(asked.data / "halueval_qa/data.jsonl", asked.limit))
        found += english.scored(summedits(asked.data / "summedits/dev.jsonl.gz", asked.limit))
        squad, hotpot = asked.data / "squad_v2/dev.jsonl.gz", asked.data / "hotpot_train500_retrieval/corpus.jsonl.gz"
        changed = english.scored(changed_english(squad, hotpot, asked.each))
        chinese = Bench(parts.embedder(MULTILINGUAL_EMBEDDER), None)
        changed_zh = chinese.scored(changed_chinese(asked.data / "xquad_zh_retrieval/corpus.jsonl", asked.each))
    groups = dict.fromkeys(one.claim.group for one in found)
    print("| | true, false | true, called supported | false, called unsupported | balanced accuracy | AUROC | ECE |")
    print("|---|---|---|---|---|---|---|")
    for group in groups:
        for row in verdicts(group, [one for one in found if one.claim.group == group]):
            print(row)
    for name, some, others in (("English", changed, found), ("Chinese", changed_zh, [])):
        print(f"\n{name} sentences, one thing changed\n")
        print("\n".join(changes(some, others)))
    for name, some in (("English", [*found, *changed]), ("Chinese", changed_zh)):
        print(f"\nprocessor time of a claim, {name}: {np.mean([one.milliseconds for one in some]):.0f} ms")


class Bench:
    """Claims of one language on their way through every way to check them."""

    def __init__(self, embedder: Embedder, checker: Reranker | None) -> None:
        self._embedder = embedder
        self._checker: Checker | None = checker.score if checker else None
        self._text = ""
        self._evidence: list[Evidence] = []

    def scored(self, claims: Sequence[Claim]) -> list[Scored]:
        """Claims on one text should follow each other: it is embedded once for them."""
        return [self._scored(claim) for claim in claims]

    def _scored(self, claim: Claim) -> Scored:
        if claim.text != self._text:
            self._text, self._evidence = claim.text, self._embedded(claim.text)
        began = time.process_time()
        sentences = [claim.claim[start:end] for start, end in sentence_spans(claim.claim)]
        vectors = self._embedder.embed(sentences)
        ours = self._least(sentences, vectors, claim.question, self._checker)
        took = 1000 * (time.process_time() - began)
        plain = self._least(sentences, vectors, claim.question, None)
        words = [set(content_words(sentence)) for sentence in sentences]
        there = [set(content_words(one.text)) for one in self._evidence]
        by_sentence = min((max(_share(said, held) for held in there) for said in words), default=0.0)
        by_text = min((_share(said, set().union(*there)) for said in words), default=0.0)
        matrix = np.stack([one.vector for one in self._evidence])
        cosine = float((matrix @ vectors.T).max(axis=0).min()) if sentences else 0.0
        return Scored(claim, (ours, plain, by_sentence, by_text, cosine), took)

    def _embedded(self, text: str) -> list[Evidence]:
        spans = sentence_spans(text)[:_SENTENCES]
        vectors = self._embedder.embed([text[start:end] for start, end in spans])
        return [Evidence(0, "", start, end, text[start:end], vector, text) for (start, end), vector in zip(spans, vectors, strict=True)]

    def _least(self, sentences: Sequence[str], vectors: np.ndarray, question: str, checker: Checker | None) -> float:
        unrelated = self._embedder.unrelated
        found = [
            check(one, self._evidence, vector, question=question, unrelated=unrelated, checker=checker)
            for one, vector in zip(sentences, vectors, strict=True)
        ]
        return min((support.score if support.claims else 0.0 for support in found), default=0.0)


def _share(said: set[str], held: set[str]) -> float:
    return len(said & held) / len(said) if said else 0.0


def verdicts(group: str, scored: Sequence[Scored]) -> list[str]:
    """A row of a table for each way to check."""
    truth = np.array([one.claim.truth for one in scored])
    rows = []
    for at, way in enumerate(WAYS):
        scores = np.array([one.scores[at] for one in scored])
        threshold = SUPPORTED if at < 2 else _best(scores, truth)
        kept, caught = float((scores[truth] >= threshold).mean()), float((scores[~truth] < threshold).mean())
        error = f"{_even_error(scores, truth):.3f}" if at < 2 else ""
        name = f"{group}: {way}" if at < 2 else f"{group}: {way}, at its best threshold"
        numbers = f"{kept:.3f} | {caught:.3f} | {(kept + caught) / 2:.3f} | {_auroc(scores[truth], scores[~truth]):.3f} | {error}"
        rows.append(f"| {name} | {truth.sum()}, {(~truth).sum()} | {numbers} |")
    return rows


def changes(scored: Sequence[Scored], others: Sequence[Scored]) -> list[str]:
    """For each kind of change, the share that each way catches, and AUROC; the first rows are the shares of true sentences, and of true
    claims of the `others`, that it keeps."""
    scores, truth = np.array([one.scores for one in scored]), np.array([one.claim.truth for one in scored])
    limits = np.array([SUPPORTED if at < 2 else _best(scores[:, at], truth) for at in range(len(WAYS))])
    true, kinds = scores[truth], np.array([one.claim.kind for one in scored])
    lines = [f"| | | {' | '.join(WAYS)} |", "|---|---|" + "---|" * len(WAYS)]
    lines.append(f"| true, called supported | {len(true)} | {' | '.join(f'{kept:.3f}' for kept in (true >= limits).mean(axis=0))} |")
    if others:
        elsewhere = np.array([one.scores for one in others if one.claim.truth])
        kept = " | ".join(f"{share:.3f}" for share in (elsewhere >= limits).mean(axis=0))
        lines.append(f"| true of the sets above | {len(elsewhere)} | {kept} |")
    for kind in (*dict.fromkeys(kinds[~truth]), ""):
        false = scores[~truth & (kinds == kind)] if kind else scores[~truth]
        caught = (false < limits).mean(axis=0)
        cells = [f"{share:.3f} ({_auroc(true[:, at], false[:, at]):.3f})" for at, share in enumerate(caught)]
        lines.append(f"| {kind or 'all'} | {len(false)} | {' | '.join(cells)} |")
    balanced = ((scores[truth] >= limits).mean(axis=0) + (scores[~truth] < limits).mean(axis=0)) / 2
    lines.append(f"| balanced accuracy | | {' | '.join(f'{each:.3f}' for each in balanced)} |")
    return [*lines, f"\nECE of the checker {_even_error(scores[:, 0], truth):.3f}"]


def _best(scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the best balanced accuracy."""
    return float(max(np.unique(scores), key=lambda limit: (scores[truth] >= limit).mean() + (scores[~truth] < limit).mean()))


def _even_error(scores: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error (10 bins) where true and false claims weigh the same."""
    count = max(int(truth.sum()), int((~truth).sum()))
    even = np.concatenate([np.resize(scores[truth], count), np.resize(scores[~truth], count)])
    return calibration_error(even, np.repeat([True, False], count))


def _auroc(true: np.ndarray, false: np.ndarray) -> float:
    return float(np.mean((true[:, None] > false) + 0.5 * (true[:, None] == false)))


if __name__ == "__main__":
    main()
