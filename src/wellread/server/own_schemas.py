"""What is sent to /api/v1 and what comes back, as JSON schemas for the OpenAPI document."""

from __future__ import annotations

from typing import Any

_TEXT, _FLAG, _COUNT, _NUMBER = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}, {"type": "number"}
_MAYBE_TEXT, _MAYBE_NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}
_ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}


def _object(properties: dict[str, Any], *required: str, closed: bool = True) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "required": list(required)}
    return shape | ({"additionalProperties": False} if closed else {})


def _all(**properties: Any) -> dict[str, Any]:
    """An object that has all of these."""
    return _object(properties, *properties, closed=False)


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_RECIPE = {
    "by": {"enum": ["hybrid", "keyword", "dense", "rrf"]},
    "min_relevance": {"type": "number", "minimum": 0, "maximum": 1},
    "mmr": {"type": "number", "minimum": 0, "maximum": 1},
    "rerank": {"type": "integer", "minimum": 0, "maximum": 100},
    "expand": {"enum": ["none", "rewrite", "multi", "hyde", "decompose", "stepback"]},
}
_OPTIONS = {
    "mode": {"enum": ["auto", "compact", "refine", "tree_summarize", "extract"]},
    "strict": _FLAG,
    "filter": _TEXT,
    "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "max_tokens": {"type": "integer", "minimum": 1},
    "evidence_tokens": {"type": "integer", "minimum": 1},
    "drafts": {"type": "integer", "minimum": 1, "maximum": 16},
    "whole": _FLAG,
    "max_calls": {"type": "integer", "minimum": 1},
    "memory_tokens": {"type": "integer", "minimum": 1},
    "overflow": {"enum": ["error", "drop"]},
    "widen": {"enum": ["none", "sentences", "neighbours", "parent", "section"]},
    **_RECIPE,
}

# --- what is sent

CREATE = _object({"name": {"type": "string", "minLength": 1, "maxLength": 100}}, "name")
SEARCH = _object({"query": _TEXT, "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "filter": _TEXT, **_RECIPE}, "query")
_TURN = _object({"question": _TEXT, "answer": _TEXT}, "question", "answer")
ASK = _object({"question": _TEXT, "history": _list(_TURN), "model": _TEXT, "stream": _FLAG, **_OPTIONS}, "question")
SYNC = _object({"path": {"type": "string", "description": "a folder or file below an --allow-path of the server"}, "tags": _list(_TEXT)})
_QUESTION = _object(
    {"id": _TEXT, "question": _TEXT, "answers": _list(_TEXT), "answerable": _FLAG, "spans": _list(_ANY)}, "question", closed=False
)
EVALUATE = _object({"questions": _list(_QUESTION) | {"minItems": 1, "maxItems": 2_000}, "options": _object(_OPTIONS)}, "questions")
FEEDBACK = _object({"thumb": {"enum": ["up", "down"]}, "comment": {"type": "string", "maxLength": 10_000}}, "thumb")
FILES = {
    "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}

# --- what comes back

LIBRARY = _all(name=_TEXT, model=_TEXT, documents=_COUNT, chunks=_COUNT, embedder=_MAYBE_TEXT, change=_COUNT)
LIBRARIES = _all(libraries=_list(_all(name=_TEXT, model=_TEXT)))
_LISTED = _all(
    id=_TEXT,
    title=_TEXT,
    media_type=_TEXT,
    chars=_COUNT,
    pages=_COUNT,
    chunks=_COUNT,
    sources=_list(_TEXT),
    warnings=_list(_TEXT),
    date=_MAYBE_TEXT,
    tags=_list(_TEXT),
)
DOCUMENTS = _all(total=_COUNT, documents=_list(_LISTED))
DOCUMENT = _all(id=_TEXT, title=_TEXT, media_type=_TEXT, source=_TEXT, text=_TEXT, start=_COUNT, chars=_COUNT)
DELETED = _object({"id": _TEXT, "name": _TEXT, "deleted": {"const": True}}, "deleted")
_HIT = _all(chunk=_COUNT, document=_TEXT, title=_TEXT, source=_TEXT, page=_MAYBE_TEXT, start=_COUNT, end=_COUNT, text=_TEXT, score=_NUMBER)
HITS = _all(hits=_list(_HIT), note=_MAYBE_TEXT)
_CITATION = _all(marker=_COUNT, document=_ANY, page=_ANY | {"type": ["object", "null"]}, start=_COUNT, end=_COUNT, quote=_TEXT)
_SENTENCE = _all(
    text=_TEXT,
    start=_COUNT,
    end=_COUNT,
    status={"enum": ["supported", "unsupported", "uncited"]},
    support=_NUMBER,
    citations=_list(_COUNT),
)
ANSWER = _all(
    question=_TEXT,
    answer=_TEXT,
    refused=_FLAG,
    refusal_reason=_MAYBE_TEXT,
    confidence=_MAYBE_NUMBER,
    sentences=_list(_SENTENCE),
    citations=_list(_CITATION),
    nearest=_list(_HIT),
    mode=_TEXT,
    notes=_list(_TEXT),
    model=_ANY,
    usage=_ANY,
    timings=_ANY,
    trace_id=_TEXT,
)
TRACE = _all(id=_TEXT, at=_NUMBER, kind=_TEXT, steps=_list(_all(kind=_TEXT, at_ms=_NUMBER, took_ms=_NUMBER, data=_ANY)))
TRACES = _all(traces=_list(_all(id=_TEXT, at=_NUMBER, kind=_TEXT)))
NOTED = _all(id=_TEXT, feedback=_all(thumb=_TEXT, comment=_TEXT, by=_TEXT, at=_NUMBER))
JOB = _all(
    id=_TEXT,
    kind={"enum": ["add", "sync", "evaluate"]},
    library=_TEXT,
    state={"enum": ["queued", "running", "done", "failed", "cancelled"]},
    created=_NUMBER,
    began=_MAYBE_NUMBER,
    ended=_MAYBE_NUMBER,
    tries=_COUNT,
    progress=_all(doing=_TEXT, done=_COUNT, total=_COUNT),
    error=_ANY | {"type": ["object", "null"]},
)
JOBS = _all(jobs=_list(JOB))
