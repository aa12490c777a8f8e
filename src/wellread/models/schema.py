"""Which JSON schemas may reach an engine.

Engines compile a schema to a grammar in native code. A nested quantifier in a `pattern` keeps llama.cpp busy without end; a schema that
nothing fits, or that refers to nothing, it passes over in silence, and OpenVINO ends on it with all its requests. So a schema is checked
before, and what is not understood here is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from wellread.errors import ModelError

_DEEPEST = 12
_MOST_NODES = 500
_LARGEST_COUNT = 1000
_LARGEST_NUMBER = 1 << 53  # beyond it engines count wrong
_MOST_CHARS = 100_000
_MOST_LITERAL = 20_000  # characters of names and values that are to be written as they are: 90,000 kept an engine busy for ten seconds
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_UNNAMED = '"\\'
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"}
_LISTS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_MAPS = {"properties", "$defs", "definitions"}
_ONE = {"items", "additionalProperties"}
_WORDS = {"title", "description", "default", "examples", "required", "enum", "const", "$schema", "$id"}


def check_schema(schema: Mapping[str, Any]) -> str:
    """The schema as JSON text. Arrays that do not say what they hold say that it may be anything there: OpenVINO takes that for nothing.

    Raises `ModelError` when it is too large, too deep, or asks for something no engine keeps."""
    try:
        text = json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"the JSON schema is not JSON: {error}.") from error
    if len(text) > _MOST_CHARS:
        raise ModelError(f"the JSON schema is too large: at most {_MOST_CHARS} characters.")
    if "\\u0000" in text:
        raise ModelError("the JSON schema holds a character that no engine writes.")
    nodes: dict[int, dict[str, Any]] = {}
    own: dict[str, Any] = json.loads(text)
    _check(own, 0, nodes)
    if sum(map(_literal, nodes.values())) > _MOST_LITERAL:
        raise ModelError(f"the JSON schema is too large: at most {_MOST_LITERAL} characters of names and values.")
    leads = {key: list(_leads(node, own, nodes)) for key, node in nodes.items()}
    done: set[int] = set()
    for key in nodes:
        _check_ends(key, leads, frozenset(), done)
    for node in nodes.values():
        if "array" in _types(node.get("type")):
            node.setdefault("items", True)
    return json.dumps(own)


def bounds_numbers(text: str) -> bool:
    """Whether a schema that was checked bounds numbers that need not be whole."""
    level = [json.loads(text)]
    while level:
        node = level.pop()
        if isinstance(node, dict):
            kinds = _types(node.get("type"))
            if node.keys() & {"minimum", "maximum"} and ("number" in kinds or not kinds):
                return True
            level.extend(part for key, value in node.items() for part in _parts(key, value))
    return False


def _check(node: Any, depth: int, nodes: dict[int, dict[str, Any]]) -> None:
    """Every schema in a schema by itself; they are added to `nodes`."""
    if isinstance(node, bool):
        return
    if not isinstance(node, dict):
        raise ModelError(f"the JSON schema holds {_shown(node)} where a schema belongs.")
    nodes[id(node)] = node
    if depth > _DEEPEST or len(nodes) > _MOST_NODES:
        raise ModelError(f"the JSON schema is too large: at most {_DEEPEST} levels and {_MOST_NODES} parts.")
    for key, value in node.items():
        _check_key(key, value)
        for part in _parts(key, value):
            _check(part, depth + 1, nodes)
    _check_whole(node)


def _parts(key: str, value: Any) -> Iterator[Any]:
    """The schemas that a keyword holds; None where it should hold some and does not."""
    if key in _LISTS:
        yield from value if isinstance(value, list) and value else [None]
    elif key in _MAPS:
        yield from value.values() if isinstance(value, Mapping) else [None]
    elif key in _ONE:
        yield value


def _check_key(key: str, value: Any) -> None:
    if key == "type":
        if value == [] or not all(isinstance(name, str) and name in _TYPES for name in _types(value)):
            raise ModelError(f"the JSON schema has the unknown type {_shown(value)}.", hint="one of " + ", ".join(sorted(_TYPES)))
    elif key in _COUNTS:
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER
        if not number or (key[3:] in ("Length", "Items") and not 0 <= value <= _LARGEST_COUNT):
            raise ModelError(f"the JSON schema has {key} {_shown(value)}: give a number, for lengths at most {_LARGEST_COUNT}.")
    elif key == "enum":
        if not isinstance(value, list) or not 0 < len(value) <= _LARGEST_COUNT:
            raise ModelError(f"the JSON schema has an enum that is no list of 1 to {_LARGEST_COUNT} values.")
    elif key == "$ref":
        if not isinstance(value, str) or not value.startswith("#"):
            raise ModelError("the JSON schema refers to something outside itself.", hint='use "#/$defs/..."')
    elif key == "allOf" and isinstance(value, list) and len(value) > 1:
        raise ModelError("the JSON schema has an allOf of several parts, which no engine here keeps.", hint="put them into one")
    elif key not in _LISTS | _MAPS | _ONE | _WORDS:
        raise ModelError(f'the JSON schema uses "{key[:60]}", which no engine here keeps.', hint="leave it out and check the result")


def _check_whole(node: Mapping[str, Any]) -> None:
    """What the keywords of one schema say together must be possible."""
    for what in ("Length", "Items", "imum"):
        least, most = node.get("min" + what, -math.inf), node.get("max" + what, math.inf)
        if "integer" in _types(node.get("type")) and any(each % 1 for each in (least, most) if abs(each) < math.inf):
            raise ModelError(f"the JSON schema bounds a whole number by {_shown(least)} and {_shown(most)}.", hint="give whole numbers")
        if least > most:
            raise ModelError(f"the JSON schema has min{what} {_shown(least)} above max{what} {_shown(most)}: nothing fits.")
    if any(character in _UNNAMED or character < " " for name in node.get("properties", {}) for character in name):
        raise ModelError("the JSON schema has a property whose name holds a quote or a control character.", hint="give it a plain name")
    required, there = node.get("required", []), node.get("properties", {})
    if not isinstance(required, list) or not all(isinstance(name, str) and there.get(name, False) is not False for name in required):
        raise ModelError(f"the JSON schema requires {_shown(required)}: give a list of names that its properties have.")
    values = node.get("enum", [node["const"]] if "const" in node else [])
    kinds = [kind for name in _types(node.get("type")) for kind in _TYPES[name]]
    if values and kinds and not any(isinstance(each, tuple(kinds)) for each in values):
        raise ModelError(f"the JSON schema allows {_shown(values)} only, of which none has its type.")
    if node.get("items") is False and node.get("minItems", 0) > len(node.get("prefixItems", [])):
        raise ModelError("the JSON schema has an array of items that cannot be: nothing fits.")


def _types(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _literal(node: Mapping[str, Any]) -> int:
    """The characters that a schema has written as they are."""
    values = json.dumps(node.get("enum", node.get("const", "")))
    return len(values) + sum(map(len, node.get("properties", {})))


def _leads(node: Mapping[str, Any], schema: Mapping[str, Any], nodes: Mapping[int, Any]) -> Iterator[int]:
    """The schemas that a value must fit as a whole if it is to fit this one."""
    if "$ref" in node:
        target: Any = schema
        for step in node["$ref"].removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, Mapping) else None
        if id(target) not in nodes or not (node["$ref"] == "#" or node["$ref"].startswith("#/")):
            raise ModelError(f"the JSON schema refers to {_shown(node['$ref'])}, which is no schema in it.", hint='use "#/$defs/..."')
        yield id(target)
    for key in ("anyOf", "oneOf", "allOf"):
        yield from (id(part) for part in node.get(key, []) if not isinstance(part, bool))


def _check_ends(key: int, leads: Mapping[int, list[int]], open_: frozenset[int], done: set[int]) -> None:
    """Raise where a schema leads back to itself before anything is written; those in `done` do not."""
    if key in open_:
        raise ModelError("the JSON schema refers to itself without end.", hint="put something between: a property, or items")
    for following in leads[key] if key not in done else ():
        _check_ends(following, leads, open_ | {key}, done)
    done.add(key)


def _shown(value: Any) -> str:
    """A value in a message, not all of it where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
