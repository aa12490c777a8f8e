"""What takes long and tells how far it is, as lines: pulling and making models."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from wellread.models.watched import Stopped
from wellread.server.exchange import Exchange
from wellread.server.ollama_lines import STREAM, line
from wellread.types import Bytes, Progress

_EVERY_S = 0.1
_AT_ONCE_S = 2.0


def progressing(first: str, work: Callable[[Progress], dict[str, Any]], stop: threading.Event) -> Generator[dict[str, Any], None, None]:
    """What `work` tells, as it goes: `first`, how far it is, what it returns (notes), and success. Raises what it raises, and has it end
    soon after `stop` is set."""
    told: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
    last, at = "", 0.0

    def progress(what: str, done: int, total: int) -> None:
        nonlocal last, at
        if stop.is_set():
            raise Stopped("the request was stopped.")
        now = time.monotonic()
        if what != last or now - at >= _EVERY_S or done == total:
            last, at = what, now
            told.put({"status": what} | ({"total": int(total), "completed": int(done)} if isinstance(done, Bytes) else {}))

    def run() -> None:
        try:
            notes = work(progress)
            if notes:
                told.put(notes)
            told.put({"status": "success"})
            told.put(None)
        except BaseException as error:
            told.put(error)

    threading.Thread(target=run, name="wellread-errand", daemon=True).start()
    row: dict[str, Any] | BaseException | None = {}
    with suppress(queue.Empty):  # what fails at once is told by the status
        row = told.get(timeout=_AT_ONCE_S)
    if not isinstance(row, BaseException):
        yield {"status": first}
    while row is not None:
        if isinstance(row, BaseException):
            raise row
        if row:
            yield row
        row = told.get()


async def answered(exchange: Exchange, first: str, work: Callable[[Progress], dict[str, Any]], *, stream: bool) -> Response:
    """The lines of some work, or its last one."""
    if stream:
        return await exchange.stream(lambda stop: (line(row) for row in progressing(first, work, stop)), STREAM, errand=True)
    return await exchange.whole(lambda stop: list(progressing(first, work, stop))[-1], errand=True)
