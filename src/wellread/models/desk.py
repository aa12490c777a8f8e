"""Where the requests of a child process wait for room, and are told what comes of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellread.errors import ContextOverflow, RequestRefused, WellreadError
from wellread.models.engine import Engine
from wellread.models.wire import Inbox, Wire, told
from wellread.types import Sampling, Token, Usage

_HEARTBEAT_S = 0.2


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a child holds: the tokens of one request (`window`) and of all that are worked on (`room`), prompts and answers together, and
    how many these may be (`slots`)."""

    window: int
    room: int
    slots: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    ident: int
    prompt: list[int]
    sampling: Sampling
    schema: str | None

    @property
    def tokens(self) -> int:
        return len(self.prompt) + self.sampling.max_tokens


class Desk:
    """Takes requests up in the order in which they came, as soon as there is room for the longest answer each may get, so that the engine
    never runs out of it half-way."""

    def __init__(self, engine: Engine, wire: Wire, inbox: Inbox, capacity: Capacity) -> None:
        self._engine = engine
        self._wire = wire
        self._inbox = inbox
        self._capacity = capacity
        self._waiting: deque[_Waiting] = deque()
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def work(self) -> None:
        """Serve for ever."""
        busy = False
        while True:
            self._take(wait=not busy)
            self._admit()
            busy = self._engine.step()

    def _take(self, *, wait: bool) -> None:
        """Note everything that was asked since the last time, first waiting for something if so wanted."""
        while (request := self._inbox.next(wait=wait)) is not None:
            wait = False
            if request["op"] == "wake":  # there is room again
                continue
            try:
                self._note(request)
            except Exception as error:
                self._wire.say(id=request["id"], **told(error))

    def _note(self, request: Mapping[str, Any]) -> None:
        ident, op = request["id"], request["op"]
        if op == "ping":
            self._wire.say(id=ident, pong=True)
            return
        given = request["prompt"]
        prompt = self._engine.encode(given) if isinstance(given, str) else given
        if op == "count":
            self._wire.say(id=ident, count=len(prompt))
        elif op == "encode":
            self._wire.say(id=ident, ids=list(prompt))
        elif op == "score":
            self._fit(len(prompt), 0)
            self._engine.score(prompt, request["top"], _Reply(self, self._wire, self._inbox, ident))
        else:
            sampling = sampling_of(request["sampling"])
            self._fit(len(prompt), sampling.max_tokens)
            self._waiting.append(_Waiting(ident, prompt, sampling, request["schema"]))

    def _fit(self, tokens: int, answer: int) -> None:
        if tokens + answer > self._capacity.window:
            raise ContextOverflow(
                f"the prompt takes {tokens} tokens and the answer up to {answer}, the model's window holds {self._capacity.window}.",
                hint="send fewer or shorter passages, or open the model with a larger context window",
            )

    def _admit(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            with self._lock:
                free = self._capacity.room - sum(self._held.values())
                if self._held and (len(self._held) >= self._capacity.slots or first.tokens > free):
                    return
                self._held[first.ident] = first.tokens
            self._waiting.popleft()
            self._begin(first)

    def _begin(self, request: _Waiting) -> None:
        reply = _Reply(self, self._wire, self._inbox, request.ident)
        try:
            if reply.piece(""):
                return
            self._engine.begin(request.prompt, request.sampling, request.schema, reply)
        except WellreadError as error:
            reply.failed(error)
        except Exception as error:  # what an engine refuses in its own words, such as a schema: it was not begun
            reply.failed(RequestRefused(f"the model engine refused the request: {' '.join(str(error).split())[-500:]}"))

    def release(self, ident: int) -> None:
        """A request is over: its room is free. For any thread."""
        with self._lock:
            self._held.pop(ident, None)
        self._inbox.wake()


class _Reply:
    """See `engine.Reply`. It frees the request's room when it ends, and when nobody wants it any more."""

    def __init__(self, desk: Desk, wire: Wire, inbox: Inbox, ident: int) -> None:
        self._desk = desk
        self._wire = wire
        self._inbox = inbox
        self._ident = ident
        self._said = time.monotonic()

    def piece(self, text: str, tokens: Sequence[Token] = ()) -> bool:
        if self._inbox.unwanted(self._ident):
            self._over()
            return True
        now = time.monotonic()
        if text or tokens or now - self._said > _HEARTBEAT_S:
            self._said = now
            extra = {"tokens": [_row(token) for token in tokens]} if tokens else {}
            self._wire.say(id=self._ident, text=text, **extra)
        return False

    def done(self, finish: str, usage: Usage) -> None:
        self._over()
        self._wire.say(id=self._ident, finish=finish, usage=[usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens])

    def scored(self, tokens: Sequence[Token]) -> None:
        self._over()
        self._wire.say(id=self._ident, scored=[_row(token) for token in tokens])

    def failed(self, error: WellreadError) -> None:
        self._over()
        self._wire.say(id=self._ident, **told(error))

    def _over(self) -> None:
        self._inbox.forget(self._ident)
        self._desk.release(self._ident)


def sampling_of(said: Mapping[str, Any]) -> Sampling:
    """What `dataclasses.asdict` and JSON made of a `Sampling`, as it was."""
    adapters = said["adapters"]
    return Sampling(
        **{
            **said,
            "stop": tuple(said["stop"]),
            "logit_bias": tuple((int(token), float(bias)) for token, bias in said["logit_bias"]),
            "adapters": None if adapters is None else tuple(adapters),
        }
    )


def token_of(row: Sequence[Any]) -> Token:
    """A token as it comes over the wire."""
    text, logprob, top = row
    return Token(text, logprob, tuple((other, float(value)) for other, value in top))


def _row(token: Token) -> list[Any]:
    return [token.text, token.logprob, [list(each) for each in token.top]]
