"""GET /api/tags, POST /api/show and GET /api/ps: what is here, what it is, and what is loaded. https://docs.ollama.com/api/tags"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.responses import Response

from wellread.models.facts import is_gguf, quantization
from wellread.models.files import Pulled
from wellread.models.gguf import read_gguf
from wellread.models.memory import parameters
from wellread.models.modelfile import Modelfile, modelfile_text
from wellread.server.answering import LIBRARY, library_of
from wellread.server.errors import Refused
from wellread.server.exchange import Exchange, Json
from wellread.server.ollama_lines import moment, moment_of
from wellread.server.ollama_read import model_of

_LONGEST_LIST = 64


@dataclass(frozen=True, slots=True)
class _Outline:
    """What the weights say of themselves, in a few words."""

    form: str
    family: str = ""
    parameters: int = 0
    quantization: str = ""
    context: int | None = None
    width: int | None = None


async def tags(exchange: Exchange) -> Response:
    """Libraries and models, by name."""
    return Json({"models": await asyncio.to_thread(_tags, exchange)})


async def show(exchange: Exchange) -> Response:
    """What a model is."""
    fields = await exchange.fields()
    name, verbose = model_of(fields), fields.flag("verbose")
    return Json(await asyncio.to_thread(_shown, exchange, name, verbose))


async def ps(exchange: Exchange) -> Response:
    """The chat models in memory. All of what they take is the machine's own memory."""
    return Json({"models": await asyncio.to_thread(_loaded, exchange)})


def _tags(exchange: Exchange) -> list[dict[str, Any]]:
    models, shelf = exchange.runtime.models, exchange.runtime.shelf
    rows = [_library_row(name, shelf.folder(name)) for name in shelf.names() if exchange.caller.may_see(name)]
    for name in dict.fromkeys([*models.chats(), *models.embedders()]):
        rows.append(_row(name, models.pulled(name)))
    return rows


def _row(name: str, pulled: Pulled | None) -> dict[str, Any]:
    """A model; one that is no file of the store's has the digest of its name."""
    full = name if ":" in name or pulled is None else f"{name}:latest"
    row = {"name": full, "model": full, "modified_at": moment(), "size": 0, "digest": _digest_of(name), "details": _details(None)}
    if pulled is not None:
        row |= {"modified_at": moment_of(pulled.modified), "size": pulled.size, "digest": pulled.digest.removeprefix("sha256:")}
        row["details"] = _details(pulled)
    return row | {"capabilities": _capabilities("chat" if pulled is None else pulled.kind)}


def _library_row(name: str, folder: Path) -> dict[str, Any]:
    """A library; its digest changes with it."""
    stat = (folder / "library.db").stat()
    return {
        "name": LIBRARY + name,
        "model": LIBRARY + name,
        "modified_at": moment_of(stat.st_mtime),
        "size": stat.st_size,
        "digest": _digest_of(f"{LIBRARY}{name} {stat.st_mtime_ns}"),
        "details": _details(None) | {"format": "library", "family": "library", "families": ["library"]},
        "capabilities": ["completion"],
    }


def _loaded(exchange: Exchange) -> list[dict[str, Any]]:
    models = exchange.runtime.models
    rows = []
    for loaded in models.loaded():
        row = _row(loaded.name, models.pulled(loaded.name))
        del row["modified_at"], row["capabilities"]
        left = loaded.left_s if math.isfinite(loaded.left_s) else 1e12
        rows.append(row | {"size": loaded.need, "size_vram": 0, "expires_at": moment(left), "context_length": loaded.window})
    return rows


def _shown(exchange: Exchange, name: str, verbose: bool) -> dict[str, Any]:
    models = exchange.runtime.models
    if name.startswith(LIBRARY):
        return _shown_library(exchange, name)
    try:
        known = models.known(name)
    except Refused:
        known = models.embedder_name(name)
    pulled = models.pulled(known)
    if pulled is None:
        window = next((row.window for row in models.loaded() if row.name == known), None)
        info = {} if window is None else {"general.architecture": "other", "other.context_length": window}
        empty = {"modelfile": "", "parameters": "", "template": "", "license": "", "modified_at": moment()}
        return empty | {"details": _details(None), "model_info": info, "capabilities": _capabilities("chat")}
    manner, path = pulled.manner, pulled.paths["model"]
    metadata = read_gguf(path).metadata if is_gguf(path) else {}
    adapters = tuple(f"sha256:{file.sha256}" for file in pulled.files if file.role.startswith("adapter"))
    shown: dict[str, Any] = {
        "license": "\n\n".join(manner.licences) or pulled.licence,
        "modelfile": modelfile_text(Modelfile(manner.base or pulled.name, manner, adapters)),
        "parameters": "\n".join(f"{key:<30} {value}" for key, value in manner.parameters),
        "template": manner.template or str(metadata.get("tokenizer.chat_template", "")),
        "details": _details(pulled),
        "model_info": _model_info(pulled, metadata, verbose),
        "capabilities": _capabilities(pulled.kind),
        "modified_at": moment_of(pulled.modified),
    }
    if manner.system:
        shown["system"] = manner.system
    if manner.messages:
        shown["messages"] = [{"role": message.role, "content": message.content} for message in manner.messages]
    return shown


def _shown_library(exchange: Exchange, name: str) -> dict[str, Any]:
    library = library_of(exchange, name)[0]
    with exchange.runtime.shelf.open(library, None, threading.Event()) as opened:
        info = {
            "general.architecture": "library",
            "library.documents": len(opened.documents()),
            "library.chunks": opened.store.chunk_count(),
        }
        info["library.embedder"] = opened.store.meta("embedder")
    row = _library_row(library, exchange.runtime.shelf.folder(library))
    empty = {"modelfile": "", "parameters": "", "template": "", "license": ""}
    return empty | {"details": row["details"], "model_info": info, "capabilities": ["completion"], "modified_at": row["modified_at"]}


def _model_info(pulled: Pulled, metadata: Mapping[str, Any], verbose: bool) -> dict[str, Any]:
    """What the file says of itself; long lists only where all is asked for."""
    outline = _outline(pulled.paths["model"], pulled.digest)
    info: dict[str, Any] = {} if not metadata else {"general.parameter_count": outline.parameters}
    for key, value in metadata.items():
        info[key] = None if isinstance(value, list) and len(value) > _LONGEST_LIST and not verbose else value
    return info


def _details(pulled: Pulled | None) -> dict[str, Any]:
    outline = _Outline("") if pulled is None else _outline(pulled.paths["model"], pulled.digest)
    known = {"context_length": outline.context, "embedding_length": outline.width}
    return {
        "parent_model": "" if pulled is None else pulled.manner.base,
        "format": outline.form,
        "family": outline.family,
        "families": [outline.family] if outline.family else [],
        "parameter_size": _count(outline.parameters),
        "quantization_level": outline.quantization,
    } | {key: value for key, value in known.items() if value is not None}


@lru_cache(maxsize=256)
def _outline(path: Path, digest: str) -> _Outline:
    """What a file says; `digest` is that of its content, so that it is read once."""
    if not path.is_file() or not is_gguf(path):
        return _Outline(path.suffix.removeprefix(".") or "bin")
    gguf = read_gguf(path)
    width = gguf.metadata.get(f"{gguf.architecture}.embedding_length")
    whole = width if isinstance(width, int) else None
    return _Outline("gguf", gguf.architecture, parameters(gguf), quantization(gguf), gguf.context_length, whole)


def _capabilities(kind: str) -> list[str]:
    return {"chat": ["completion", "tools"], "embed": ["embedding"]}.get(kind, [])


def _count(number: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.4g}{unit}"
    return str(number) if number else ""


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
