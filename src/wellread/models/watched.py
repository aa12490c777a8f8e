"""A chat model whose work ends when nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from wellread.errors import WellreadError
from wellread.models.base import ChatModel
from wellread.types import Delta, Message, ModelRef, Sampling


class Stopped(WellreadError):
    """Whoever asked has gone, or the time is over: there is nobody to tell."""


class Watched:
    """`model`, which raises `Stopped` at the next token once `stop` is set. For one request at a time."""

    def __init__(self, model: ChatModel, stop: threading.Event) -> None:
        self.name = model.name
        self.context_window = model.context_window
        self.model = model
        self.stop = stop

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """See `ChatModel`."""
        pieces: Any = self.model.stream(messages, schema=schema, sampling=sampling)
        with closing(pieces):
            for delta in pieces:
                if self.stop.is_set():
                    raise Stopped("the request was stopped.")
                yield delta

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `ChatModel`."""
        if self.stop.is_set():
            raise Stopped("the request was stopped.")
        return self.model.count_tokens(messages)

    def ref(self) -> ModelRef:
        """See `ChatModel`."""
        return self.model.ref()

    def close(self) -> None:
        """Nothing: whoever opened the model closes it."""
