"""Ollama's registry: a manifest that names its parts by digest, and the parts (the OCI distribution protocol, version 2).

A digest from a manifest is checked for its form before anything is done with it, and never is a path by itself (CVE-2024-37032).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wellread.errors import UsageError
from wellread.models.catalog import Address, Entry, ModelFile
from wellread.models.download import Network, SourceFailed, connect, read_page
from wellread.models.gotemplate import jinja_of
from wellread.models.manner import Manner
from wellread.models.parameters import Value, checked
from wellread.types import Message, Role

if TYPE_CHECKING:
    import httpx

_HOST, _NAMESPACE = "registry.ollama.ai", "library"
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
_KIND = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,94}")
_LONGEST_TEXT = 4 << 20
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of a model: what it is ("model", "params"), its sha256 (hexadecimal), its bytes."""

    kind: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is: `base` is the address of its repository."""

    base: str
    tag: str


def place_of(rest: str) -> Place:
    """The place of [host/][namespace/]model[:tag]. Plain http is for this machine only. Raises `UsageError` for what is none."""
    scheme, separator, path = rest.partition("://")
    if not separator:
        scheme, path = "https", rest
    folder, _, last = path.rpartition("/")
    model, colon, tag = last.partition(":")
    parts = folder.split("/") if folder else []
    host = parts.pop(0) if len(parts) == 2 else _HOST
    namespace = parts[0] if parts else _NAMESPACE
    name, _, port = host.partition(":")
    tag = tag if colon else "latest"
    well = all(_PART.fullmatch(part) for part in (name, namespace, model, tag)) and len(parts) <= 1 and (not port or port.isdecimal())
    if not well or scheme not in ("http", "https") or (scheme == "http" and name not in ("localhost", "127.0.0.1")):
        raise UsageError(
            f"ollama:{rest} is not the name of a model.", hint="it looks like ollama:llama3.2:1b or ollama:namespace/model:tag"
        )
    return Place(f"{scheme}://{host}/v2/{quote(namespace)}/{quote(model)}", tag)


def entry_of(name: str, place: Place, environ: Mapping[str, str]) -> tuple[Entry, tuple[str, ...]]:
    """The model as the registry describes it, and sentences about what of it is not taken over. Raises `SourceFailed`, `UsageError`."""
    with connect(Network(cert=environ.get("SSL_CERT_FILE") or None)) as client:
        page = read_page(client, f"{place.base}/manifests/{quote(place.tag)}", {"Accept": _ACCEPT})
        layers = read_manifest(page.body)
        texts = [(layer, _text(client, place, layer)) for layer in layers if layer.kind not in ("model", "adapter")]
    manner, notes = _manner(texts)
    files: list[ModelFile] = []
    for layer in layers:
        if layer.kind in ("model", "adapter"):
            taken = sum(file.role.startswith(layer.kind) for file in files)
            role = f"{layer.kind}-{taken + 1}" if taken else layer.kind
            source = Address(f"{place.base}/blobs/sha256:{layer.sha256}", f"{place.base}:{place.tag}")
            files.append(ModelFile(role, f"{name.replace('/', '-').replace(':', '-')}.gguf", layer.size, layer.sha256, (source,)))
    licence = manner.licences[0].strip().split("\n")[0].strip()[:80] if manner.licences else ""
    about = f"from {place.base}" + (f" ({'; '.join(notes)})" if notes else "")
    return Entry(name, None, licence, about, place.tag, (), tuple(files), manner=manner), notes


def read_manifest(body: bytes) -> tuple[Layer, ...]:
    """The parts a manifest names. Raises `SourceFailed` for one that is no manifest, and for parts that are not supported."""
    try:
        rows = [(str(row["mediaType"]), _DIGEST.fullmatch(row["digest"]), row["size"]) for row in json.loads(body)["layers"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceFailed("the registry's answer is not a manifest") from error
    layers = []
    for media, digest, size in rows:
        kind = media.removeprefix(_KIND)
        if digest is None or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise SourceFailed("the manifest names a part by something that is no sha256 digest")
        if media == kind or kind not in ("model", "adapter", "template", "system", "params", "messages", "license", "prompt"):
            raise SourceFailed(f"the model has a part ({media[:80]}) that is not supported here")
        layers.append(Layer(kind, digest[1], size))
    if [layer.kind for layer in layers].count("model") != 1:
        raise SourceFailed("the manifest names no weights, or several")
    return tuple(layers)


def _text(client: httpx.Client, place: Place, layer: Layer) -> str:
    """A part that is text, checked against its digest."""
    if layer.size > _LONGEST_TEXT:
        raise SourceFailed(f"the model's {layer.kind} has {layer.size} bytes")
    body = read_page(client, f"{place.base}/blobs/sha256:{layer.sha256}", {"Accept-Encoding": "identity"}).body
    if hashlib.sha256(body).hexdigest() != layer.sha256:
        raise SourceFailed(f"the model's {layer.kind} does not have the digest it should have: refused")
    return body.decode("utf-8", "replace")


def _manner(texts: list[tuple[Layer, str]]) -> tuple[Manner, tuple[str, ...]]:
    """What the texts say, and sentences on what of it cannot be had."""
    by_kind: dict[str, list[str]] = {}
    for layer, text in texts:
        by_kind.setdefault(layer.kind, []).append(text)
    notes: list[str] = []
    template = (by_kind.get("template") or [""])[0]
    try:
        jinja_of(template) if template else ""
    except UsageError:
        notes.append("its Go template is not known here, so the one in the weights is used")
        template = ""
    parameters: list[tuple[str, Value]] = []
    for text in by_kind.get("params", []):
        _take_parameters(_json(text, "params"), parameters, notes)
    messages = [row for text in by_kind.get("messages", []) for row in _json(text, "messages")]
    try:
        turns = tuple(Message(_ROLES[row["role"]], str(row["content"])) for row in messages)
    except (KeyError, TypeError) as error:
        raise SourceFailed("the model's messages cannot be read") from error
    system = "\n\n".join(by_kind.get("system", []))
    licences = tuple(by_kind.get("license", []))
    return Manner(system=system, template=template, parameters=tuple(parameters), messages=turns, licences=licences), tuple(notes)


def _take_parameters(given: Any, parameters: list[tuple[str, Value]], notes: list[str]) -> None:
    if not isinstance(given, dict):
        raise SourceFailed("the model's params cannot be read")
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            try:
                parameters.append(checked(str(name), str(each)))
            except UsageError:
                notes.append(f"its parameter {str(name)[:40]} is left out: it is not supported here")


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SourceFailed(f"the model's {what} cannot be read") from error
