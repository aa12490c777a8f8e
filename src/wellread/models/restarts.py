"""How soon an engine that crashed is started again."""

from __future__ import annotations

import threading
import time

from wellread.errors import ModelError


class Restarts:
    """Counts crashes in a row. The first costs no wait, each further one twice as long a wait (from `first_s` up to `longest_s` seconds);
    after `most` of them nothing is started for `rest_s` seconds, so that a model that always crashes does not take the machine.

    Any answer that came to its end begins the count anew. Several threads may use one.
    """

    def __init__(self, *, most: int = 5, first_s: float = 0.5, longest_s: float = 8.0, rest_s: float = 60.0) -> None:
        self._most = most
        self._first_s = first_s
        self._longest_s = longest_s
        self._rest_s = rest_s
        self._crashes = 0
        self._last = 0.0
        self._lock = threading.Lock()

    @property
    def resting(self) -> bool:
        """Whether nothing is started for now."""
        with self._lock:
            return self._rest() > 0

    def crashed(self) -> None:
        """The engine is gone."""
        with self._lock:
            self._crashes += 1
            self._last = time.monotonic()

    def went_well(self) -> None:
        """An answer came to its end."""
        with self._lock:
            self._crashes = 0

    def pause(self) -> float:
        """Seconds until it may be started, 0 for now. Raises `ModelError` while it rests."""
        with self._lock:
            rest, crashes = self._rest(), self._crashes
            wait = 0.0 if crashes < 2 else min(self._longest_s, self._first_s * 2 ** (crashes - 2))
        if rest > 0:
            raise ModelError(
                f"the model engine crashed {crashes} times in a row and is not started again for now.",
                hint=f"ask again in {rest:.0f} seconds; wellread doctor checks the model file",
            )
        return max(0.0, self._last + wait - time.monotonic())

    def _rest(self) -> float:
        return self._last + self._rest_s - time.monotonic() if self._crashes >= self._most else 0.0
