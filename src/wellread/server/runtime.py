"""What every protocol shares: the models, the libraries, the line before them, and the limits."""

from __future__ import annotations

from dataclasses import dataclass

from wellread.parts import Parts
from wellread.server.line import Line
from wellread.server.metrics import Metrics
from wellread.server.served import Served
from wellread.server.shelf import Shelf
from wellread.server.stored import StoredResponses


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request, and all of them together, may take. Times are in seconds.

    body_bytes, body_s: the largest body, and how long it may take to arrive.
    header_s: how long a connection may take to send the head of a request. send_s: how long it may take nothing of an answer.
    request_s: how long an answer may take.
    slots: requests that are worked on at a time. queue: how many wait besides; more are turned away. patience_s: how long one waits.
    grace_s: what requests under way get to finish in when the server is told to end.
    """

    body_bytes: int = 16 << 20
    body_s: float = 30.0
    header_s: float = 15.0
    send_s: float = 30.0
    request_s: float = 600.0
    slots: int = 4
    queue: int = 64
    patience_s: float = 120.0
    grace_s: float = 5.0


class Runtime:
    """The parts of a server that its protocols use. `close` ends what it opened; the parts are closed by whoever made them."""

    def __init__(self, parts: Parts, shelf: Shelf, stored: StoredResponses, bounds: Bounds = Bounds()) -> None:
        self.parts = parts
        self.shelf = shelf
        self.stored = stored
        self.bounds = bounds
        self.models = Served(parts)
        self.line = Line(bounds.slots, bounds.queue, bounds.patience_s)
        self.metrics = Metrics()

    def close(self) -> None:
        """Close libraries, models and the database of responses."""
        self.shelf.close()
        self.models.close()
        self.stored.close()
