"""Questions with a few given sources, some of which do not hold the answer: are answers right, rightly cited, and rightly refused?

    python bench/grounded_qa.py QUESTIONS.jsonl[.gz] [--limit N] [--mode auto]

Each line is {"question", "sources": [{"n", "text"}], "answerable", "answers", "gold_source"}. EM and token F1 are SQuAD's (Rajpurkar et
al. 2018; Chinese text by character), of the whole answer and of the short one (the words of it that a reader found; the whole answer
where there are none); a refusal counts as the empty answer. Nothing is retrieved from elsewhere: the sources of a question are its
library. Citation precision is the share of the sentences that cite which cite the gold source and nothing else.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import string
import sys
import tempfile
from collections import Counter
from pathlib import Path

import wellread
from wellread.answer import answer as answers_to
from wellread.config import load
from wellread.evidence import readable
from wellread.index.store import Source, Store
from wellread.models.base import Embedder, Judges
from wellread.split import split
from wellread.trace import Recorder
from wellread.types import Answer, Document, Hit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--evidence-tokens", type=int)
    parser.add_argument("--out", type=Path, help="write one JSON object per question here")
    arguments = parser.parse_args()
    opener = gzip.open if arguments.questions.suffix == ".gz" else open
    with opener(arguments.questions, "rt", encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines][arguments.skip :]
    questions = questions[: arguments.limit or None]
    rows = []
    with wellread.Parts(load().settings) as parts:
        chinese = any("\u4e00" <= char <= "\u9fff" for char in questions[0]["question"])
        embedder = parts.embedder(parts.embedder_for(chinese=chinese))
        for at, question in enumerate(questions, start=1):
            rows.append(judged(question, embedder, parts, wellread.Options(mode=arguments.mode, evidence_tokens=arguments.evidence_tokens)))
            if at % 25 == 0:
                print(f"{at} of {len(questions)}", file=sys.stderr, flush=True)
    if arguments.out:
        arguments.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    report(rows, arguments.mode)


def judged(question: dict, embedder: Embedder, parts: wellread.Parts, options: wellread.Options) -> dict:
    """One question answered from its own sources, and judged."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "library.db")
        hits = [hit for source in question["sources"] for hit in stored(store, source, embedder)]
        writer = None if options.mode == "extract" else parts.writer()
        recorder = Recorder()
        judges = Judges(parts.reader(), parts.checker()) if readable(question["question"], [hit.chunk.text for hit in hits]) else Judges()
        *_, answer = answers_to(question["question"], hits, store, embedder, writer, options, recorder, judges)
        store.close()
    assert isinstance(answer, Answer)
    select = next(step.data for step in recorder.steps if step.kind == "select")
    text = "" if answer.refused else answer.text
    short = answer.short.text if answer.short and not answer.refused else text
    titles = {citation.marker: citation.title for citation in answer.citations}
    citing = [{titles[marker] for marker in sentence.citations} for sentence in answer.sentences if sentence.citations]
    gold = question["answers"] if question["answerable"] else [""]
    return {
        "question": question["question"],
        "kind": question.get("kind", ""),
        "answerable": question["answerable"],
        "confidence": answer.confidence,
        "answered": not answer.refused,
        "text": text,
        "gold": gold,
        "mode": answer.mode,
        "exact": max((float(plain(text) == plain(one)) for one in gold), default=0.0),
        "f1": max((f1(text, one) for one in gold), default=0.0),
        "short": short,
        "short exact": max((float(plain(short) == plain(one)) for one in gold), default=0.0),
        "short f1": max((f1(short, one) for one in gold), default=0.0),
        "citing": len(citing),
        "citing gold": sum(cited == {str(question["gold_source"])} for cited in citing),
        "holds": float(question["answerable"] and any(" ".join(plain(one)) in " ".join(plain(text)) for one in gold)),
        "cited": float(question["answerable"] and str(question["gold_source"]) in {citation.title for citation in answer.citations}),
        "supported": sum(sentence.status == "supported" for sentence in answer.sentences),
        "sentences": len(answer.sentences),
        "coverage": select["coverage"],
        "closeness": select["closeness"],
        "first_ms": answer.timings["first_token_ms"],
        "total_ms": answer.timings["total_ms"],
    }


def stored(store: Store, source: dict, embedder: Embedder) -> list[Hit]:
    """A source as a document of its own; its chunks as hits."""
    name = str(source["n"])
    document = Document(id=name, source=name, title=name, media_type="text/plain", text=source["text"])
    spans = split(document)
    store.put(document, spans, embedder.embed([source["text"][span.start : span.end] for span in spans]), Source(name, name, 0, 0))
    chunks = store.chunks([row.chunk for row in store.index_rows(0)])
    return [
        Hit(chunk=chunk, title="", source=name, page_label=None, heading=None, score=0.0, why={})
        for chunk in chunks.values()
        if chunk.document == name
    ]


def plain(text: str) -> list[str]:
    """SQuAD's normalisation: lower case, no punctuation, no articles; CJK by character."""
    text = re.sub(r"([\u3400-\u9fff])", r" \1 ", text.lower())
    text = "".join(char for char in text if char not in string.punctuation and char not in "，。、；：？！“”‘’（）《》")
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1(text: str, gold: str) -> float:
    """Token F1 of an answer and a gold answer; two empty ones agree."""
    said, wanted = plain(text), plain(gold)
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def operating_point(answerable: list[dict], others: list[dict], refusals: float) -> tuple[float, float]:
    """The confidence below which so many answerable questions are refused, and the share of the others that are answered then."""
    sure = sorted(row["confidence"] for row in answerable)
    least = sure[int(refusals * len(sure))]
    return least, sum(row["confidence"] >= least for row in others) / len(others)


def report(rows: list[dict], mode: str) -> None:
    answerable = [row for row in rows if row["answerable"]]
    others = [row for row in rows if not row["answerable"]]
    answered = [row for row in answerable if row["answered"]]

    def mean(name: str, group: list[dict]) -> float:
        return sum(row[name] for row in group) / len(group) if group else float("nan")

    print(
        f"questions {len(rows)}, answerable {len(answerable)}, mode {mode}: {dict(Counter(row['mode'] for row in rows if row['answered']))}"
    )
    print(f"EM                      {mean('exact', rows):.3f}   (answerable only {mean('exact', answerable):.3f})")
    print(f"F1                      {mean('f1', rows):.3f}   (answerable only {mean('f1', answerable):.3f})")
    for name in ("short exact", "short f1"):
        print(f"{name:<24}{mean(name, rows):.3f}   (answerable only {mean(name, answerable):.3f})")
    print(f"answer holds gold text  {mean('holds', answerable):.3f}   (of answerable)")
    print(f"citation hit            {mean('cited', answered):.3f}   (of answered answerable)")
    for group, of in ((answered, "of answered answerable"), ([row for row in rows if row["answered"]], "of all answered")):
        cites = sum(row["citing"] for row in group)
        print(f"citation precision      {sum(row['citing gold'] for row in group) / cites if cites else 0:.3f}   ({of}, {cites} sentences)")
    print(f"false answers           {mean('answered', others):.3f}   (of unanswerable)")
    for kind in sorted({row["kind"] for row in others} - {""}):
        print(f"  {kind:<30} {mean('answered', [row for row in others if row['kind'] == kind]):.3f}")
    print(f"false refusals          {1 - mean('answered', answerable):.3f}   (of answerable)")
    for refusals in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        least, false = operating_point(answerable, others, refusals)
        print(f"  at false refusals {refusals:.2f}: false answers {false:.3f}, with min_confidence {least:.3f}")
    said = sum(row["sentences"] for row in rows)
    print(
        f"sentences supported     {sum(row['supported'] for row in rows) / said if said else 0:.3f}   (of {said}, as the checker sees it)"
    )
    print(f"first token ms, median  {sorted(row['first_ms'] for row in rows)[len(rows) // 2]:.0f}")
    print(f"whole answer ms, median {sorted(row['total_ms'] for row in rows)[len(rows) // 2]:.0f}")


if __name__ == "__main__":
    main()
