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
from wellread.models.abilities import check_able
from wellread.models.gguf import Gguf, read_gguf, readable
from wellread.models.manner import PLAIN, Manner
from wellread.models.memory import Need, at_hand, gigabytes, keeps_dense, needed, parameters, too_big
from wellread.models.schema import check_schema
from wellread.models.soundness import check_adapter, check_sound
from wellread.models.template import chat_template
from wellread.models.worker import EngineFailed, EngineProcess
from wellread.types import Delta, Message, ModelRef, Sampling, Token

ENGINES = ("auto", "openvino", "llamacpp")
SPECULATIVE = ("none", "lookup")
DEFAULT_WINDOW = 4096
_ORDINARY = 2048  # tokens of a question with its passages and its answer

# Architectures whose text under OpenVINO was compared with llama.cpp's, word for word.
_PROVEN = ("llama",)
_RECIPE = 2  # counted up when the derived files change, so that old ones are made anew


class LocalChat:
    """A model file answered by an engine in a process of its own. Make one with `open_chat`.

    `notes` are sentences for people about how it came to run as it does; complete once something was asked. `engine` is the one in
    use. `manner` holds from the next request on, but for its template, context and threads: those are what it was opened with. Safe to
    use from several threads; as many requests as it was opened for are worked on side by side.
    """

    def __init__(
        self,
        gguf: Gguf,
        *,
        name: str,
        digest: str | None,
        window: int,
        plans: Sequence[Mapping[str, Any]],
        notes: Sequence[str],
        manner: Manner = PLAIN,
    ) -> None:
        self.name = name
        self.context_window = window
        self.notes = tuple(notes)
        self._digest = digest
        self.manner = manner
        self._template = chat_template(gguf, manner.template)
        self._vocabulary = len(gguf.metadata.get("tokenizer.ggml.tokens", ()))
        self._plans = list(plans)
        self._process = EngineProcess(self._plans[0])
        self._settled = False
        self._lock = threading.Lock()

    @property
    def engine(self) -> str:
        """The engine in use."""
        return str(self._plans[0]["engine"])

    @property
    def room(self) -> int:
        """The tokens that it keeps for all requests together."""
        return int(self._plans[0]["room"])

    def start(self) -> None:
        """Begin to load in the background and return at once; the first request waits for it."""
        self._process.start()

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """Generate the next message. `schema` makes the engine write JSON that fits it. See `ChatModel.stream` for errors."""
        sampling = self.manner.sampled(sampling)
        if sampling.max_tokens < 1:
            raise UsageError(f"an answer of {sampling.max_tokens} tokens cannot be generated.", hint="max_tokens begins at 1")
        grammar = None if schema is None else check_schema(schema)
        prompt = self.prompt(messages)
        yield from self._able(sampling, grammar).generate(prompt, sampling=sampling, schema=grammar)

    def complete(self, prompt: str | Sequence[int], *, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """Go on from any text, in which control tokens count as such. See `ChatModel.stream` for errors."""
        if sampling.max_tokens < 1:
            raise UsageError(f"a text of {sampling.max_tokens} tokens cannot be generated.", hint="max_tokens begins at 1")
        self._check_numbers(prompt)
        yield from self._able(sampling, None).generate(prompt, sampling=sampling)

    def encode(self, text: str) -> list[int]:
        """The token numbers of any text, in which control tokens count as such."""
        return self._settle().encode(text)

    def count_text(self, prompt: str | Sequence[int]) -> int:
        """The number of tokens of any text, in which control tokens count as such."""
        self._check_numbers(prompt)
        return self._settle().count(prompt)

    def score(self, prompt: str | Sequence[int], top: int = 0) -> list[Token]:
        """Every token of a text with its probability after those before it. Raises `UsageError` where the engine does not tell."""
        self._check_numbers(prompt)
        return self._settle().score(prompt, top)

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text the model reads for these messages; the same for every engine."""
        return self._template.render(self.manner.shaped(messages))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """The number of tokens of the rendered prompt."""
        return self._settle().count(self.prompt(messages))

    def ref(self) -> ModelRef:
        """Name and digest of the weights."""
        return ModelRef(self.name, self._digest)

    def close(self) -> None:
        """End the engine's process."""
        self._process.close()

    @property
    def resting(self) -> bool:
        """Whether its engine crashed so often that it is not started for now."""
        return self._process.resting

    def _check_numbers(self, prompt: str | Sequence[int]) -> None:
        """Raise `UsageError` for a token that there is not: engines read anything there."""
        wrong = [] if isinstance(prompt, str) else [number for number in prompt if not 0 <= number < (self._vocabulary or 1 << 31)]
        if wrong:
            raise UsageError(f"there is no token {wrong[0]}.", hint=f"the model has {self._vocabulary}, counted from 0")

    def _able(self, sampling: Sampling, schema: str | None) -> EngineProcess:
        """The process, where its engine can do what is asked. Raises `UsageError` where it cannot."""
        process = self._settle()
        adapters = len(self._plans[0].get("adapters", ()))
        check_able(self.engine, sampling, adapters=adapters, vocabulary=self._vocabulary, schema=schema)
        return process

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
    manner: Manner = PLAIN,
    adapters: Sequence[Path] = (),
    memory: int | None = None,
    slots: int = 1,
    speculative: str = "none",
    draft: Path | None = None,
) -> LocalChat:
    """A chat model from a GGUF file; nothing is loaded before `start()` or the first request.

    `derived` is a folder for files made from the model (several hundred MB, safe to delete). `context_window` is in tokens, by
    default 4096 or what the model was trained for if that is less. `manner` is how it is to speak, `adapters` are LoRA files to put on it.
    `memory` is how many bytes it may take, by default what is free. `slots` is how many requests are worked on side by side; one where
    memory is short. `speculative`="lookup" guesses ahead from the prompt, with OpenVINO always in f32: in 16 bits the sums of several
    tokens at once differ from those of one, and so does the text. `draft` is a smaller model of the same tokens that guesses ahead, with
    llama.cpp (Leviathan et al., 2023, https://arxiv.org/abs/2211.17192). Raises `UsageError` for an unknown engine or a window the model
    cannot fill, `ModelError` for an unsound file, or one that takes more memory than there is.
    """
    if engine not in ENGINES:
        raise UsageError(f'there is no engine "{engine}".', hint=suggest(engine, ENGINES) or "one of " + ", ".join(ENGINES))
    if speculative not in SPECULATIVE:
        raise UsageError(f'there is no speculative decoding "{speculative}".', hint='"lookup", or "none"')
    if not path.is_file():
        raise ModelMissing(f"there is no model file at {path}.", hint="wellread models list shows those that are here")
    gguf = read_gguf(path)
    check_sound(gguf)
    for adapter in adapters:
        check_adapter(read_gguf(adapter), gguf)
    wanted = context_window or manner.parameter("num_ctx")
    window = _window(gguf, wanted if isinstance(wanted, int) else context_window)
    own_threads = manner.parameter("num_thread")
    if threads is None:
        threads = own_threads if isinstance(own_threads, int) else default_threads()
    dense = keeps_dense(2 * parameters(gguf)) and speculative == "none"
    folder = derived.resolve() / _derived_name(path, digest, dense=dense)
    names, notes = _choose(gguf, engine, adapted=bool(adapters), drafted=draft is not None)
    free = at_hand() if memory is None else memory
    if free is not None:
        free -= 0 if draft is None else _draft_need(draft, gguf, room_for(window, slots))
        if slots > 1 and _room_needed(gguf, names[-1], room_for(window, slots), prepared=folder.is_dir()) > free:
            slots = 1
            notes.append(f"{gigabytes(free)} are free, so requests are worked on one after another.")
        names, left_out = _fitting(name, gguf, names, room_for(window, slots), free, prepared=folder.is_dir())
        notes += left_out
    common = {"path": str(path.resolve()), "threads": max(1, threads), "context_window": window, "slots": slots}
    common |= {"room": room_for(window, slots), "lookup": speculative == "lookup"}
    plans: list[dict[str, Any]] = []
    for chosen in names:
        if chosen == "openvino":
            own: dict[str, Any] = {"derived": str(folder), "end_tokens": gguf.end_tokens(), "dense": dense}
        else:
            own = {"adapters": [str(adapter.resolve()) for adapter in adapters], "draft": None if draft is None else str(draft.resolve())}
        plans.append({"engine": chosen, **common, **own})
    return LocalChat(gguf, name=name, digest=digest, window=window, plans=plans, notes=notes, manner=manner)


def room_for(window: int, slots: int) -> int:
    """The tokens that are kept for so many requests: one as long as the window, the others of ordinary length."""
    return window + (slots - 1) * min(window, _ORDINARY)


def _room_needed(gguf: Gguf, engine: str, room: int, *, prepared: bool) -> int:
    return needed(gguf, engine, room, prepared=prepared).total


def _draft_need(draft: Path, gguf: Gguf, room: int) -> int:
    """The bytes that a model takes which guesses ahead for another. Raises `UsageError` where it has other tokens."""
    small = read_gguf(draft)
    check_sound(small)
    if small.metadata.get("tokenizer.ggml.tokens") != gguf.metadata.get("tokenizer.ggml.tokens"):
        raise UsageError(f"{draft.name} has other tokens than the model it is to guess for.", hint="choose one of the same family")
    return needed(small, "llamacpp", room).total


def _fitting(name: str, gguf: Gguf, engines: Sequence[str], window: int, free: int, *, prepared: bool) -> tuple[list[str], list[str]]:
    """The engines with which the model fits into so many bytes, and notes on the others. Raises `ModelError` where there is none."""

    def need(engine: str, tokens: int) -> Need:
        return needed(gguf, engine, tokens, prepared=prepared)

    fitting = [engine for engine in engines if need(engine, window).total <= free]
    if not fitting:
        raise too_big(name, gguf, window, free, lambda tokens: need(engines[-1], tokens))
    return fitting, [
        f"{engine} would take {gigabytes(need(engine, window).total)} and {gigabytes(free)} are free, so {fitting[0]} is used."
        for engine in engines
        if engine not in fitting
    ]


def default_threads() -> int:
    """One less than the physical cores this process may use, at least one: with all of them busy, one hiccup stalls generation."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    cores = set()
    for cpu in cpus:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text().strip() if siblings.exists() else str(cpu))
    return max(1, len(cores) - 1)


def engines_for(gguf: Gguf, engine: str = "auto", *, adapted: bool = False) -> list[str]:
    """The engines that can run a model file, best first. Raises `ModelError` where the one that is wanted cannot."""
    return _choose(gguf, engine, adapted=adapted)[0]


def default_window(gguf: Gguf) -> int:
    """The context a model gets when nobody asks for another."""
    return _window(gguf, None)


def _choose(gguf: Gguf, engine: str, *, adapted: bool = False, drafted: bool = False) -> tuple[list[str], list[str]]:
    """Engines to try, in order, and notes for the person."""
    if adapted and engine == "openvino":
        raise ModelError("the OpenVINO engine takes no adapters.", hint="use --engine llamacpp")
    if drafted and engine == "openvino":
        raise ModelError("the OpenVINO engine takes no model that guesses ahead.", hint="use --engine llamacpp, or --speculative lookup")
    if adapted or drafted:
        return ["llamacpp"], []
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


def _derived_name(path: Path, digest: str | None, *, dense: bool) -> str:
    """A folder name that changes with the weights, with OpenVINO, and with how we make it."""
    if digest is None:
        state = path.stat()
        digest = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()
    try:
        made_by = version("openvino-genai")
    except PackageNotFoundError:
        made_by = "none"
    return f"{digest.removeprefix('sha256:')[:32]}-openvino-{made_by}-{_RECIPE}{'-dense' if dense else ''}"
