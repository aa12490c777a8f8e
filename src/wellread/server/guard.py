"""Who may speak to the server: the checks that every request passes before anything reads it.

A page of the web can make a browser send requests to this machine, also under a name that leads here (DNS rebinding, as in
CVE-2024-28224). So the Host must be one that this server goes by, an Origin must be its own or allowed, and a body may not be of a type
that a browser sends without asking.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wellread.server.docs import PATHS
from wellread.server.errors import Refused, refusal_headers
from wellread.server.exchange import Caller

_OPEN = ("/health", "/ready", *PATHS)
"""Paths that need no token: they tell nothing but that the server is there."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Key:
    """A token and whose it is."""

    token: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class Policy:
    """What is let through. Without `keys` everyone is, which is right on the loopback interface only.

    hosts: names that the server goes by, beside those of the loopback interface. literal: whether any IP address will do as well.
    origins: web origins ("https://chat.example") whose pages may read the answers.
    """

    keys: tuple[Key, ...] = ()
    hosts: frozenset[str] = frozenset()
    literal: bool = False
    origins: frozenset[str] = frozenset()

    def check(self, method: str, path: str, headers: Headers) -> Caller:
        """Who asks. Raises `Refused`."""
        self._check_host(headers.getlist("host"))
        self._check_origin(headers)
        if method == "OPTIONS" or path in _OPEN or not self.keys:
            return Caller("anyone")
        return self._caller(headers)

    def _check_host(self, hosts: Sequence[str]) -> None:
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None or not (name in _LOOPBACK or name in self.hosts or (self.literal and _is_address(name))):
            raise Refused(403, "host_not_allowed", "the Host header names another server", hint="--allow-host NAME lets it in")

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is not None:
            own = {f"{scheme}://{headers['host']}".lower() for scheme in ("http", "https")}
            if origin.lower() not in own | self.origins:
                raise Refused(403, "origin_not_allowed", "a web page of another origin asks", hint="--allow-origin ORIGIN lets it in")
        elif headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refused(403, "origin_not_allowed", "a web page of another site asks")

    def _caller(self, headers: Headers) -> Caller:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        found = None
        for key in self.keys:  # all of them, so that time tells nothing
            if hmac.compare_digest(key.token.encode(), token.encode("utf-8", "replace")):
                found = key.caller
        if found is None:
            raise Refused(401, "invalid_api_key", "a valid token is needed", hint="send it as: Authorization: Bearer TOKEN")
        return found


class Guard:
    """The app behind a policy. `shape` makes the body of a refusal for a path."""

    def __init__(self, app: ASGIApp, policy: Policy, shape: Callable[[str, Refused], Mapping[str, Any]]) -> None:
        self._app = app
        self._policy = policy
        self._shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller = self._policy.check(scope["method"], scope["path"], headers)
        except Refused as refused:
            await answer(send, refused.status, self._shape(scope["path"], refused), refusal_headers(refused))
            return
        scope["state"]["caller"] = caller
        origin = headers.get("origin", "").lower()
        allowed = origin in self._policy.origins
        if scope["method"] == "OPTIONS":
            asked = headers.get("access-control-request-headers", "")
            await answer(send, 204 if allowed else 405, None, _preflight(origin, asked) if allowed else {})
            return

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = _SAFE | (_cors(origin) if allowed else {})
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in extra.items())]
            await send(message)

        await self._app(scope, receive, sending)


_NAMES = re.compile(r"[A-Za-z0-9-]+(?: ?, ?[A-Za-z0-9-]+){0,63}")
"""The headers that a page of an allowed origin may send are those that it asks for: clients send many of their own (X-Stainless-...)."""

_SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin"}


def _cors(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "Origin", "cross-origin-resource-policy": "cross-origin"}


def _preflight(origin: str, asked: str) -> dict[str, str]:
    return _cors(origin) | {
        "access-control-allow-methods": "GET, POST, PUT, DELETE",
        "access-control-allow-headers": asked if _NAMES.fullmatch(asked) else "Authorization, Content-Type",
        "access-control-max-age": "600",
    }


async def answer(send: Send, status: int, body: Mapping[str, Any] | None, extra: Mapping[str, str]) -> None:
    """A whole answer without the app. The connection ends with it, as the request's body was not read."""
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(data)), **_SAFE, **extra}
    await send({"type": "http.response.start", "status": status, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]})
    await send({"type": "http.response.body", "body": data})


def host_name(host: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets; None for what is none."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        return name.lower() if bracket and (not rest or rest[1:].isdigit()) else None
    name, _, port = host.partition(":")
    return name.lower().rstrip(".") if name and (not port or port.isdigit()) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
