"""Functions that a model may call: how it is told of them, and how its calls are read.

They are told and read as the Hermes models have it, https://github.com/NousResearch/Hermes-Function-Calling, in words that any template
passes on. A call that is demanded is not left to the model: a JSON schema makes it write one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wellread.prompts import TOOL_CALL, functions_prompt
from wellread.server.turn import Called, Function, Said, Turn
from wellread.types import Message


def told(turn: Turn) -> tuple[Message, ...]:
    """The messages, with the functions and what was called before in words that any chat template passes on."""
    messages = [_in_words(message) for message in turn.messages]
    if turn.choice == "none" or not turn.functions:
        return tuple(messages)
    rows = [
        {"type": "function", "function": {"name": each.name, "description": each.description, "parameters": dict(each.parameters)}}
        for each in turn.functions
    ]
    text = functions_prompt(rows, must=turn.choice in ("required", "named"))
    if messages and messages[0].role == "system":
        return (replace(messages[0], content=f"{messages[0].content}\n\n{text}"), *messages[1:])
    return (Message("system", text), *messages)


def _in_words(message: Message) -> Message:
    begin, end = TOOL_CALL
    if message.role == "tool":
        return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")
    if not message.tool_calls:
        return message
    calls = [
        f"{begin}\n{json.dumps({'name': call.name, 'arguments': dict(call.arguments)}, ensure_ascii=False)}\n{end}"
        for call in message.tool_calls
    ]
    return Message(message.role, "\n".join(filter(None, [message.content, *calls])))


def choosing(functions: Sequence[Function]) -> Mapping[str, Any]:
    """The schema that makes a model name one of some functions."""
    names = [each.name for each in functions]
    return {"type": "object", "properties": {"name": {"enum": names}}, "required": ["name"], "additionalProperties": False}


def call_id() -> str:
    """A name for a call."""
    return f"call_{secrets.token_hex(12)}"


class Calls:
    """Reads the calls in what a model writes. Text beside them is passed on at once, but for what may be the beginning of a call."""

    def __init__(self, index: int, functions: Sequence[Function]) -> None:
        self.count = 0
        self._index = index
        self._names = {each.name for each in functions}
        self._held = ""

    def add(self, text: str) -> Iterator[Said | Called]:
        """Some more of the text."""
        begin, end = TOOL_CALL
        self._held += text
        while True:
            at = self._held.find(begin)
            if at < 0:
                keep = next((n for n in range(min(len(begin) - 1, len(self._held)), 0, -1) if begin.startswith(self._held[-n:])), 0)
                yield from self._said(self._held[: len(self._held) - keep])
                self._held = self._held[len(self._held) - keep :]
                return
            stop = self._held.find(end, at)
            if stop < 0:
                yield from self._said(self._held[:at])
                self._held = self._held[at:]
                return
            yield from self._said(self._held[:at])
            yield from self._called(self._held[at : stop + len(end)])
            self._held = self._held[stop + len(end) :]

    def rest(self) -> Iterator[Said | Called]:
        """What was held back; a model may end right after its call."""
        held, self._held = self._held, ""
        yield from self._called(held) if held.startswith(TOOL_CALL[0]) else self._said(held)

    def _said(self, text: str) -> Iterator[Said]:
        if text and not (self.count and text.isspace()):
            yield Said(self._index, text)

    def _called(self, text: str) -> Iterator[Said | Called]:
        """A call, or the text as it is when it is none of a function that there is."""
        begin, end = TOOL_CALL
        try:
            call = json.loads(text.removeprefix(begin).removesuffix(end))
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, KeyError, TypeError, AttributeError):
            name, arguments = None, None
        if name not in self._names or not isinstance(arguments, dict):
            yield from self._said(text)
            return
        yield Called(self._index, self.count, call_id(), name)
        yield Called(self._index, self.count, arguments=json.dumps(arguments, ensure_ascii=False))
        self.count += 1
