"""The embedder on a tiny graph and a tiny tokenizer, both real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from wellread.errors import ModelError, ModelMissing
from wellread.models import bert
from wellread.models.base import Embedder
from wellread.models.embedder import OnnxEmbedder

_WORDS = ["[CLS]", "[SEP]", "[UNK]", "query", "passage", ":", "cat", "dog", "sun", "moon", "[", "]", "SEP"]
_TEXTS = st.lists(st.lists(st.sampled_from(_WORDS[3:10]), max_size=12).map(" ".join), min_size=1, max_size=6)


def _save_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[UNK]"])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(path))


def _save_model(path: Path, *, dead: bool = False) -> None:
    rng = np.random.default_rng(7)

    def floats(*shape: int) -> bert.Floats:
        return rng.normal(size=shape).astype(np.float32) / 4

    def norm() -> bert.Norm:
        return bert.Norm(np.full(32, 0 if dead else 1, np.float32), np.zeros(32, np.float32) if dead else floats(32))

    dense = [bert.Dense(floats(32, 32), floats(32)) for _ in range(6)]
    block = bert.Block(dense[0], dense[1], dense[2], dense[3], norm(), dense[4], dense[5], norm())
    words = bert.ByteWords(rng.integers(-127, 128, (len(_WORDS), 32), dtype=np.int8), np.full((len(_WORDS), 1), 0.01, np.float32))
    bert.save(bert.Bert(words, floats(16, 32), norm(), (block,), 2, 1e-12), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    _save_model(folder / "model.onnx")
    _save_tokenizer(folder / "tokenizer.json")
    return folder / "model.onnx", folder / "tokenizer.json"


def _load(files: tuple[Path, Path], *, max_tokens: int = 16, workers: int = 1, query_prefix: str = "") -> OnnxEmbedder:
    return OnnxEmbedder(*files, name="tiny", max_tokens=max_tokens, workers=workers, query_prefix=query_prefix)


def test_vector_is_the_mean_of_the_token_vectors(files: tuple[Path, Path]) -> None:
    embedder: Embedder = _load(files)
    session = onnxruntime.InferenceSession(str(files[0]), providers=["CPUExecutionProvider"])
    (hidden,) = session.run(None, {"input_ids": np.array([[0, 6, 7, 1]])})
    mean = hidden[0].mean(axis=0)
    vectors = embedder.embed(["cat dog"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (1, embedder.dimensions) == (1, 32)
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(texts=_TEXTS)
def test_a_vector_depends_on_its_text_only(files: tuple[Path, Path], texts: list[str]) -> None:
    one, three = _load(files), _load(files, workers=3)
    together = one.embed(texts)
    alone = np.concatenate([one.embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes() == three.embed(texts).tobytes()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)


def test_no_text_and_empty_text(files: tuple[Path, Path]) -> None:
    embedder = _load(files)
    assert embedder.embed([]).shape == (0, 32)
    assert np.isfinite(embedder.embed([""])).all()


def test_a_vector_of_zeros_stays_zero(files: tuple[Path, Path], tmp_path: Path) -> None:
    _save_model(tmp_path / "dead.onnx", dead=True)
    assert not _load((tmp_path / "dead.onnx", files[1])).embed(["cat", ""]).any()


def test_query_prefix(files: tuple[Path, Path]) -> None:
    prefixed, plain = _load(files, query_prefix="query: "), _load(files)
    assert prefixed.embed(["cat"], query=True).tobytes() == plain.embed(["query: cat"]).tobytes()
    assert prefixed.embed(["cat"]).tobytes() == plain.embed(["cat"]).tobytes()


def test_long_texts_are_cut_and_counted(files: tuple[Path, Path]) -> None:
    embedder = _load(files, max_tokens=5)
    vectors = embedder.embed(["cat dog sun", "cat dog sun moon", "cat dog sun moon moon"])
    assert embedder.truncated == 2
    assert vectors[0].tobytes() == vectors[1].tobytes() == vectors[2].tobytes()
    embedder.embed(["cat " * 50])
    assert embedder.truncated == 3


def test_markers_inside_a_text_are_text(files: tuple[Path, Path]) -> None:
    embedder = _load(files)
    assert embedder.embed(["cat [SEP] dog"]).tobytes() == embedder.embed(["cat [ SEP ] dog"]).tobytes()


def test_files_that_are_missing_or_broken(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, tokenizer = files
    with pytest.raises(ModelMissing, match=r"gone\.onnx"):
        _load((tmp_path / "gone.onnx", tokenizer))
    broken = tmp_path / "broken"
    broken.write_bytes(model.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        _load((broken, tokenizer))
    assert caught.value.hint
    with pytest.raises(ModelError, match="is not a tokenizer"):
        _load((model, broken))


def test_a_failing_run_is_a_model_error(files: tuple[Path, Path]) -> None:
    embedder = _load(files, max_tokens=64)
    with pytest.raises(ModelError, match="reading a text failed"):
        embedder.embed(["cat " * 40])  # the graph knows 16 positions
