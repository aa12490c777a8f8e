"""What is sent to the paths that other protocols have, as JSON schemas for the OpenAPI document.

These are the fields that most clients send; the references of the protocols have all of them, and what is not known is tolerated.
"""

from __future__ import annotations

from typing import Any

_TEXT, _FLAG, _NUMBER, _ANY = {"type": "string"}, {"type": "boolean"}, {"type": "number"}, {"type": "object"}
_COUNT = {"type": "integer", "minimum": 1}
_ROLES = ("system", "developer", "user", "assistant", "tool")


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


def _texts(*roles: str, parts: bool = True) -> dict[str, Any]:
    """Messages: their content is text, or parts of which those of text are read."""
    part = _object({"type": {"const": "text"}, "text": _TEXT}, "type", "text")
    content = {"anyOf": [_TEXT, _list(part, 1)]} if parts else _TEXT
    return _list(_object({"role": {"enum": list(roles)}, "content": content}, "role", "content"), 1)


_FUNCTION = {"name": {"type": "string", "minLength": 1, "maxLength": 128}, "description": _TEXT, "parameters": _ANY}
_TOOL = _object({"type": {"const": "function"}, "function": _object(_FUNCTION, "name")}, "type", "function")
_SAMPLING = {
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "top_k": {"type": "integer", "minimum": -1},
    "seed": {"type": "integer"},
    "stop": {"anyOf": [_TEXT, _list(_TEXT)]},
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "logit_bias": {"type": "object", "additionalProperties": _NUMBER},
}
_OWN = {"wellread": {"type": "object", "description": "options of `wellread ask`, for library:NAME"}}
_ANSWER = {"model": _TEXT, "stream": _FLAG, **_OWN}

# --- OpenAI

CHAT = _object(
    {
        **_ANSWER,
        "messages": _texts(*_ROLES),
        "max_tokens": _COUNT,
        "max_completion_tokens": _COUNT,
        **_SAMPLING,
        "n": {"type": "integer", "minimum": 1, "maximum": 8},
        "logprobs": _FLAG,
        "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        "tools": _list(_TOOL),
        "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, _ANY]},
        "response_format": _object({"type": {"enum": ["text", "json_object", "json_schema"]}, "json_schema": _ANY}, "type"),
        "stream_options": _object({"include_usage": _FLAG}),
    },
    "model",
    "messages",
)
COMPLETION = _object(
    {
        "model": _TEXT,
        "prompt": {"anyOf": [_TEXT, _list(_TEXT, 1), _list({"type": "integer", "minimum": 0}, 1)]},
        "stream": _FLAG,
        "max_tokens": _COUNT,
        **_SAMPLING,
        "n": {"type": "integer", "minimum": 1, "maximum": 8},
        "echo": _FLAG,
        "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    },
    "model",
    "prompt",
)
EMBEDDINGS = _object(
    {
        "model": _TEXT,
        "input": {"anyOf": [_TEXT, _list(_TEXT, 1)]},
        "encoding_format": {"enum": ["float", "base64"]},
        "input_type": _TEXT,
        "truncate": _FLAG,
    },
    "model",
    "input",
)
RERANK = _object(
    {"model": _TEXT, "query": _TEXT, "documents": _list(_TEXT, 1), "top_n": _COUNT, "return_documents": _FLAG}, "query", "documents"
)
RESPONSE = _object(
    {
        **_ANSWER,
        "input": {"anyOf": [_TEXT, _texts("system", "developer", "user", parts=False)]},
        "instructions": _TEXT,
        "max_output_tokens": _COUNT,
        "temperature": _SAMPLING["temperature"],
        "text": _object({"format": _ANY}),
        "tools": _list(_object({"type": {"const": "function"}, **_FUNCTION}, "type", "name")),
        "previous_response_id": _TEXT,
        "store": _FLAG,
    },
    "model",
    "input",
)

# --- Anthropic

_CLAUDE = {
    **_ANSWER,
    "messages": _texts("user", "assistant"),
    "system": _TEXT,
    "tools": _list(_object({"name": _FUNCTION["name"], "description": _TEXT, "input_schema": _ANY}, "name", "input_schema")),
    "tool_choice": _object({"type": {"enum": ["auto", "any", "tool", "none"]}, "name": _TEXT}, "type"),
    "stop_sequences": _list(_TEXT),
    "temperature": _SAMPLING["temperature"],
    "output_config": _object({"format": _ANY}),
}
MESSAGES = _object({**_CLAUDE, "max_tokens": _COUNT}, "model", "messages", "max_tokens")
COUNTED = _object(_CLAUDE, "model", "messages")

# --- Ollama

_KEEP = {"keep_alive": {"type": ["string", "number"], "description": '"10m", or seconds; 0 at once, -1 for ever'}}
_HOW = {"format": {"anyOf": [{"const": "json"}, _ANY]}, "options": _ANY, **_KEEP}
OLLAMA_CHAT = _object({**_ANSWER, "messages": _texts(*_ROLES[:1], *_ROLES[2:], parts=False), "tools": _list(_TOOL), **_HOW}, "model")
GENERATE = _object({**_ANSWER, "prompt": _TEXT, "system": _TEXT, "raw": _FLAG, **_HOW}, "model")
EMBED = _object({"model": _TEXT, "input": {"anyOf": [_TEXT, _list(_TEXT)]}, "truncate": _FLAG, **_KEEP}, "model", "input")
OLD_EMBEDDINGS = _object({"model": _TEXT, "prompt": _TEXT, **_KEEP}, "model")
MODEL = _object({"model": _TEXT}, "model")
PULL = _object({"model": _TEXT, "stream": _FLAG}, "model")
CREATE = _object(
    {
        "model": _TEXT,
        "from": _TEXT,
        "files": {"type": "object", "additionalProperties": _TEXT},
        "system": _TEXT,
        "template": _TEXT,
        "parameters": _ANY,
        "messages": _texts("system", "user", "assistant", parts=False),
        "stream": _FLAG,
    },
    "model",
)
COPY = _object({"source": _TEXT, "destination": _TEXT}, "source", "destination")
BLOB = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

# --- the Model Context Protocol

MESSAGE = _object(
    {"jsonrpc": {"const": "2.0"}, "id": {"type": ["string", "integer"]}, "method": _TEXT, "params": _ANY}, "jsonrpc", "method"
)
