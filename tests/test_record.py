"""The JSON of an answer is a contract: these keys, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wellread.answer import Options
from wellread.library import Library
from wellread.models.fake import ScriptedChat
from wellread.record import answer_json, hit_json
from wellread.types import Answer

ANSWER = {
    "question", "answer", "refused", "refusal_reason", "sentences", "citations", "nearest", "ledger", "mode", "notes", "model", "usage",
    "timings", "trace_id", "confidence", "short_answer",
}  # fmt: skip
SENTENCE = {"text", "start", "end", "status", "support", "citations"}
CITATION = {"marker", "document", "page", "section", "start", "end", "quote"}
HIT = {"chunk", "document", "title", "source", "page", "section", "start", "end", "text", "score", "why"}


@pytest.fixture
def ask(open_library: Callable[..., Library], tmp_path: Path) -> Callable[..., tuple[Answer, Library]]:
    def run(question: str, *replies: str, mode: str = "compact") -> tuple[Answer, Library]:
        path = tmp_path / "站.md"
        path.write_text("# Power\n\nThe generator \U0001f600 is serviced every four months by Anna Berg.", encoding="utf-8")
        library = open_library(chat=ScriptedChat(replies))
        library.add(path)
        return library.ask(question, options=Options(mode=mode)), library

    return run


def check(found: dict[str, object]) -> None:
    """The contract, key by key and type by type."""
    assert json.loads(json.dumps(found, ensure_ascii=False)) == found
    assert found.keys() == ANSWER
    for name in ("question", "answer", "mode", "trace_id"):
        assert isinstance(found[name], str)
    assert isinstance(found["refused"], bool)
    assert (found["refusal_reason"] is None) is not found["refused"]
    assert found["mode"] in ("compact", "extract", "auto")
    for sentence in found["sentences"]:  # type: ignore[attr-defined]
        assert sentence.keys() == SENTENCE
        assert sentence["status"] in ("supported", "unsupported", "uncited")
        assert found["answer"][sentence["start"] : sentence["end"]] == sentence["text"]  # type: ignore[index]
        assert set(sentence["citations"]) <= {citation["marker"] for citation in found["citations"]}  # type: ignore[attr-defined]
    for citation in found["citations"]:  # type: ignore[attr-defined]
        assert citation.keys() == CITATION
        assert citation["document"].keys() == {"id", "title", "source", "media_type"}
        assert citation["page"] is None or citation["page"].keys() == {"index", "label"}
        assert len(citation["quote"]) == citation["end"] - citation["start"]
    for hit in found["nearest"]:  # type: ignore[attr-defined]
        assert hit.keys() == HIT
    ledger = found["ledger"]
    assert ledger.keys() == {"window", "sent_tokens", "sent", "dropped"}  # type: ignore[attr-defined]
    assert all(sent.keys() == {"chunk", "tokens"} for sent in ledger["sent"])  # type: ignore[index]
    assert all(dropped.keys() == {"chunk", "reason"} for dropped in ledger["dropped"])  # type: ignore[index]
    assert found["model"].keys() == {"name", "digest"}  # type: ignore[attr-defined]
    assert 0.0 <= found["confidence"] <= 1.0  # type: ignore[operator]
    assert found["short_answer"] is None or found["short_answer"].keys() == {"text", "marker", "start", "end"}  # type: ignore[attr-defined]
    assert found["usage"].keys() == {"prompt_tokens", "completion_tokens", "cached_tokens"}  # type: ignore[attr-defined]
    assert found["timings"].keys() == {"retrieve_ms", "first_token_ms", "total_ms"}  # type: ignore[attr-defined]


def test_an_answer(ask: Callable[..., tuple[Answer, Library]]) -> None:
    answer, library = ask("Who services the generator?", "Anna Berg services it every four months. Penguins like hot chocolate.")
    found = answer_json(answer)
    check(found)
    assert [sentence["status"] for sentence in found["sentences"]] == ["supported", "unsupported"]
    assert "\U0001f600" in found["citations"][0]["quote"]  # offsets count code points, of which this is one
    assert found["mode"] == "compact"
    kept = library.trace(answer.trace_id)
    assert kept["answer"] == json.loads(json.dumps(found))
    assert [step["kind"] for step in kept["steps"]] == ["retrieve", "select", "prompt", "generate"]
    assert all(step.keys() == {"kind", "at_ms", "took_ms", "data"} for step in kept["steps"])


def test_a_refusal_and_a_quotation(ask: Callable[..., tuple[Answer, Library]]) -> None:
    refusal, _ = ask("Wer schrieb die neunte Sinfonie?")
    check(answer_json(refusal))
    assert answer_json(refusal)["nearest"]
    quoted, _ = ask("Who services the generator?", mode="extract")
    check(answer_json(quoted))
    assert answer_json(quoted)["mode"] == "extract"


def test_a_hit(ask: Callable[..., tuple[Answer, Library]]) -> None:
    _, library = ask("Who services the generator?", mode="extract")
    found = hit_json(library.search("generator")[0])
    assert found.keys() == HIT
    assert json.loads(json.dumps(found)) == found
    assert (found["title"], found["page"], found["section"]) == ("Power", None, "Power")
    assert found["text"] == library.document(found["document"]).text[found["start"] : found["end"]]
