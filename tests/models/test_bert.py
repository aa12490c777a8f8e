"""The encoder graph against the same encoder written out in numpy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.models import bert


def _random(seed: int, *, width: int, heads: int, inner: int, blocks: int, nibbles: bool) -> bert.Bert:
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> bert.Floats:
        return rng.normal(size=shape).astype(np.float32)

    def dense(outputs: int, inputs: int) -> bert.Dense:
        return bert.Dense(floats(outputs, inputs) / np.float32(math.sqrt(inputs)), floats(outputs) / 10)

    def norm() -> bert.Norm:
        return bert.Norm(1 + floats(width) / 10, floats(width) / 10)

    def block() -> bert.Block:
        square = [dense(width, width) for _ in range(4)]
        return bert.Block(*square, norm(), dense(inner, width), dense(width, inner), norm())

    words: bert.ByteWords | bert.NibbleWords
    if nibbles:
        entries = rng.integers(0, 256, (50, width // 32, 16), dtype=np.uint8)
        words = bert.NibbleWords(entries, rng.uniform(0.1, 0.3, (50, width // 32, 1)).astype(np.float16))
    else:
        words = bert.ByteWords(rng.integers(-127, 128, (50, width), dtype=np.int8), np.abs(floats(50, 1)) / 50)
    return bert.Bert(words, floats(20, width), norm(), tuple(block() for _ in range(blocks)), heads, 1e-12)


def _word_vectors(words: bert.ByteWords | bert.NibbleWords, ids: np.ndarray) -> np.ndarray:
    if isinstance(words, bert.ByteWords):
        return words.values[ids] * words.scales[ids]
    rows = []
    for word in ids:
        row = []
        for block, scale in zip(words.nibbles[word], words.scales[word, :, 0], strict=True):
            row += [(int(byte) % 16 - 8) * float(scale) for byte in block]
            row += [(int(byte) // 16 - 8) * float(scale) for byte in block]
        rows.append(row)
    return np.array(rows)


def _reference(model: bert.Bert, ids: np.ndarray) -> np.ndarray:
    def norm(x: np.ndarray, by: bert.Norm) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + model.epsilon) * by.gain + by.bias

    def dense(x: np.ndarray, by: bert.Dense) -> np.ndarray:
        return x @ by.weight.T + by.bias

    erf = np.vectorize(math.erf)
    x = norm(_word_vectors(model.words, ids) + model.positions[: len(ids)], model.norm)
    for block in model.blocks:
        q, k, v = (np.split(dense(x, by), model.heads, axis=1) for by in (block.query, block.key, block.value))
        mixed = []
        for query, key, value in zip(q, k, v, strict=True):
            weights = np.exp(query @ key.T / math.sqrt(query.shape[1]))
            mixed.append(weights / weights.sum(1, keepdims=True) @ value)
        x = norm(x + dense(np.concatenate(mixed, axis=1), block.output), block.output_norm)
        raised = dense(x, block.up)
        x = norm(x + dense(raised * 0.5 * (1 + erf(raised / math.sqrt(2))), block.down), block.down_norm)
    return x


def _run(path: Path, ids: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (hidden,) = session.run(["last_hidden_state"], {"input_ids": ids[None]})
    return np.asarray(hidden[0])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    heads=st.sampled_from([1, 2, 4]),
    blocks=st.integers(1, 3),
    nibbles=st.booleans(),
    ids=st.lists(st.integers(0, 49), min_size=1, max_size=20),
)
def test_graph_computes_what_the_formulas_say(
    tmp_path_factory: pytest.TempPathFactory, seed: int, heads: int, blocks: int, nibbles: bool, ids: list[int]
) -> None:
    model = _random(seed, width=64, heads=heads, inner=96, blocks=blocks, nibbles=nibbles)
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    tokens = np.array(ids)
    expected = _reference(model, tokens)
    bert.save(model, path, precision="float32")
    np.testing.assert_allclose(_run(path, tokens), expected, atol=2e-4)
    bert.save(model, path)
    rounded = _run(path, tokens)
    assert (rounded * expected).sum() / np.linalg.norm(rounded) / np.linalg.norm(expected) > 0.999


def test_int8_file_is_smaller_and_the_same_every_time(tmp_path: Path) -> None:
    model = _random(1, width=64, heads=2, inner=256, blocks=2, nibbles=False)
    first, second, wide = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    bert.save(model, first)
    bert.save(model, second)
    bert.save(model, wide, precision="float32")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < wide.stat().st_size / 2


def test_outputs_that_are_all_zero_stay_zero(tmp_path: Path) -> None:
    """A matrix row of zeros, and a token whose values are all zero, must not divide by zero."""
    model = _random(2, width=64, heads=2, inner=64, blocks=1, nibbles=False)
    block = model.blocks[0]
    block.up.weight[:] = 0
    block.up.bias[:] = 0
    path = tmp_path / "model.onnx"
    bert.save(model, path)
    ids = np.array([3, 4, 5])
    np.testing.assert_allclose(_run(path, ids), _reference(model, ids), atol=0.1)


def test_write_whole_replaces_or_leaves_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    bert.write_whole(path, b"old")
    bert.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    taken = tmp_path / "folder"
    taken.mkdir()
    with pytest.raises(OSError):
        bert.write_whole(taken, b"x")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "folder", "new"]
