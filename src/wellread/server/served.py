"""The models that are served, by the names that clients use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from wellread.errors import ModelMissing, UsageError, suggest
from wellread.models.base import Embedder, Reranker, Writer
from wellread.models.catalog import canonical, find
from wellread.models.engines import LocalChat
from wellread.models.files import ModelStore, Pulled
from wellread.models.gguf import read_gguf
from wellread.models.memory import needed
from wellread.parts import Parts
from wellread.places import expanded
from wellread.recipe import Recipe
from wellread.server.errors import Refused, wrong
from wellread.server.keep_alive import seconds
from wellread.server.on_demand import OnDemand
from wellread.server.residents import Loading, Opened, Residents, Row

_RERANK = Recipe(rerank=1)


class Served:
    """Chat models, embedders and the reranker: what the settings name, and what was pulled. Several threads may use one.

    A request never fetches a model and never names a file. Chat models are loaded when they are asked for, and go when nobody needs them;
    embedders and the reranker, which are small and which libraries need, stay. Raises `UsageError` for a keep-alive that is none.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.store = ModelStore(parts.settings.models_folder)
        self._given = parts.given_chat
        self._own = _own_name(parts)  # what the settings' model is called, where it is none of the store
        memory = parts.settings.max_memory_mb * 1_000_000 or None
        self._residents = Residents(self._open, seconds(parts.settings.keep_alive), memory)
        self.default = self._own or (None if parts.settings.model == "none" else _full_name(parts.settings.model))
        """The chat model that answers for a library which is asked for without one; None where there is none."""

    def start(self) -> None:
        """Begin to load the default chat model; it is fetched first where it is not here. Raises as `Parts.load_chat`."""
        self.fetch()
        if self.default is not None:
            self._residents.start(self.default, self._mark(self.default))

    def fetch(self) -> None:
        """Fetch the default chat model where it is not here. Raises as `Parts.fetch`."""
        if self.default is not None and not self._own:
            self._parts.fetch(self.default)

    def chats(self) -> list[str]:
        """The names of the chat models, the default one first."""
        pulled = [each.name for each in self.store.list() if each.kind == "chat"]
        first = [self.default] if self.default and (self._own or self.default in pulled) else []
        return list(dict.fromkeys([*first, *pulled]))

    def embedders(self) -> list[str]:
        """The names of the embedders."""
        given = self._parts.embedder_for(chinese=False)
        pulled = [each.name.removesuffix(":latest") for each in self.store.list() if each.kind == "embed"]
        return list(dict.fromkeys([given, *pulled]))

    def reranker(self) -> Reranker:
        """What scores texts against a question. Raises `Refused` (501) where none is set."""
        found = self._parts.reranker(_RERANK)
        if found is None:
            raise Refused(501, "no_reranker", "no reranker is set", "model", "start the server with --reranker")
        return found

    def known(self, name: str) -> str:
        """The full name of a chat model. Raises `Refused` (404) with what is nearest."""
        return self._known(name, self.chats())

    @contextmanager
    def hold(self, name: str, *, keep_s: float | None = None, window: int | None = None) -> Iterator[Writer]:
        """The chat model of a name, loaded, until the end of the block; see `Residents.hold`. Raises `Refused` (404) too."""
        known = self.known(name)
        path = None if window is None else self._path(known)
        if window is not None and path is not None and window > (longest := _trained(path) or window):
            raise wrong("options.num_ctx", f"{known} was trained for {longest} tokens of context, not {window}")
        with self._residents.hold(known, self._mark(known), keep_s=keep_s, window=window) as writer:
            yield writer

    def chat(self, name: str) -> Writer:
        """The chat model of a name; each use of it loads it where it is not loaded. Raises `Refused` (404) with what is nearest."""
        known = self.known(name)
        writer = self._residents.start(known, self._mark(known))
        return replace(writer, model=OnDemand(writer, lambda: self.hold(known)))

    def unload(self, name: str) -> bool:
        """Have a chat model leave the memory, once nobody uses it; False where it is not there. Raises `Refused` (404)."""
        return self._residents.unload(self.known(name))

    def loaded(self) -> list[Row]:
        """The chat models in memory."""
        return self._residents.rows()

    def resting(self) -> list[str]:
        """The chat models that crashed so often that they are not started for now."""
        return self._residents.resting()

    def pulled(self, name: str) -> Pulled | None:
        """What the store has under a name; None for a model that is none of the store's."""
        try:
            return None if name == self._own else self.store.get(name)
        except UsageError:  # no name that the store could have
            return None

    def embedder_name(self, name: str) -> str:
        """The full name of an embedder. Raises `Refused` (404)."""
        return self._known(name.removesuffix(":latest"), self.embedders())

    def embedder(self, name: str) -> Embedder:
        """The embedder of a name. Raises `Refused` (404)."""
        return self._parts.embedder(self.embedder_name(name))

    def close(self) -> None:
        """End what was loaded here."""
        self._residents.close()

    def _open(self, loading: Loading) -> Opened:
        if self._given is not None and loading.name == self._own:
            return Opened(self._given, ours=False)
        model = self._parts.settings.model if loading.name == self._own else loading.name
        path, mark = self._path(loading.name), self._mark(loading.name)
        derived = self.store.root / "derived" / ("none" if mark is None else mark.digest.removeprefix("sha256:"))
        prepared = any(derived.glob("chat/*-openvino-*"))
        writer = self._parts.load_chat(model, window=loading.window, memory=loading.free)
        if path is None or not isinstance(writer.model, LocalChat):
            return Opened(writer, mark=mark)
        need = needed(read_gguf(path), writer.model.engine, writer.model.room, prepared=prepared)
        return Opened(writer, need.total, need.weights + need.overhead, mark=mark)

    def _mark(self, name: str) -> Pulled | None:
        """What a name stands for now. Raises `ModelMissing` where its files are gone."""
        if name == self._own:
            return None
        found = self.store.get(name)
        if found is None:
            raise ModelMissing(f"The files of {name} are damaged or gone.", hint=f"wellread models pull {name}")
        return found

    def _path(self, name: str) -> Path | None:
        """The weights of a chat model, where they are a file."""
        if name != self._own:
            found = self.store.get(name)
            return None if found is None else found.paths["model"]
        return expanded(self._parts.settings.model) if self._parts.settings.model.endswith(".gguf") else None

    def _known(self, name: str, among: list[str]) -> str:
        for candidate in (name, f"ollama:{name}"):  # as a client of Ollama names what it had pulled from there
            if candidate in among:
                return candidate
            try:
                full = canonical(candidate)
            except UsageError:
                continue
            if full in among:
                return full
        near = suggest(name, among) if len(name) < 200 else None
        raise Refused(404, "model_not_found", "there is no such model here", "model", near or "GET /v1/models lists those that are here")


@lru_cache(maxsize=64)
def _trained(path: Path) -> int | None:
    """The context that the model of a file was trained for, where it says so."""
    return read_gguf(path).context_length


def _full_name(model: str) -> str:
    """The full name of a model that the settings name: one of the catalogue, or another of the store."""
    try:
        return find(model).name
    except UsageError:
        return canonical(model)


def _own_name(parts: Parts) -> str | None:
    """What a chat model is called that was given, or that is a file or a server's: none of the store's."""
    model = parts.settings.model
    if parts.given_chat is not None:
        return parts.given_chat.model.name
    if model.endswith(".gguf"):
        return expanded(model).stem
    return model.removeprefix("openai:") if model.startswith("openai:") else None
