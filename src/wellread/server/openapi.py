"""The OpenAPI document, made from the tables of routes: https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wellread import __version__
from wellread.server.errors import Refused
from wellread.server.exchange import Protocol, Route

_ANY_REFUSAL = Refused(400, "code", "message")
_ANY_BODY = {"type": "object", "additionalProperties": True}


def document(protocols: Sequence[Protocol]) -> dict[str, Any]:
    """What can be asked of the server, and how."""
    paths: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        for route in protocol.routes:
            paths.setdefault(route.path.replace(":path", ""), {})[route.method.lower()] = _operation(route, protocol)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wellread", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(route: Route, protocol: Protocol) -> dict[str, Any]:
    """One method of one path."""
    names = re.findall(r"\{(\w+)(?::path)?\}", route.path)
    parameters: list[dict[str, Any]] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names] + [
        {"name": name, "in": place, "description": about, "schema": {"type": "string"}}
        for place, known in (("query", route.query), ("header", route.headers))
        for name, about in known.items()
    ]
    error = {"description": "refused", "content": {"application/json": {"schema": _shape_of(protocol.error(_ANY_REFUSAL))}}}
    done: dict[str, Any] = {"description": "begun" if route.status == 202 else "done"}
    if route.returns is not None:
        done["content"] = {"application/json": {"schema": route.returns}}
    operation: dict[str, Any] = {
        "summary": route.about,
        "tags": [protocol.prefix or "/"],
        "parameters": parameters,
        "responses": {
            str(route.status): done,
            **{str(status): {"description": about} for status, about in route.others.items()},
            "4XX": error,
            "5XX": error,
        },
    }
    if route.method in ("POST", "PUT") or route.body is not None:
        content = route.media or {"application/json": {"schema": route.body or _ANY_BODY}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _shape_of(value: Any) -> dict[str, Any]:
    """The schema of an error's body: its fields, and which of them are text. What is null in one may be anything in another, and what
    is an object inside may be left out."""
    if isinstance(value, Mapping):
        always = [name for name, each in value.items() if name == "error" or not isinstance(each, Mapping)]
        return {"type": "object", "required": always, "properties": {name: _shape_of(each) for name, each in value.items()}}
    return {"type": "string"} if isinstance(value, str) else {}
