"""Questions on SEC filings, end to end: is the right filing found, does the answer say what the reference says, are its numbers genuine?

    python bench/filings.py FOLDER [--mode extract] [--limit N] [--show]

The folder holds `pdf/*.pdf` and `questions.jsonl`, a line {"id", "question", "answers", "source_docs", "type", "chunk_type"} each (the
docs_10q data set). Reference answers are prose that ends in "SOURCE(S): FILE, FILE"; these files are the gold documents, or, where the
line is missing, those that the pattern `source_docs` matches. No pages are given, so recall is that of documents.

Figures are means over questions. "numbers held": the share of the reference's numbers (as 12.5, 82,959 or 4; without years, days of the
month, quarters, and those of the question) that stand in the answer. "words held": the same of its other content words.
An answer "matches" when it holds at least half of the numbers, or, where the reference has none, at least 40 % of the words. References
of questions over several filings retell all of them; no short quotation can match those. A refusal holds nothing.

Every number of every sentence of an answer is looked for in the quotes that the sentence cites, digit for digit; a sentence that has a
number which none of them holds must be marked (its status must not be "supported"). Those that are not are listed: there should be none.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from fnmatch import fnmatch
from pathlib import Path

import wellread
from wellread.config import load
from wellread.words import content_words

NUMBERS, WORDS = 0.5, 0.4
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SOURCES = re.compile(r"SOURCE(?:\(S\)|S)?:\s*([^)\n]*)")
_NO_FACT = re.compile(
    r"\(SOURCE[^)]*\)|SOURCE(?:\(S\)|S)?:.*"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December) \d{1,2}(?:, ?\d{4})?"
    r"|\b(?:19|20)\d\d\b|\bQ[1-4]\b|\b10-[QK]\b|^\s*\d+[.)] ",
    re.MULTILINE,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--min-confidence", type=float, default=0.5)
    parser.add_argument("--limit", type=int, help="ask only the first N questions")
    parser.add_argument("--library", type=Path, help="a library that holds the filings already, instead of a new one")
    parser.add_argument("--show", action="store_true", help="print every answer")
    arguments = parser.parse_args()
    lines = (arguments.folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines][: arguments.limit]
    options = wellread.Options(mode=arguments.mode, min_confidence=arguments.min_confidence)
    with (
        tempfile.TemporaryDirectory() as made,
        wellread.Parts(load().settings) as parts,
        wellread.open(arguments.library or Path(made) / "filings", parts=parts) as library,
    ):
        if arguments.library is None:
            library.add(arguments.folder / "pdf")
        names = [Path(source).name for listed in library.documents() for source in listed.sources]
        rows = [judged(library, question, names, options, arguments.show) for question in questions]
    report(rows)


def judged(library: wellread.Library, question: dict, names: list[str], options: wellread.Options, show: bool) -> dict:
    """One question asked, and what came of it."""
    gold = gold_documents(question, names)
    found = [Path(hit.source).name for hit in library.search(question["question"], limit=8)]
    answer = library.ask(question["question"], options=options)
    cited = {Path(citation.source).name for citation in answer.citations}
    text = "" if answer.refused else answer.text
    reference = question["answers"][0]
    wanted = {plain(number) for number in _NUMBER.findall(_NO_FACT.sub(" ", reference))} - numbers_of(question["question"])
    words = {word for word in content_words(_NO_FACT.sub(" ", reference)) if not word[0].isdigit()} - set(
        content_words(question["question"])
    )
    numbers_held = len(wanted & numbers_of(text)) / len(wanted) if wanted else None
    words_held = len(words & set(content_words(text))) / len(words) if words else 0.0
    if show:
        print(f"\n{question['id']} {question['question']}\n{answer}\n-- {reference}\n-- numbers {numbers_held}, words {words_held:.2f}")
    return {
        "id": question["id"],
        "type": f"{question['type'].removesuffix(' RAG')}, {question['chunk_type'].lower()}",
        "answered": not answer.refused,
        "recall": len(gold & set(found)) / len(gold),
        "first": bool(found) and found[0] in gold,
        "cited recall": len(gold & cited) / len(gold),
        "cited precision": len(gold & cited) / len(cited) if cited else None,
        "numbers held": numbers_held,
        "words held": words_held,
        "match": words_held >= WORDS if numbers_held is None else numbers_held >= NUMBERS,
        "altered": [] if answer.refused else altered(answer),
        "numbers": 0 if answer.refused else sum(len(_NUMBER.findall(sentence.text)) for sentence in answer.sentences),
        "marked": sum(sentence.status != "supported" for sentence in answer.sentences),
        "ms": answer.timings["total_ms"],
    }


def gold_documents(question: dict, names: list[str]) -> set[str]:
    """The filings that the reference answer rests on."""
    told = " ".join(_SOURCES.findall(question["answers"][0]))
    gold = {name for name in names if name in told}
    return gold or {name for name in names if fnmatch(name, question["source_docs"])}


def altered(answer: wellread.Answer) -> list[str]:
    """Sentences that pass as supported and have a number which no quote of theirs holds."""
    quotes = {citation.marker: citation.quote for citation in answer.citations}
    wrong = []
    for sentence in answer.sentences:
        held = numbers_of(" ".join(quotes[marker] for marker in sentence.citations))
        if sentence.status == "supported" and numbers_of(sentence.text) - held:
            wrong.append(sentence.text)
    return wrong


def numbers_of(text: str) -> set[str]:
    """The numbers of a text, without the commas that group their digits."""
    return {plain(number) for number in _NUMBER.findall(text)}


def plain(number: str) -> str:
    return re.sub(r",(?=\d{3}(?!\d))", "", number)


def report(rows: list[dict]) -> None:
    columns = ("recall", "first", "cited recall", "cited precision", "numbers held", "words held", "match")
    print(f"{'questions':<34}{'n':>4}{'answered':>10}" + "".join(f"{name:>17}" for name in columns))
    for kind in (*sorted({row["type"] for row in rows}), "all"):
        group = [row for row in rows if kind in (row["type"], "all")]
        shown = "".join(f"{mean([row[name] for row in group]):>17}" for name in columns)
        print(f"{kind:<34}{len(group):>4}{sum(row['answered'] for row in group):>10}{shown}")
    wrong = [(row["id"], text) for row in rows for text in row["altered"]]
    print(f"\nnumbers in answers: {sum(row['numbers'] for row in rows)}; sentences marked: {sum(row['marked'] for row in rows)}")
    print(f"sentences that pass as supported with a number that no quote of theirs holds: {len(wrong)}")
    for id, text in wrong:
        print(f"  {id}: {text}")
    print(f"whole answer ms, median: {sorted(row['ms'] for row in rows)[len(rows) // 2]:.0f}")


def mean(values: list) -> str:
    judged_ones = [float(value) for value in values if value is not None]
    return f"{sum(judged_ones) / len(judged_ones):.3f}" if judged_ones else "-"


if __name__ == "__main__":
    main()
