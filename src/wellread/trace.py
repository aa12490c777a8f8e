"""What happened while a question was answered, as typed steps: the same list is shown, stored, replayed and measured."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wellread.types import Step


class Recorder:
    """Collects the steps of one run. `id` names the trace."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.steps: list[Step] = []
        self._began = time.perf_counter()

    def elapsed_ms(self) -> float:
        """Milliseconds since the run began."""
        return (time.perf_counter() - self._began) * 1000

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
