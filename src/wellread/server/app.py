"""The app: every protocol's routes, behind the guard, each request counted and logged."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wellread.models.watched import Stopped
from wellread.server.anthropic import ANTHROPIC
from wellread.server.docs import DOCS
from wellread.server.errors import Refused, refusal, refusal_headers
from wellread.server.exchange import Caller, Exchange, Json, Protocol, Route
from wellread.server.guard import Guard, Policy
from wellread.server.health import HEALTH
from wellread.server.log import Log
from wellread.server.mcp_http import MCP
from wellread.server.ollama import OLLAMA
from wellread.server.openai import OPENAI
from wellread.server.openapi import document
from wellread.server.own import OWN
from wellread.server.request_id import REQUEST_ID
from wellread.server.runtime import Runtime

PROTOCOLS = (HEALTH, OPENAI, ANTHROPIC, OLLAMA, MCP, OWN, DOCS)
"""What is spoken here. A further protocol is one more entry, with its own routes and its own shape of errors."""

_GONE = 499
"""The status in logs of a request whose client did not wait (as nginx has it)."""


def app(runtime: Runtime, policy: Policy, log: Log) -> ASGIApp:
    """The app that a server runs."""
    routes = [
        Path(route.path, _endpoint(route, protocol, runtime), methods=[route.method]) for protocol in PROTOCOLS for route in protocol.routes
    ]

    async def lost(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        told = {405: ("method_not_allowed", "this method is not allowed here")}.get(status, ("not_found", "there is nothing at this path"))
        refused = Refused(status, *told)
        return Json(_shape(request.url.path, refused), status)

    async def described(request: Request) -> Response:
        return Json(document(PROTOCOLS))

    routes.append(Path("/openapi.json", described, methods=["GET"]))
    inner = Starlette(routes=routes, exception_handlers={404: lost, 405: lost})
    inner.router.redirect_slashes = False
    return _Counted(Guard(inner, policy, _shape), runtime, log)


def _shape(path: str, refused: Refused) -> Mapping[str, Any]:
    """The body of a refusal, in the words of the protocol that the path is of."""
    found = [protocol for protocol in PROTOCOLS if path.startswith(protocol.prefix)]
    return max(found, key=lambda protocol: len(protocol.prefix)).error(refused)


def _endpoint(route: Route, protocol: Protocol, runtime: Runtime) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        state = request.scope["state"]
        state["route"] = route.path
        caller: Caller = state["caller"]
        try:
            if route.writes and caller.read_only:
                raise Refused(403, "read_only", "this token may only read")
            return await route.handler(Exchange(request, runtime, caller))
        except (ClientDisconnect, Stopped):
            return Response(status_code=_GONE)
        except Exception as error:
            refused = refusal(error)
            state["failure"] = error
            return Json(protocol.error(refused), refused.status, refusal_headers(refused))

    return endpoint


class _Counted:
    """Gives every request an id (`x-request-id`), and counts, times and logs it."""

    def __init__(self, app: ASGIApp, runtime: Runtime, log: Log) -> None:
        self._app = app
        self._runtime = runtime
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, ident = time.monotonic(), _GONE, uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["id"] = ident
        REQUEST_ID.set(ident)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", ident.encode()), (b"request-id", ident.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # of a stream that could not be told any more
            self._log.failure(ident, error)
        finally:
            failure = state.get("failure")
            if failure is not None and not isinstance(failure, Refused) and refusal(failure).status >= 500:
                self._log.failure(ident, failure)
            seconds = time.monotonic() - began
            route, caller = state.get("route", "-"), state.get("caller", Caller("-"))
            tracing = state.get("tracing")
            if tracing is not None and tracing.kind:
                told = tracing.trace(owner=caller.name, request=ident, route=route, status=status, failed=failure is not None)
                self._runtime.traced(told)
            self._runtime.metrics.add("wellread_requests_total", route=route, status=str(status))
            self._runtime.metrics.observe("wellread_request_seconds", seconds, route=route)
            self._log.request(id=ident, method=scope["method"], route=route, status=status, seconds=seconds, caller=caller.name)
