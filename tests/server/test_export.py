"""Traces told to a collector: what arrives is what the conventions say, without words unless they are asked for."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from wellread.models.fake import ScriptedChat
from wellread.server import genai
from wellread.server.export import Export, export_of

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SAID = {"model": "scripted", "messages": [{"role": "user", "content": "heliotrope?"}], "max_tokens": 9}
QUESTION = {"question": "Who approved the installation of the solar panels?"}


class Collector(ThreadingHTTPServer):
    """Listens like a collector and keeps what it is told."""

    daemon_threads = True
    told: list[ExportTraceServiceRequest]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> dict[str, Any]:
        found = [span for each in self.told for resource in each.resource_spans for scope in resource.scope_spans for span in scope.spans]
        return {span.name: span for span in found}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        assert self.path == "/v1/traces"
        self.server.told.append(ExportTraceServiceRequest.FromString(data))
        body = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Handler) as listening:
        listening.told = []
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join(5)


def values(span: Any) -> dict[str, Any]:
    found = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found


@pytest.mark.parametrize("with_words", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_a_collector_is_told(
    start: Callable[..., Any], shelve: Callable[..., None], collector: Collector, monkeypatch: pytest.MonkeyPatch, with_words: bool
) -> None:
    shelve()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, genai.WITH_WORDS: str(with_words).lower()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)  # where the SDK looks
    export = export_of(environment)
    assert export is not None
    running = start(ScriptedChat(["Yes, heliotrope."] * 3), export=export)
    httpx.post(running.url + "/v1/chat/completions", json=SAID)
    httpx.post(running.url + "/v1/embeddings", json={"model": "hash-64", "input": "heliotrope"})
    httpx.post(running.url + "/api/v1/libraries/papers/ask", json={"mode": "extract", **QUESTION})
    httpx.post(running.url + "/v1/chat/completions", json=SAID | {"messages": [{"role": "user", "content": "word " * 9_000}]})
    time.sleep(0.05)
    export.flush()
    spans = collector.spans()
    assert {"chat scripted", "embeddings hash-64", "invoke_agent papers", "retrieval papers", "select", "wait"} <= spans.keys()
    resource = values(collector.told[0].resource_spans[0].resource)
    assert resource["service.name"] == "wellread"
    chats = [
        values(span)
        for each in collector.told
        for scope in each.resource_spans[0].scope_spans
        for span in scope.spans
        if span.name == "chat scripted"
    ]
    told = next(each for each in chats if each[genai.OURS + "outcome"] == "done")
    assert (told["gen_ai.operation.name"], told["gen_ai.request.model"], told["gen_ai.request.max_tokens"]) == ("chat", "scripted", 9)
    assert (told["gen_ai.usage.output_tokens"], told["gen_ai.response.finish_reasons"]) == (2, ["stop"])
    assert next(each for each in chats if each[genai.OURS + "outcome"] == "failed")["error.type"] == "400"
    whole, inside = spans["invoke_agent papers"], spans["retrieval papers"]
    assert (inside.parent_span_id, inside.trace_id) == (whole.span_id, whole.trace_id)
    assert whole.start_time_unix_nano <= inside.start_time_unix_nano <= inside.end_time_unix_nano <= whole.end_time_unix_nano + 10**6
    everything = b"".join(each.SerializeToString() for each in collector.told)
    assert (b"heliotrope" in everything) == with_words
    if with_words:
        assert json.loads(told["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Yes, heliotrope."


@pytest.mark.slow
def test_a_collector_that_is_down_is_not_noticed(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # seconds that the SDK tries
    told: list[bool] = []
    export = export_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, lambda: told.append(True))
    assert export is not None
    running = start(ScriptedChat(["Yes."] * 30), export=export)
    began = time.monotonic()
    for _ in range(20):
        assert httpx.post(running.url + "/v1/chat/completions", json=SAID).status_code == 200
    assert time.monotonic() - began < 5
    export.close()  # which gives up
    assert time.monotonic() - began < 9
    assert told == [True]


def test_nothing_is_exported_unless_it_is_asked_for() -> None:
    assert export_of({}) is None
    assert export_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}) is None


def test_without_the_extra_the_command_to_install_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()  # hides the real one
    source = Path(sys.modules[Export.__module__].__file__ or "").parents[2]
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(source)!r}]\n"
        "from wellread.server.export import export_of\n"
        "from wellread.errors import UsageError\n"
        "try:\n"
        "    export_of({'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:9'})\n"
        "except UsageError as error:\n"
        "    print(error.message, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install" in done.stdout
    assert "wellread[otel]" in done.stdout
