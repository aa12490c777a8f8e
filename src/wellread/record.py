"""An answer as JSON: the contract of `--json` and of what a trace keeps. Offsets count Unicode code points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from wellread.trace import Recorder
from wellread.types import Answer, Citation, Hit, Sentence, Step


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer as one JSON object."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "refused": answer.refused,
        "refusal_reason": answer.refusal_reason,
        "confidence": answer.confidence,
        "short_answer": None if answer.short is None else dataclasses.asdict(answer.short),
        "sentences": [sentence_json(sentence) for sentence in answer.sentences],
        "citations": [citation_json(citation) for citation in answer.citations],
        "nearest": [hit_json(hit) for hit in answer.nearest],
        "ledger": {
            "window": answer.ledger.window,
            "sent_tokens": answer.ledger.sent_tokens,
            "sent": [dataclasses.asdict(sent) for sent in answer.ledger.sent],
            "dropped": [dataclasses.asdict(dropped) for dropped in answer.ledger.dropped],
        },
        "mode": answer.mode,
        "notes": list(answer.notes),
        "model": {"name": answer.model.name, "digest": answer.model.digest},
        "usage": dataclasses.asdict(answer.usage),
        "timings": dict(answer.timings),
        "trace_id": answer.trace_id,
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as one JSON object."""
    return {
        "chunk": hit.chunk.id,
        "document": hit.chunk.document,
        "title": hit.title,
        "source": hit.source,
        "page": hit.page_label,
        "section": hit.heading,
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "text": hit.chunk.text,
        "score": hit.score,
        "why": dict(hit.why),
    }


def trace_json(answer: Answer, recorder: Recorder) -> dict[str, Any]:
    """What a trace keeps: the request, the answer, and the steps that led to it."""
    return {"request": dict(recorder.request), "answer": answer_json(answer), "steps": [_step_json(step) for step in recorder.steps]}


def sentence_json(sentence: Sentence) -> dict[str, Any]:
    """A sentence of an answer, or of a text that was checked, as one JSON object."""
    return {
        "text": sentence.text,
        "start": sentence.start,
        "end": sentence.end,
        "status": sentence.status,
        "support": sentence.support,
        "citations": list(sentence.citations),
    }


def citation_json(citation: Citation) -> dict[str, Any]:
    """A citation as one JSON object."""
    return {
        "marker": citation.marker,
        "document": {
            "id": citation.document,
            "title": citation.title,
            "source": citation.source,
            "media_type": citation.media_type,
        },
        "page": None if citation.page is None else {"index": citation.page.index, "label": citation.page.label},
        "section": citation.section,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


def _step_json(step: Step) -> Mapping[str, Any]:
    return {"kind": step.kind, "at_ms": step.at_ms, "took_ms": step.took_ms, "data": dict(step.data)}
