"""One request and its answer, as a protocol's handlers see it; and the tables of routes that make a protocol."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from wellread.server.body import Fields, parse
from wellread.server.errors import Refused, wrong
from wellread.server.runtime import Runtime
from wellread.server.sse import EventStream, Form, gone
from wellread.server.traced import Tracing
from wellread.server.work import End, Make, Work

T = TypeVar("T")

_PATIENCE_S = 10.0
"""How long an answer may keep a stream's status open: an error that comes sooner is told by the status."""

_ERRAND_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by the token that came along: which libraries it may see (None: all), and whether it may only read."""

    name: str
    libraries: frozenset[str] | None = None
    read_only: bool = False

    def may_see(self, library: str) -> bool:
        """Whether a library is there for this caller."""
        return self.libraries is None or library in self.libraries


class Json(Response):
    """JSON, as UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Exchange:
    """A request, who made it, and what it is answered with."""

    def __init__(self, request: Request, runtime: Runtime, caller: Caller) -> None:
        self.request = request
        self.runtime = runtime
        self.caller = caller
        self.tracing = Tracing(with_words=runtime.export is not None and runtime.export.with_words)
        request.scope["state"]["tracing"] = self.tracing

    async def fields(self) -> Fields:
        """The body: a JSON object. Raises `Refused` where it is none, is too large, or does not arrive."""
        return parse(await self.body())

    def query(self, known: Mapping[str, str]) -> Fields:
        """The parameters of the address. Raises `Refused` for one that is not among those known."""
        given = Fields(dict(self.request.query_params))
        given.only(known)
        return given

    def seen(self, library: str) -> str:
        """The name of a library, where this caller may see it. Raises `Refused` (404), as if there were none."""
        if not self.caller.may_see(library):
            raise Refused(404, "library_not_found", "there is no such library", "model", "GET /v1/models lists those that are here")
        return library

    async def whole(self, make: Callable[[threading.Event], Any], *, errand: bool = False) -> Response:
        """What `make` returns, as JSON; it should end soon after the event is set. For errands see `stream`."""
        async with AsyncExitStack() as held:
            return Json(await self._first(held, self._work(_once(make), errand=errand), None))
        raise AssertionError("unreachable")

    async def changed(self, make: Callable[[], Any], status: int = 200) -> Response:
        """What a function returns that writes to a library or a store, as JSON. It may have to wait for others who write there, so it has
        a line of its own, and is done to the end whether or not the client waits."""
        bounds = self.runtime.bounds
        async with Work(self.runtime.changing, self.caller.name, _once(lambda stop: make()), bounds.request_s) as work:
            return Json(await work.next(), status)
        raise AssertionError("unreachable")

    async def quickly(self, make: Callable[[], Any]) -> Response:
        """What a function returns, as JSON: for what needs no model, and so no place in the line."""
        return Json(await asyncio.to_thread(make))

    async def stream(self, make: Make[str], form: Form, *, errand: bool = False) -> Response:
        """The events that `make` yields, as they come. An `errand` takes as long as it takes, and none of the models' slots."""
        return await self._streamed(self._work(make, errand=errand), form)

    async def watch(self, make: Make[str], form: Form) -> Response:
        """The events that `make` yields, as they come: for what needs no model, and so has a line of its own, in which nobody waits."""
        return await self._streamed(Work(self.runtime.watching, self.caller.name, make, self.runtime.bounds.request_s), form)

    async def _streamed(self, work: Work[str], form: Form) -> Response:
        async with AsyncExitStack() as held:
            first = await self._first(held, work, _PATIENCE_S)
            return EventStream(work, first, held.pop_all(), form, self.runtime.bounds.send_s)
        raise AssertionError("unreachable")

    async def _first(self, held: AsyncExitStack, work: Work[T], patience_s: float | None) -> T | End | None:
        """The first piece of some work, which is begun here and ends with `held`. Raises `ClientDisconnect` for a client that goes away
        before, also while it waits in the line."""

        async def begun() -> T | End | None:
            await held.enter_async_context(work)
            return await work.next(patience_s)

        coming = asyncio.create_task(begun())
        leaving = asyncio.create_task(gone(self.request.receive))
        try:
            await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise ClientDisconnect
            return coming.result()
        finally:
            for task in (coming, leaving):
                task.cancel()
            await asyncio.gather(coming, leaving, return_exceptions=True)

    def _work(self, make: Make[T], *, errand: bool) -> Work[T]:
        def admitted(stop: threading.Event) -> Generator[T, None, None]:
            self.tracing.admitted()
            yield from make(stop)

        line, limit_s = (self.runtime.fetching, _ERRAND_S) if errand else (self.runtime.line, self.runtime.bounds.request_s)
        return Work(line, self.caller.name, admitted, limit_s)

    async def body(self) -> bytes:
        """The bytes of the body. Raises `Refused` where they are none, too many, or do not arrive."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/plain", "multipart/form-data"):  # what any web page may send anywhere without being asked
            raise Refused(415, "unsupported_media_type", f"a body of type {kind} is not read", hint="send application/json")
        bounds = self.runtime.bounds
        pieces, size = [], 0
        try:
            async with asyncio.timeout(bounds.body_s):
                async for piece in self.request.stream():
                    size += len(piece)
                    if size <= bounds.body_bytes:
                        pieces.append(piece)
                    elif size > 8 * bounds.body_bytes:  # until there a client can hear why
                        break
        except TimeoutError:
            raise Refused(408, "timeout", f"the request did not arrive within {bounds.body_s:.0f} seconds") from None
        if size > bounds.body_bytes:
            raise Refused(413, "request_too_large", f"the request is larger than {bounds.body_bytes >> 20} MiB")
        if not size:
            raise wrong(None, "the request has no body", hint="send a JSON object", code="invalid_json")
        return b"".join(pieces)


def _once(make: Callable[[threading.Event], T]) -> Make[T]:
    """What a function returns, as the only piece."""

    def pieces(stop: threading.Event) -> Generator[T, None, None]:
        yield make(stop)

    return pieces


Handler = Callable[[Exchange], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """What a method and path do; `writes` is refused to callers who may only read.

    The rest is for the OpenAPI document: `about` is a line, `body` the JSON schema of what is sent, `query` says what parameters the
    address may have and `headers` what headers; `media` is what is sent where that is not JSON, by its type; `status` and `returns`,
    a JSON schema, are what comes back when all goes well, and `others` says what further statuses mean.
    """

    method: str
    path: str
    handler: Handler
    about: str
    writes: bool = False
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, Any] | None = None
    status: int = 200
    returns: Mapping[str, Any] | None = None
    others: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Protocol:
    """Routes that begin with `prefix`, and the shape that errors have there."""

    prefix: str
    routes: tuple[Route, ...]
    error: Callable[[Refused], Mapping[str, Any]]
