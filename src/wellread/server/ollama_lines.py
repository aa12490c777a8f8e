"""How Ollama's API answers: JSON lines, errors, and the times in the last line."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from wellread.server.errors import Refused
from wellread.server.sse import Form
from wellread.types import Usage

_ALWAYS = datetime(9999, 12, 31, tzinfo=UTC)


def line(data: Mapping[str, Any]) -> str:
    """One line of a stream."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"


def ollama_error(refused: Refused) -> dict[str, Any]:
    """The body of an error; the code, and the field that is at fault, are additions."""
    return {"error": str(refused), "code": refused.code} | ({"param": refused.param} if refused.param else {})


STREAM = Form(lambda refused: line(ollama_error(refused)), "application/x-ndjson", "")
"""How Ollama's answers are streamed. An error on the way is the last line."""


def moment(seconds_from_now: float = 0.0) -> str:
    """A time, as RFC 3339 has it; one that never comes is the end of the year 9999."""
    far = seconds_from_now > 1e9
    return (_ALWAYS if far else datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat().replace("+00:00", "Z")


def moment_of(epoch: float) -> str:
    """A time given in seconds since the epoch."""
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Meter:
    """Measures one answer, in nanoseconds. The prompt counts as read when the first piece of the answer comes."""

    began: int = field(default_factory=time.perf_counter_ns)
    asked: int = 0
    load: int = 0
    first: int = 0

    def loading(self) -> None:
        """The model is asked for."""
        self.asked = time.perf_counter_ns()

    def loaded(self) -> None:
        """The model is there."""
        now = time.perf_counter_ns()
        self.load, self.asked = now - self.asked, now

    def heard(self) -> None:
        """A piece of the answer came."""
        self.first = self.first or time.perf_counter_ns()

    def durations(self) -> dict[str, int]:
        """What can be said before anything was generated."""
        return {"total_duration": time.perf_counter_ns() - self.began, "load_duration": self.load}

    def final(self, usage: Usage, *, split: bool) -> dict[str, int]:
        """What the last line tells; without `split` the model was asked several times, and its times are not told apart."""
        now = time.perf_counter_ns()
        first = self.first or now
        counts = {"prompt_eval_count": usage.prompt_tokens, "eval_count": usage.completion_tokens}
        times = {"prompt_eval_duration": first - self.asked, "eval_duration": now - first} if split else {}
        return self.durations() | counts | times
