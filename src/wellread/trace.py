"""What happened while a question was answered, as typed steps: the same list is shown, stored, replayed and measured."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wellread.types import Step


class Recorder:
    """Collects the steps of one run. `id` names the trace; `request` holds what is needed to run it again."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.steps: list[Step] = []
        self.request: Mapping[str, Any] = {}
        self._began = time.perf_counter()
        self._shown_ms: float | None = None

    def elapsed_ms(self) -> float:
        """Milliseconds since the run began."""
        return (time.perf_counter() - self._began) * 1000

    def shown(self) -> None:
        """Note that something of the answer is shown now; only the first time counts."""
        if self._shown_ms is None:
            self._shown_ms = self.elapsed_ms()

    def timings(self) -> dict[str, float]:
        """retrieve_ms, first_token_ms and total_ms, from the steps taken so far."""
        total = self.elapsed_ms()
        retrieve = sum(step.took_ms for step in self.steps if step.kind in ("retrieve", "select"))
        first = total if self._shown_ms is None else self._shown_ms
        return {"retrieve_ms": round(retrieve, 1), "first_token_ms": round(first, 1), "total_ms": round(total, 1)}

    @contextmanager
    def step(self, kind: str) -> Iterator[dict[str, Any]]:
        """Time a step and collect its data; a step that fails is recorded with its error."""
        data: dict[str, Any] = {}
        at = self.elapsed_ms()
        try:
            yield data
        except BaseException as error:
            data["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.steps.append(Step(kind, round(at, 1), round(self.elapsed_ms() - at, 1), data))
