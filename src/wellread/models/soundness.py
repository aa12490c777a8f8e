"""Whether what a GGUF file says about its model holds together, before an engine is asked to believe it.

`read_gguf` has seen that every count and offset lies within the file. Here the numbers are held against one another: native engines
assert on some of these and end the process, and allocate by others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from wellread.errors import ModelError
from wellread.models.gguf import Gguf

_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_BLOCK = re.compile(r"blk\.(\d{1,9})\.")
_MOST = {
    "context_length": 1 << 27,
    "embedding_length": 1 << 20,
    "feed_forward_length": 1 << 24,
    "block_count": 1 << 12,
    "attention.head_count": 1 << 12,
    "attention.head_count_kv": 1 << 12,
    "attention.key_length": 1 << 14,
    "attention.value_length": 1 << 14,
    "expert_count": 1 << 14,
    "vocab_size": 1 << 22,
}
_BASE = "choose the base it was trained on"
_ZERO_ALLOWED = ("attention.head_count", "attention.head_count_kv", "feed_forward_length", "expert_count")
"""A layer may have no attention and no feed-forward part, and a model no experts."""


def check_sound(gguf: Gguf) -> None:
    """Raise `ModelError`, naming the file and what is wrong, unless its metadata agree with one another and with its tensors."""
    for why in _complaints(gguf):
        raise ModelError(f"{gguf.path.name} is not a sound GGUF file: {why}.", hint="fetch the model again")


def check_adapter(adapter: Gguf, base: Gguf) -> None:
    """Raise `ModelError` unless an adapter is one (LoRA), is sound, and fits the base: every change is to a matrix of that very shape."""
    check_sound(adapter)
    if adapter.metadata.get("general.type") != "adapter" or adapter.metadata.get("adapter.type") != "lora":
        raise ModelError(f"{adapter.path.name} is no LoRA adapter.", hint="an adapter is a GGUF file made by convert_lora_to_gguf.py")
    if adapter.architecture != base.architecture:
        raise ModelError(
            f"{adapter.path.name} is made for {adapter.architecture} models, not {base.architecture}.",
            hint="choose the base it was trained on",
        )
    shapes = {tensor.name: tensor.shape for tensor in base.tensors}
    parts = {tensor.name: tensor.shape for tensor in adapter.tensors}
    for name, shape in parts.items():
        matrix, _, which = name.rpartition(".lora_")
        down, up = parts.get(f"{matrix}.lora_a", ()), parts.get(f"{matrix}.lora_b", ())
        pair = which in ("a", "b") and len(shape) == len(down) == len(up) == 2 and down[0] == up[1]
        if not pair or shapes.get(matrix) != (up[0], down[1]):
            raise ModelError(
                f'{adapter.path.name} does not fit: "{name}" has no counterpart in the base.', hint="choose the base it was trained on"
            )


def _complaints(gguf: Gguf) -> Iterator[str]:
    if not _ARCHITECTURE.fullmatch(gguf.architecture):
        yield "it does not say which architecture it has"
    if not gguf.tensors:
        yield "it has no weights"
    yield from _sizes(gguf)
    yield from _vocabulary(gguf)
    yield from _layers(gguf)


def _sizes(gguf: Gguf) -> Iterator[str]:
    for key, value in gguf.metadata.items():
        name = key.removeprefix(f"{gguf.architecture}.")
        for number in value if isinstance(value, list) and name in _MOST else [value]:
            if (isinstance(number, float) and not math.isfinite(number)) or (name in _MOST and not _plausible(number, name)):
                yield f"{key} is {number}"


def _plausible(number: Any, name: str) -> bool:
    least = 0 if name in _ZERO_ALLOWED else 1
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= _MOST[name]


def _vocabulary(gguf: Gguf) -> Iterator[str]:
    tokens = gguf.metadata.get("tokenizer.ggml.tokens")
    if tokens is None:
        return
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens[:1]):
        yield "its tokens are no list of texts"
        return
    for name in ("token_type", "scores"):
        values = gguf.metadata.get(f"tokenizer.ggml.{name}")
        if values is not None and (not isinstance(values, list) or len(values) != len(tokens)):
            yield f"it has {len(tokens)} tokens and another number of {name}"
    for tensor in gguf.tensors:
        if tensor.name == "token_embd.weight" and (len(tensor.shape) != 2 or tensor.shape[0] != len(tokens)):
            yield f"it has {len(tokens)} tokens and embeds {tensor.shape[0]}"


def _layers(gguf: Gguf) -> Iterator[str]:
    count = gguf.metadata.get(f"{gguf.architecture}.block_count")
    width = gguf.metadata.get(f"{gguf.architecture}.embedding_length")
    for tensor in gguf.tensors:
        block = _BLOCK.match(tensor.name)
        if block and isinstance(count, int) and int(block[1]) >= count:
            yield f'it has {count} layers and "{tensor.name}"'
        if tensor.name == "token_embd.weight" and isinstance(width, int) and tensor.shape[-1] != width:
            yield f"its embeddings have {tensor.shape[-1]} numbers, not {width}"
