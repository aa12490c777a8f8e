"""Ollama's verbs for the models on this machine: pull, create, copy, delete. https://docs.ollama.com/api/pull

A name that comes by the network never becomes a path, an address or another registry: `pull` knows the catalogue, the hub and Ollama's
own registry, and no other host (CVE-2026-5530 was a pull from anywhere).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.responses import Response

from wellread.errors import ModelError, UsageError
from wellread.models.catalog import Entry, canonical, known
from wellread.models.create import make
from wellread.models.facts import is_gguf
from wellread.models.manner import Manner
from wellread.models.modelfile import Modelfile
from wellread.models.names import full_name, split_source
from wellread.models.origins import Origin, origin_of
from wellread.models.parameters import Value, checked
from wellread.server.answering import LIBRARY
from wellread.server.body import Fields, told
from wellread.server.errors import Refused, refusal, unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.ollama_blobs import digest_in
from wellread.server.ollama_progress import answered
from wellread.server.ollama_read import messages, model_of
from wellread.server.sampling import refuse
from wellread.types import Progress

_PULLED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(?:/[A-Za-z0-9][A-Za-z0-9._@-]*){0,8}(?::[A-Za-z0-9][A-Za-z0-9._-]*)?")
_CANNOT_CREATE: dict[str, tuple[object, str]] = {
    "quantize": ("", "files are taken as they are"),
    "renderer": ("", "chat templates are there"),
    "parser": ("", "chat templates are there"),
    "requires": ("", "this is no Ollama"),
    "modelfile": ("", "clients read Modelfiles themselves; send what it says, or use `wellread models create`"),
    "path": ("", "no file of this machine is named in a request"),
}


async def pull(exchange: Exchange) -> Response:
    """Fetch a model."""
    own(exchange)
    fields = await exchange.fields()
    if fields.flag("insecure"):
        raise unsupported("insecure", "models are fetched by https only")
    name, models, settings = model_of(fields), exchange.runtime.models, exchange.runtime.parts.settings
    asked = pulled_name(name)

    def work(progress: Progress) -> dict[str, Any]:
        origin = _origin(asked, offline=settings.offline)
        models.store.pull(origin.entry, progress, offline=settings.offline)
        return {"status": "; ".join(origin.notes)} if origin.notes else {}

    return await answered(exchange, f"pulling {name}", work, stream=fields.flag("stream", True))


def pulled_name(name: str) -> str:
    """What is to be fetched: a name of the catalogue, hf: or ollama:. A plain name that the catalogue does not have is Ollama's.

    Raises `Refused` for a path, an address, another source or another host.
    """
    source, rest = split_source(name)
    hint = "a name of the catalogue, hf:ORG/REPO or ollama:NAME; `wellread models pull` takes others"
    if source == "pypi" or not _PULLED.fullmatch(rest) or ".." in rest or (not source and rest.endswith(".gguf")):
        raise wrong("model", "models are not pulled from there on request", hint=hint)
    if source == "hf":
        return f"hf:{rest}"
    if rest.count("/") > 1:
        raise wrong("model", "models are not pulled from other registries on request", hint=hint)
    return rest if not source and _entry(rest) is not None else f"ollama:{_new_name(rest)}"


def _origin(asked: str, *, offline: bool) -> Origin:
    """Where the model comes from. One of Ollama's own library is called here as it is there."""
    source, rest = split_source(asked)
    name = full_name(rest) if source == "ollama" and "/" not in rest and known(full_name(rest)) is None else None
    return origin_of(asked, name=name, offline=offline)


async def push(exchange: Exchange) -> Response:
    """Models go nowhere from here. Raises `Refused` (501)."""
    await exchange.fields()
    raise Refused(501, "not_supported", "models are not sent anywhere from here", hint="copy the file")


async def create(exchange: Exchange) -> Response:
    """Make a model from another one, or from files that were sent before."""
    own(exchange)
    fields = await exchange.fields()
    refuse(fields, _CANNOT_CREATE)
    name, models, settings = _new_name(model_of(fields)), exchange.runtime.models, exchange.runtime.parts.settings
    base = await asyncio.to_thread(_base, exchange, fields)
    modelfile = Modelfile(base, _manner(fields), _files(exchange, fields, "adapters"))

    def work(progress: Progress) -> dict[str, Any]:
        try:
            make(models.store, name, modelfile, models.store.root / "none", progress, offline=settings.offline)
        except ModelError as error:
            found = refusal(error)  # a file that is not what it should be is the client's
            raise replace(found, status=400, retry_after=None) if found.status == 503 else found from error
        return {}

    return await answered(exchange, f"creating {name}", work, stream=fields.flag("stream", True))


def _base(exchange: Exchange, fields: Fields) -> str:
    """The model that another is made from, or the path of a file that was sent."""
    files = _files(exchange, fields, "files")
    if files and "from" in fields:
        raise wrong("files", 'a model is made from another one ("from") or from a file ("files"), not both')
    if not files:
        name = fields.text("from", most=500)
        try:
            return exchange.runtime.models.known(name)
        except Refused:
            entry = _entry(name)
            if entry is None:
                raise
            return entry.name  # it is fetched, where it is not here
    if len(files) > 1:
        raise unsupported("files", "a model of several files is not put together here")
    if not is_gguf(Path(files[0])):
        raise unsupported("files", "models are made from GGUF files")
    return files[0]


def _entry(name: str) -> Entry | None:
    """The catalogue's entry of a name; None for what is none of its names, or no name at all."""
    try:
        return known(name)
    except UsageError:
        return None


def _files(exchange: Exchange, fields: Fields, name: str) -> tuple[str, ...]:
    """The paths of files that were sent before, by their digests."""
    blobs, found = exchange.runtime.models.store.blobs, []
    given = fields.inner(name)
    for label in given.values:
        path = blobs.path(digest_in(given.text(label, most=100)))
        if not path.is_file():
            raise Refused(404, "blob_not_found", "that file was not sent", given.at(label), "POST /api/blobs/sha256:...")
        found.append(str(path))
    return tuple(found)


def _manner(fields: Fields) -> Manner:
    licence = fields.values.get("license")
    licences = tuple(fields.texts("license", most=100)) if isinstance(licence, list) else (fields.text("license", ""),)
    return Manner(
        system=fields.text("system", ""),
        template=fields.text("template", ""),
        parameters=tuple(_parameters(fields.inner("parameters"))),
        messages=messages(fields),
        licences=tuple(text for text in licences if text),
    )


def _parameters(given: Fields) -> list[tuple[str, Value]]:
    found = []
    for name, value in given.values.items():
        for each in value if isinstance(value, list) else [value]:
            if each is None:
                continue
            try:
                found.append(checked(name, str(each)))
            except UsageError as error:
                raise told(error, given.at(name)) from None
    return found


async def copy(exchange: Exchange) -> Response:
    """Give a model one more name."""
    own(exchange)
    fields = await exchange.fields()
    models = exchange.runtime.models
    source, target = fields.text("source", most=500), _new_name(fields.text("destination", most=500))

    def make_copy() -> None:
        models.store.copy(_stored(exchange, source), target)

    await exchange.changed(make_copy)
    return Response()


async def delete(exchange: Exchange) -> Response:
    """Remove a model, and what no other one needs; it leaves the memory, too."""
    own(exchange)
    name = model_of(await exchange.fields())

    def remove() -> None:
        stored = _stored(exchange, name)
        if stored in exchange.runtime.models.chats():
            exchange.runtime.models.unload(stored)
        exchange.runtime.models.store.remove(stored)

    await exchange.changed(remove)
    return Response()


def _stored(exchange: Exchange, name: str) -> str:
    """The full name of any model of the store. Raises `Refused` (404)."""
    models = exchange.runtime.models
    names = [each.name for each in models.store.list()]
    for candidate in (name, f"ollama:{name}"):
        try:
            full = canonical(candidate)
        except UsageError:
            continue
        if full in names:
            return full
    raise Refused(404, "model_not_found", "there is no such model here", "model", "GET /api/tags lists those that are here")


def _new_name(name: str) -> str:
    """A name that a model may be given."""
    if name.lower().startswith(LIBRARY):
        raise wrong("model", f'names that begin with "{LIBRARY}" are libraries')
    return name


def own(exchange: Exchange) -> None:
    """Raise `Refused` where a token is for some libraries only: the models are not theirs."""
    if exchange.caller.libraries is not None:
        raise Refused(403, "not_allowed", "this token is for libraries, and not for the models of this machine")
