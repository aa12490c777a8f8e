"""A chat model that is loaded whenever somebody uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from wellread.models.base import TextModel, Writer
from wellread.server.errors import unsupported
from wellread.types import Delta, Message, ModelRef, Sampling, Token


class OnDemand:
    """The model that `hold` loads, one call at a time. It stays while a call goes on, and for its keep-alive."""

    def __init__(self, writer: Writer, hold: Callable[[], AbstractContextManager[Writer]]) -> None:
        self.name = writer.model.name
        self.context_window = writer.model.context_window
        self._ref = writer.model.ref()
        self._hold = hold

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """See `ChatModel`."""
        with self._hold() as writer:
            yield from writer.model.stream(messages, schema=schema, sampling=sampling)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `ChatModel`."""
        with self._hold() as writer:
            return writer.model.count_tokens(messages)

    def complete(self, prompt: str | Sequence[int], *, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """See `TextModel`. Raises `Refused` where the model answers conversations only."""
        with self._hold() as writer:
            yield from self._text(writer).complete(prompt, sampling=sampling)

    def encode(self, text: str) -> list[int]:
        """See `TextModel`. Raises `Refused` where the model answers conversations only."""
        with self._hold() as writer:
            return self._text(writer).encode(text)

    def count_text(self, prompt: str | Sequence[int]) -> int:
        """See `TextModel`. Raises `Refused` where the model answers conversations only."""
        with self._hold() as writer:
            return self._text(writer).count_text(prompt)

    def score(self, prompt: str | Sequence[int], top: int = 0) -> list[Token]:
        """See `TextModel`. Raises `Refused` where the model answers conversations only."""
        with self._hold() as writer:
            return self._text(writer).score(prompt, top)

    def ref(self) -> ModelRef:
        """See `ChatModel`."""
        return self._ref

    def close(self) -> None:
        """Nothing: it goes by itself."""

    def _text(self, writer: Writer) -> TextModel:
        if not isinstance(writer.model, TextModel):
            raise unsupported("prompt", f"{self.name} answers conversations only")
        return writer.model
