"""Which JSON schemas may reach an engine.

Engines compile a schema to a grammar in native code: a nested quantifier in a `pattern` keeps llama.cpp busy without end, and a
type it does not know is passed over in silence. So a schema is checked before, and what is not understood here is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wellread.errors import ModelError

_DEEPEST = 12
_MOST_NODES = 500
_LARGEST_COUNT = 1000
_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"}
_LISTS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_MAPS = {"properties", "$defs", "definitions"}
_WORDS = {"title", "description", "default", "examples", "required", "enum", "const", "$schema", "$id"}


def check_schema(schema: Mapping[str, Any]) -> str:
    """The schema as JSON text. Raises `ModelError` when it is too large, too deep, or asks for something no engine keeps."""
    try:
        text = json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"the JSON schema is not JSON: {error}.") from error
    _check(schema, 0, [0])
    return text


def _check(node: Any, depth: int, seen: list[int]) -> None:
    seen[0] += 1
    if depth > _DEEPEST or seen[0] > _MOST_NODES:
        raise ModelError(f"the JSON schema is too large: at most {_DEEPEST} levels and {_MOST_NODES} parts.")
    if isinstance(node, bool):
        return
    if not isinstance(node, Mapping):
        raise ModelError(f"the JSON schema holds {node!r} where a schema belongs.")
    for key, value in node.items():
        _check_key(key, value)
        if key in _LISTS:
            for part in value if isinstance(value, list) else [None]:
                _check(part, depth + 1, seen)
        elif key in _MAPS:
            for part in value.values() if isinstance(value, Mapping) else [None]:
                _check(part, depth + 1, seen)
        elif key in ("items", "additionalProperties"):
            _check(value, depth + 1, seen)


def _check_key(key: str, value: Any) -> None:
    if key == "type":
        for name in value if isinstance(value, list) else [value]:
            if name not in _TYPES:
                raise ModelError(f"the JSON schema has the unknown type {name!r}.", hint="one of " + ", ".join(sorted(_TYPES)))
    elif key in _COUNTS:
        whole = isinstance(value, int | float) and not isinstance(value, bool)
        if not whole or (key[3:] in ("Length", "Items") and not 0 <= value <= _LARGEST_COUNT):
            raise ModelError(f"the JSON schema has {key} {value!r}: give a number, for lengths at most {_LARGEST_COUNT}.")
    elif key == "$ref":
        if not isinstance(value, str) or not value.startswith("#"):
            raise ModelError("the JSON schema refers to something outside itself.", hint='use "#/$defs/..."')
    elif key not in _LISTS | _MAPS | _WORDS | {"items", "additionalProperties"}:
        raise ModelError(f'the JSON schema uses "{key}", which no engine here keeps.', hint="leave it out and check the result")
