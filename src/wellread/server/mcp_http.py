"""The Model Context Protocol over HTTP, at /mcp: https://modelcontextprotocol.io/specification/latest/basic/transports

No session is kept: each request stands by itself, with the token that came along. The guard has looked at Host and Origin before.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from wellread.server import bodies
from wellread.server.errors import Refused
from wellread.server.exchange import Exchange, Protocol, Route
from wellread.server.mcp_server import INSTALL, is_installed, server

_INVALID, _INTERNAL = -32600, -32603


async def speak(exchange: Exchange) -> Response:
    """Answer one message of the protocol."""
    if not is_installed():
        raise Refused(501, "no_mcp", "the Model Context Protocol is not installed here", hint=INSTALL)
    return _Spoken(exchange, await exchange.body())


class _Spoken(Response):
    """What the SDK answers. It is given the body that was read here, within the limits of this server."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        super().__init__()
        self._exchange = exchange
        self._body: bytes | None = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        def failed(error: Exception) -> None:
            scope["state"]["failure"] = error

        async def receiving() -> Message:
            if self._body is None:
                return await receive()
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}

        exchange = self._exchange
        spoken = server(exchange.runtime, exchange.caller, failed)
        manager = StreamableHTTPSessionManager(spoken, stateless=True, max_request_body_size=exchange.runtime.bounds.body_bytes)
        async with manager.run():
            await manager.handle_request(scope, receiving, send)


def _error(refused: Refused) -> dict[str, Any]:
    """An error of JSON-RPC, which belongs to no request: https://www.jsonrpc.org/specification"""
    code = _INTERNAL if refused.status >= 500 else _INVALID
    error = {"code": code, "message": str(refused), "data": {"code": refused.code, "hint": refused.hint}}
    return {"jsonrpc": "2.0", "id": None, "error": error}


MCP = Protocol(
    "/mcp",
    (
        Route(
            "POST", "/mcp", speak, "A message of the Model Context Protocol.", body=bodies.MESSAGE, others={202: "a notification was taken"}
        ),
    ),
    _error,
)
