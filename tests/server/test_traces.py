"""Every request that a model works on leaves a trace: of figures only, for its caller only, and no longer than it should."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import EchoChat, FakeReranker, HashEmbedder, ScriptedChat
from wellread.parts import Parts
from wellread.server.database import Database
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.traces import Traces, listed
from wellread.types import Delta, Usage

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MARKER = "heliotrope"
QUESTION = "Who approved the installation of the solar panels?"
SAID = {"messages": [{"role": "user", "content": f"Say {MARKER} twice"}]}


def rows(url: str, **how: Any) -> list[Any]:
    found: list[Any] = httpx.get(url + "/api/v1/traces", **how).json()["traces"]
    return found


def test_every_request_to_a_model_is_a_trace_without_its_words(
    start: Callable[..., Any], shelve: Callable[..., None], tmp_path: Path
) -> None:
    shelve()
    path = tmp_path / "home" / "server.db"
    running = start(EchoChat(), reranker=FakeReranker(), database=Database(path))
    url, v1 = running.url, running.url + "/v1"
    httpx.post(v1 + "/chat/completions", json={"model": "echo", "temperature": 0.5, **SAID})
    httpx.post(v1 + "/chat/completions", json={"model": "echo", "stream": True, **SAID})
    httpx.post(v1 + "/completions", json={"model": "echo", "prompt": [MARKER, f"{MARKER} and"], "n": 2})
    httpx.post(v1 + "/embeddings", json={"model": "hash-64", "input": [MARKER, "b"]})
    httpx.post(v1 + "/rerank", json={"query": MARKER, "documents": ["a", "b"]})
    httpx.post(v1 + "/responses", json={"model": "echo", "input": MARKER})
    httpx.post(url + "/api/v1/libraries/papers/search", json={"query": MARKER})
    answer = httpx.post(url + "/api/v1/libraries/papers/ask", json={"question": QUESTION, "mode": "extract"}).json()
    chatted = httpx.post(v1 + "/chat/completions", json={"model": "library:papers", "messages": [{"role": "user", "content": QUESTION}]})
    assert httpx.post(v1 + "/chat/completions", json={"model": "echo", "messages": 5}).status_code == 400  # reached no model
    found = rows(url)
    told = [(row["kind"], row.get("model"), row.get("outcome")) for row in found]
    kinds = ["ask", "ask", "search", "chat", "rerank", "embeddings", "completion", "chat", "chat"]
    assert [kind for kind, _, _ in told] == kinds, told
    assert [found[0]["id"], found[1]["id"]] == [chatted.json()["wellread"]["trace_id"], answer["trace_id"]]
    assert {row["outcome"] for row in found[2:]} == {"done"}
    whole, streamed = (httpx.get(f"{url}/api/v1/traces/{found[at]['id']}").json() for at in (-1, -2))
    assert whole["tokens"] == streamed["tokens"] == {"prompt": whole["tokens"]["prompt"], "completion": 3}
    assert whole["tokens"]["prompt"] > 2
    assert (whole["asked"]["temperature"], whole["finish"], whole["route"]) == (0.5, ["stop"], "/v1/chat/completions")
    assert [step["kind"] for step in whole["steps"]] == ["wait", "chat"]
    assert 0 <= whole["timings"]["first_ms"] <= whole["timings"]["total_ms"]
    gone_on = httpx.get(f"{url}/api/v1/traces/{found[6]['id']}").json()
    assert gone_on["tokens"] == {"prompt": 3, "completion": 6}
    for file in (tmp_path / "home").rglob("server.db*"):
        assert MARKER.encode() not in file.read_bytes()
    noted = httpx.post(f"{url}/api/v1/traces/{whole['id']}/feedback", json={"thumb": "down", "comment": "too short"})
    assert noted.json()["feedback"]["thumb"] == "down"
    assert httpx.get(f"{url}/api/v1/traces/{whole['id']}").json()["feedback"]["comment"] == "too short"
    liked = httpx.post(f"{url}/api/v1/libraries/papers/traces/{answer['trace_id']}/feedback", json={"thumb": "up"})
    assert liked.status_code == 200
    assert httpx.get(f"{url}/api/v1/traces/{answer['trace_id']}").json()["feedback"]["thumb"] == "up"
    for wrong in ({"thumb": "sideways"}, {}, {"thumb": "up", "stars": 5}):
        assert httpx.post(f"{url}/api/v1/traces/{whole['id']}/feedback", json=wrong).status_code == 400
    assert httpx.post(f"{url}/api/v1/traces/nothing/feedback", json={"thumb": "up"}).status_code == 404


class SlowChat(EchoChat):
    """Echoes, a word in a while."""

    def stream(self, messages: Any, **how: Any) -> Any:
        for delta in super().stream(messages, **how):
            time.sleep(0.05)
            yield delta


def test_what_was_cancelled_and_what_failed_says_so(start: Callable[..., Any]) -> None:
    url = start(SlowChat()).url
    many = {"model": "echo", "messages": [{"role": "user", "content": "word " * 200}], "stream": True}
    with httpx.stream("POST", url + "/v1/chat/completions", json=many) as got:
        next(got.iter_lines())
    httpx.post(url + "/v1/chat/completions", json={"model": "echo", "messages": [{"role": "user", "content": "word " * 9_000}]})
    until = time.monotonic() + 5
    while len(rows(url)) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert sorted(row["outcome"] for row in rows(url)) == ["cancelled", "failed"]


def test_a_trace_is_its_callers_only_and_kept_for_some_days(start: Callable[..., Any]) -> None:
    keys = Policy((Key("a" * 20, Caller("a")), Key("b" * 20, Caller("b"))))
    database = Database(None)
    url = start(policy=keys, database=database).url
    a, b = ({"authorization": f"Bearer {each * 20}"} for each in "ab")
    httpx.post(url + "/v1/chat/completions", json={"model": "echo", **SAID}, headers=a)
    (row,) = rows(url, headers=a)
    assert rows(url, headers=b) == []
    assert httpx.get(f"{url}/api/v1/traces/{row['id']}", headers=b).status_code == 404
    assert httpx.post(f"{url}/api/v1/traces/{row['id']}/feedback", json={"thumb": "up"}, headers=b).status_code == 404
    with database.at_once() as db:
        db.execute("update traces set at = at - 86400 * 5")
    with closing(Traces(database, days=6)):
        assert len(listed(database, 9)) == 1
    with closing(Traces(database, days=4)):
        assert listed(database, 9) == []


def opened(tmp_path: Path, **settings: Any) -> Library:
    return Library(tmp_path / "papers.wellread", Parts(Settings(model="none", home=tmp_path / "home", **settings), embedder=HashEmbedder()))


def test_traces_of_questions_are_kept_for_some_days(shelve: Callable[..., None], tmp_path: Path) -> None:
    shelve()
    with opened(tmp_path, trace_days=1) as library:
        first, _ = library.ask(QUESTION), library.ask(QUESTION)
        library.store._db.execute("update traces set at = at - 86400 * 2 where id = ?", (first.trace_id,))
        last = library.ask(QUESTION)
        assert first.trace_id not in [row["id"] for row in library.store.traces()]
        assert library.store.traces()[0]["id"] == last.trace_id


def test_an_answer_that_outlives_its_document_leaves_no_trace(shelve: Callable[..., None], tmp_path: Path) -> None:
    """The document goes while the question is being answered."""
    shelve()
    with opened(tmp_path) as library, opened(tmp_path) as other:
        pieces = library.stream(QUESTION)
        first = next(pieces)
        while not isinstance(first, Delta):
            first = next(pieces)
        for each in other.documents():
            other.remove(each.id)
        list(pieces)
        assert library.store.traces() == []


def held(folder: Path, words: str) -> list[str]:
    """The files under a folder that hold some words."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


@pytest.mark.parametrize("while_down", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_with_a_document_go_the_answers_that_quote_it(
    start: Callable[..., Any], shelve: Callable[..., None], tmp_path: Path, while_down: bool
) -> None:
    """From traces and from kept responses, also from those that went on from one, however the document was removed."""
    shelve()
    running = start(ScriptedChat(["Maria Keller approved it."] * 9))
    url = running.url + "/v1/responses"

    def respond(**how: Any) -> str:
        got = httpx.post(url, json={"model": "library:papers", "input": QUESTION, **how}).json()
        ident: str = got["id"]
        return ident

    first = respond()
    other = respond(input="How long is green tea steeped?", wellread={"mode": "extract"})
    second = respond(model="scripted", input="And in short?", previous_response_id=first)
    assert "Keller" in httpx.get(f"{url}/{first}").text
    api = running.url + "/api/v1/libraries/papers"
    solar = next(row["id"] for row in httpx.get(api + "/documents").json()["documents"] if row["title"] == "solar.txt")
    tea = next(row["id"] for row in httpx.get(api + "/documents").json()["documents"] if row["title"] == "tea.txt")
    rests = running.runtime.stored.get("anyone", other).rests
    assert ("papers", tea) in rests
    if while_down:
        with opened(tmp_path) as library:  # as `wellread remove` does
            library.remove(solar)
    else:
        assert httpx.delete(f"{api}/documents/{solar}").status_code == 200
    for ident in (first, second):
        assert httpx.get(f"{url}/{ident}").status_code == 404
        assert httpx.get(f"{url}/{ident}/input_items").status_code == 404
        more = httpx.post(url, json={"model": "scripted", "input": "More?", "previous_response_id": ident})
        assert more.json()["error"]["code"] == "previous_response_not_found"
    assert (httpx.get(f"{url}/{other}").status_code == 200) == (("papers", solar) not in rests)
    assert held(tmp_path / "papers.wellread", "Maria Keller") == []
    assert held(tmp_path / "home", "Maria Keller") == []


def test_a_trace_notes_what_the_answers_to_several_prompts_cost() -> None:
    from wellread.server.traced import Tracing

    tracing = Tracing()
    for same in (False, True, False):
        tracing.spent(Usage(5, 2), same=same)
    told = tracing.trace(owner="a", request="r", route="/", status=200, failed=False)
    assert (told.usage, told.outcome) == (Usage(10, 6), "done")


@pytest.mark.slow
def test_the_command_shows_both(command: Any, home: Path, papers: Path) -> None:
    """`wellread trace` shows the questions of a library and the requests to the server."""
    server = home / "server" / "server.db"
    with closing(Database(server)) as database, closing(Traces(database, days=0)) as traces:
        from wellread.server.traced import Tracing

        tracing = Tracing()
        with tracing.work("chat", "echo"):
            tracing.spent(Usage(5, 2))
        request = tracing.trace(owner="a", request="r", route="/v1/chat/completions", status=200, failed=False)
        traces.put(request)
    try:
        listed = command("trace")
        assert "(chat by echo: done)" in listed.out
        shown = command("trace", request.id[:8])
        assert "/v1/chat/completions: done (200)" in shown.out
        assert "5 prompt tokens, 2 completion tokens" in shown.out
        assert json.loads(command("trace", request.id, "--json").out)["steps"][0]["kind"] == "chat"
    finally:
        for path in server.parent.glob("server.db*"):
            path.unlink()
