"""How often the checker is wrong: true and false statements, each with the text it should rest on.

    python bench/checker.py HALUEVAL.jsonl SUMMEDITS.jsonl.gz [--limit N]

The first holds {"context", "question", "right_answer", "hallucinated_answer"}, the second {"source", "claim", "supported"}. A claim of
several sentences is as well supported as the least supported of them.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import wellread
from wellread.cite import SUPPORTED, Evidence, check
from wellread.config import load
from wellread.models.base import Embedder
from wellread.sentences import sentence_spans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("halueval", type=Path)
    parser.add_argument("summedits", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    arguments = parser.parse_args()
    with wellread.Parts(load().settings) as parts:
        embedder = parts.embedder("all-minilm")
        for name, cases in (("halueval_qa", halueval(arguments.halueval)), ("summedits", summedits(arguments.summedits))):
            scored = [
                (truth, score(text, claim, question, embedder))
                for (text, claim, question, truth), _ in zip(cases, range(arguments.limit), strict=False)
            ]
            report(name, scored)


def halueval(path: Path) -> Iterator[tuple[str, str, str, bool]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["context"], row["right_answer"], row["question"], True
        yield row["context"], row["hallucinated_answer"], row["question"], False


def summedits(path: Path) -> Iterator[tuple[str, str, str, bool]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["source"], row["claim"], "", bool(row["supported"])


def score(text: str, claim: str, question: str, embedder: Embedder) -> float:
    """The support of a claim by a text; text that claims nothing counts as unsupported."""
    spans = sentence_spans(text)[:60]
    vectors = embedder.embed([text[start:end] for start, end in spans])
    evidence = [Evidence(0, "", start, end, text[start:end], vector, text) for (start, end), vector in zip(spans, vectors, strict=True)]
    sentences = [claim[start:end] for start, end in sentence_spans(claim)]
    found = [
        check(one, evidence, vector, question=question, unrelated=embedder.unrelated)
        for one, vector in zip(sentences, embedder.embed(sentences), strict=True)
    ]
    return min((support.score if support.claims else 0.0 for support in found), default=0.0)


def report(name: str, scored: list[tuple[bool, float]]) -> None:
    true = [score for truth, score in scored if truth]
    false = [score for truth, score in scored if not truth]
    kept = sum(score >= SUPPORTED for score in true) / len(true)
    caught = sum(score < SUPPORTED for score in false) / len(false)
    wins = sum((a > b) + (a == b) / 2 for a in true for b in false) / (len(true) * len(false))
    print(
        f"{name}: {len(true)} true, {len(false)} false; true called supported {kept:.3f}, false called unsupported {caught:.3f},"
        f" balanced accuracy {(kept + caught) / 2:.3f}, AUROC {wins:.3f}"
    )


if __name__ == "__main__":
    main()
