"""The weights of a GGUF file as numbers: the plain quantisations, decoded, and whole files rewritten at 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from wellread.errors import ModelError
from wellread.models.gguf import Gguf, Tensor, alignment, element_count, padded, read_gguf

Floats = npt.NDArray[np.float32]

_MOSTLY_F16 = 1  # general.file_type of a file whose matrices are F16


def load_tensor(gguf: Gguf, tensor: Tensor) -> np.ndarray:
    """The numbers of one tensor as float32, in `tensor.shape`. Raises `ModelError` for a quantisation this reader does not know."""
    decode = _DECODERS.get(tensor.type)
    if decode is None:
        raise ModelError(
            f'{tensor.type} weights (tensor "{tensor.name}") are not supported by the OpenVINO engine.',
            hint="use --engine llamacpp",
        )
    raw = np.fromfile(gguf.path, np.uint8, count=tensor.size, offset=tensor.offset)
    if len(raw) != tensor.size:
        raise ModelError(f"{gguf.path.name} became shorter while it was read.")
    return decode(raw).reshape(tensor.shape)


def write_f16(source: Path, target: Path) -> None:
    """Write a GGUF whose matrices are F16 and whose one-dimensional tensors are F32; the metadata stays as it was.

    Raises `ModelError` for a quantisation that cannot be read, or a weight beyond what F16 holds.
    """
    gguf = read_gguf(source)
    step = alignment(gguf.metadata, source)
    with source.open("rb") as file:
        head = bytearray(file.read(gguf.metadata_end))
    if "general.file_type" in gguf.places:
        struct.pack_into("<I", head, gguf.places["general.file_type"], _MOSTLY_F16)
    table, at = bytearray(), 0
    for tensor in gguf.tensors:
        flat = len(tensor.shape) == 1
        name = tensor.name.encode()
        table += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(tensor.shape))
        table += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape)) + struct.pack("<IQ", 0 if flat else 1, at)
        at += padded(element_count(tensor.shape) * (4 if flat else 2), step)
    with target.open("wb") as out:
        out.write(head + table)
        _pad(out, step)
        for tensor in gguf.tensors:
            values = load_tensor(gguf, tensor)
            if len(tensor.shape) > 1:
                with np.errstate(over="ignore"):
                    values = values.astype(np.float16)
                if not np.isfinite(values).all():
                    raise ModelError(f'the weights of "{tensor.name}" do not fit in 16 bits.', hint="use --engine llamacpp")
            out.write(values.tobytes())
            _pad(out, step)


def _pad(out: BinaryIO, alignment: int) -> None:
    out.write(bytes(-out.tell() % alignment))


def _half(blocks: np.ndarray, at: int) -> Floats:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16).astype(np.float32)


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """A block of 32 four-bit numbers: the low halves of its 16 bytes, then the high halves."""
    return np.concatenate([packed & 15, packed >> 4], axis=1)


def _fifth_bits(blocks: np.ndarray, at: int) -> npt.NDArray[np.uint8]:
    bits = np.ascontiguousarray(blocks[:, at : at + 4])
    return np.unpackbits(bits, axis=1, bitorder="little") << np.uint8(4)


def _q4_0(raw: np.ndarray) -> Floats:
    blocks = raw.reshape(-1, 18)
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).astype(np.float32) - 8)


def _q4_1(raw: np.ndarray) -> Floats:
    blocks = raw.reshape(-1, 20)
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]).astype(np.float32) + _half(blocks, 2)


def _q5_0(raw: np.ndarray) -> Floats:
    blocks = raw.reshape(-1, 22)
    return _half(blocks, 0) * ((_nibbles(blocks[:, 6:]) | _fifth_bits(blocks, 2)).astype(np.float32) - 16)


def _q5_1(raw: np.ndarray) -> Floats:
    blocks = raw.reshape(-1, 24)
    return _half(blocks, 0) * (_nibbles(blocks[:, 8:]) | _fifth_bits(blocks, 4)).astype(np.float32) + _half(blocks, 2)


def _q8_0(raw: np.ndarray) -> Floats:
    blocks = raw.reshape(-1, 34)
    return _half(blocks, 0) * np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)


def _bf16(raw: np.ndarray) -> Floats:
    return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


_DECODERS: dict[str, Callable[[np.ndarray], Floats]] = {
    "F32": lambda raw: raw.view(np.float32),
    "F16": lambda raw: raw.view(np.float16).astype(np.float32),
    "BF16": _bf16,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
}
