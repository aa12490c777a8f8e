"""What a running server has loaded, asked as Ollama's clients ask: GET /api/ps, and POST /api/generate with `keep_alive` 0 to unload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wellread.errors import ModelError, UsageError
from wellread.models.download import shown

DEFAULT_SERVER = "http://127.0.0.1:8421"
_SECONDS = 5.0


def running(server: str, token: str | None = None) -> list[Mapping[str, Any]] | None:
    """The rows of /api/ps; None where no server answers. Raises `ModelError` for one that answers otherwise."""
    told = _asked("GET", f"{server.rstrip('/')}/api/ps", None, token)
    if told is None:
        return None
    rows = told.get("models")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ModelError(f"{shown(server)} does not list models.", hint="name the server with --server")
    return rows


def unload(server: str, model: str, token: str | None = None) -> bool:
    """Have a model unloaded; False where no server answers."""
    return _asked("POST", f"{server.rstrip('/')}/api/generate", {"model": model, "keep_alive": 0, "stream": False}, token) is not None


def _asked(method: str, url: str, body: Mapping[str, Any] | None, token: str | None) -> dict[str, Any] | None:
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        reply = httpx.request(method, url, json=body, headers=headers, timeout=_SECONDS, trust_env=False)
    except httpx.ConnectError:
        return None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise UsageError(f"{url} is not the address of a server.", hint="it looks like http://127.0.0.1:8421") from error
    except httpx.HTTPError as error:
        raise ModelError(f"{shown(url)} does not answer: {error}.", hint="is it the right server?") from error
    try:
        told = json.loads(reply.content)
    except ValueError:
        told = None
    if reply.status_code != 200 or not isinstance(told, dict):
        why = told.get("error") if isinstance(told, dict) else None
        said = f": {why}" if isinstance(why, str) else ""
        silent = reply.status_code == 404 and not said
        hint = "it does not tell, or another server is meant: name that with --server" if silent else "is it the right server?"
        raise ModelError(f"{shown(url)} answered {reply.status_code}{said}.", hint=None if said else hint)
    return told
