"""Calls of the chat model, each recorded with what was sent and what came back."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from wellread.models.base import ChatModel
from wellread.models.watched import Watched
from wellread.trace import Recorder
from wellread.types import Delta, Message, ModelRef, Sampling


def as_sent(model: ChatModel, messages: Sequence[Message], why: str) -> dict[str, Any]:
    """What a trace keeps of a prompt: the messages, what they were for and, for a local model, the very text that it reads."""
    from wellread.models.engines import LocalChat

    local = model.model if isinstance(model, Watched) else model
    sent: dict[str, Any] = {
        "why": why,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "tokens": model.count_tokens(messages),
    }
    return sent | ({"text": local.prompt(messages)} if isinstance(local, LocalChat) else {})


def generated(
    model: ChatModel, messages: Sequence[Message], sampling: Sampling, recorder: Recorder, *, schema: Mapping[str, Any] | None = None
) -> Generator[Delta, None, None]:
    """`model.stream`, recorded as a step "generate"; `finish` is "stopped" where the reader closed the stream."""
    with recorder.step("generate") as data:
        if sampling.temperature > 0:
            data["sampling"] = dataclasses.asdict(sampling)
        data |= {"text": "", "finish": "stopped"}
        for delta in model.stream(messages, schema=schema, sampling=sampling):
            if delta.text and "first_token_ms" not in data:
                data["first_token_ms"] = recorder.elapsed_ms()
            data["text"] += delta.text
            data["finish"] = delta.finish or data["finish"]
            yield delta


class Recorded:
    """A chat model whose every call is recorded as made for `why`: for what is asked of it besides the answer."""

    def __init__(self, model: ChatModel, recorder: Recorder, why: str) -> None:
        self.name = model.name
        self.context_window = model.context_window
        self._model = model
        self._recorder = recorder
        self._why = why

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """See `ChatModel`."""
        with self._recorder.step("prompt") as data:
            data |= as_sent(self._model, messages, self._why)
        yield from generated(self._model, messages, sampling, self._recorder, schema=schema)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `ChatModel`."""
        return self._model.count_tokens(messages)

    def ref(self) -> ModelRef:
        """See `ChatModel`."""
        return self._model.ref()

    def close(self) -> None:
        """Nothing: whoever opened the model closes it."""
