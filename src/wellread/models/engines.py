"""Choosing an engine for a model file, and speaking with it as a `ChatModel`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wellread.errors import ModelError, ModelMissing, UsageError, suggest
from wellread.models.gguf import Gguf, read_gguf, readable
from wellread.models.schema import check_schema
from wellread.models.template import chat_template
from wellread.models.worker import EngineFailed, EngineProcess
from wellread.types import Delta, Message, ModelRef, Sampling

ENGINES = ("auto", "openvino", "llamacpp")
DEFAULT_WINDOW = 4096

# Architectures whose text under OpenVINO was compared with llama.cpp's, word for word.
_PROVEN = ("llama",)
_RECIPE = 1  # counted up when the derived files change, so that old ones are made anew


class LocalChat:
    """A model file answered by an engine in a process of its own. Make one with `open_chat`.

    `notes` are sentences for people about how it came to run as it does; complete once something was asked. `engine` is the one in
    use. Safe to use from several threads; requests are served one after another.
    """

    def __init__(
        self, gguf: Gguf, *, name: str, digest: str | None, window: int, plans: Sequence[Mapping[str, Any]], notes: Sequence[str]
    ) -> None:
        self.name = name
        self.context_window = window
        self.notes = tuple(notes)
        self._digest = digest
        self._template = chat_template(gguf)
        self._plans = list(plans)
        self._process = EngineProcess(self._plans[0])
        self._settled = False
        self._lock = threading.Lock()

    @property
    def engine(self) -> str:
        """The engine in use."""
        return str(self._plans[0]["engine"])

    def start(self) -> None:
        """Begin to load in the background and return at once; the first request waits for it."""
        self._process.start()

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """Generate the next message. `schema` makes the engine write JSON that fits it. See `ChatModel.stream` for errors."""
        if sampling.max_tokens < 1:
            raise UsageError(f"an answer of {sampling.max_tokens} tokens cannot be generated.", hint="max_tokens begins at 1")
        grammar = None if schema is None else check_schema(schema)
        prompt = self._template.render(messages)
        yield from self._settle().generate(prompt, sampling=sampling, schema=grammar)

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text the model reads for these messages; the same for every engine."""
        return self._template.render(messages)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """The number of tokens of the rendered prompt."""
        return self._settle().count(self._template.render(messages))

    def ref(self) -> ModelRef:
        """Name and digest of the weights."""
        return ModelRef(self.name, self._digest)

    def close(self) -> None:
        """End the engine's process."""
        self._process.close()

    def _settle(self) -> EngineProcess:
        """The process, once it is known that its engine loads the model; the next planned engine where it does not."""
        with self._lock:
            while not self._settled:
                try:
                    self.notes += self._process.wait_ready()
                    self._settled = True
                except EngineFailed as error:
                    if len(self._plans) == 1:
                        raise
                    failed = self._plans.pop(0)["engine"]
                    self.notes += (f"{failed} could not load the model, {self.engine} is used instead: {error.message}",)
                    self._process.close()
                    self._process = EngineProcess(self._plans[0])
            return self._process


def open_chat(
    path: Path,
    *,
    name: str,
    digest: str | None = None,
    derived: Path,
    engine: str = "auto",
    threads: int | None = None,
    context_window: int | None = None,
    precision: str | None = None,
) -> LocalChat:
    """A chat model from a GGUF file; nothing is loaded before `start()` or the first request.

    `derived` is a folder for files made from the model (several hundred MB, safe to delete). `context_window` is in tokens, by
    default 4096 or what the model was trained for if that is less. `precision` is for the OpenVINO engine: None for what suits the
    processor, or "f32". Raises `UsageError` for an unknown engine or a window the model cannot fill, `ModelError` for an unsound
    file.
    """
    if engine not in ENGINES:
        raise UsageError(f'there is no engine "{engine}".', hint=suggest(engine, ENGINES) or "one of " + ", ".join(ENGINES))
    if precision not in (None, "f32"):
        raise UsageError(f'there is no precision "{precision}".', hint='"f32", or leave it out')
    if not path.is_file():
        raise ModelMissing(f"there is no model file at {path}.", hint="wellread models list shows those that are here")
    gguf = read_gguf(path)
    window = _window(gguf, context_window)
    common = {
        "path": str(path.resolve()),
        "threads": default_threads() if threads is None else max(1, threads),
        "context_window": window,
    }
    plans = []
    names, notes = _choose(gguf, engine)
    for chosen in names:
        own: dict[str, Any] = {}
        if chosen == "openvino":
            folder = derived.resolve() / _derived_name(path, digest)
            own = {"derived": str(folder), "end_tokens": gguf.end_tokens(), "precision": precision}
        plans.append({"engine": chosen, **common, **own})
    return LocalChat(gguf, name=name, digest=digest, window=window, plans=plans, notes=notes)


def default_threads() -> int:
    """One less than the physical cores this process may use, at least one: with all of them busy, one hiccup stalls generation."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    cores = set()
    for cpu in cpus:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text().strip() if siblings.exists() else str(cpu))
    return max(1, len(cores) - 1)


def _choose(gguf: Gguf, engine: str) -> tuple[list[str], list[str]]:
    """Engines to try, in order, and notes for the person."""
    if engine == "llamacpp":
        return ["llamacpp"], []
    fits = readable(gguf) and gguf.architecture in _PROVEN
    if engine == "openvino":
        if importlib.util.find_spec("openvino_genai") is None:
            raise ModelError("the OpenVINO engine is not installed here.", hint="use --engine llamacpp")
        if not fits:
            kinds = ", ".join(sorted({tensor.type for tensor in gguf.tensors}))
            raise ModelError(
                f'"{gguf.architecture}" models with {kinds} weights are not supported by the OpenVINO engine.',
                hint="use --engine llamacpp",
            )
        return ["openvino"], []
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if x86 and fits and importlib.util.find_spec("openvino_genai") is not None:
        return ["openvino", "llamacpp"], []
    return ["llamacpp"], []


def _window(gguf: Gguf, wanted: int | None) -> int:
    longest = gguf.context_length
    if wanted is None:
        return min(DEFAULT_WINDOW, longest or DEFAULT_WINDOW)
    if wanted < 1:
        raise UsageError(f"a context window of {wanted} tokens holds nothing.")
    if longest is not None and wanted > longest:
        raise UsageError(f"the model was trained for {longest} tokens of context, not {wanted}.", hint=f"at most {longest}")
    return wanted


def _derived_name(path: Path, digest: str | None) -> str:
    """A folder name that changes with the weights, with OpenVINO, and with how we make it."""
    if digest is None:
        state = path.stat()
        digest = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()
    try:
        made_by = version("openvino-genai")
    except PackageNotFoundError:
        made_by = "none"
    return f"{digest.removeprefix('sha256:')[:32]}-openvino-{made_by}-{_RECIPE}"
