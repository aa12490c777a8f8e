"""A very small encoder with weights by chance, its tokenizer, and changes for it, to try what is done with the real one."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from wellread.models import bert
from wellread.models.adapter import MATRICES, Adapter, Change

WORDS = ["[UNK]", "[CLS]", "[SEP]", "cat", "dog", "sat", "mat", "what", "where"]


def tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(path))


def encoder(chance: np.random.Generator, *, blocks: int = 2, width: int = 16) -> bert.Bert:
    def dense(outputs: int, inputs: int) -> bert.Dense:
        return bert.Dense(*(chance.normal(0, 0.2, shape).astype(np.float32) for shape in ((outputs, inputs), (outputs,))))

    def norm() -> bert.Norm:
        return bert.Norm(np.ones(width, np.float32), np.zeros(width, np.float32))

    return bert.Bert(
        words=bert.ByteWords(chance.integers(-127, 127, (len(WORDS), width), np.int8), np.full((len(WORDS), 1), 0.01, np.float32)),
        positions=chance.normal(0, 0.1, (32, width)).astype(np.float32),
        norm=norm(),
        blocks=tuple(
            bert.Block(
                **{name: dense(width, width) for name in ("query", "key", "value", "output")},
                output_norm=norm(),
                up=dense(4 * width, width),
                down=dense(width, 4 * width),
                down_norm=norm(),
            )
            for _ in range(blocks)
        ),
        heads=2,
        epsilon=1e-12,
    )


def changes(base: bert.Bert, chance: np.random.Generator, *, size: float, rank: int = 3) -> Adapter:
    def change(dense: Any) -> Change:
        outputs, inputs = dense.weight.shape
        parts = (chance.normal(0, size, shape).astype(np.float16).astype(np.float32) for shape in ((rank, inputs), (outputs, rank)))
        return Change(*parts)

    width = base.positions.shape[1]
    head = {"weight": chance.normal(0, 1, 2 * width).astype(np.float32), "bias": np.asarray(-0.25, np.float32)}
    return Adapter(tuple({name: change(getattr(block, name)) for name in MATRICES} for block in base.blocks), head)


def member(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} with the weights is not installed")
    return Path(spec.submodule_search_locations[0]) / path
