"""GET /docs: a page that shows what can be asked of this server, made from /openapi.json in the browser, with nothing from elsewhere."""

from __future__ import annotations

import asyncio
from importlib import resources

from starlette.responses import Response

from wellread.server.errors import openai_error
from wellread.server.exchange import Exchange, Protocol, Route

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""Nothing runs or loads but our own two files: https://www.w3.org/TR/CSP3/"""

PATHS = ("/docs", "/docs/page.js", "/docs/page.css")
"""What needs no token: the page tells nothing by itself, and asks for one."""


async def page(exchange: Exchange) -> Response:
    """The page."""
    return await _file("page.html", "text/html")


async def script(exchange: Exchange) -> Response:
    """What makes the page."""
    return await _file("page.js", "text/javascript")


async def style(exchange: Exchange) -> Response:
    """How it looks."""
    return await _file("page.css", "text/css")


async def _file(name: str, kind: str) -> Response:
    data = await asyncio.to_thread((resources.files("wellread.server") / "page" / name).read_bytes)
    headers = {"content-security-policy": _POLICY, "cache-control": "no-cache", "x-frame-options": "DENY"}
    return Response(data, media_type=kind, headers=headers)


DOCS = Protocol(
    "/docs",
    (
        Route("GET", PATHS[0], page, "This interface, for people to read."),
        Route("GET", PATHS[1], script, "What makes that page."),
        Route("GET", PATHS[2], style, "How it looks."),
    ),
    openai_error,
)
