"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), to clients that may be slow or go away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wellread.server.errors import Refused, refusal
from wellread.server.work import End, Work

_HEARTBEAT_S = 15.0


def event(data: Any, name: str | None = None) -> str:
    """One event with JSON in it."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


DONE = "data: [DONE]\n\n"
"""How OpenAI's streams end."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a protocol streams: `fail` makes the last event of an error, `waiting` is sent while nothing comes ("" for nothing)."""

    fail: Callable[[Refused], str]
    media_type: str = "text/event-stream"
    waiting: str = ": waiting\n\n"


class EventStream(Response):
    """The events that some work makes, `first` being what it has made already. `held` is closed at the end, and with it the work: also when
    the client goes away, or takes nothing for `send_s` seconds.

    An error on the way can no longer change the status: it is the last event.
    """

    def __init__(self, work: Work[str], first: str | End | None, held: AsyncExitStack, form: Form, send_s: float) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"}, media_type=form.media_type)
        del self.headers["content-length"]
        self._work = work
        self._first = first
        self._held = held
        self._form = form
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            writing = asyncio.create_task(self._write(scope, send))
            leaving = asyncio.create_task(gone(receive))
            try:
                await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if writing.done():
                    with suppress(TimeoutError):
                        writing.result()
            finally:
                for task in (writing, leaving):
                    task.cancel()
                await asyncio.gather(writing, leaving, return_exceptions=True)

    async def _write(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        piece = self._first
        while not isinstance(piece, End):
            text = self._form.waiting if piece is None else piece
            async with asyncio.timeout(self._send_s):
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            try:
                piece = await self._work.next(_HEARTBEAT_S)
            except Exception as error:
                scope["state"]["failure"] = error  # for the log: the status has been told already
                await send({"type": "http.response.body", "body": self._form.fail(refusal(error)).encode(), "more_body": True})
                break
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def gone(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
