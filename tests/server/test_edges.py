"""What lies between the parts: places in lines, threads, counts, numbers at the edge of what a machine holds."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.test_hostile_requests import BODY, CHAT, Endless, post

from wellread.errors import UsageError
from wellread.index import locks
from wellread.models.fake import EchoChat
from wellread.server.app import PROTOCOLS
from wellread.server.body import Fields
from wellread.server.command import policy_of
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.ollama_answer import fitted
from wellread.server.runtime import Bounds
from wellread.server.sampling import sampling
from wellread.server.turn import Turn
from wellread.types import Message, Sampling

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
HUGE = 10**400
Start = Callable[..., Any]
Shelve = Callable[..., None]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (CHAT, {"temperature": HUGE}),
        (CHAT, {"seed": HUGE}),
        (CHAT, {"logit_bias": {"1": HUGE}}),
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": {"a": 1}}}}}),
        ("/api/chat", {"keep_alive": HUGE}),
        ("/v1/messages", {"max_tokens": HUGE}),
    ],
)
def test_numbers_that_no_machine_holds(echo: Any, path: str, more: dict[str, Any]) -> None:
    assert post(echo, BODY | more, path).status_code == 400


def test_the_smallest_numbers_mean_the_likeliest_token() -> None:
    assert sampling(Fields({"temperature": 1e-310})).temperature == 0
    assert 0 < sampling(Fields({"temperature": 1, "top_p": 0})).top_p < 1e-4


def test_who_leaves_the_line_leaves_no_gap(start: Start) -> None:
    running = start(Endless(), bounds=Bounds(slots=1, queue=2))
    data = json.dumps(BODY).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    lines = []
    for waiting in (0, 1, 2):
        lines.append(socket.create_connection(("127.0.0.1", running.server.port)))
        lines[-1].sendall(head.encode() + data)
        _until(lambda waiting=waiting: running.runtime.line.working == 1 and running.runtime.line.waiting == waiting)
    for line in lines[1:]:
        line.close()
    _until(lambda: running.runtime.line.waiting == 0)
    lines[0].close()


@pytest.mark.slow
def test_who_waits_for_a_library_holds_up_nobody(start: Start, shelve: Shelve, tmp_path: Path) -> None:
    shelve()
    running = start()
    base = running.url + "/api/v1/libraries/papers/documents"
    ident = httpx.get(base).json()["documents"][0]["id"]
    threads = [threading.Thread(target=lambda: httpx.delete(f"{base}/{ident}", timeout=30)) for _ in range(40)]
    with locks.writing(tmp_path / "papers.wellread"):
        for thread in threads:
            thread.start()
        _until(lambda: running.runtime.changing.waiting > 30)
        assert httpx.get(running.url + "/v1/models", timeout=2).status_code == 200
    for thread in threads:
        thread.join()
    assert ident not in {each["id"] for each in httpx.get(base).json()["documents"]}


@pytest.mark.slow
def test_a_file_stays_until_its_document_goes(start: Start, shelve: Shelve, tmp_path: Path) -> None:
    shelve()
    running = start()
    base = running.url + "/api/v1/libraries/papers/documents"
    job = httpx.post(base, files={"file": ("new.txt", b"Coffee is black.")}).json()
    _until(lambda: httpx.get(f"{running.url}/api/v1/jobs/{job['id']}").json()["state"] == "done")
    ident = next(each["id"] for each in httpx.get(base).json()["documents"] if "new.txt" in each["sources"][0])
    file = tmp_path / "papers.wellread" / "uploads" / "new.txt"
    with locks.writing(tmp_path / "papers.wellread"):
        assert httpx.delete(f"{base}/{ident}", timeout=60).status_code == 503
    assert file.exists()
    assert httpx.delete(f"{base}/{ident}").status_code == 200
    assert not file.exists()


def test_documents_that_come_with_requests_take_no_thread_each(start: Start) -> None:
    running = start()
    document = {"type": "document", "source": {"type": "text", "data": "Tea is green."}, "citations": {"enabled": True}}
    content = [document, {"type": "text", "text": "What colour is tea?"}]
    body = {"model": "echo", "max_tokens": 20, "wellread": {"mode": "extract"}, "messages": [{"role": "user", "content": content}]}
    for _ in range(4):
        assert post(running, body, "/v1/messages").status_code == 200
    assert sum(isinstance(each, threading.Timer) for each in threading.enumerate()) == 1


def test_every_way_in_counts_its_tokens(start: Start, shelve: Shelve) -> None:
    shelve()
    running = start()
    asked = {"question": "How long is green tea steeped?", "mode": "extract"}
    ways = [
        ("/v1/completions", {"prompt": "two words"}, 'wellread_tokens_total{kind="prompt"} 2'),
        ("/api/generate", {"prompt": "two words", "raw": True, "stream": False}, 'wellread_tokens_total{kind="prompt"} 4'),
        ("/api/embeddings", {"model": "hash-64", "prompt": "three more words"}, 'wellread_tokens_total{kind="embedded"} 3'),
        ("/api/v1/libraries/papers/ask", asked | {"question": "Who won the war?"}, "wellread_refused_answers_total 1"),
    ]
    for path, body, told in ways:
        given = body if "question" in body else {"model": "echo", **body}
        assert post(running, given, path).status_code == 200
        assert told in httpx.get(running.url + "/metrics").text.splitlines()
    kinds = [row["kind"] for row in httpx.get(running.url + "/api/v1/traces").json()["traces"]]
    assert sorted(kinds) == ["ask", "completion", "completion", "embeddings"]


def test_a_page_that_is_let_in_may_send_the_headers_of_its_client(start: Start) -> None:
    running = start(policy=Policy(origins=frozenset({"https://chat.example"})))
    asked = "authorization,content-type,x-stainless-lang"
    headers = {"origin": "https://chat.example", "access-control-request-method": "POST", "access-control-request-headers": asked}
    assert httpx.options(running.url + CHAT, headers=headers).headers["access-control-allow-headers"] == asked
    assert httpx.options(running.url + CHAT, headers=headers | {"origin": "https://evil.example"}).status_code == 403


class Counted(EchoChat):
    """Counts how often its tokens were counted."""

    def __init__(self) -> None:
        super().__init__(context_window=100)
        self.counts = 0

    def count_tokens(self, messages: Any) -> int:
        self.counts += 1
        return super().count_tokens(messages)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.integers(0, 40)), min_size=1, max_size=60))
def test_the_fewest_messages_are_left_out(rows: list[tuple[Any, int]]) -> None:
    chat = Counted()
    turn = Turn("echo", tuple(Message(role, "word " * count) for role, count in rows), Sampling(max_tokens=20))
    got, dropped = fitted(turn, chat)
    assert chat.counts <= 8
    assert len(got.messages) == len(rows) - dropped
    assert got.messages[-1] == turn.messages[-1]
    may_go = [at for at, message in enumerate(turn.messages[:-1]) if message.role != "system"]
    if dropped:
        kept = set(may_go[: dropped - 1])
        assert chat.count_tokens([each for at, each in enumerate(turn.messages) if at not in kept]) > 80
    assert chat.count_tokens(got.messages) <= 80 or dropped == len(may_go)


def test_tokens_and_names_that_cannot_be_meant(tmp_path: Path) -> None:
    def policy(text: str = "", hosts: tuple[str, ...] = ()) -> Policy:
        (tmp_path / "tokens.toml").write_text(text)
        given = {"token": None, "token_file": None, "tokens": str(tmp_path / "tokens.toml"), "host": "127.0.0.1", "allow_origin": []}
        return policy_of(SimpleNamespace(**given, allow_host=list(hosts)), {})  # type: ignore[arg-type]

    one = '[{}]\ntoken = "sixteen-characters"\n'
    with pytest.raises(UsageError, match='the token of "b" is another'):
        policy(one.format("a") + one.format("b") + "read_only = true\n")
    with pytest.raises(UsageError, match="neither true nor false"):
        policy(one.format("a") + 'read_only = "no"\n')
    assert policy(hosts=("Chat.example:8443",)).hosts == {"chat.example"}
    with pytest.raises(UsageError, match="no name of a host"):
        policy(hosts=("https://chat.example",))


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_no_way_in_without_a_token(start: Start, shelve: Shelve) -> None:
    """Every route there is: none without a token, none that writes with one that may only read, and no library but its own."""
    shelve()
    keys = (Key("a" * 16, Caller("reader", read_only=True)), Key("b" * 16, Caller("guest", frozenset({"mine"}))))
    running = start(policy=Policy(keys))
    given = {"model": "library:papers", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "input": "x"}
    with httpx.Client(base_url=running.url) as client:

        def status(method: str, path: str, token: str) -> int:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return client.request(method, path, headers=headers, json=given if method == "POST" else None).status_code

        for route in (route for protocol in PROTOCOLS for route in protocol.routes):
            path = route.path.replace("{name}", "papers").replace("{digest}", f"sha256:{'0' * 64}").replace(":path", "")
            path = path.replace("{id}", "0" * 32)
            none, bad, reader, guest = (status(route.method, path, token) for token in ("", "wrong" * 5, "a" * 16, "b" * 16))
            if path in ("/health", "/ready") or path.startswith("/docs"):
                assert none == 200
                continue
            assert (none, bad) == (401, 401), path
            assert not route.writes or reader == 403, path
            assert "papers" not in path or guest == 404, path
        for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/show", "/v1/models/library:papers"):
            assert status("GET" if "models" in path else "POST", path, "b" * 16) == 404, path
        assert client.get("/openapi.json").status_code == 401
