"""Putting a model's own 4- and 8-bit blocks back into the OpenVINO IR that was made from it.

GenAI's IR of a dequantised file holds 16-bit matrices. OpenVINO multiplies by packed blocks just as well when a constant of small
integers is followed by `(q - zero_point) * scale`. Reading fewer bytes makes each new token quicker, and takes less memory. SmolLM2-135M
Q4_1, a prompt of 768 tokens, one thread of a Xeon with AVX-512 (bf16 too) but without AMX, by processor time:

    packed               arithmetic   prompt tokens a second   new ones, 1 stream   8 streams   resident memory
    the output matrix    bf16         370                      25 to 35             130         1,005 MB
    the output matrix    f32          520 to 660               23                   120         1,320 MB
    every matrix         bf16         340                      49                   130           545 MB
    every matrix         f32          640                      43                   115 to 150    600 MB

So every matrix is packed, and what runs through them stays in f32, which also keeps a text the same whatever is worked on beside it. Where
the processor has AMX, 16-bit matrices are multiplied so much quicker that a small model is left dense but for the output matrix (only
the last token of a prompt goes through it).

A GGUF block of Q4_1 is `q * d + m`, so its zero point is `-m / d`: a fraction, kept as float32. Rounding it to an integer is what
gives wrong text. A matrix is replaced only where its blocks give the very numbers the IR holds, so a change in GenAI cannot garble
a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wellread.models.gguf import Gguf, Tensor
from wellread.models.weights import load_tensor

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_GROUP = 32
_LAYER = "model.layers["


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix as groups of 32 integers: `(integers - zeros) * scales`; shapes [rows, groups, 32] and [rows, groups, 1]."""

    bits: int
    integers: np.ndarray
    scales: npt.NDArray[np.float32]
    zeros: npt.NDArray[np.float32] | None


def repack(model: Path, gguf: Gguf, *, output_only: bool) -> int:
    """Replace 16-bit matrices of the IR at `model` (its .xml) by the blocks of `gguf`, in place; how many were replaced."""
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file is about to be replaced
    graph = core.read_model(str(model))
    tensors = {tensor.name: tensor for tensor in gguf.tensors}
    kept: list[Any] = []  # constants of 4-bit numbers borrow our memory until they are saved
    replaced = 0
    for multiply, constant in _matrices(graph):
        name = constant.get_friendly_name()
        tensor = tensors.get(_gguf_name(name, tensors))
        wanted = not (output_only and name.startswith(_LAYER))
        blocks = _matching(gguf, tensor, constant.data) if tensor is not None and wanted else None
        if blocks is not None:
            multiply.input(1).replace_source_output(_unpacking(blocks, kept).output(0))
            replaced += 1
    if replaced:
        graph.validate_nodes_and_infer_types()
        fresh = model.with_name("fresh.xml")
        openvino.save_model(graph, str(fresh), compress_to_fp16=False)
        fresh.replace(model)
        fresh.with_suffix(".bin").replace(model.with_suffix(".bin"))
    return replaced


def blocks_of(gguf: Gguf, tensor: Tensor) -> Blocks | None:
    """The blocks of a Q4_0, Q4_1 or Q8_0 matrix; None for other kinds."""
    sizes = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}
    if tensor.type not in sizes or len(tensor.shape) != 2:
        return None
    raw = np.fromfile(gguf.path, np.uint8, count=tensor.size, offset=tensor.offset)
    raw = raw.reshape(tensor.shape[0], tensor.shape[1] // _GROUP, sizes[tensor.type])
    scales = np.ascontiguousarray(raw[..., :2]).view(np.float16).astype(np.float32)
    if tensor.type == "Q8_0":
        return Blocks(8, np.ascontiguousarray(raw[..., 2:]).view(np.int8), scales, None)
    packed = raw[..., -16:]
    integers = np.concatenate([packed & 15, packed >> 4], axis=-1)
    if tensor.type == "Q4_0":
        return Blocks(4, integers, scales, np.full_like(scales, 8))
    least = np.ascontiguousarray(raw[..., 2:4]).view(np.float16).astype(np.float32)
    # A block of equal numbers has scale 0: write it as (0 + 1) * m.
    flat = scales == 0
    integers = np.where(flat, np.uint8(0), integers)
    scales = np.where(flat, least, scales)
    zeros = np.where(flat, np.float32(-1), -least / np.where(scales == 0, np.float32(1), scales))
    return Blocks(4, integers, scales, zeros)


def values(blocks: Blocks) -> npt.NDArray[np.float32]:
    """The matrix the blocks stand for."""
    numbers = blocks.integers.astype(np.float32)
    if blocks.zeros is not None:
        numbers -= blocks.zeros
    return (numbers * blocks.scales).reshape(len(numbers), -1)


def _matrices(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Multiplications by a constant 16-bit matrix, with that constant."""
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "MatMul":
            convert = node.input(1).get_source_output().get_node()
            if convert.get_type_name() == "Convert":
                constant = convert.input(0).get_source_output().get_node()
                if constant.get_type_name() == "Constant" and constant.data.dtype == np.float16 and constant.data.ndim == 2:
                    yield node, constant


def _gguf_name(name: str, tensors: dict[str, Tensor]) -> str:
    """What GGUF calls a matrix that GenAI calls such as "model.layers[3].self_attn.q_proj.weight"."""
    if name.startswith(_LAYER):
        layer, _, part = name.removeprefix(_LAYER).partition("].")
        return f"blk.{layer}.{_NAMES.get(part.removesuffix('.weight'))}.weight"
    return "output.weight" if "output.weight" in tensors else "token_embd.weight"


def _matching(gguf: Gguf, tensor: Tensor, held: np.ndarray) -> Blocks | None:
    """The blocks with their rows in the IR's order, if in some order they give the numbers it holds."""
    blocks = blocks_of(gguf, tensor)
    if blocks is None or tensor.shape != held.shape:
        return None
    dense = load_tensor(gguf, tensor).astype(np.float16)
    for order in _row_orders(gguf, tensor):
        if np.array_equal(dense[order], held):
            zeros = None if blocks.zeros is None else blocks.zeros[order]
            return Blocks(blocks.bits, np.ascontiguousarray(blocks.integers[order]), blocks.scales[order], zeros)
    return None


def _row_orders(gguf: Gguf, tensor: Tensor) -> Iterator[np.ndarray]:
    """As stored; and with the two halves of each head apart, since GGUF interleaves them for its rotary embedding."""
    rows = np.arange(tensor.shape[0])
    yield rows
    which = "head_count_kv" if ".attn_k." in tensor.name else "head_count"
    heads = gguf.metadata.get(f"{gguf.architecture}.attention.{which}")
    if isinstance(heads, int) and heads > 0 and len(rows) % (2 * heads) == 0:
        yield rows.reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)


def _unpacking(blocks: Blocks, kept: list[Any]) -> Any:
    """A piece of graph that gives the matrix as float32 [rows, columns]; OpenVINO fuses it into the multiplication."""
    import openvino
    from openvino import opset13

    if blocks.bits == 8:
        numbers = opset13.convert(opset13.constant(blocks.integers), "f32")
    else:
        flat = blocks.integers.reshape(-1)
        pairs = np.ascontiguousarray(flat[0::2] | (flat[1::2] << np.uint8(4)))
        tensor = openvino.Tensor(pairs, list(blocks.integers.shape), openvino.Type.u4)
        kept.extend([pairs, tensor])
        numbers = opset13.convert(opset13.constant(tensor), "f32")
    if blocks.zeros is not None:
        numbers = opset13.subtract(numbers, opset13.constant(blocks.zeros))
    scaled = opset13.multiply(numbers, opset13.constant(blocks.scales))
    rows, groups, size = blocks.integers.shape
    return opset13.reshape(scaled, opset13.constant(np.array([rows, groups * size])), False)
