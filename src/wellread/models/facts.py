"""What can be said of a model without loading it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wellread.errors import ModelError
from wellread.models.abilities import CANNOT
from wellread.models.catalog import Entry
from wellread.models.engines import default_window, engines_for
from wellread.models.files import ModelStore, Pulled
from wellread.models.gguf import Gguf, read_gguf
from wellread.models.kinds import kind_of
from wellread.models.memory import Need, at_hand, needed, parameters, what_fits
from wellread.models.soundness import check_sound

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L",
    14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 25: "IQ4_NL", 30: "IQ4_XS", 32: "BF16",
}  # fmt: skip
"""general.file_type, by llama.cpp's numbers."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a GGUF file says: `context` is what the model was trained for, `window` what it gets here, `template` whether it carries one.

    `engines` can run it, the first one is taken. `need` is in bytes, with the window full; `free` is what there is now (None: not known),
    and `fitting` what would fit where it does not.
    """

    architecture: str
    parameters: int
    quantization: str
    context: int | None
    window: int
    width: int | None
    template: bool
    engines: tuple[str, ...]
    need: Need
    free: int | None
    fitting: str

    @property
    def fits(self) -> bool | None:
        return None if self.free is None else self.need.total <= self.free


@dataclass(frozen=True, slots=True)
class Facts:
    """A model: its names and licence, what its files are, and what is known of its weights (None where they are no GGUF, or not here)."""

    name: str
    kind: str
    licence: str
    description: str
    languages: tuple[str, ...]
    size: int
    digest: str
    here: bool
    sources: tuple[str, ...]
    weights: Weights | None

    def json(self) -> dict[str, Any]:
        record = asdict(self)
        if self.weights is not None:
            cannot = {engine: list(CANNOT[engine]) for engine in self.weights.engines}
            record["weights"] |= {"fits": self.weights.fits, "need_total": self.weights.need.total, "cannot": cannot}
        return record


def facts_of(store: ModelStore, pulled: Pulled, *, window: int | None = None, engine: str = "auto", memory: int | None = None) -> Facts:
    """The facts of a model that is here, run with a context of `window` tokens. Raises `ModelError` for a file that is not sound."""
    own = pulled.manner.parameter("num_ctx")
    chosen = window or (own if isinstance(own, int) else None)
    path = pulled.paths["model"]
    weights = None
    if is_gguf(path):
        prepared = any((store.root / "derived" / pulled.digest.removeprefix("sha256:")).glob("chat/*-openvino-*"))
        weights = weights_of(path, chosen, engine, memory, adapted=bool(pulled.adapters), prepared=prepared)
    sources = tuple(dict.fromkeys(file.source for file in pulled.files))
    words = (pulled.name, pulled.kind, pulled.licence, pulled.description, pulled.languages)
    return Facts(*words, pulled.size, pulled.digest, True, sources, weights)


def facts_of_entry(entry: Entry) -> Facts:
    """The facts of a model of the catalogue that is not here."""
    digest = next(file.sha256 for file in entry.files if file.role == "model")
    words = (entry.name, entry.kind or "", entry.licence, entry.description, entry.languages)
    return Facts(*words, entry.size, f"sha256:{digest}", False, (), None)


def facts_of_file(path: Path, *, window: int | None = None, engine: str = "auto", memory: int | None = None) -> Facts:
    """The facts of a GGUF file that is not in the store."""
    weights, gguf = weights_of(path, window, engine, memory), read_gguf(path)
    licence = str(gguf.metadata.get("general.license", ""))
    return Facts(
        path.stem,
        kind_of(gguf),
        licence,
        str(gguf.metadata.get("general.name", "")),
        (),
        path.stat().st_size,
        "",
        True,
        (str(path),),
        weights,
    )


def weights_of(
    path: Path, window: int | None, engine: str, memory: int | None, *, adapted: bool = False, prepared: bool = False
) -> Weights:
    """What a GGUF file says of itself. `memory` is what it may take in bytes, by default what is free. Raises `ModelError`."""
    gguf = read_gguf(path)
    check_sound(gguf)
    chosen = window or default_window(gguf)
    engines = engines_for(gguf, engine, adapted=adapted)
    free = at_hand() if memory is None else memory
    needs = [needed(gguf, each, chosen, prepared=prepared) for each in engines]
    fitting = [need for need in needs if free is None or need.total <= free]
    hint = ""
    if free is not None and not fitting:
        hint = what_fits(gguf, chosen, free, lambda tokens: needed(gguf, engines[-1], tokens, prepared=prepared))
    width = gguf.metadata.get(f"{gguf.architecture}.embedding_length")
    return Weights(
        architecture=gguf.architecture,
        parameters=parameters(gguf),
        quantization=quantization(gguf),
        context=gguf.context_length,
        window=chosen,
        width=width if isinstance(width, int) else None,
        template=isinstance(gguf.metadata.get("tokenizer.chat_template"), str),
        engines=tuple(engines),
        need=(fitting or needs[-1:])[0],
        free=free,
        fitting=hint,
    )


def quantization(gguf: Gguf) -> str:
    """How the weights are stored: what the file says, or the type that most of its bytes have."""
    said = _FILE_TYPES.get(gguf.metadata.get("general.file_type", -1))
    if said:
        return said
    sizes: dict[str, int] = {}
    for tensor in gguf.tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.size
    return max(sizes, key=lambda kind: sizes[kind])


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does. Raises `ModelError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", hint="check the path and its permissions") from error
