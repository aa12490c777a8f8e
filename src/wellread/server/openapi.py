"""The OpenAPI document, made from the tables of routes: https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wellread import __version__
from wellread.server.exchange import Protocol, Route

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
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "object", "required": ["message", "type", "code"]}},
                }
            },
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
    error = {"description": "refused", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    done: dict[str, Any] = {"description": "begun" if route.status == 202 else "done"}
    if route.returns is not None:
        done["content"] = {"application/json": {"schema": route.returns}}
    operation: dict[str, Any] = {
        "summary": route.about,
        "tags": [protocol.prefix or "/"],
        "parameters": parameters,
        "responses": {str(route.status): done, "4XX": error, "5XX": error},
    }
    if route.method in ("POST", "PUT"):
        content = route.media or {"application/json": {"schema": route.body or _ANY_BODY}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
