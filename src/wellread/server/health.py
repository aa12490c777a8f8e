"""Whether the server is there, whether it can answer, and what it has done."""

from __future__ import annotations

from starlette.responses import Response

from wellread.server.errors import Refused, openai_error
from wellread.server.exchange import Exchange, Json, Protocol, Route


async def health(exchange: Exchange) -> Response:
    """The server is there."""
    return Json({"status": "ok"})


async def ready(exchange: Exchange) -> Response:
    """The server takes requests, and how many chat models rest after crashes. Raises `Refused` (503) while the line is full, or the default
    chat model rests. It tells no names, as it needs no token."""
    line, bounds, models = exchange.runtime.line, exchange.runtime.bounds, exchange.runtime.models
    if line.waiting >= bounds.queue:
        raise Refused(503, "busy", "the line is full", retry_after=1)
    resting = models.resting()
    if models.default in resting:
        raise Refused(503, "model_resting", "the default chat model crashed again and again, and rests", retry_after=10)
    return Json({"status": "ready", "resting": len(resting)})


async def metrics(exchange: Exchange) -> Response:
    """Numbers for Prometheus."""
    runtime = exchange.runtime
    gauges = {
        "wellread_working": float(runtime.line.working),
        "wellread_waiting": float(runtime.line.waiting),
        "wellread_traces_dropped": float(runtime.traces.dropped),
    }
    return Response(runtime.metrics.text(gauges, runtime.models.resting()), media_type="text/plain; version=0.0.4")


HEALTH = Protocol(
    "",
    (
        Route("GET", "/health", health, "Whether the server is there."),
        Route("GET", "/ready", ready, "Whether it takes requests."),
        Route("GET", "/metrics", metrics, "Numbers for Prometheus."),
    ),
    openai_error,
)
