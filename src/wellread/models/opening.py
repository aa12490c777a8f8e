"""A chat model by its name: one of the store or the catalogue, or a GGUF file of one's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from wellread.errors import UsageError
from wellread.models.engines import SPECULATIVE, LocalChat, open_chat
from wellread.models.files import ModelStore
from wellread.models.manner import PLAIN
from wellread.places import expanded
from wellread.types import Progress, silent

_KINDS = {"embed": "an embedder", "rerank": "a reranker", "adapter": "an adapter"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A chat model that was opened, the languages it can write (None: any), and the bytes of its weights."""

    chat: LocalChat
    languages: tuple[str, ...] | None
    size: int


def open_named(
    store: ModelStore,
    model: str,
    *,
    engine: str = "auto",
    threads: int | None = None,
    context_window: int | None = None,
    memory: int | None = None,
    progress: Progress = silent,
    offline: bool = False,
    slots: int = 1,
    speculative: str = "none",
) -> Opened:
    """Open a model by its name or the path of its file; see `open_chat`. One of the catalogue is fetched when it is not here. `speculative`
    may name a model too, which guesses ahead.

    Raises `UsageError` for what is no chat model, and the errors of `ModelStore.bring` and `open_chat`.
    """
    if model.endswith(".gguf"):
        path = expanded(model)
        if not path.is_file():
            raise UsageError(f"there is no model file {path}.", hint="check the path")
        stat = path.stat()
        key = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
        name, digest, languages, derived = path.stem, None, None, store.root / "derived" / key
        manner, adapters = PLAIN, tuple[Path, ...]()
    else:
        pulled = store.bring(model, progress, offline=offline)
        if pulled.kind != "chat":
            hint = "make a model with it: see docs/models.md" if pulled.kind == "adapter" else "the default chat model is smollm2:135m"
            raise UsageError(f"{pulled.name} is {_KINDS[pulled.kind]}, not a chat model.", hint=hint)
        path, name, digest, languages = pulled.paths["model"], pulled.name, pulled.digest, pulled.languages or None
        manner, adapters, derived = pulled.manner, pulled.adapters, store.derived(pulled, "chat")
    draft = None if speculative in SPECULATIVE else _file_of(store, speculative, progress, offline=offline)
    chat = open_chat(
        path,
        name=name,
        digest=digest,
        derived=derived,
        engine=engine,
        threads=threads,
        context_window=context_window,
        manner=manner,
        adapters=adapters,
        memory=memory,
        slots=slots,
        speculative="none" if draft else speculative,
        draft=draft,
    )
    return Opened(chat, languages, path.stat().st_size)


def _file_of(store: ModelStore, model: str, progress: Progress, *, offline: bool) -> Path:
    return expanded(model) if model.endswith(".gguf") else store.bring(model, progress, offline=offline).paths["model"]
