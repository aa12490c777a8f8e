"""The models a library works with: chosen by settings, fetched when missing, loaded once."""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from importlib import resources
from pathlib import Path

from wellread.config import Settings
from wellread.errors import ModelMissing, UsageError, suggest
from wellread.models.base import ChatModel, Embedder, Judges, Reader, Reranker, Writer
from wellread.models.catalog import Entry, canonical, find
from wellread.models.classic.names import SHOWN, classic_name, open_classic
from wellread.models.files import ModelStore, Pulled
from wellread.places import expanded
from wellread.recipe import Recipe
from wellread.types import Progress, silent

ENGLISH_EMBEDDER = "all-minilm"
MULTILINGUAL_EMBEDDER = "multilingual-e5-small"
EMBEDDERS = (ENGLISH_EMBEDDER, MULTILINGUAL_EMBEDDER, *SHOWN)
"""What `--embedder` takes."""
_SMALL_MODEL_BYTES = 500_000_000
_SMALL_MODEL_EVIDENCE = 160


class Parts:
    """Embedders and the chat model, loaded when first asked for and shared by the libraries that are given this.

    `slots` is how many requests a local chat model works on side by side.

    `embedder`, `chat`, `judges` and `reranker` take the place of what the settings name: a test's fakes, or models of one's own. `close`
    ends what was loaded. Several threads may use one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        progress: Progress = silent,
        embedder: Embedder | None = None,
        chat: ChatModel | None = None,
        judges: Judges = Judges(),
        reranker: Reranker | None = None,
        slots: int = 1,
    ) -> None:
        self.settings = settings
        self.slots = slots
        self._progress = progress
        self._store = ModelStore(settings.models_folder)
        self._given = embedder
        self._embedders: dict[str, Embedder] = {}
        self._reranker = reranker
        self._reader = judges.reader
        self._checker = judges.checker
        self._loading = threading.RLock()
        self._writer = None if chat is None else Writer(chat)
        self._shares: Parts | None = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the chat model's process, if there is one."""
        if self._writer is not None:
            self._writer.model.close()
            self._writer = None

    def with_writer(self, writer: Writer | None) -> Parts:
        """These parts with another chat model, or none. Embedders are shared; to `close` the chat model is up to whoever gave it."""
        other = copy.copy(self)
        other._shares, other._writer = self, writer
        return other

    def embedder_for(self, *, chinese: bool) -> str:
        """The name of the embedder that a new library gets."""
        if self._given is not None:
            return self._given.name
        if self.settings.embedder != "auto":
            return classic_name(self.settings.embedder) or _plain(_entry(self.settings.embedder))
        return MULTILINGUAL_EMBEDDER if chinese else ENGLISH_EMBEDDER

    def embedder(self, name: str) -> Embedder:
        """A loaded embedder. Raises `UsageError` when a library wants another one than was given to these parts."""
        if self._given is not None:
            if name != self._given.name:
                raise UsageError(
                    f'this library was made with the embedder "{name}", not "{self._given.name}".',
                    hint="open it with the embedder that made it, or embed everything anew with `wellread reindex`",
                )
            return self._given
        with self._loading:
            if name not in self._embedders:
                self._embedders[name] = open_classic(name) if classic_name(name) else self._load_embedder(_entry(name))
            return self._embedders[name]

    def writer(self) -> Writer | None:
        """The chat model, loading in the background from now on, or None when the settings say "none"."""
        with self._loading:
            if self._writer is None and self._shares is None and self.settings.model != "none":
                self._writer = self.load_chat(self.settings.model)
            return self._writer

    def reranker(self, recipe: Recipe) -> Reranker | None:
        """What reads the best hits again, or None where none is wanted."""
        if not recipe.rerank:
            return None
        if self._shares is not None:
            return self._shares.reranker(recipe)
        with self._loading:
            if self._reranker is None and self.settings.reranker != "none":
                self._reranker = self._load_reranker()
            return self._reranker

    def reader(self) -> Reader | None:
        """What looks for the words that answer, in English; None where the weights that it changes, those of the English embedder, are not
        to be had, and where an embedder was given."""
        if self._shares is not None:
            return self._shares.reader()
        with self._loading:
            if self._reader is None and self._given is None:
                self._reader = self._load_reader()
            return self._reader

    def checker(self) -> Reranker | None:
        """What tells how likely an English text supports a claim (its `score`); None where `reader` is."""
        if self._shares is not None:
            return self._shares.checker()
        with self._loading:
            if self._checker is None and self._given is None:
                self._checker = self._load_checker()
            return self._checker

    @property
    def given_chat(self) -> Writer | None:
        """The chat model that was given to these parts, or that `writer` has loaded; None where there is neither."""
        return self._writer

    def fetch(self, model: str) -> Pulled:
        """Have a model of the catalogue here; one that is here is found by any name. Raises as `ModelStore.bring`."""
        return self._store.bring(model, self._progress, offline=self.settings.offline)

    def load_chat(self, model: str, *, window: int | None = None, memory: int | None = None) -> Writer:
        """A chat model by what `--model` takes, loading in the background from now on. It is the caller's to close.

        `window` (tokens of context) and `memory` (bytes that it may take) stand before the settings. See `open_chat` for errors.
        """
        from wellread.models.openai import OpenAIChat
        from wellread.models.opening import open_named

        settings = self.settings
        if model.startswith("openai:"):
            if not settings.base_url:
                raise UsageError(f"{model} needs the address of its server.", hint="give --base-url, such as http://127.0.0.1:8000/v1")
            return Writer(OpenAIChat(model.removeprefix("openai:"), settings.base_url, os.environ.get("OPENAI_API_KEY")))
        opened = open_named(
            self._store,
            model,
            engine=settings.engine,
            threads=settings.threads or None,
            context_window=window or settings.context_window or None,
            memory=settings.max_memory_mb * 1_000_000 or None if memory is None else memory,
            progress=self._progress,
            offline=settings.offline,
            slots=self.slots,
            speculative=settings.speculative,
        )
        opened.chat.start()
        if opened.size < _SMALL_MODEL_BYTES:
            return Writer(opened.chat, opened.languages, evidence_tokens=_SMALL_MODEL_EVIDENCE)
        return Writer(opened.chat, opened.languages)

    # --- inside

    def _load_reader(self) -> Reader | None:
        from wellread.models.adapter import graph_of
        from wellread.models.reader import OnnxReader

        if (english := self._english()) is None:
            return None
        with resources.as_file(resources.files("wellread.models") / "reader.npz") as adapter:
            model = graph_of(adapter, english.paths["model"], self._judges_folder(english))
            return OnnxReader(adapter, model, english.paths["tokenizer"], threads=self._threads())

    def _load_checker(self) -> Reranker | None:
        from wellread.models.reranker import trained_reranker

        if (english := self._english()) is None:
            return None
        folder, threads = self._judges_folder(english), self._threads()
        with resources.as_file(resources.files("wellread.models") / "checker.npz") as adapter:
            # a claim and a text are read as a question and a passage are
            return trained_reranker(adapter, english.paths["model"], english.paths["tokenizer"], folder, threads=threads)

    def _english(self) -> Pulled | None:
        """The files of the English embedder, if they are here or can be fetched."""
        try:
            return self._pulled(find(ENGLISH_EMBEDDER))
        except ModelMissing:
            return None

    def _judges_folder(self, english: Pulled) -> Path:
        from wellread.models import bert

        return self._store.derived(english, f"judges-{bert.RECIPE}")

    def _load_reranker(self) -> Reranker:
        from wellread.models import bert
        from wellread.models.reranker import open_reranker, trained_reranker

        path = expanded(self.settings.reranker)
        if path.suffix != ".npz":
            return open_reranker(path, threads=self._threads())
        pulled = self._pulled(find(ENGLISH_EMBEDDER))
        folder = self._store.derived(pulled, f"reranker-{bert.RECIPE}")
        return trained_reranker(path, pulled.paths["model"], pulled.paths["tokenizer"], folder, threads=self._threads())

    def _pulled(self, entry: Entry) -> Pulled:
        return self._store.pull(entry, self._progress, offline=self.settings.offline)

    def _load_embedder(self, entry: Entry) -> Embedder:
        from wellread.models import bert, e5, minilm
        from wellread.models.embedder import OnnxEmbedder

        if entry.kind != "embed":
            raise UsageError(
                f"{entry.name} is a chat model, not an embedder.",
                hint=f"embedders are {', '.join(EMBEDDERS)}",
            )
        pulled = self._pulled(entry)
        folder = self._store.derived(pulled, f"onnx-int8-{bert.RECIPE}")
        revision = _revision(pulled, bert.RECIPE)
        model, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
        threads = self._threads()
        if _plain(entry) == ENGLISH_EMBEDDER:
            if not model.exists():
                minilm.convert(pulled.paths["model"], model)
            return OnnxEmbedder(
                model,
                pulled.paths["tokenizer"],
                name=ENGLISH_EMBEDDER,
                revision=revision,
                max_tokens=minilm.MAX_TOKENS,
                workers=threads,
            )
        if not (model.exists() and tokenizer.exists()):
            e5.convert(pulled.paths["model"], model, tokenizer)
        return OnnxEmbedder(
            model,
            tokenizer,
            name=MULTILINGUAL_EMBEDDER,
            revision=f"{revision}-{e5.RECIPE}",
            max_tokens=e5.MAX_TOKENS,
            center=e5.center(),
            query_prefix=e5.QUERY_PREFIX,
            passage_prefix=e5.PASSAGE_PREFIX,
            workers=threads,
        )

    def _threads(self) -> int:
        return self.settings.threads or max(1, (os.cpu_count() or 2) // 2)


def _plain(entry: Entry) -> str:
    """A model's name without the tag that everything has."""
    return canonical(entry.name).removesuffix(":latest")


def _entry(name: str) -> Entry:
    """The catalogue's entry for an embedder. Raises `UsageError` with a suggestion when there is none."""
    try:
        return find(name)
    except UsageError as error:
        near = suggest(name.lower(), EMBEDDERS)
        raise UsageError(error.message, hint=near or f"embedders are {', '.join(EMBEDDERS)}") from error


def _revision(pulled: Pulled, recipe: int) -> str:
    """What decides on an embedder's vectors beside its name: the digests of its files, and how they are run."""
    digests = "\n".join(sorted(f"{file.role} {file.sha256}" for file in pulled.files))
    return f"{recipe}-{hashlib.sha256(digests.encode()).hexdigest()[:12]}"
