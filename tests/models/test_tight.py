"""Schemas in parts: whatever the parts leave open, what is said is JSON that fits the schema."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.models.tight import parts

_LEAF = st.sampled_from([{"type": "integer"}, {"enum": ["a", "b"]}, {"$ref": "#/$defs/x"}, {"type": "array", "items": {"type": "string"}}])
_NAMES = st.text(st.sampled_from('ab"\\é\n 你'), max_size=4)


def _object(values: Any) -> Any:
    return st.dictionaries(_NAMES, values, max_size=4).map(
        lambda properties: {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    )


@given(_object(st.recursive(_LEAF, _object, max_leaves=12)))
def test_the_parts_of_an_object_make_json_with_its_keys(schema: dict[str, Any]) -> None:
    def shape(node: Any) -> Any:
        return {name: shape(value) for name, value in node["properties"].items()} if node.get("properties") else None

    found = parts({**schema, "$defs": {"x": {"type": "null"}}})
    assert all(isinstance(one, str) != isinstance(other, str) for one, other in pairwise(found))
    assert all(part["$defs"] for part in found if not isinstance(part, str))
    assert json.loads("".join(part if isinstance(part, str) else "null" for part in found)) == shape(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
        {"type": "object", "properties": {"a": True}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "required": ["a"], "anyOf": [{}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "array", "items": {"type": "object", "properties": {"a": {}}, "required": ["a"]}},
    ],
    ids=json.dumps,
)
def test_what_is_not_such_an_object_stays_whole(schema: dict[str, Any]) -> None:
    assert parts(schema) == [schema]
