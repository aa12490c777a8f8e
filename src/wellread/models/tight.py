"""A JSON schema in parts that leave a model no choice of white space.

A grammar made of a whole schema lets white space stand between any two tokens of JSON, without end, and small models go astray in it:
the answer is cut off before it is whole. Where an object has all its properties required, what stands between their values is known,
so it is written as it is, and only the values are left to the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_OBJECT = {"type", "properties", "required", "additionalProperties", "title", "description", "$defs", "definitions", "$schema", "$id"}
_SHARED = ("#/$defs/", "#/definitions/")
Part = str | Mapping[str, Any]
"""Text that stands as it is, or the schema of a value."""


def parts(schema: Mapping[str, Any]) -> list[Part]:
    """What an answer is made of, one after another. What it says fits `schema`; a schema that is not such an object is the only part."""
    if not all(reference.startswith(_SHARED) for reference in _references(schema)):
        return [schema]  # it refers to a place that would be another one in a part
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    found: list[Part] = []
    for part in _parts(schema, shared):
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return found


def _parts(schema: Any, shared: Mapping[str, Any]) -> list[Part]:
    if not _is_known(schema):
        return [{**shared, **schema} if isinstance(schema, Mapping) else schema]
    found: list[Part] = []
    for place, (name, value) in enumerate(schema["properties"].items()):
        found += [f"{', ' if place else '{'}{json.dumps(name, ensure_ascii=False)}: ", *_parts(value, shared)]
    return [*found, "}"]


def _references(node: Any) -> Iterator[str]:
    """What a schema refers to."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from _references(inner)


def _is_known(schema: Any) -> bool:
    """Whether a schema is an object of which every property is always there."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object" or not _OBJECT.issuperset(schema):
        return False
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties or set(properties) != set(schema.get("required", ())):
        return False
    return all(isinstance(value, Mapping) for value in properties.values())
