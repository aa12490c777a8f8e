"""The line in which requests wait for a model: bounded, and fair between those who ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from wellread.server.errors import Refused


class Line:
    """Lets `slots` requests work at a time and `most` wait. Whoever asks takes turns with the others, however much each asks for.

    It belongs to one event loop. What waits longer than `patience_s` seconds is turned away, as is what finds the line full.
    """

    def __init__(self, slots: int, most: int, patience_s: float) -> None:
        self.slots = slots
        self.working = 0
        self.waiting = 0
        self._most = most
        self._patience_s = patience_s
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, who: str) -> None:
        """Wait for a slot, which `leave` gives back. Raises `Refused` (429) when the line is full, or moves too slowly."""
        if self.working < self.slots and not self.waiting:
            self.working += 1
            return
        if self.waiting >= self._most:
            raise self._busy(f"{self.waiting} requests are waiting already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(who, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the slot came at the very moment when it was no longer wanted
                self.leave()
            else:
                self._forget(who, turn)
            if isinstance(error, TimeoutError):
                raise self._busy(f"no model was free for {self._patience_s:.0f} seconds") from None
            raise

    def leave(self) -> None:
        """Give a slot back; who waits longest, of whoever was served longest ago, gets it."""
        while self._queues:
            who, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[who] = queue  # behind all others
            self.waiting -= 1
            if not turn.done():
                turn.set_result(None)
                return
        self.working -= 1

    def _forget(self, who: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(who)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self.waiting -= 1
            if not queue:
                del self._queues[who]

    def _busy(self, why: str) -> Refused:
        again = max(1, min(30, self.waiting // max(self.slots, 1)))
        return Refused(429, "rate_limit_exceeded", f"the server is busy: {why}", hint="ask again in a moment", retry_after=again)
