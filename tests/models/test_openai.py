"""The client for OpenAI-compatible servers, against a server of one's own that can misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from wellread.errors import ContextOverflow, ModelError, ModelMissing, RequestRefused, UsageError
from wellread.models.openai import OpenAIChat
from wellread.types import Delta, Message, ModelRef, Sampling, Usage

pytestmark = pytest.mark.enable_socket
HELLO = [Message("system", "Be brief."), Message("user", "Hallo 你好")]


class Service(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, and remembers what it was sent."""

    daemon_threads = True
    status = 200
    body = b""
    cut = False
    hang = False
    first: tuple[tuple[int, bytes, dict[str, str]], ...] = ()
    """What is answered before that: status, body, headers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.hung_up = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.hung_up.set()


class Handler(BaseHTTPRequestHandler):
    server: Service

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), sent))
        number = len(self.server.asked)
        if number <= len(self.server.first):
            status, body, headers = self.server.first[number - 1]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
            return
        if self.server.hang:
            self.server.hung_up.wait(10)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(self.server.body) + (1000 if self.server.cut else 0)))
        self.end_headers()
        self.wfile.write(self.server.body)


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def chat(server: Service, key: str | None = "sk-secret") -> OpenAIChat:
    return OpenAIChat("m1", f"http://127.0.0.1:{server.server_address[1]}/v1/", key, 1000, pause_s=0.01)


def events(*rows: Any, done: bool = True) -> bytes:
    lines = [": heartbeat", "event: message"] + ["data: " + (row if isinstance(row, str) else json.dumps(row)) for row in rows]
    return "\n\n".join([*lines, "data: [DONE]", ""] if done else [*lines, ""]).encode()


def piece(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}}


def test_a_stream_is_read_and_the_request_is_what_servers_expect(service: Service) -> None:
    service.body = events(piece("Hé"), piece("llo 好"), piece(None, "length"), USAGE)
    model = chat(service)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    sampling = Sampling(max_tokens=7, temperature=0.5, seed=3, stop=("END",), top_k=4)
    deltas = list(model.stream(HELLO, schema=schema, sampling=sampling))
    assert deltas == [Delta("Hé"), Delta("llo 好"), Delta(finish="length", usage=Usage(9, 2, 4))]
    path, headers, sent = service.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-secret"
    assert sent == {
        "model": "m1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hallo 你好"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 1.0,
        "stop": ["END"],
        "seed": 3,
        "top_k": 4,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
    }
    assert model.ref() == ModelRef("m1")
    model.close()


def test_what_is_not_asked_for_is_not_sent(service: Service) -> None:
    service.body = events(piece("x", "stop"))
    model = chat(service, key=None)
    list(model.stream(HELLO))
    _, headers, sent = service.asked[0]
    assert "Authorization" not in headers
    assert set(sent) == {"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p"}
    model.close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"error": {"message": "bad key"}}, ModelError, "refused the API key: bad key"),
        (404, {"error": {"message": "unknown model", "code": "model_not_found"}}, ModelMissing, 'no model "m1": unknown model'),
        (404, "Not Found", ModelMissing, "/v1"),
        (429, {"error": "slow down"}, ModelError, "too many requests: slow down"),
        (500, {"detail": "oops"}, ModelError, r"failed \(500\): oops"),
        (503, "", ModelError, r"failed \(503\): no reason given"),
        (418, {"message": "teapot"}, ModelError, r"refused the request \(418\): teapot"),
        (
            400,
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
            ContextOverflow,
            "does not fit the window of m1",
        ),
        (
            400,
            {"error": {"message": "too long", "code": 400, "type": "exceed_context_size_error"}},
            ContextOverflow,
            "does not fit",
        ),
        (400, {"message": "This model's maximum context length is 8 tokens"}, ContextOverflow, "does not fit"),
    ],
)
def test_refusals_become_plain_errors(service: Service, status: int, body: Any, kind: type[ModelError], words: str) -> None:
    service.status, service.body = status, (body if isinstance(body, str) else json.dumps(body)).encode()
    model = chat(service)
    with pytest.raises(kind, match=words) as caught:
        list(model.stream(HELLO))
    assert type(caught.value) is kind
    assert "sk-secret" not in str(caught.value)
    model.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (events(piece("half"), done=False), "ended its answer half-way"),
        (events(piece("half"), '{"choices": [', done=False), "not JSON"),
        (events("[1, 2]"), "not JSON"),
        (b"<html>a proxy</html>", "half-way"),
        (events(piece("half"), {"error": {"message": "out of memory"}}, done=False), "out of memory"),
    ],
)
def test_a_broken_stream_is_an_error(service: Service, body: bytes, words: str) -> None:
    service.body = body
    model = chat(service)
    with pytest.raises(ModelError, match=words):
        list(model.stream(HELLO))
    model.close()


def test_a_connection_cut_in_the_middle_is_an_error(service: Service) -> None:
    service.body, service.cut = events(piece("half"), done=False), True
    model = chat(service)
    with pytest.raises(ModelError, match=r"connection to .* broke"):
        list(model.stream(HELLO))
    model.close()


HALF = (200, events(piece(None), done=False), {"Content-Length": "9999"})


@pytest.mark.parametrize(
    "first",
    [
        ((500, b"{}", {}), (503, b"", {})),
        ((429, b"{}", {"Retry-After": "0"}), (429, b"{}", {"Retry-After": "soon"})),
        (HALF, (529, b"{}", {})),
        ((200, b"", {}), (200, b"data: {}\n\n", {})),
    ],
)
def test_what_failed_for_the_moment_is_asked_again(service: Service, first: Any) -> None:
    service.first, service.body = first, events(piece("well", "stop"), USAGE)
    model = chat(service)
    assert "".join(delta.text for delta in model.stream(HELLO)) == "well"
    assert len(service.asked) == 3
    assert service.asked[0][2] == service.asked[2][2]
    model.close()


@pytest.mark.parametrize(
    ("first", "asked", "words"),
    [
        (((500, b"{}", {}),) * 9, 3, "failed"),  # three times at most
        (((429, b"{}", {"Retry-After": "3600"}),) * 9, 1, "too many requests"),  # too long to wait for
        (((401, b"{}", {}),), 1, "refused the API key"),
        (((404, b"{}", {}),), 1, "no model"),
        (((400, b'{"error": {"message": "no such field"}}', {}),), 1, "refused the request"),
        (((302, b"", {"Location": "http://127.0.0.1:1/"}),), 1, "refused the request"),  # nobody is sent elsewhere with a key
        (((200, events(piece("half"), done=False), {}),), 1, "half-way"),  # something was said already
    ],
)
def test_what_will_not_go_well_is_not_asked_again(service: Service, first: Any, asked: int, words: str) -> None:
    service.first = first
    model = chat(service)
    with pytest.raises(ModelError, match=words) as caught:
        list(model.stream(HELLO))
    assert (len(service.asked), isinstance(caught.value, RequestRefused)) == (asked, first[0][0] == 400)
    model.close()


@pytest.mark.parametrize(
    "row",
    ['{"choices": 5}', '{"choices": [5]}', '{"choices": [{"delta": 5}]}', '{"choices": [{"delta": {"content": {"a": 1}}}]}',
     '{"choices": [{"delta": {}, "logprobs": {"content": [{}]}}]}', '{"usage": {"prompt_tokens": "many"}}', "[" * 100_000,
     '{"choices": [{"finish_reason": ["stop"]}]}'],
    ids=lambda row: row[:40],
)  # fmt: skip
def test_an_event_of_another_shape_is_an_error(service: Service, row: str) -> None:
    service.body = events(row)
    model = chat(service)
    with pytest.raises(ModelError, match="not JSON of a chat completion"):
        list(model.stream(HELLO))
    model.close()


def test_a_line_without_end_is_not_kept(service: Service) -> None:
    service.body = b"data: " + b"x" * (5 << 20)
    model = chat(service)
    with pytest.raises(ModelError, match="a line without end"):
        list(model.stream(HELLO))
    model.close()


def test_who_waits_for_a_server_that_hangs_can_leave(service: Service) -> None:
    service.hang = True
    model = chat(service)
    pieces: Any = model.stream(HELLO)
    began = time.monotonic()
    assert next(pieces) == Delta()  # nothing came, and the reader may go
    pieces.close()
    assert time.monotonic() - began < 1
    service.hung_up.set()
    model.close()


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIChat("m1", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ModelError, match="no server answers") as caught:
        list(model.stream(HELLO))
    assert caught.value.hint
    model.close()


def test_a_silent_server_is_left(service: Service) -> None:
    service.cut = True
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        model = OpenAIChat("m1", f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", timeout_s=0.2)
        with pytest.raises(ModelError, match="said nothing"):
            list(model.stream(HELLO))
        model.close()


def test_an_address_that_is_none() -> None:
    for address in ("127.0.0.1:8000", "file:///etc/passwd", "http://"):
        with pytest.raises(UsageError, match="not the address"):
            OpenAIChat("m", address)


def test_the_token_estimate_is_high_enough_for_any_language() -> None:
    model = OpenAIChat("m", "http://127.0.0.1/v1")
    assert model.count_tokens([]) == 0
    assert model.count_tokens([Message("user", "你好" * 10)]) >= 20
    assert model.count_tokens([Message("user", "a b c d e f")]) >= 6
