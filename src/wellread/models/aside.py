"""An iterator that runs in a thread, so that whoever reads it can stop while nothing comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_LOOK_UP_S = 0.25


class _End:
    """There is no more."""


def aside(make: Callable[[threading.Event], Iterator[T]], look_up_s: float = _LOOK_UP_S) -> Iterator[T | None]:
    """What `make` yields, and None whenever nothing came for `look_up_s` seconds; what it raises is raised here.

    When this iterator is closed the event is set, and the thread ends with its next piece, or whatever else it waits for.
    """
    stop, pieces = threading.Event(), queue.SimpleQueue[T | BaseException | _End]()

    def run() -> None:
        try:
            for piece in make(stop):
                pieces.put(piece)
                if stop.is_set():
                    return
            pieces.put(_End())
        except BaseException as error:
            pieces.put(error)

    threading.Thread(target=run, name="wellread-aside", daemon=True).start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=look_up_s)
            except queue.Empty:
                yield None
                continue
            if isinstance(piece, _End):
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stop.set()
