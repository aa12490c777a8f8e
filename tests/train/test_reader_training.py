"""Teaching a reader: what it is shown, what its loss asks for, and that it learns and is exported as it is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.tiny import WORDS, encoder, tokenizer

from wellread.models import bert
from wellread.models.adapter import merged, read_adapter, write_adapter
from wellread.models.reader import OnnxReader
from wellread.train.pairs import Question
from wellread.train.twins import twin

_WHERE = Question("where cat", "", ("cat sat mat",), 0, ("mat",))
_WHAT = Question("what sat", "", ("dog sat mat",), 0, ("dog",))
_NONE = Question("where dog", "", ("cat sat mat",), None, ())


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("When was the oldest bridge built?", ["Who won?"]),
        ("In which year did Maria Keller join Acme?", ["When did John Ash leave Berlin?"]),
        ("What was signed on 3 May 1791?", ["What happened in 1848?"]),
    ],
)
def test_a_twin_differs_in_one_place(question: str, others: list[str]) -> None:
    found = {changed for seed in range(60) if (changed := twin(question, others, random.Random(seed))) is not None}
    assert len(found) > 1 and question not in found
    for changed in found:
        before, after = question.split(), changed.split()
        while before and after and before[0] == after[0]:
            before, after = before[1:], after[1:]
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        assert len(before) <= 2 and len(after) <= 3


def test_a_question_without_anything_to_change_has_no_twin() -> None:
    assert {twin("which colour", ["why"], random.Random(seed)) for seed in range(30)} == {None}


def test_cases_show_the_right_passage_first_and_none_that_holds_the_answer_besides() -> None:
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from wellread.train.reader import cases_of

    long = "The mill burned down in 1850. " + "It was rebuilt by hand and ran until the war, as the town's book of trades tells us. " * 8
    question = Question("When did the mill burn down?", "Mill", ("Mills grind corn.", long, "A fire of 1850 is known."), 1, ("1850",))
    case, *twins = cases_of([question, question], random.Random(1))
    (start, end), *_ = case.spans
    assert case.passages[0][start:end] == "1850" and "mill burned" in case.passages[0]
    assert not any("1850" in passage for passage in case.passages[1:]) and "Mills grind corn." in case.passages
    assert all(not each.spans or each.question == question.text for each in twins)


def test_a_reader_learns_and_is_exported_as_it_is(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from tokenizers import Tokenizer

    from wellread.train import encoder as training
    from wellread.train import reader

    torch.set_num_threads(1)
    base = encoder(np.random.default_rng(0))
    tokenizer(tmp_path / "tokenizer.json")
    words = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    cases = reader.cases_of([_WHERE, _WHAT, _NONE], random.Random(0))

    def run() -> tuple[Any, list[float]]:
        network, losses = reader.Network(base, rank=4, seed=1), []
        each = (reader.loss_of(network.logits(batch.texts), batch) for batch in reader.batches(cases, words, 80, 1))
        training.train(network.trained(), each, 80, lambda at, loss: losses.append(loss), rate=2e-2)
        return network, losses

    network, losses = run()
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:10])
    assert losses == run()[1]  # the seed decides everything
    write_adapter(network.learned(), tmp_path / "reader.npz")
    bert.save(merged(base, read_adapter(tmp_path / "reader.npz")), tmp_path / "model.onnx", precision="float32")
    exported = OnnxReader(tmp_path / "reader.npz", tmp_path / "model.onnx", tmp_path / "tokenizer.json")
    (where,), (what,), (none,) = (exported.read(each.text, each.paragraphs, [""]) for each in (_WHERE, _WHAT, _NONE))
    assert ("cat sat mat"[where.start : where.end], "dog sat mat"[what.start : what.end]) == ("mat", "dog")
    assert none.score < 0 < min(where.score, what.score)
    with torch.no_grad():
        starts, ends = (each.numpy() for each in network.logits(training.encode(words, [(_WHERE.text, _WHERE.paragraphs[0])])))
    mat = 6  # [CLS] where cat [SEP] cat sat mat [SEP]
    assert len(starts) == 8 and "cat" in WORDS
    assert where.score == pytest.approx((starts[mat] + ends[mat]) / 2, abs=0.02)
