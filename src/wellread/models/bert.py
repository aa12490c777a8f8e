"""A BERT encoder as an ONNX graph whose matrix products run on 8-bit integers.

The graph holds standard operators only (opset 20), so any ONNX runtime can read it. It has one input, `input_ids` int64
[1, tokens], and one output, `last_hidden_state` float32 [1, tokens, width]. It takes one text at a time, hence no attention mask:
nothing is ever padded.

Encoder: Devlin et al. 2019, "BERT" (arXiv:1810.04805), normalisation after each residual sum. Weights are rounded to int8 with a
scale for each output; inputs are rounded to uint8 while running. The input of a block's last matrix has a few very large entries,
so there each token gets a scale of its own: with one scale for the whole text the vectors would be off by twice as much or more.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Precision = Literal["int8", "float32"]

RECIPE = 1
"""The number of this way of running an encoder. Another graph that gives other vectors, however near, has another number."""


@dataclass(frozen=True, slots=True)
class Dense:
    """x -> x · weight.T + bias, with `weight` float32 [outputs, inputs] and `bias` float32 [outputs]."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation: gain and bias, float32 [width]."""

    gain: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: attention, then two matrices with a GELU between them; each half ends in a residual sum and a normalisation."""

    query: Dense
    key: Dense
    value: Dense
    output: Dense
    output_norm: Norm
    up: Dense
    down: Dense
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class ByteWords:
    """Word vectors as int8 [words, width] times a scale for each word, float32 [words, 1]."""

    values: NDArray[np.int8]
    scales: Floats


@dataclass(frozen=True, slots=True)
class NibbleWords:
    """Word vectors of 4 bits in blocks of 32, as llama.cpp's Q4_0 has them.

    `nibbles` is uint8 [words, width / 32, 16]: byte j of a block holds entry j in its low half and entry j + 16 in its high half.
    An entry is (nibble - 8) times the block's scale, float16 [words, width / 32, 1].
    """

    nibbles: NDArray[np.uint8]
    scales: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Bert:
    """All weights of an encoder. `positions` is float32 [longest text, width] and already holds the vector of token type 0."""

    words: ByteWords | NibbleWords
    positions: Floats
    norm: Norm
    blocks: tuple[Block, ...]
    heads: int
    epsilon: float


def save(bert: Bert, path: Path, *, precision: Precision = "int8") -> None:
    """Write the encoder to `path` as an ONNX file, whole or not at all. The same weights always give the same bytes."""
    write_whole(path, _Graph(precision).model(bert))


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader, or a crash, never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Graph:
    """Operators and constants of one graph in the making. Methods take and return the names of values."""

    def __init__(self, precision: Precision) -> None:
        self._precision = precision
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self, bert: Bert) -> bytes:
        """The whole encoder as the bytes of an ONNX file."""
        from onnx import TensorProto, helper

        width = bert.positions.shape[1]
        x = self._embed(bert)
        for block in bert.blocks:
            mixed = self._attention(x, block, bert.heads, width)
            x = self._normalise(self._add("Add", x, mixed), block.output_norm, bert.epsilon)
            raised = self._add("Gelu", self._dense(x, block.up))
            lowered = self._dense(raised, block.down, by_token=True)
            x = self._normalise(self._add("Add", x, lowered), block.down_norm, bert.epsilon)
        self._nodes[-1].output[0] = "last_hidden_state"
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, "tokens", width])],
            self._constants,
        )
        # IR 9 is the first to know opset 20, which brought Gelu; older runtimes refuse newer IRs.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="wellread")
        return bytes(model.SerializeToString(deterministic=True))

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def _constant(self, values: Any, kind: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind).reshape(np.shape(values)), name))
        return name

    def _embed(self, bert: Bert) -> str:
        words = self._bytes(bert.words) if isinstance(bert.words, ByteWords) else self._nibbles(bert.words)
        zero = self._constant([0], np.int64)
        length = self._add("Shape", "input_ids", start=1, end=2)
        places = self._add("Slice", self._constant(bert.positions), zero, length, zero)
        return self._normalise(self._add("Add", words, places), bert.norm, bert.epsilon)

    def _bytes(self, words: ByteWords) -> str:
        values = self._float(self._add("Gather", self._constant(words.values, np.int8), "input_ids"))
        return self._add("Mul", values, self._add("Gather", self._constant(words.scales), "input_ids"))

    def _nibbles(self, words: NibbleWords) -> str:
        # Unpacking after the look-up keeps the table, by far the largest part, at 4 bits in memory.
        packed = self._add("Gather", self._constant(words.nibbles, np.uint8), "input_ids")
        low = self._add("BitwiseAnd", packed, self._constant(15, np.uint8))
        high = self._add("BitShift", packed, self._constant(4, np.uint8), direction="RIGHT")
        entries = self._float(self._add("Concat", low, high, axis=-1))
        scales = self._float(self._add("Gather", self._constant(words.scales, np.float16), "input_ids"))
        scaled = self._add("Mul", self._add("Sub", entries, self._constant(8.0)), scales)
        return self._add("Reshape", scaled, self._constant([0, 0, -1], np.int64))

    def _float(self, x: str) -> str:
        from onnx import TensorProto

        return self._add("Cast", x, to=TensorProto.FLOAT)

    def _normalise(self, x: str, norm: Norm, epsilon: float) -> str:
        return self._add("LayerNormalization", x, self._constant(norm.gain), self._constant(norm.bias), axis=-1, epsilon=epsilon)

    def _attention(self, x: str, block: Block, heads: int, width: int) -> str:
        """Softmax(Q · K.T / sqrt(width of a head)) · V for every head, then the output matrix."""
        split = self._constant([0, 0, heads, width // heads], np.int64)
        root = np.float32(np.sqrt(width // heads))
        query = Dense(block.query.weight / root, block.query.bias / root)
        parts = [self._add("Reshape", self._dense(x, dense), split) for dense in (query, block.key, block.value)]
        q, k, v = (self._add("Transpose", part, perm=order) for part, order in zip(parts, _HEAD_FIRST, strict=True))
        weights = self._add("Softmax", self._add("MatMul", q, k), axis=-1)
        mixed = self._add("Transpose", self._add("MatMul", weights, v), perm=[0, 2, 1, 3])
        return self._dense(self._add("Reshape", mixed, self._constant([0, 0, width], np.int64)), block.output)

    def _dense(self, x: str, dense: Dense, *, by_token: bool = False) -> str:
        if self._precision == "float32":
            product = self._add("MatMul", x, self._constant(dense.weight.T))
        else:
            largest = np.abs(dense.weight).max(axis=1, keepdims=True)
            scales = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
            weight = self._constant(np.rint(dense.weight / scales).T, np.int8)
            multiply = self._product_by_token if by_token else self._product
            product = multiply(x, weight, self._constant(scales[:, 0]))
        return self._add("Add", product, self._constant(dense.bias))

    def _product(self, x: str, weight: str, scales: str) -> str:
        """x times an int8 weight, with one scale for all of x. Runtimes know this shape and fuse it into one operator."""
        from onnx import helper

        rounded, scale, zero = (f"v{len(self._nodes)}{part}" for part in ("x", "s", "z"))
        self._nodes.append(helper.make_node("DynamicQuantizeLinear", [x], [rounded, scale, zero]))
        product = self._float(self._add("MatMulInteger", rounded, weight, zero))
        return self._add("Mul", product, self._add("Mul", scale, scales))

    def _product_by_token(self, x: str, weight: str, scales: str) -> str:
        """x times an int8 weight, with a scale for each token of x."""
        largest = self._add("ReduceMax", self._add("Abs", x), self._constant([-1], np.int64), keepdims=1)
        # A token of zeros would divide by zero; any scale serves it.
        scale = self._add("Max", self._add("Mul", largest, self._constant(1 / 127)), self._constant(1e-30))
        flat = self._add("Reshape", scale, self._constant([-1], np.int64))
        middle = self._constant(128, np.uint8)
        zeros = self._add("Expand", middle, self._add("Shape", flat))
        rounded = self._add("QuantizeLinear", x, flat, zeros, axis=1)
        product = self._float(self._add("MatMulInteger", rounded, weight, middle))
        return self._add("Mul", self._add("Mul", product, scale), scales)


_HEAD_FIRST = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
