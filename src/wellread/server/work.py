"""Work that a thread does for a request: made piece by piece there, read in the event loop here."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from wellread.server.errors import Refused
from wellread.server.line import Line

T = TypeVar("T")

Make = Callable[[threading.Event], Generator[T, None, None]]
"""Makes the pieces; they end soon after the event is set."""


class End:
    """There are no more pieces."""


class Work(Generic[T]):
    """The pieces that `make` yields in a thread of its own, once there is a slot in `line` for `who`.

    The slot is held until the thread ends. A slow reader holds nothing up: what was made waits here, and there is no more of it than a
    model's window holds. After `limit_s` seconds the work is stopped. Use it with `async with`.
    """

    def __init__(self, line: Line, who: str, make: Make[T], limit_s: float) -> None:
        self._line = line
        self._who = who
        self._make = make
        self._limit_s = limit_s
        self._stop = threading.Event()
        self._pieces: asyncio.Queue[T | Exception | End] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Work[T]:
        await self._line.enter(self._who)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._limit_s, self._late)
        threading.Thread(target=self._run, name="wellread-work", daemon=True).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()

    async def next(self, patience_s: float | None = None) -> T | End | None:
        """The next piece, `End` after the last one, or None when there is none after `patience_s` seconds. Raises what the work raised."""
        try:
            async with asyncio.timeout(patience_s):
                piece = await self._pieces.get()
        except TimeoutError:
            return None
        if isinstance(piece, Exception):
            raise piece
        return piece

    def _late(self) -> None:
        self._stop.set()
        self._pieces.put_nowait(
            Refused(504, "timeout", f"the answer took longer than {self._limit_s:.0f} seconds", hint="ask for less, or set --timeout")
        )

    def _run(self) -> None:
        try:
            with contextlib.closing(self._make(self._stop)) as pieces:
                for piece in pieces:
                    if self._stop.is_set():
                        break
                    self._tell(self._pieces.put_nowait, piece)
        except Exception as error:
            self._tell(self._pieces.put_nowait, error)
        finally:
            self._tell(self._pieces.put_nowait, End())
            self._tell(self._line.leave)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
            self._loop.call_soon_threadsafe(what, *arguments)
