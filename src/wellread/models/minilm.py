"""Turning the all-MiniLM-L6-v2 file that is fetched into the one that is run.

The fetched ONNX graph stores its weights as int8 but multiplies in float32, which is slow and takes the memory of float32. The
weights are taken out and put into a graph that multiplies integers (`wellread.models.bert`). Nothing is lost by rounding them
again: a matrix that is int8 with a scale for each output comes out as the same integers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError
from wellread.models import bert

NAME = "all-minilm"
MAX_TOKENS = 256
"""The longest text the model was trained on, in tokens, the two markers included (its `sentence_bert_config.json`)."""

_BLOCKS = 6
_HEADS = 12
_EPSILON = 1e-12


def convert(weights: Path, out: Path, *, precision: bert.Precision = "int8") -> None:
    """Write the graph that multiplies integers to `out`, from the fetched `weights`. Takes a second and 220 MB.

    `precision="float32"` writes the same weights without rounding what runs through them, to compare against. Raises `ModelError`
    when `weights` is some other file.
    """
    bert.save(read(weights), out, precision=precision)


def read(weights: Path) -> bert.Bert:
    """The weights of the fetched file. Raises `ModelError` when it is not all-MiniLM-L6-v2 as expected."""
    import onnx

    try:
        return _encoder(_Stored(onnx.load(str(weights)).graph))
    except Exception as error:  # a foreign file can fail anywhere, in onnx with the errors of protobuf
        raise ModelError(
            f"{weights.name} is not the all-MiniLM-L6-v2 file that Wellread can convert ({type(error).__name__}: {error}).",
            hint="remove the model and pull it again",
        ) from error


class _Stored:
    """The constants of the fetched graph by name, and which matrix belongs to which bias."""

    def __init__(self, graph: Any) -> None:
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._products = {node.output[0]: node for node in graph.node if node.op_type == "MatMul"}
        self._sums = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}

    def array(self, name: str) -> NDArray[np.float32]:
        """A constant as float32: stored so, or as int8 with a scale."""
        from onnx import numpy_helper

        if f"{name}_q" in self._constants:
            values, scales = self.quantised(name)
            return values.astype(np.float32) * scales
        return np.asarray(numpy_helper.to_array(self._constants[name]), np.float32)

    def quantised(self, name: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """A constant as its int8 values and their scales."""
        from onnx import numpy_helper

        values, scales = (numpy_helper.to_array(self._constants[name + end]) for end in ("_q", "_scale"))
        return values, scales

    def dense(self, name: str) -> bert.Dense:
        """A matrix and its bias. Biases kept their names when the model was exported, matrices did not: the graph pairs them."""
        bias = f"{name}.bias"
        (product,) = (self._products[value] for value in self._sums[bias].input if value != bias)
        return bert.Dense(np.ascontiguousarray(self.array(product.input[1]).T), self.array(bias))

    def norm(self, name: str) -> bert.Norm:
        """A layer normalisation."""
        return bert.Norm(self.array(f"{name}.weight"), self.array(f"{name}.bias"))


def _encoder(stored: _Stored) -> bert.Bert:
    start = "inner.embeddings"
    values, scales = stored.quantised(f"{start}.word_embeddings.weight")
    positions = stored.array(f"{start}.position_embeddings.weight") + stored.array(f"{start}.token_type_embeddings.weight")[0]
    return bert.Bert(
        words=bert.ByteWords(values, scales),
        positions=positions,
        norm=stored.norm(f"{start}.LayerNorm"),
        blocks=tuple(_block(stored, f"inner.encoder.layer.{at}") for at in range(_BLOCKS)),
        heads=_HEADS,
        epsilon=_EPSILON,
    )


def _block(stored: _Stored, name: str) -> bert.Block:
    return bert.Block(
        query=stored.dense(f"{name}.attention.self.query"),
        key=stored.dense(f"{name}.attention.self.key"),
        value=stored.dense(f"{name}.attention.self.value"),
        output=stored.dense(f"{name}.attention.output.dense"),
        output_norm=stored.norm(f"{name}.attention.output.LayerNorm"),
        up=stored.dense(f"{name}.intermediate.dense"),
        down=stored.dense(f"{name}.output.dense"),
        down_norm=stored.norm(f"{name}.output.LayerNorm"),
    )
