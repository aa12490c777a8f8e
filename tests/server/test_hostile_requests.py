"""Requests that mean harm, and clients that misbehave: each gets an error of its protocol, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.models.fake import EchoChat
from wellread.server.body import Fields, parse
from wellread.server.errors import Refused
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.line import Line
from wellread.server.openai_chat import read
from wellread.server.openai_responses import read as read_response
from wellread.server.runtime import Bounds
from wellread.types import Delta, Usage

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
TOKEN, OTHER = "a-token-of-some-length", "another-token-of-length"


class Endless(EchoChat):
    """A model that never ends by itself, and notes when it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.stopped = threading.Event(), threading.Event()

    def stream(self, messages: Any, **how: Any) -> Iterator[Delta]:
        self.began.set()
        try:
            while True:
                time.sleep(0.005)
                yield Delta("on ")
        finally:
            self.stopped.set()


class Gated(EchoChat):
    """A model that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def stream(self, messages: Any, **how: Any) -> Iterator[Delta]:
        assert self.gate.wait(40)
        yield Delta("done")
        yield Delta(finish="stop", usage=Usage(1, 1))


def post(running: Any, body: Any, path: str = CHAT, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    return httpx.post(running.url + path, content=content, headers=headers, timeout=30, verify=False)


# --- clients that are slow (23)


def test_an_answer_ends_when_its_time_is_over(start: Callable[..., Any]) -> None:
    chat = Endless()
    running = start(chat, bounds=Bounds(request_s=0.3))
    late = post(running, BODY)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
    assert chat.stopped.wait(1)
    streamed = post(running, {**BODY, "stream": True})
    assert streamed.status_code == 200
    assert '"code":"timeout"' in streamed.text


def test_who_is_slow_to_ask_holds_nobody_up(start: Callable[..., Any]) -> None:
    running = start(bounds=Bounds(header_s=0.3, body_s=0.3))
    lines = [socket.create_connection(("127.0.0.1", running.server.port), timeout=10) for _ in range(3)]
    lines[1].sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc")
    lines[2].sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    assert post(running, BODY).status_code == 200
    assert lines[0].recv(100) == b""
    assert lines[1].recv(100) == b""
    assert b" 408 " in lines[2].recv(1000)
    for line in lines:
        line.close()


def test_who_takes_nothing_is_given_up(start: Callable[..., Any]) -> None:
    class Loud(Endless):
        def stream(self, messages: Any, **how: Any) -> Iterator[Delta]:
            for delta in super().stream(messages, **how):
                yield Delta(delta.text * 50_000)

    chat = Loud()
    running = start(chat, bounds=Bounds(send_s=0.3))
    with socket.create_connection(("127.0.0.1", running.server.port)) as line:
        data = json.dumps({**BODY, "stream": True}).encode()
        line.sendall(b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(data), data))
        assert chat.stopped.wait(10)
    assert '"error"' not in running.log.getvalue()


def test_the_end_does_not_wait_for_an_answer_without_end(start: Callable[..., Any]) -> None:
    chat = Endless()
    running = start(chat, bounds=Bounds(grace_s=1))
    cut = threading.Event()

    def ask() -> None:
        with pytest.raises(httpx.RemoteProtocolError):  # half an answer does not look like a whole one
            post(running, {**BODY, "stream": True})
        cut.set()

    threading.Thread(target=ask).start()
    assert chat.began.wait(5)
    began = time.monotonic()
    running.server.stop()
    assert chat.stopped.wait(5)
    assert time.monotonic() - began < 5
    assert cut.wait(5)


# --- more than can be done at a time (24)


def test_a_full_line_turns_away_and_recovers(start: Callable[..., Any]) -> None:
    chat = Gated()
    running = start(chat, bounds=Bounds(slots=1, queue=3))
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(post(running, BODY))) for _ in range(20)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(answers) < 16 and time.monotonic() < until:
        time.sleep(0.01)
    assert httpx.get(running.url + "/health").status_code == 200
    assert httpx.get(running.url + "/ready").status_code == 503
    chat.gate.set()
    for thread in threads:
        thread.join(20)
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 4 + [429] * 16
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["type"] == "rate_limit_error"
    while running.runtime.line.working and time.monotonic() < until:  # the thread of the last answer is about to end
        time.sleep(0.01)
    assert (running.runtime.line.working, running.runtime.line.waiting) == (0, 0)
    assert post(running, BODY).status_code == 200


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 3), st.data())
def test_the_line_is_fair_and_loses_no_slot(asking: list[str], slots: int, data: st.DataObject) -> None:
    leaving = [data.draw(st.booleans()) for _ in asking]

    async def play() -> list[str]:
        line, served = Line(slots, 100, 5), list[str]()

        async def one(who: str) -> None:
            await line.enter(who)
            try:
                served.append(who)
                await asyncio.sleep(0)
            finally:
                line.leave()

        tasks = [asyncio.create_task(one(who)) for who in asking]
        await asyncio.sleep(0)
        for task, gone in zip(tasks, leaving, strict=True):
            if gone:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (line.working, line.waiting) == (0, 0)
        return served

    served = asyncio.run(play())
    if not any(leaving):
        assert sorted(served) == sorted(asking)
        waited = served[slots:]
        for who in set(waited):  # while others wait, nobody is served twice in a row
            for at in range(len(waited) - 1):
                if waited[at] == waited[at + 1] == who:
                    assert set(waited[at:]) == {who}


# --- bodies that are none (25)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe{}", 400),
        (b'{"model": NaN}', 400),
        (b'{"model": "echo", "temperature": 1e999, "messages": []}', 400),
        (b'{"max_tokens": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 500 + b"1" + b"}" * 500, 400),
        (b'{"model": "echo", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (b'{"model": "\\ud800", "messages": []}', 400),
        (b'{"model": 5, "messages": "x"}', 400),
        (b'{"model": "echo"}', 400),
        (b'{"model": "echo", "messages": [' + b"{}," * 30_000 + b"{}]}", 400),
        (b'{"model": "echo", "messages": [{"role": "user", "content": "x"}], "max_tokens": true}', 400),
        (b'{"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}', 400),
        (b'{"model": "echo", "messages": [{"role": "user", "content": "x"}], "seed": 1e5}', 400),
        (b'{"model": "echo", "messages": [{"role": "user", "content": "x"}], "unknown": {"field": [1]}, "user": null}', 200),
        (b'{"model": "echo", "pad": "' + b"x" * 1_200_000 + b'"}', 413),
        (b'{"model": "echo", "pad": "' + b"x" * 9_000_000 + b'"}', 413),
    ],
)
def test_a_body_that_is_none_is_refused(echo: Any, body: bytes, status: int) -> None:
    try:
        got = post(echo, body)
    except httpx.WriteError:  # far too large: the line was cut
        assert len(body) > 8 << 20
    else:
        assert got.status_code == status
        assert status == 200 or got.json()["error"]["message"]
    assert post(echo, BODY).status_code == 200


_NAMES = st.sampled_from(
    "model messages role content type text tools function name parameters tool_choice response_format json_schema schema stop n seed"
    " input max_tokens temperature stream stream_options include format wellread instructions arguments call_id output"
    " logprobs tool_calls".split()
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["user", "function", "text", 10**400, -(10**400)])
)
_JSON: Any = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=25)


@given(st.dictionaries(_NAMES, _JSON, max_size=8))
def test_any_object_is_read_or_refused(body: dict[str, Any]) -> None:
    valid = {"model": "m", "messages": [{"role": "user", "content": "x"}], "input": "x"}
    for given_, reader in ((body, read), ({**valid, **body}, read), (body, read_response), ({**valid, **body}, read_response)):
        try:
            reader(Fields(given_))
        except Refused as refused:
            assert refused.status == 400
            assert refused.message


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except Refused as refused:
        assert refused.status == 400


# --- other pages, other names, no token (27, 28)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "192.168.1.5"},
        {"host": "localhost:abc"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "http://evil.example", "content-type": "text/plain"},
        {"sec-fetch-site": "cross-site"},
        {"upgrade": "websocket", "connection": "upgrade", "origin": "http://evil.example"},
    ],
    ids=str,
)
def test_other_pages_and_other_names_are_kept_out(echo: Any, headers: dict[str, str]) -> None:
    for path in (CHAT, "/api/v1/libraries", "/health", "/metrics", "/nothing"):
        got = post(echo, BODY, path, **headers) if path == CHAT else httpx.get(echo.url + path, headers=headers)
        assert got.status_code == 403
        assert got.json()["error"]["type"] == "permission_error"
        assert "access-control-allow-origin" not in got.headers
    preflight = httpx.options(echo.url + CHAT, headers={"origin": "http://evil.example", "access-control-request-method": "POST"})
    assert preflight.status_code == 403


def test_what_a_page_may_send_unasked_is_not_read(echo: Any) -> None:
    assert post(echo, BODY, **{"content-type": "text/plain"}).status_code == 415


def test_an_origin_that_is_let_in_can_read(start: Callable[..., Any]) -> None:
    running = start(policy=Policy(origins=frozenset({"https://chat.example"})))
    preflight = httpx.options(running.url + CHAT, headers={"origin": "https://chat.example", "access-control-request-method": "POST"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "https://chat.example")
    got = post(running, BODY, origin="https://chat.example")
    assert (got.status_code, got.headers["access-control-allow-origin"], got.headers["vary"]) == (200, "https://chat.example", "Origin")
    assert "access-control-allow-credentials" not in got.headers
    own = post(running, BODY, origin=running.url)
    assert (own.status_code, "access-control-allow-origin" in own.headers) == (200, False)


def test_without_the_token_nothing_is_told(start: Callable[..., Any]) -> None:
    running = start(policy=Policy(keys=(Key(TOKEN, Caller("owner")),)))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": "Bearer"}, {"x-api-key": "é"}):
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            got = httpx.get(running.url + path, headers={name: value.encode() for name, value in headers.items()})
            assert got.status_code == 401
            assert got.headers["www-authenticate"] == "Bearer"
            assert got.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(running.url + "/health").json() == {"status": "ok"}
    assert httpx.get(running.url + "/v1/models", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.get(running.url + "/v1/models", headers={"x-api-key": TOKEN}).status_code == 200
    assert TOKEN not in running.log.getvalue()
    assert "wrong" not in running.log.getvalue()


# --- what is another's, or lies elsewhere (29)


def test_a_token_opens_its_own_libraries_only(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve("open")
    shelve("shut")
    keys = (Key(TOKEN, Caller("owner")), Key(OTHER, Caller("guest", frozenset({"open"}), read_only=True)))
    running = start(policy=Policy(keys=keys))

    def got(method: str, path: str, token: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, running.url + path, headers={"authorization": f"Bearer {token}"}, json=body, timeout=20)

    assert [row["name"] for row in got("GET", "/api/v1/libraries", TOKEN).json()["libraries"]] == ["open", "shut"]
    assert [row["name"] for row in got("GET", "/api/v1/libraries", OTHER).json()["libraries"]] == ["open"]
    assert "library:shut" not in got("GET", "/v1/models", OTHER).text
    asked = {"model": "library:shut", "messages": BODY["messages"]}
    documents = got("GET", "/api/v1/libraries/shut/documents", TOKEN).json()["documents"]
    missing = got("GET", "/api/v1/libraries/none", OTHER).json()
    for method, path, body in (
        ("GET", "/api/v1/libraries/shut", None),
        ("GET", "/api/v1/libraries/shut/documents", None),
        ("GET", f"/api/v1/libraries/shut/documents/{documents[0]['id']}", None),
        ("GET", "/api/v1/libraries/shut/traces", None),
        ("POST", "/api/v1/libraries/shut/search", {"query": "x"}),
        ("POST", "/api/v1/libraries/shut/ask", {"question": "x"}),
        ("GET", "/v1/models/library:shut", None),
        ("POST", CHAT, asked),
        ("POST", "/v1/responses", {"model": "library:shut", "input": "x"}),
    ):
        refused = got(method, path, OTHER, body)
        assert refused.status_code == 404, path
        assert refused.json()["error"]["message"] == missing["error"]["message"]
    made = got("POST", "/v1/responses", TOKEN, {"model": "echo", "input": "x"}).json()["id"]
    assert got("GET", f"/v1/responses/{made}", OTHER).status_code == 404
    assert got("POST", "/v1/responses", OTHER, {"model": "echo", "input": "x", "previous_response_id": made}).status_code == 400
    assert got("DELETE", f"/v1/responses/{made}", OTHER).status_code == 403
    assert got("GET", f"/v1/responses/{made}", TOKEN).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/libraries/..%2fpapers/documents",
        "/api/v1/libraries/%2e%2e%2f%2e%2e%2fetc/documents",
        "/api/v1/libraries/papers%00/documents",
        "/api/v1/libraries/papers/documents/..%2f..%2flibrary.db",
        "/api/v1/libraries/papers/documents/%27%20or%201=1",
        "/api/v1/libraries/papers/traces/%25",
        "/v1/responses/%25",
        "/v1/models/library:..%2fpapers",
        "/static/..%2f..%2fetc/passwd",
        "//etc/passwd",
    ],
)
def test_no_path_leads_out(echo: Any, path: str) -> None:
    got = httpx.get(echo.url + path)
    assert got.status_code == 404
    assert "root:" not in got.text
    assert got.json()["error"]["type"] == "not_found_error"


def test_logs_hold_no_content(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve()

    class Broken(EchoChat):
        def stream(self, messages: Any, **how: Any) -> Iterator[Delta]:
            raise RuntimeError(f"secret-of-the-document: {messages[-1].content}")

    running = start(Broken())
    failed = post(running, {**BODY, "messages": [{"role": "user", "content": "very-private"}]})
    assert failed.status_code == 500
    assert "secret" not in failed.text
    httpx.get(running.url + "/api/v1/libraries/papers/documents/very-private")
    assert "internal_error" in post(running, {**BODY, "stream": True}).text
    lines = [json.loads(line) for line in running.log.getvalue().splitlines()]
    assert {line["event"] for line in lines} == {"request", "error"}
    assert lines[1]["route"] == CHAT
    assert lines[0]["kind"] == "RuntimeError"
    assert lines[0]["id"] == lines[1]["id"] == failed.headers["x-request-id"]
    for word in ("secret", "private"):
        assert word not in running.log.getvalue()
    numbers = httpx.get(running.url + "/metrics").text
    assert 'wellread_requests_total{route="/v1/chat/completions",status="500"} 2' in numbers
    assert "wellread_working 0" in numbers
