"""A library as somebody who is examined: what it finds, what it answers, what it cites, and when it refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from wellread import __version__
from wellread.errors import UsageError
from wellread.evaluate.citations import CitationCounts, CitedSentence, citation_counts
from wellread.evaluate.examinee import Ask, Examinee, Outcome
from wellread.evaluate.ranking import ndcg, recall, reciprocal_rank
from wellread.evaluate.run import Scorer
from wellread.evaluate.subject import Subject
from wellread.evaluate.task import Item, Metric, Task
from wellread.library import Library
from wellread.models.base import Writer
from wellread.options import Options
from wellread.scoreboard.gold import Finder, Place, overlaps, read_gold, touches
from wellread.types import Answer, Hit

DEPTH = 10
"""How many passages are looked for, to be scored."""


def subject(library: Library, tasks: Sequence[Task], options: Options) -> Subject:
    """A library, ready to be examined with these options: its gold spans are found again, its scores are those of retrieval and citations.

    Raises `UsageError` for tasks that ask for a choice and for spans that cannot be understood.
    """
    for task in tasks:
        if task.kind != "generate_until":
            raise UsageError(
                f"{task.name} asks for choices; a library answers questions.", hint="examine a model with it: leave out --library"
            )
    if not library.documents():
        raise UsageError(f"the library {library.folder} is empty.", hint="add something with: wellread add PATH")
    writer = None if options.mode == "extract" else library.parts.writer()
    return Subject(
        Examinee(
            f"{_name(library)}, {writer.model.name if writer else 'quotes only'}",
            lambda ask: _outcome(library, ask, options),
            digest=_digest(library, writer),
            settings=_settings(library, options),
        ),
        tuple(_with_gold(task, library) for task in tasks),
        SCORERS,
    )


# --- asking


def _outcome(library: Library, ask: Ask, options: Options) -> Outcome:
    hits = library.search(ask.prompt, limit=DEPTH, filter=options.filter, recipe=options.recipe)
    answer = library.ask(ask.prompt, options=options)
    return Outcome(
        "" if answer.refused else answer.text,
        confidence=answer.confidence,
        refused=answer.refused,
        more={
            "sentences": [_sentence(answer, at) for at in range(len(answer.sentences))],
            "hits": [_hit(hit) for hit in hits],
            "short_answer": answer.short.text if answer.short else None,
            "mode": answer.mode,
            "refusal_reason": answer.refusal_reason,
            "notes": list(answer.notes),
            "total_ms": answer.timings["total_ms"],
        },
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
    )


def _sentence(answer: Answer, at: int) -> dict[str, Any]:
    sentence = answer.sentences[at]
    cited = [citation for citation in answer.citations if citation.marker in sentence.citations]
    return {
        "text": sentence.text,
        "status": sentence.status,
        "citations": [
            {"document": one.document, "title": one.title, "start": one.start, "end": one.end, "quote": one.quote} for one in cited
        ],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {"document": hit.chunk.document, "title": hit.title, "start": hit.chunk.start, "end": hit.chunk.end, "score": hit.score}


# --- what was examined


def _name(library: Library) -> str:
    """What people call it: its folder, or, where `--in` made that, the files."""
    if library.folder.parent != library.parts.settings.cached_libraries:
        return library.folder.stem
    return ", ".join(Path(root).name or root for root in library.store.roots())


def _settings(library: Library, options: Options) -> dict[str, Any]:
    """What tells this examination from others of the same library: only what is not as it comes."""
    told = {one.name: getattr(options, one.name) for one in fields(Options) if getattr(options, one.name) != one.default}
    recipe = asdict(told.pop("recipe")) if "recipe" in told else {}
    plain = asdict(Options().recipe)
    settings = {**told, **{name: value for name, value in recipe.items() if value != plain[name]}}
    return {"embedder": library.store.meta("embedder"), **settings, "wellread": __version__}


def _digest(library: Library, writer: Writer | None) -> str:
    """Of the documents, the embedder and the weights: with any of these another, the library may answer otherwise."""
    model = writer.model.ref() if writer else None
    held = [
        sorted(listed.id for listed in library.documents()),
        [library.store.meta("embedder"), library.store.meta("embedder_revision")],
        [model.name, model.digest] if model else None,
    ]
    return f"sha256:{hashlib.sha256(json.dumps(held, default=str).encode()).hexdigest()}"


# --- scoring


def _with_gold(task: Task, library: Library) -> Task:
    """The task with its gold spans found again in the library, as `more["gold"]`, and scored by what a sentence must hold."""
    finder = Finder(library)
    items, lost = [], 0
    for item in task.items:
        golds = [read_gold(span, f"{task.name}, {item.id}") for span in item.more.get("spans") or ()]
        places = [finder.find(gold) for gold in golds]
        whole = bool(places) and None not in places
        lost += bool(places) and not whole
        items.append(replace(item, more={**item.more, "gold": places if whole else None}))
    notes = (f"the gold words of {lost} questions are no longer in the library: what was found and cited for them is not judged",)
    metrics = task.metrics if any(metric.name == "holds_answer" for metric in task.metrics) else (Metric("holds_answer"), *task.metrics)
    return replace(task, items=tuple(items), metrics=metrics, notes=(*task.notes, *(notes if lost else ())))


def _golds(item: Item) -> list[Place]:
    return [(str(document), int(start), int(end)) for document, start, end in item.more.get("gold") or ()]


def _of_ranking(measure: Callable[[Sequence[str], Mapping[str, int]], float]) -> Scorer:
    """A score of the passages found; not judged for questions without gold spans."""

    def score(item: Item, outcome: Outcome) -> float | None:
        golds = _golds(item)
        if not golds or "hits" not in outcome.more:
            return None
        ranked, left = [], list(range(len(golds)))
        for rank, hit in enumerate(outcome.more["hits"]):
            place = _place(hit)
            met = next((at for at in left if overlaps(place, golds[at])), None)
            ranked.append(f"other {rank}" if met is None else f"gold {met}")
            left = [at for at in left if at != met]
        return measure(ranked, {f"gold {at}": 1 for at in range(len(golds))})

    return score


def _of_citations(measure: Callable[[CitationCounts], float]) -> Scorer:
    """A score of what an answer cites; not judged for refusals, and for questions without gold spans."""

    def score(item: Item, outcome: Outcome) -> float | None:
        golds = _golds(item)
        sentences = outcome.more.get("sentences")
        if not golds or not sentences or outcome.refused:
            return None
        cited = [
            CitedSentence(sentence["text"], tuple(json.dumps(_place(citation)) for citation in sentence["citations"]))
            for sentence in sentences
            if sentence["status"] != "uncited"
        ]
        if not cited:
            return None

        def supports(passages: str, claim: str) -> bool:
            return any(touches(tuple(json.loads(line)), golds) for line in passages.split("\n"))

        return measure(citation_counts(cited, supports))

    return score


def _place(found: Mapping[str, Any]) -> Place:
    return str(found["document"]), int(found["start"]), int(found["end"])


SCORERS: Mapping[str, Scorer] = {
    "recall@1": _of_ranking(lambda ranked, relevant: recall(ranked, relevant, 1)),
    "recall@5": _of_ranking(lambda ranked, relevant: recall(ranked, relevant, 5)),
    "recall@10": _of_ranking(lambda ranked, relevant: recall(ranked, relevant, DEPTH)),
    "mrr@10": _of_ranking(lambda ranked, relevant: reciprocal_rank(ranked, relevant, DEPTH)),
    "ndcg@10": _of_ranking(lambda ranked, relevant: ndcg(ranked, relevant, DEPTH)),
    "citation_recall": _of_citations(lambda counts: counts.recall),
    "citation_precision": _of_citations(lambda counts: counts.precision),
}
"""Scores of a library beside those of its answers. A passage or citation is right where it shares half of the shorter of the two with a
gold span."""
