"""The items of OpenAI's responses: what goes in, as messages, and what comes out, as events.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wellread.server.body import Fields
from wellread.server.cited import annotation, marked
from wellread.server.errors import unsupported, wrong
from wellread.server.openai_chat import own_json
from wellread.server.openai_read import MOST_MESSAGES, arguments, content
from wellread.server.turn import Called, Ended, Found, Piece, Said
from wellread.types import Message, Role, ToolCall

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

Event = tuple[str, dict[str, Any]]
"""The name of an event, and what it says."""


def items_of(fields: Fields) -> list[dict[str, Any]]:
    """The items of the field "input", which may be one string."""
    if isinstance(fields.values.get("input"), str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": fields.text("input")}]}]
    rows = fields.objects("input", most=MOST_MESSAGES)
    if not rows:
        raise wrong("input", '"input" holds nothing', code="missing_required_parameter")
    return [dict(row.values) for row in rows]


def messages_of(items: Sequence[Mapping[str, Any]], path: str = "input") -> list[Message]:
    """Items as messages. Raises `Refused` for those that no model here reads."""
    found: list[Message] = []
    for position, item in enumerate(items):
        row = Fields(item, f"{path}[{position}]")
        kind = row.text("type", "message")
        if kind == "message":
            said = row.text("role")
            if said not in _ROLES:
                raise wrong(row.at("role"), f'"{row.at("role")}" must be one of {", ".join(_ROLES)}')
            found.append(Message(_ROLES[said], content(row)))
        elif kind == "function_call":
            call = ToolCall(row.text("call_id"), row.text("name"), arguments(row))
            if found and found[-1].role == "assistant":
                found[-1] = Message("assistant", found[-1].content, (*found[-1].tool_calls, call))
            else:
                found.append(Message("assistant", "", (call,)))
        elif kind == "function_call_output":
            found.append(Message("tool", _output(row), tool_call_id=row.text("call_id")))
        else:
            raise unsupported(row.at("type"), f"an item of type {kind} is not read here")
    return found


def _output(row: Fields) -> str:
    """What a function gave back: a string, or parts of text."""
    value = row.values.get("output")
    return content(Fields({"content": value}, row.at("output"))) if isinstance(value, list) else row.text("output")


class Writing:
    """A response as its pieces come in, told as events. `response` is the whole of it so far."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response
        self._open: dict[str, Any] | None = None

    def begin(self) -> Iterator[Event]:
        """What is told before anything is known."""
        yield "response.created", {"response": self.response}
        yield "response.in_progress", {"response": self.response}

    def add(self, piece: Piece) -> Iterator[Event]:
        """A piece of the answer; `Ended` closes the response."""
        if isinstance(piece, Said):
            if self._open is None or self._open["type"] != "message":
                yield from self._begin(_message(), part=True)
            yield from self._text(piece.text)
        elif isinstance(piece, Called):
            if piece.name:
                yield from self._begin(_call(piece))
            if piece.arguments and self._open is not None:
                self._open["arguments"] += piece.arguments
                yield "response.function_call_arguments.delta", self._where() | {"delta": piece.arguments}
        elif isinstance(piece, Found):
            yield from self._cited(piece)
        else:
            yield from self._end(piece)

    def _begin(self, item: dict[str, Any], *, part: bool = False) -> Iterator[Event]:
        yield from self._close()
        self._open = item
        self.response["output"].append(item)
        yield (
            "response.output_item.added",
            {"output_index": len(self.response["output"]) - 1, "item": item | {"content": []} if part else item},
        )
        if part:
            yield "response.content_part.added", self._where() | {"content_index": 0, "part": _part()}

    def _text(self, text: str) -> Iterator[Event]:
        assert self._open is not None  # a message was begun
        self._open["content"][0]["text"] += text
        yield "response.output_text.delta", self._where() | {"content_index": 0, "delta": text, "logprobs": []}

    def _cited(self, found: Found) -> Iterator[Event]:
        self.response["wellread"] = own_json(found)
        if self._open is None:
            return
        notes = [annotation(cited, found.answer) for cited in marked(found.answer)[1]]
        self._open["content"][0]["annotations"] = notes
        for position, note in enumerate(notes):
            where = self._where() | {"content_index": 0, "annotation_index": position}
            yield "response.output_text.annotation.added", where | {"annotation": note}

    def _close(self) -> Iterator[Event]:
        """The end of the item that is open."""
        item = self._open
        if item is None:
            return
        item["status"] = "completed"
        if item["type"] == "message":
            part = item["content"][0]
            yield "response.output_text.done", self._where() | {"content_index": 0, "text": part["text"], "logprobs": []}
            yield "response.content_part.done", self._where() | {"content_index": 0, "part": part}
        else:
            yield "response.function_call_arguments.done", self._where() | {"name": item["name"], "arguments": item["arguments"]}
        yield "response.output_item.done", {"output_index": len(self.response["output"]) - 1, "item": item}
        self._open = None

    def _end(self, ended: Ended) -> Iterator[Event]:
        cut = ended.finish == "length"
        last = self._open
        yield from self._close()
        if cut and last is not None:
            last["status"] = "incomplete"
        usage = ended.usage
        self.response |= {
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "usage": {
                "input_tokens": usage.prompt_tokens,
                "input_tokens_details": {"cached_tokens": usage.cached_tokens},
                "output_tokens": usage.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            },
        }
        yield f"response.{self.response['status']}", {"response": self.response}

    def _where(self) -> dict[str, Any]:
        assert self._open is not None  # something was begun
        return {"item_id": self._open["id"], "output_index": len(self.response["output"]) - 1}


def _message() -> dict[str, Any]:
    return {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "status": "in_progress", "content": [_part()]}


def _part() -> dict[str, Any]:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _call(piece: Called) -> dict[str, Any]:
    ident = f"fc_{secrets.token_hex(12)}"
    return {"id": ident, "type": "function_call", "status": "in_progress", "call_id": piece.id, "name": piece.name, "arguments": ""}
