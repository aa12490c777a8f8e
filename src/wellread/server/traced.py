"""What happens while a request is answered: typed steps and figures, and not a word of what was asked or answered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from wellread.types import Answer, Step, Usage

_GONE = 499
"""The status of a request whose client did not wait."""

Outcome = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Trace:
    """A request that a model worked on. `at` is when it came in seconds since 1970, times of steps are in milliseconds from there.

    kind: what was asked for: "chat", "completion", "embeddings", "rerank", "search" or "ask". owner: the name of the caller's token.
    library, answer: for a question, where it went and the id of the trace there. said: what was asked and answered, where somebody
    may see that; it is never stored.
    """

    id: str
    at: float
    kind: str
    owner: str
    request: str
    route: str
    status: int
    outcome: Outcome
    model: str
    took_ms: float
    steps: tuple[Step, ...]
    usage: Usage | None = None
    finish: tuple[str, ...] = ()
    first_ms: float | None = None
    asked: Mapping[str, Any] | None = None
    library: str = ""
    answer: str = ""
    said: Mapping[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """What is kept of it."""
        usage = None if self.usage is None else {"prompt": self.usage.prompt_tokens, "completion": self.usage.completion_tokens}
        return {
            "request": self.request,
            "route": self.route,
            "status": self.status,
            "outcome": self.outcome,
            "library": self.library or None,
            "tokens": usage,
            "finish": list(self.finish),
            "asked": dict(self.asked or {}),
            "timings": {"first_ms": self.first_ms, "total_ms": self.took_ms},
            "steps": [{"kind": s.kind, "at_ms": s.at_ms, "took_ms": s.took_ms, "data": dict(s.data)} for s in self.steps],
        }


class Tracing:
    """Collects the trace of one request; `kind` is empty as long as no model has worked for it. The event loop and the request's thread
    may use it at the same time: each only appends or sets."""

    def __init__(self, *, with_words: bool = False) -> None:
        self.kind = ""
        self.with_words = with_words
        self._at = time.time()
        self._began = time.perf_counter()
        self._steps: list[Step] = []
        self._model = ""
        self._usage: Usage | None = None
        self._finish: list[str] = []
        self._first_ms: float | None = None
        self._asked: Mapping[str, Any] | None = None
        self._library = ""
        self._answer = ""
        self._said: dict[str, Any] = {}
        self._open = 0

    def elapsed_ms(self) -> float:
        """Milliseconds since the request came."""
        return round((time.perf_counter() - self._began) * 1000, 1)

    def admitted(self) -> None:
        """The request's turn has come; until now it waited in the line."""
        self._steps.append(Step("wait", 0.0, self.elapsed_ms(), {}))

    @contextmanager
    def work(self, kind: str, model: str, **asked: Any) -> Iterator[None]:
        """A model works; `asked` holds parameters, none of them content."""
        self.kind, self._model, self._asked = kind, model, {name: value for name, value in asked.items() if value is not None}
        at, data = self.elapsed_ms(), {"model": model}
        self._open += 1
        try:
            yield
        except BaseException as error:
            data["error"] = "cancelled" if isinstance(error, GeneratorExit) else type(error).__name__  # its words may be a document's
            raise
        else:
            self._open -= 1
        finally:
            self._steps.append(Step(kind, at, round(self.elapsed_ms() - at, 1), data))

    def first(self) -> None:
        """Note that something of the answer is there; only the first time counts."""
        if self._first_ms is None:
            self._first_ms = self.elapsed_ms()

    def spent(self, usage: Usage, *, same: bool = False) -> None:
        """Note what an answer cost, which is added up; `same`: to the prompt of the one before, which is read once."""
        before = self._usage or Usage()
        prompt = before.prompt_tokens + (0 if same else usage.prompt_tokens)
        self._usage = Usage(prompt, before.completion_tokens + usage.completion_tokens, max(before.cached_tokens, usage.cached_tokens))

    def ended(self, finish: str) -> None:
        """Note why an answer ended."""
        self._finish.append(finish)

    def from_library(self, name: str, answer: Answer, steps: Sequence[Mapping[str, Any]]) -> None:
        """Note which library answered, and the steps of its own trace, with their times and without what they hold."""
        self._library, self._answer = name, answer.trace_id
        self._model = answer.model.name or self._model
        self._usage = answer.usage
        shift = self.elapsed_ms() - answer.timings["total_ms"]
        for step in steps:
            hits = step["data"].get("hits")
            data = {"hits": len(hits)} if isinstance(hits, list) else {}
            self._steps.append(Step(step["kind"], round(shift + step["at_ms"], 1), step["took_ms"], data))

    @property
    def answered(self) -> bool:
        """Whether a library answered."""
        return bool(self._answer)

    def say(self, **words: Any) -> None:
        """Keep what was asked or answered until the trace is told to whoever may see that; otherwise nothing is kept."""
        if self.with_words:
            self._said |= words

    def trace(self, *, owner: str, request: str, route: str, status: int, failed: bool) -> Trace:
        """All of it, when the request is over."""
        outcome: Outcome = "done"
        if failed or (status >= 400 and status != _GONE):
            outcome = "failed"
        elif self._open or status == _GONE:
            outcome = "cancelled"
        return Trace(
            id=uuid.uuid4().hex[:16],
            at=self._at,
            kind=self.kind,
            owner=owner,
            request=request,
            route=route,
            status=status,
            outcome=outcome,
            model=self._model,
            took_ms=self.elapsed_ms(),
            steps=tuple(self._steps),
            usage=self._usage,
            finish=tuple(self._finish),
            first_ms=self._first_ms,
            asked=self._asked,
            library=self._library,
            answer=self._answer,
            said=self._said or None,
        )
