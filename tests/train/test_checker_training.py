"""Teaching a checker: what claims it is shown, that the false ones differ in one place, that it learns and is exported as it is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.tiny import encoder, tokenizer

from wellread.errors import ModelError
from wellread.models import bert
from wellread.models.adapter import merged, read_adapter, write_adapter
from wellread.models.reranker import OnnxReranker, head_of
from wellread.sentences import sentence_spans
from wellread.train import checker, reranker
from wellread.train import encoder as training
from wellread.train.claims import Row, corrupted, rows_of, stated
from wellread.train.pairs import Question
from wellread.words import content_words

_CLAIM = "In May 1848 the young engineer Maria Keller left the city of Graz and was first hired by Anton Bauer."
_NEAR = "It was there that Karl Huber met Maria Keller in 1852. Huber had built 17 mills."
_FAR = ("Who was the old singer that Eva Lang admired?", "The wired mills of Linz had several thousand spindles.")

_GOLD = (
    "The mill at Lower Ashby, which belonged to Thomas Gray, burned down in March 1850. It was rebuilt by Henry Cole and his two"
    " sons within 14 months (the town lent them the money). After the war, its wheel was sold to a museum in Leeds. No one mills now."
)
_OTHER = "Quinces ripen late. Gardeners from Portugal pickled quinces already around 1377, and Vasco Pereira praised that marmalade."
_ASKED = [
    Question("Who rebuilt the mill after the fire?", "Mill", (_OTHER, _GOLD), 1, ("Henry Cole",)),
    Question("In what year did the mill burn down?", "Mill", (_GOLD, _OTHER), 0, ("1850",)),
    Question("Who was the first miller?", "Mill", (_OTHER,), None, ()),
]


def _differing(one: str, other: str) -> tuple[list[str], list[str]]:
    before, after = one.split(), other.split()
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return before, after


def test_a_corrupted_claim_differs_in_one_place() -> None:
    drawn = [corrupted(_CLAIM, _NEAR, _FAR, random.Random(seed)) for seed in range(400)]
    found = {each for each in drawn if each is not None}
    assert {kind for _, kind in found} == {"name", "number", "role", "opposite", "negation", "word"}
    for changed, kind in found:
        before, after = _differing(_CLAIM, changed)
        if kind == "role":
            assert Counter(changed.rstrip(".").split()) == Counter(_CLAIM.rstrip(".").split()) and changed != _CLAIM
        else:
            assert len(before) <= 2 and len(after) <= 2, changed
        if kind == "negation":
            assert (before, after) == ([], ["not"])
        if kind == "number":
            assert before == ["1848"] and len(after[0]) == 4
        if kind == "name":
            assert " ".join(after).rstrip(".") in _NEAR + _FAR[0] + _FAR[1]
    assert ("first", "last") in {(*_differing(_CLAIM, changed)[0], *_differing(_CLAIM, changed)[1]) for changed, _ in found}


_WORDS = ["May", "may", "MAY", "was", "not", "never", "all", "Maria", "Keller", "of", "Graz", "and", "1850", "3.5", "mills", "several", ","]


@given(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=8).map(" ".join), st.integers(0, 99))
def test_a_corrupted_claim_never_equals_the_claim(claim: str, seed: int) -> None:
    near, far = "Here Anna Keller met Maria in 1850 and 1977.", ("They had tall hills and general Maria Graz.",)
    changed = corrupted(claim, near, far, random.Random(seed))
    assert changed is None or changed[0] != claim


def test_what_is_joined_as_equals_is_not_swapped() -> None:
    claim = "There Maria and Anton, Karl or Eva sang."
    swapped = {each[0] for seed in range(300) if (each := corrupted(claim, "", (), random.Random(seed))) and each[1] == "role"}
    assert "There Karl and Anton, Maria or Eva sang." in swapped
    assert not swapped & {"There Anton and Maria, Karl or Eva sang.", "There Maria and Anton, Eva or Karl sang."}


def test_a_claim_that_was_negated_is_stated_again() -> None:
    found = {corrupted("it was never so", "", (), random.Random(seed)) for seed in range(60)}
    assert ("it was so", "negation") in found


@pytest.mark.parametrize(
    ("question", "answer", "claim"),
    [
        ("Who rebuilt the mill?", "Henry Cole", "Henry Cole rebuilt the mill."),
        ("What river flows through Graz?", "The Mur", "The Mur river flows through Graz."),
        ("In what year did the mill burn down?", "1850", "In 1850 the mill burn down."),
        ("How many sons did Henry Cole have?", "two", "Two sons Henry Cole have."),
        ("When was the mill rebuilt?", "1851", "The mill was rebuilt in 1851."),
        ("Why did the mill close?", "the war", "The mill close because of the war."),
        ("What is the tallest tower that can be climbed?", "the belfry", "The belfry is the tallest tower that can be climbed."),
        ("Name the river.", "the Mur", None),
    ],
)
def test_a_question_and_its_answer_become_a_statement(question: str, answer: str, claim: str | None) -> None:
    assert stated(question, answer) == claim


def test_true_claims_are_made_of_the_right_paragraph_only_and_their_texts_say_them() -> None:
    rows = [row for seed in range(80) for row in rows_of(_ASKED, random.Random(seed))]
    assert {(row.origin, row.kind) for row in rows} >= {("answer", "true"), ("answer", "answer"), ("answer", "elsewhere")}
    assert {(row.origin, row.kind) for row in rows} >= {("sentence", "true"), ("sentence", "elsewhere"), ("sentence", "role")}
    answers = {"Henry Cole", "1850"}
    for row in rows:
        assert row.label == (row.kind == "true")
        assert all(row.evidence[start:end] in _GOLD for start, end in sentence_spans(row.evidence))
        said = set(content_words(row.evidence))
        if row.label and row.origin == "sentence":
            assert set(content_words(row.claim)) <= said, row
        elif row.label:
            asked = {word for each in _ASKED for word in content_words(each.text)}
            assert any(answer in row.claim and answer in row.evidence for answer in answers), row
            assert set(content_words(row.claim)) <= said | asked, row
        elif row.kind == "answer":
            assert not any(answer in row.claim for answer in answers), row
        elif row.kind == "elsewhere" and row.origin == "answer":
            assert not any(answer in row.claim and answer in row.evidence for answer in answers), row
    assert not rows_of(_ASKED[2:], random.Random(0))


def test_rows_are_the_same_for_the_same_seed() -> None:
    one, again, other = (rows_of(_ASKED * 5, random.Random(seed)) for seed in (1, 1, 2))
    assert one == again != other


def _row(claim: str, evidence: str, label: bool) -> Row:
    return Row(claim, evidence, label, "sentence", "true" if label else "name")


_ROWS = [
    _row("cat sat", "cat sat mat", True),
    _row("dog sat", "dog sat mat", True),
    _row("mat sat", "what mat sat", True),
    _row("dog sat", "cat sat mat", False),
    _row("cat sat", "dog sat mat", False),
    _row("cat sat", "what mat sat", False),
]


def test_every_row_is_drawn_before_any_comes_again() -> None:
    steps = list(training.drawn(range(5), 3, 10, random.Random(3)))
    flat = [each for step in steps for each in step]
    assert [len(step) for step in steps] == [3] * 10
    assert all(sorted(flat[at : at + 5]) == [0, 1, 2, 3, 4] for at in range(0, 30, 5))
    assert flat[:5] != flat[5:10]


def test_a_verdict_holds_false_claims_against_true_ones_of_the_same_origin() -> None:
    rows = [
        Row("5", "", True, "sentence", "true"),
        Row("3", "", True, "sentence", "true"),
        Row("3", "", False, "sentence", "role"),
        Row("1", "", False, "sentence", "name"),
        Row("4", "", False, "sentence", "name"),
        Row("0", "", True, "answer", "true"),
        Row("9", "", False, "answer", "elsewhere"),
    ]
    assert checker.judge(lambda some: np.array([float(row.claim) for row in some], np.float32), rows) == [
        checker.Verdict("answer", "elsewhere", 0.0, 1),
        checker.Verdict("sentence", "name", 0.75, 2),
        checker.Verdict("sentence", "role", 0.75, 1),
    ]


def test_a_checker_learns_and_is_exported_as_it_is(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from tokenizers import Tokenizer

    torch.set_num_threads(1)
    base = encoder(np.random.default_rng(0))
    tokenizer(tmp_path / "tokenizer.json")
    words = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    def run(steps: int) -> tuple[Any, list[float]]:
        network, losses = reranker.Network(base, rank=4, seed=1), []
        each = (checker.loss_of(network.logits(batch.texts), batch) for batch in checker.batches(_ROWS, words, steps, 1))
        training.train(network.trained(), each, steps, lambda at, loss: losses.append(loss), rate=2e-2)
        return network, losses

    def logits(network: Any, rows: Sequence[Row]) -> Any:
        with torch.no_grad():
            return network.logits(checker.batch_of(rows, words).texts).numpy()

    network, losses = run(60)
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:10])
    assert run(8)[1] == run(8)[1]  # the seed decides everything
    ours = logits(network, _ROWS)
    assert ours[:3].min() > 0 > ours[3:].max()

    write_adapter(network.learned(), tmp_path / "checker.npz")
    learned = read_adapter(tmp_path / "checker.npz")
    bert.save(merged(base, learned), tmp_path / "model.onnx", precision="float32")
    exported = OnnxReranker(tmp_path / "model.onnx", tmp_path / "tokenizer.json", name="new", max_tokens=32, head=head_of(learned))
    theirs = [float(exported.logits(row.claim, [row.evidence])[0]) for row in _ROWS]
    np.testing.assert_allclose(theirs, ours, atol=0.05)  # the changes are kept in 16 bits

    texts = checker.batch_of(_ROWS, words).texts
    begun, fresh = reranker.Network(base, rank=4, seed=2, start=learned), reranker.Network(base, rank=4, seed=2)
    with torch.no_grad():
        trained, *others = (each.encoder.hidden(texts).numpy() for each in (network, begun, fresh))
    np.testing.assert_allclose(others[0], trained, atol=0.02)
    assert np.abs(others[1] - trained).max() > 0.5
    with pytest.raises(ModelError, match="do not fit"):
        reranker.Network(base, rank=5, seed=2, start=learned)
