"""Traces told to an OpenTelemetry collector, over OTLP/HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/

A thread of the SDK sends them. When nobody listens they are dropped after a while, and no request notices.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wellread.errors import UsageError
from wellread.server import genai
from wellread.server.traced import Trace
from wellread.types import Message, Step

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CLOSE_S = 2.0


class Export:
    """Tells traces to the collector that `environment` names; `failed` is called when that does not take them any more. Raises `UsageError`
    where the SDK is not installed."""

    def __init__(self, environment: Mapping[str, str], failed: Callable[[], None] = lambda: None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise UsageError(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but what exports traces is not installed.",
                hint='install it with: pip install "wellread[otel]"',
            ) from error
        own = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "wellread"}
        self.with_words = environment.get(genai.WITH_WORDS, "").strip().lower() in ("true", "1", "span_only", "span_and_event")
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_telling(OTLPSpanExporter(), failed)))
        self._tracer = self._provider.get_tracer("wellread")

    def tell(self, trace: Trace) -> None:
        """Tell a trace, soon: a span for the request, and below it one for each step."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        began = round(trace.at * 1e9)
        operation = genai.OPERATIONS[trace.kind]
        whole = self._tracer.start_span(
            f"{operation} {trace.library or trace.model}", kind=SpanKind.INTERNAL, attributes=_attributes(trace), start_time=began
        )
        if trace.outcome == "failed":
            whole.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(whole)
        for step in trace.steps:
            at = began + round(step.at_ms * 1e6)
            name, attributes = _step(step, trace)
            span = self._tracer.start_span(name, inside, kind=SpanKind.INTERNAL, attributes=attributes, start_time=at)
            span.end(at + round(step.took_ms * 1e6))
        whole.end(began + round(trace.took_ms * 1e6))

    def flush(self) -> None:
        """Send what waits, within a few seconds."""
        self._provider.force_flush(round(_CLOSE_S * 1000))

    def close(self) -> None:
        """Send what waits, if somebody listens, and end."""
        ending = threading.Thread(target=self._provider.shutdown, name="wellread-export-end", daemon=True)
        ending.start()
        ending.join(_CLOSE_S)


def export_of(environment: Mapping[str, str], failed: Callable[[], None] = lambda: None) -> Export | None:
    """The export that the environment asks for; None where it asks for none. Raises `UsageError` where it cannot be had."""
    wanted = any(environment.get(name) for name in _ENDPOINTS) and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"
    return Export(environment, failed) if wanted else None


def _telling(exporter: SpanExporter, failed: Callable[[], None]) -> SpanExporter:
    """An exporter that says once when nobody takes what it sends, and again only after somebody did. The SDK itself says so
    in lines of its own, several for each attempt."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    class Telling(SpanExporter):
        went = True

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            if self.went and result is not SpanExportResult.SUCCESS:
                failed()
            self.went = result is SpanExportResult.SUCCESS
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return Telling()


def _attributes(trace: Trace) -> dict[str, Any]:
    """What is told of a request."""
    found: dict[str, Any] = {
        genai.OPERATION: genai.OPERATIONS[trace.kind],
        genai.PROVIDER: "wellread",
        genai.REQUEST_MODEL: trace.model,
        genai.RESPONSE_MODEL: trace.model,
        genai.OURS + "route": trace.route,
        genai.OURS + "outcome": trace.outcome,
        genai.OURS + "request.id": trace.request,
    }
    if trace.usage is not None:
        found[genai.INPUT_TOKENS] = trace.usage.prompt_tokens
        found[genai.OUTPUT_TOKENS] = trace.usage.completion_tokens
        found[genai.CACHED_TOKENS] = trace.usage.cached_tokens
    if trace.finish:
        found[genai.FINISH_REASONS] = list(trace.finish)
    if trace.first_ms is not None:
        found[genai.FIRST_CHUNK_S] = trace.first_ms / 1000
    if trace.library:
        found[genai.DATA_SOURCE] = trace.library
    if trace.outcome == "failed":
        found[genai.ERROR_TYPE] = str(trace.status) if trace.status >= 400 else "error"
    for name, value in (trace.asked or {}).items():
        found[genai.ASKED.get(name, genai.OURS + name)] = value
    return found | _words(trace.said or {})


def _words(said: Mapping[str, Any]) -> dict[str, str]:
    """What was asked and answered, in the form that the conventions give messages."""
    found = {}
    if "messages" in said:
        found[genai.INPUT_MESSAGES] = json.dumps([_message(message) for message in said["messages"]], ensure_ascii=False)
    if "text" in said:
        found[genai.OUTPUT_MESSAGES] = json.dumps([_message(Message("assistant", said["text"]))], ensure_ascii=False)
    return found


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [{"type": "text", "content": message.content}]}


def _step(step: Step, trace: Trace) -> tuple[str, dict[str, Any]]:
    """The name of a step's span, and what is told of it."""
    operation = genai.STEPS.get(step.kind) if trace.library else None
    told = {genai.OURS + name: value for name, value in step.data.items() if isinstance(value, (str, int, float))}
    if operation is None:
        return step.kind, told
    of = trace.library if operation == "retrieval" else trace.model
    return f"{operation} {of}", told | {genai.OPERATION: operation, genai.PROVIDER: "wellread"}
