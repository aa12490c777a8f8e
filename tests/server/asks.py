"""The same question in the words of every protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


def _user(text: str) -> list[Body]:
    return [{"role": "user", "content": text}]


@dataclass(frozen=True)
class Ask:
    """Where a question goes, and its body. `limit` and `options` name the length of an answer, and where sampling stands ("": on top).
    `schema` puts a JSON schema where the protocol has it for an answer; `tool` into the functions that must be called."""

    name: str
    path: str
    body: Callable[[str], Body]
    limit: str = "max_tokens"
    options: str = ""
    schema: Callable[[Any], Body] | None = None
    tool: Callable[[Any], Body] | None = None
    of_library: bool = False

    def asked(self, text: str, /, *, stream: bool = False, **more: Any) -> Body:
        return {**self.body(text), "stream": stream, **more}


def _tool(schema: Any) -> Body:
    return {"type": "function", "function": {"name": "f", "parameters": schema}}


ASKS = (
    Ask(
        "chat",
        "/v1/chat/completions",
        lambda text: {"model": "echo", "messages": _user(text)},
        schema=lambda schema: {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}},
        tool=lambda schema: {"tools": [_tool(schema)], "tool_choice": "required"},
    ),
    Ask("completion", "/v1/completions", lambda text: {"model": "echo", "prompt": text}),
    Ask(
        "response",
        "/v1/responses",
        lambda text: {"model": "echo", "input": text},
        limit="max_output_tokens",
        schema=lambda schema: {"text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}},
        tool=lambda schema: {"tools": [{"type": "function", "name": "f", "parameters": schema}], "tool_choice": "required"},
    ),
    Ask(
        "messages",
        "/v1/messages",
        lambda text: {"model": "echo", "messages": _user(text), "max_tokens": 50},
        schema=lambda schema: {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        tool=lambda schema: {"tools": [{"name": "f", "input_schema": schema}], "tool_choice": {"type": "any"}},
    ),
    Ask(
        "ollama-chat",
        "/api/chat",
        lambda text: {"model": "echo", "messages": _user(text)},
        limit="num_predict",
        options="options",
        schema=lambda schema: {"format": schema},
    ),
    Ask(
        "ollama-generate",
        "/api/generate",
        lambda text: {"model": "echo", "prompt": text},
        limit="num_predict",
        options="options",
        schema=lambda schema: {"format": schema},
    ),
    Ask(
        "ollama-raw",
        "/api/generate",
        lambda text: {"model": "echo", "prompt": text, "raw": True},
        limit="num_predict",
        options="options",
    ),
    Ask("own", "/api/v1/libraries/papers/ask", lambda text: {"question": text, "mode": "compact"}, of_library=True),
)


def message(got: Any) -> str:
    """What the body of an error says, whatever the protocol; it must have that protocol's shape."""
    body = got if isinstance(got, dict) else json.loads(got)
    error = body["error"]
    told = error if isinstance(error, str) else error["message"]
    assert isinstance(told, str) and told
    return told
