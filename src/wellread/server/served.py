"""The models that are served, by the names that clients use."""

from __future__ import annotations

import threading

from wellread.errors import UsageError, suggest
from wellread.models.base import Embedder, Reranker, Writer
from wellread.models.catalog import canonical, find
from wellread.models.files import ModelStore
from wellread.parts import Parts
from wellread.recipe import Recipe
from wellread.server.errors import Refused

_RERANK = Recipe(rerank=1)


class Served:
    """Chat models, embedders and the reranker: what the settings name, and what was pulled. Several threads may use one.

    A request never fetches a model and never names a file.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = ModelStore(parts.settings.models_folder)
        self._writers: dict[str, Writer] = {}
        self._lock = threading.Lock()
        self.default = _shown(parts)
        """The chat model that answers for a library which is asked for without one; None where there is none."""

    def chats(self) -> list[str]:
        """The names of the chat models, the default one first."""
        pulled = [each.name for each in self._store.list() if each.kind == "chat"]
        return list(dict.fromkeys([*([self.default] if self.default else []), *pulled]))

    def embedders(self) -> list[str]:
        """The names of the embedders."""
        given = self._parts.embedder_for(chinese=False)
        pulled = [each.name.removesuffix(":latest") for each in self._store.list() if each.kind == "embed"]
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

    def chat(self, name: str) -> Writer:
        """The chat model of a name, loaded when first asked for. Raises `Refused` (404) with what is nearest."""
        known = self.known(name)
        with self._lock:
            if known == self.default:
                writer = self._parts.writer()
                assert writer is not None  # a default is set
                return writer
            if known not in self._writers:
                self._writers[known] = self._parts.load_chat(known)
            return self._writers[known]

    def embedder(self, name: str) -> Embedder:
        """The embedder of a name. Raises `Refused` (404)."""
        return self._parts.embedder(self._known(name.removesuffix(":latest"), self.embedders()))

    def close(self) -> None:
        """End what was loaded here; the default model is the parts'."""
        with self._lock:
            for writer in self._writers.values():
                writer.model.close()
            self._writers.clear()

    def _known(self, name: str, among: list[str]) -> str:
        if name in among:
            return name
        try:
            full = canonical(name)
        except UsageError:
            full = name
        if full in among:
            return full
        near = suggest(name, among) if len(name) < 200 else None
        raise Refused(404, "model_not_found", "there is no such model here", "model", near or "GET /v1/models lists those that are here")


def _shown(parts: Parts) -> str | None:
    """What the default chat model is called, without loading it."""
    model = parts.settings.model
    if model == "none" or model.endswith(".gguf") or model.startswith("openai:"):
        writer = parts.writer()
        return None if writer is None else writer.model.name
    return find(model).name
