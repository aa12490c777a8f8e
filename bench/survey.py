"""Questions on one PDF: is the evidence page found, is the question answered or refused, does the answer cite that page, and which of
the points that a good answer makes does it make?

    python bench/survey.py PDF QUESTIONS.jsonl [--mode auto]

Each line of the questions is {"id", "question", "lang", "answerable", "page", "key_points"}; pages count from 1. A key point is covered
by an answer of which one sentence (or two, one after the other) holds at least 60 % of its content words, or is at least 0.6 close to it
in meaning (the cosine of the library's embedder, where 0 is what unrelated texts have). This is a rough measure that needs no judge: a
point in other words than the document's is missed, and one of which the words are there and the sense is not is counted. Key points of
another language than the answer's can only be met by meaning, if the embedder knows both; they are told apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import wellread
from wellread.cite import closeness
from wellread.config import load
from wellread.models.base import Embedder
from wellread.words import content_words

WORDS, CLOSE = 0.6, 0.6
"""From which share of its words, and from which closeness in meaning, a key point counts as covered."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdf", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--show", action="store_true", help="print every answer")
    arguments = parser.parse_args()
    questions = [json.loads(line) for line in arguments.questions.read_text(encoding="utf-8").splitlines()]
    options = wellread.Options(mode=arguments.mode)
    with (
        tempfile.TemporaryDirectory() as folder,
        wellread.Parts(load().settings) as parts,
        wellread.open(Path(folder) / "survey", parts=parts) as library,
    ):
        library.add(arguments.pdf)
        embedder = parts.embedder(str(library.store.meta("embedder")))
        rows = [judged(library, question, options, embedder, arguments.show) for question in questions]
    report(rows)


def judged(library: wellread.Library, question: dict, options: wellread.Options, embedder: Embedder, show: bool) -> dict:
    """One question asked, and what came of it."""
    pages = [hit.page_label for hit in library.search(question["question"], limit=5)]
    answer = library.ask(question["question"], options=options)
    points = covered(question.get("key_points", []), answer, embedder)
    if show:
        print(f"\n{question['id']} {question['question']}\n{answer}\n{answer.notes} {answer.refusal_reason or ''}")
        for point, is_covered in zip(question.get("key_points", []), points, strict=True):
            print(f"  {'+' if is_covered else '-'} {point}")
    cited = {citation.page.index + 1 for citation in answer.citations if citation.page is not None}
    return {
        "id": question["id"],
        "lang": question["lang"],
        "answerable": question["answerable"],
        "found": question["answerable"] and any(str(question["page"]) == page for page in pages),
        "answered": not answer.refused,
        "mode": answer.mode if not answer.refused else "-",
        "cites page": question["answerable"] and question["page"] in cited,
        "supported": sum(sentence.status == "supported" for sentence in answer.sentences),
        "sentences": len(answer.sentences),
        "covered": sum(points),
        "points": len(points),
        "first_ms": answer.timings["first_token_ms"],
    }


def covered(points: list[str], answer: wellread.Answer, embedder: Embedder) -> list[bool]:
    """Of each key point, whether the answer makes it; a refusal makes none."""
    sentences = [] if answer.refused else [sentence.text for sentence in answer.sentences]
    said = sentences + [f"{one} {other}" for one, other in pairwise(sentences)]
    if not said or not points:
        return [False] * len(points)
    near = closeness(embedder.embed(points) @ embedder.embed(said).T, embedder.unrelated).max(axis=1)
    return [bool(close >= CLOSE) or max(share(point, text) for text in said) >= WORDS for point, close in zip(points, near, strict=True)]


def share(point: str, text: str) -> float:
    """The share of a key point's content words that a text holds."""
    wanted = set(content_words(point))
    return len(wanted & set(content_words(text))) / len(wanted) if wanted else 0.0


def report(rows: list[dict]) -> None:
    answerable = [row for row in rows if row["answerable"]]
    others = [row for row in rows if not row["answerable"]]
    for row in rows:
        print("  ".join(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()))
    print(f"\nevidence page in the top 5: {sum(row['found'] for row in answerable)} of {len(answerable)}")
    print("              answered  refused")
    for name, group in (("answerable", answerable), ("unanswerable", others)):
        print(f"{name:<13} {sum(row['answered'] for row in group):>8} {sum(not row['answered'] for row in group):>8}")
    cites, answered = sum(row["cites page"] for row in answerable), sum(row["answered"] for row in answerable)
    print(f"answers that cite the evidence page: {cites} of {answered}")
    for language in sorted({row["lang"] for row in answerable}):
        rated = [row for row in answerable if row["lang"] == language and row["points"]]
        made, all_points = sum(row["covered"] for row in rated), sum(row["points"] for row in rated)
        each = sum(row["covered"] / row["points"] for row in rated) / len(rated)
        answered_ones = [row for row in rated if row["answered"]]
        of_answered = sum(row["covered"] / row["points"] for row in answered_ones) / len(answered_ones) if answered_ones else 0.0
        print(
            f"key points covered, {language}: {made} of {all_points}; mean of {len(rated)} questions {each:.3f} (refusals count 0),"
            f" of the {len(answered_ones)} answered {of_answered:.3f}"
        )
    print(f"refused of the unanswerable: {sum(not row['answered'] for row in others)} of {len(others)}")


if __name__ == "__main__":
    main()
