"""Questions on one PDF: is the evidence page found, is the question answered or refused, does the answer cite that page?

    python bench/survey.py PDF QUESTIONS.jsonl [--mode auto]

Each line of the questions is {"id", "question", "lang", "answerable", "page", "key_points"}; pages count from 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import wellread
from wellread.config import load
from wellread.words import content_words


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
        rows = [judged(library, question, options, arguments.show) for question in questions]
    report(rows)


def judged(library: wellread.Library, question: dict, options: wellread.Options, show: bool) -> dict:
    """One question asked, and what came of it."""
    pages = [hit.page_label for hit in library.search(question["question"], limit=5)]
    answer = library.ask(question["question"], options=options)
    if show:
        print(f"\n{question['id']} {question['question']}\n{answer}\n{answer.notes} {answer.refusal_reason or ''}")
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
        "key points": overlap(question.get("key_points", []), answer.text) if question["lang"] == "en" else None,
        "first_ms": answer.timings["first_token_ms"],
    }


def overlap(points: list[str], text: str) -> float | None:
    """The mean share of each key point's words that an answer holds: a rough measure that needs no judge."""
    held = set(content_words(text))
    shares = [len(words & held) / len(words) for words in (set(content_words(point)) for point in points) if words]
    return sum(shares) / len(shares) if shares else None


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
    points = [row["key points"] for row in answerable if row["key points"] is not None]
    print(f"words of the key points in the answers (English questions, refusals count 0): {sum(points) / len(points):.3f}")


if __name__ == "__main__":
    main()
