"""Reading GGUF model files: header, metadata and tensor table.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A model file is untrusted input: every count,
length and offset is checked against the size of the file before it is used, because files that lie about them have been used to
read a server's memory (CVE-2026-7482).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from wellread.errors import ModelError

_SCALARS: dict[int, tuple[str, int]] = {
    0: ("<B", 1),
    1: ("<b", 1),
    2: ("<H", 2),
    3: ("<h", 2),
    4: ("<I", 4),
    5: ("<i", 4),
    6: ("<f", 4),
    7: ("<?", 1),
    10: ("<Q", 8),
    11: ("<q", 8),
    12: ("<d", 8),
}
_BOOL, _STRING, _ARRAY = 7, 8, 9
_DEEPEST_ARRAY = 4
_LONGEST_KEY = 65_535  # bytes, says the specification
_LONGEST_TEXT = 16 << 20
_LONGEST_NAME = 63  # bytes of a tensor's name: ggml keeps 64 with the end mark
# The largest vocabularies have 300,000 tokens and as many merges. Without bounds a sparse file of some gigabytes could claim any number.
_MOST_VALUES = 1 << 22
_MOST_ARRAYS = 1 << 12

# id -> name, elements in a block, bytes of a block
_TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
PLAIN_TYPES = frozenset({"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"})
"""The tensor types that we can turn into numbers ourselves."""

_END_TOKENS = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<EOT>", "[EOT]"}
_CONTROL, _USER_DEFINED = 3, 4  # tokenizer.ggml.token_type


@dataclass(frozen=True, slots=True)
class Tensor:
    """A row of the tensor table: `shape` has the outermost dimension first (as numpy), `offset` and `size` are bytes in the file."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """What a GGUF file says about itself. `places` maps a metadata key to where its value begins in the file."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    places: Mapping[str, int]
    metadata_end: int

    @property
    def architecture(self) -> str:
        """Such as "llama"; empty when the file does not say."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int | None:
        """The longest context the model was trained for, in tokens."""
        value = self.metadata.get(f"{self.architecture}.context_length")
        return value if isinstance(value, int) and value > 0 else None

    def control_tokens(self) -> tuple[str, ...]:
        """The strings that steer the model instead of being read as text, longest first."""
        tokens = self.metadata.get("tokenizer.ggml.tokens", [])
        kinds = self.metadata.get("tokenizer.ggml.token_type", [])
        special = {token for token, kind in zip(tokens, kinds, strict=False) if kind in (_CONTROL, _USER_DEFINED) and token}
        return tuple(sorted(special, key=lambda token: (-len(token), token)))

    def end_tokens(self) -> list[int]:
        """The ids after which the model has nothing more to say: what the file names, and tokens known to mean it."""
        named = [self.metadata.get(f"tokenizer.ggml.{which}_token_id") for which in ("eos", "eot", "eom")]
        found = {number for number in named if isinstance(number, int)}
        found.update(number for number, token in enumerate(self.metadata.get("tokenizer.ggml.tokens", [])) if token in _END_TOKENS)
        return sorted(found)


def read_gguf(path: Path) -> Gguf:
    """Header, metadata and tensor table of a file; no weights are read. Raises `ModelError` when the file is not a sound GGUF."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Cursor(data, path).gguf()
    except (OSError, ValueError) as error:  # mmap refuses an empty file with ValueError
        raise ModelError(f"{path.name} cannot be read as a model file: {error}.") from error


def readable(gguf: Gguf) -> bool:
    """Whether `wellread.models.weights` can decode every tensor of the file."""
    return all(tensor.type in PLAIN_TYPES for tensor in gguf.tensors)


class _Cursor:
    """Walks the bytes of a file from the front; every step is checked against the end."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data = data
        self.path = path
        self.at = 0
        self.values_left = _MOST_VALUES
        self.arrays_left = _MOST_ARRAYS

    def gguf(self) -> Gguf:
        if self.take(4) != b"GGUF":
            raise self.broken("it does not begin with GGUF")
        version = self.scalar(4)
        if version not in (2, 3):
            raise self.broken(f"version {version} is not one of 2, 3 (or the file is big-endian)")
        tensor_count, key_count = self.scalar(10), self.scalar(10)
        metadata, places = self.metadata(key_count)
        metadata_end = self.at
        return Gguf(self.path, metadata, tuple(self.tensors(tensor_count, metadata)), places, metadata_end)

    def metadata(self, count: int) -> tuple[dict[str, Any], dict[str, int]]:
        self.room_for(count, 13, "metadata keys")
        values: dict[str, Any] = {}
        places: dict[str, int] = {}
        for _ in range(count):
            key = self.string(_LONGEST_KEY)
            if key in values:
                raise self.broken(f'the key "{key}" is there twice')
            kind = self.scalar(4)
            places[key] = self.at
            values[key] = self.value(kind, 0)
        return values, places

    def tensors(self, count: int, metadata: Mapping[str, Any]) -> Iterator[Tensor]:
        self.room_for(count, 32, "tensors")
        rows = [self.tensor_row() for _ in range(count)]
        step = alignment(metadata, self.path)
        start, names = padded(self.at, step), set()
        spans: list[tuple[int, int, str]] = []
        for name, shape, kind, offset in rows:
            if name in names:
                raise self.broken(f'the tensor "{name}" is there twice')
            names.add(name)
            if kind not in _TENSOR_TYPES:
                raise self.broken(f'"{name}" is of type {kind}, which is not known here')
            label, block, size_of_block = _TENSOR_TYPES[kind]
            if shape[-1] % block:
                raise self.broken(f'rows of {shape[-1]} numbers of "{name}" do not divide into blocks of {block}')
            size = element_count(shape) // block * size_of_block
            if offset % step or start + offset + size > len(self.data):
                raise self.broken(f'the data of "{name}" lie outside the file')
            spans.append((offset, offset + size, name))
            yield Tensor(name, shape, label, start + offset, size)
        spans.sort()
        for (_, end, one), (begin, _, other) in pairwise(spans):
            if begin < end:
                raise self.broken(f'the data of "{one}" and "{other}" overlap')

    def tensor_row(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string(_LONGEST_NAME)
        rank = self.scalar(4)
        if not 1 <= rank <= 4:
            raise self.broken(f'"{name}" has {rank} dimensions')
        shape = tuple(self.scalar(10) for _ in range(rank))[::-1]
        if 0 in shape:
            raise self.broken(f'"{name}" is empty')
        return name, shape, self.scalar(4), self.scalar(10)

    def value(self, kind: int, depth: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(kind)
        if depth >= _DEEPEST_ARRAY:
            raise self.broken("its arrays are nested too deeply")
        kind, count = self.scalar(4), self.scalar(10)
        self.values_left -= count
        self.arrays_left -= 1
        if self.values_left < 0 or self.arrays_left < 0:
            raise self.broken(f"it claims {count} values in an array, more than any model has")
        if kind == _STRING:
            return self.strings(count)
        if kind == _ARRAY:
            self.room_for(count, 12, "arrays")
            return [self.value(kind, depth + 1) for _ in range(count)]
        if kind not in _SCALARS:
            raise self.broken(f"metadata type {kind} is unknown")
        code, width = _SCALARS[kind]
        self.room_for(count, width, "numbers")
        piece = self.take(count * width)
        if kind == _BOOL and piece.strip(b"\0\1"):
            raise self.broken("a truth value is neither 0 nor 1")
        return list(struct.unpack(f"<{count}{code[1]}", piece))

    def scalar(self, kind: int) -> Any:
        if kind not in _SCALARS:
            raise self.broken(f"metadata type {kind} is unknown")
        code, width = _SCALARS[kind]
        piece = self.take(width)
        if kind == _BOOL and piece[0] > 1:
            raise self.broken("a truth value is neither 0 nor 1")
        return struct.unpack(code, piece)[0]

    def string(self, longest: int = _LONGEST_TEXT) -> str:
        (length,) = struct.unpack("<Q", self.take(8))
        if length > longest:
            raise self.broken(f"it claims a text of {length} bytes, more than the {longest} there may be")
        return self.take(length).decode("utf-8", "replace")

    def strings(self, count: int) -> list[str]:
        # A vocabulary has a hundred thousand of these and a person waits for it: one flat loop takes a third of the time.
        self.room_for(count, 8, "strings")
        data, at, end, length_at = self.data, self.at, len(self.data), struct.Struct("<Q").unpack_from
        found = []
        for _ in range(count):
            if at + 8 > end:
                raise self.broken("it ends too early")
            start = at + 8
            at = start + length_at(data, at)[0]
            if at > end or at - start > _LONGEST_KEY:
                raise self.broken("it ends too early" if at > end else f"it claims a token of {at - start} bytes")
            found.append(data[start:at].decode("utf-8", "replace"))
        self.at = at
        return found

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.data):
            raise self.broken("it ends too early")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def room_for(self, count: int, least: int, what: str) -> None:
        if count * least > len(self.data) - self.at:
            raise self.broken(f"it claims {count} {what}, more than it can hold")

    def broken(self, why: str) -> ModelError:
        return ModelError(f"{self.path.name} is not a sound GGUF file: {why}.", hint="fetch the model again")


def alignment(metadata: Mapping[str, Any], path: Path) -> int:
    """Every tensor begins at a multiple of so many bytes."""
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or value < 8 or value > 1 << 20 or value & (value - 1):
        raise ModelError(f"{path.name} is not a sound GGUF file: an alignment of {value!r}.")
    return value


def element_count(shape: tuple[int, ...]) -> int:
    """How many numbers a tensor of a shape holds."""
    count = 1
    for side in shape:
        count *= side
    return count


def padded(length: int, step: int) -> int:
    """The least multiple of `step` that is not below `length`."""
    return -(-length // step) * step
