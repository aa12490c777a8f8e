"""What training taught the English embedder that everybody has: matrices of low rank that are added to its own, and a head.

Low-rank adaptation (LoRA): Hu et al. 2021, arXiv:2106.09685. They are added up once, on the machine where the model will run, so that
three megabytes hold a model instead of twenty.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError
from wellread.models import bert, minilm

MATRICES = ("query", "key", "value", "output", "up", "down")
"""The matrices of a block that training changes, by their names in `bert.Block`."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Change:
    """What is added to a matrix [outputs, inputs]: up · down, `down` float32 [rank, inputs] and `up` float32 [outputs, rank]."""

    down: Floats
    up: Floats


@dataclass(frozen=True, slots=True)
class Adapter:
    """The outcome of training: a change for each of `MATRICES` in each block, and the arrays of the head by their names."""

    blocks: tuple[Mapping[str, Change], ...]
    head: Mapping[str, Floats]


def merged(base: bert.Bert, adapter: Adapter) -> bert.Bert:
    """The encoder with the changes added to its matrices."""
    return replace(base, blocks=tuple(_changed(block, each) for block, each in zip(base.blocks, adapter.blocks, strict=True)))


def _changed(block: bert.Block, changes: Mapping[str, Change]) -> bert.Block:
    def dense(old: bert.Dense, name: str) -> bert.Dense:
        return bert.Dense(old.weight + changes[name].up @ changes[name].down, old.bias)

    return replace(
        block,
        query=dense(block.query, "query"),
        key=dense(block.key, "key"),
        value=dense(block.value, "value"),
        output=dense(block.output, "output"),
        up=dense(block.up, "up"),
        down=dense(block.down, "down"),
    )


def graph_of(adapter: Path, weights: Path, folder: Path) -> Path:
    """The graph of an adapter on the fetched all-MiniLM-L6-v2 `weights`, made in `folder` the first time (two seconds).

    Its name tells which adapter it was made of. Raises `ModelError` when a file is some other file.
    """
    model = folder / f"{hashlib.sha256(adapter.read_bytes()).hexdigest()[:16]}.onnx"
    if not model.exists():
        bert.save(merged(minilm.read(weights), read_adapter(adapter)), model)
    return model


def write_adapter(adapter: Adapter, path: Path) -> None:
    """Keep an adapter in numpy's own format: the changes as float16, the head as float32."""
    arrays: dict[str, Any] = {f"head.{name}": values.astype(np.float32) for name, values in adapter.head.items()}
    for at, changes in enumerate(adapter.blocks):
        for name, change in changes.items():
            arrays |= {f"{at}.{name}.down": change.down.astype(np.float16), f"{at}.{name}.up": change.up.astype(np.float16)}
    np.savez(path, **arrays)


def read_adapter(path: Path) -> Adapter:
    """What `write_adapter` kept. Raises `ModelError` when it is not that."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        head = {name.removeprefix("head."): values for name, values in arrays.items() if name.startswith("head.")}
        count = 1 + max(int(name.split(".")[0]) for name in arrays if not name.startswith("head."))
        blocks = tuple({name: Change(arrays[f"{at}.{name}.down"], arrays[f"{at}.{name}.up"]) for name in MATRICES} for at in range(count))
        return Adapter(blocks, head)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} does not hold what training wrote ({error}).", hint="train it again, or reinstall Wellread") from error
