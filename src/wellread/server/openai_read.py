"""What OpenAI's protocols ask for, as turns: messages, functions, formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wellread.errors import ModelError
from wellread.models.schema import check_schema
from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.server.turn import Choice, Function
from wellread.types import Message, Role, ToolCall

MOST_MESSAGES = 2_000
MOST_FUNCTIONS = 64
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal")


def messages(fields: Fields) -> tuple[Message, ...]:
    """The messages of a chat completion. Raises `Refused` for an empty list, and for anything in one that is not text."""
    rows = fields.objects("messages", most=MOST_MESSAGES)
    if not rows:
        raise wrong("messages", '"messages" holds no message', code="missing_required_parameter")
    return tuple(_message(row) for row in rows)


def _message(row: Fields) -> Message:
    said = row.text("role")
    role = _ROLES.get(said)
    if role is None:
        raise wrong(row.at("role"), f'"{row.at("role")}" must be one of {", ".join(_ROLES)}')
    calls = tuple(_call(call) for call in row.objects("tool_calls", most=MOST_FUNCTIONS))
    return Message(role, content(row, needed=not calls), calls, row.text("tool_call_id", "") or None)


def content(row: Fields, *, needed: bool = True) -> str:
    """The text of a message, which is one string or several parts."""
    value = row.values.get("content")
    if not isinstance(value, list):
        return row.text("content", None if needed else "")
    found = []
    for part in row.objects("content", most=MOST_MESSAGES):
        kind = part.text("type")
        if kind not in _TEXT_PARTS:
            raise unsupported(part.at("type"), "the models here read text only", hint="send the text of it")
        found.append(part.text("refusal" if kind == "refusal" else "text"))
    return "\n".join(found)


def _call(row: Fields) -> ToolCall:
    function = row.inner("function")
    return ToolCall(row.text("id", ""), function.text("name"), arguments(function))


def arguments(function: Fields) -> Mapping[str, Any]:
    """The arguments of a call, which clients send back as the JSON text that they were given."""
    text = function.text("arguments", "{}") or "{}"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise wrong(function.at("arguments"), f'"{function.at("arguments")}" must be a JSON object, as text')
    return value


def functions(fields: Fields, *, flat: bool = False) -> tuple[Function, ...]:
    """The functions that a request offers; `flat` where they are not wrapped in "function"."""
    found: list[Function] = []
    for row in fields.objects("tools", most=MOST_FUNCTIONS):
        if row.text("type", "function") != "function":
            raise unsupported(row.at("type"), "only functions can be called here")
        inner = row if flat else row.inner("function")
        name = inner.text("name", most=128)
        if any(each.name == name for each in found):
            raise wrong(inner.at("name"), f'"{name}" is there twice')
        found.append(
            Function(name, inner.text("description", ""), inner.inner("parameters").values or {"type": "object", "properties": {}})
        )
    return tuple(found)


def chosen(fields: Fields, offered: tuple[Function, ...], *, flat: bool = False) -> tuple[Choice, tuple[Function, ...]]:
    """Whether a function is to be called, and which may be. Raises `Refused` for a schema that no engine keeps."""
    value = fields.values.get("tool_choice")
    if value is None or value == "auto":
        return ("auto" if offered else "none"), offered
    if value == "none":
        return "none", offered
    if value == "required":
        return "required", keepable(offered, fields.at("tools"))
    if isinstance(value, dict):
        row = fields.inner("tool_choice")
        name = (row if flat else row.inner("function")).text("name")
        named = tuple(each for each in offered if each.name == name)
        if not named:
            raise wrong("tool_choice", "the function that must be called is not among the tools")
        return "named", keepable(named, fields.at("tools"))
    raise wrong("tool_choice", '"tool_choice" must be "none", "auto", "required" or name a function')


def keepable(offered: tuple[Function, ...], param: str) -> tuple[Function, ...]:
    """Functions whose parameters an engine can be held to. Raises `Refused` for others."""
    if not offered:
        raise wrong("tool_choice", "a function must be called, and there is none", hint='send "tools"')
    for each in offered:
        schema(each.parameters, param)
    return offered


def schema(value: Mapping[str, Any], param: str) -> Mapping[str, Any]:
    """A JSON schema that an engine keeps. Raises `Refused` for others."""
    try:
        check_schema(value)
    except ModelError as error:
        raise wrong(param, error.message.rstrip("."), hint=error.hint, code="invalid_schema") from error
    return value


def response_format(row: Fields, *, flat: bool = False) -> Mapping[str, Any] | None:
    """The schema that an answer must fit, or None for plain text; `flat` where it is not wrapped in "json_schema"."""
    kind = row.text("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        inner = row if flat else row.inner("json_schema")
        if "schema" not in inner:
            raise wrong(inner.at("schema"), f'"{inner.at("schema")}" is missing', code="missing_required_parameter")
        return schema(inner.inner("schema").values, inner.at("schema"))
    raise wrong(row.at("type"), f'"{row.at("type")}" must be "text", "json_object" or "json_schema"')
