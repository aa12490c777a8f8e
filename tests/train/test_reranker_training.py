"""Training a reranker: what it may learn from, and that a network in torch is the graph that is shipped."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellread.models import bert
from wellread.models.fake import HashEmbedder
from wellread.train.pairs import Lesson, make_lesson, read_lesson, read_questions, without_evaluation, write_lesson

_RIVER = (
    "The Elbe rises in the Giant Mountains at 1,386 metres and flows through Bohemia, then through Dresden and Hamburg, to the North Sea."
)
_TOWER = "The tower of the old town hall in Brno was built in 1240 and is 63 metres tall; a crocodile hangs under its arch."
_BREAD = "Sourdough is raised by wild yeast and by bacteria that make lactic acid, which keeps the loaf from going stale for several days."
_MINE = "The salt mine at Wieliczka was worked for seven centuries and has a chapel with chandeliers of salt crystal, far below the ground."


def _write(path: Path, items: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items))


def _asked(question: str, answers: list[str], gold: int | None, *texts: str) -> dict[str, Any]:
    sources = [{"n": at + 1, "text": text} for at, text in enumerate(texts)]
    return {"question": question, "title": "Some_Title", "sources": sources, "gold_source": gold, "answers": answers}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    _write(
        tmp_path / "grounded_qa/train.jsonl",
        [
            _asked("Where does the Elbe rise?", ["Giant Mountains"], 1, _RIVER, _TOWER),
            _asked("How tall is the tower in Brno?", ["63 metres"], 2, _RIVER, _TOWER),
            _asked("Who built the tower?", [], None, _RIVER, _MINE),
        ],
    )
    _write(tmp_path / "halueval_qa/data.jsonl", [{"question": "What raises sourdough?", "context": _BREAD, "right_answer": "wild yeast"}])
    _write(tmp_path / "exam/queries.jsonl", [])
    _write(tmp_path / "exam/corpus.jsonl", [])
    return tmp_path


def test_a_lesson_names_the_passage_that_answers_and_calls_no_right_one_wrong(data: Path, tmp_path: Path) -> None:
    lesson = make_lesson(read_questions(data), HashEmbedder())
    elbe, brno, builder, bread = lesson.groups
    assert lesson.text(elbe.gold or 0) == f"Some Title\n{_RIVER}"
    assert lesson.text(brno.gold or 0) == f"Some Title\n{_TOWER}"
    assert lesson.text(bread.gold or 0) == _BREAD
    assert builder.gold is None
    assert len(elbe.found) == 4  # its own passage among them, none twice
    assert list(elbe.scores) == sorted(elbe.scores, reverse=True)
    write_lesson(lesson, tmp_path / "lesson.json")
    assert read_lesson(tmp_path / "lesson.json") == lesson


def test_a_passage_with_the_answer_in_it_is_not_called_wrong(data: Path) -> None:
    other = "Besides the Labe, the Giant Mountains are where the Upa begins its way."
    _write(data / "grounded_qa/train.jsonl", [_asked("Where does the Elbe rise?", ["Giant Mountains"], 1, _RIVER, other, _TOWER)])
    lesson = make_lesson(read_questions(data), HashEmbedder())
    found = [lesson.passages[number][1] for number in lesson.groups[0].found]
    assert _RIVER in found
    assert _TOWER in found
    assert other not in found


def test_what_an_evaluation_set_holds_is_not_learned_from(data: Path) -> None:
    questions = read_questions(data)
    assert without_evaluation(questions, data, ["exam"]) == (questions, {"question": 0, "paragraph": 0})
    _write(data / "exam/queries.jsonl", [{"id": "1", "text": "how tall is the tower, in Brno"}])
    _write(data / "exam/corpus.jsonl", [{"id": "1", "text": "Baking. " + _BREAD.upper() + " So it is."}])
    kept, dropped = without_evaluation(questions, data, ["exam"])
    assert [each.text for each in kept] == ["Where does the Elbe rise?", "Who built the tower?"]
    assert dropped == {"question": 1, "paragraph": 1}


def _encoder(chance: np.random.Generator, words: int) -> bert.Bert:
    def dense(outputs: int, inputs: int) -> bert.Dense:
        return bert.Dense(*(chance.normal(0, 0.2, shape).astype(np.float32) for shape in ((outputs, inputs), (outputs,))))

    def norm() -> bert.Norm:
        return bert.Norm(chance.normal(1, 0.1, 16).astype(np.float32), chance.normal(0, 0.1, 16).astype(np.float32))

    return bert.Bert(
        words=bert.ByteWords(chance.integers(-127, 127, (words, 16), np.int8), np.full((words, 1), 0.01, np.float32)),
        positions=chance.normal(0, 0.1, (200, 16)).astype(np.float32),
        norm=norm(),
        blocks=tuple(
            bert.Block(
                **{name: dense(16, 16) for name in ("query", "key", "value", "output")},
                output_norm=norm(),
                up=dense(64, 16),
                down=dense(16, 64),
                down_norm=norm(),
            )
            for _ in range(2)
        ),
        heads=2,
        epsilon=1e-12,
    )


def _tokenizer(lesson: Lesson) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = sorted({word for _, text in lesson.passages for word in text.split()})
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *words])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(100)
    return tokenizer


def test_the_network_is_the_graph_learns_and_is_exported_as_it_is(data: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from wellread.models.adapter import merged
    from wellread.models.reranker import OnnxReranker, head_of
    from wellread.train import encoder, reranker

    torch.set_num_threads(1)
    lesson = make_lesson(read_questions(data), HashEmbedder())
    tokenizer = _tokenizer(lesson)
    base = _encoder(np.random.default_rng(0), tokenizer.get_vocab_size())

    def run() -> tuple[Any, list[float]]:
        network, losses = reranker.Network(base, rank=4, seed=1), []
        batches = reranker.steps_of(lesson, tokenizer, 60, 1)
        each = (reranker.loss_of(network.logits(batch.texts), batch) for batch in batches)
        encoder.train(network.trained(), each, 60, lambda at, loss: losses.append(loss), rate=1e-2)
        return network, losses

    fresh = reranker.Network(base, rank=4, seed=1)
    batch = next(reranker.steps_of(lesson, tokenizer, 1, 1))
    assert encoder.drift(fresh.encoder, base, batch.texts, tmp_path) < 1e-5
    network, losses = run()
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    again, same = run()
    assert losses == same  # the seed decides everything
    learned = network.learned()
    np.testing.assert_array_equal(learned.head["weight"], again.learned().head["weight"])
    assert all(np.abs(change.up).max() > 0 for block in learned.blocks for change in block.values())

    bert.save(merged(base, learned), tmp_path / "model.onnx", precision="float32")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    exported = OnnxReranker(tmp_path / "model.onnx", tmp_path / "tokenizer.json", name="new", max_tokens=100, head=head_of(learned))
    question, texts = "Where does the Elbe rise?", [text for _, text in lesson.passages]
    with torch.no_grad():
        ours = network.logits(encoder.encode(tokenizer, [(question, text) for text in texts])).numpy()
    np.testing.assert_allclose(exported.logits(question, texts), ours, atol=1e-4)


def test_the_loss_counts_none_of_them_as_a_choice() -> None:
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from wellread.train.encoder import Texts
    from wellread.train.reranker import Batch, loss_of

    nothing = np.zeros(0, np.int64)
    logits = torch.tensor([2.0, 0.0, -1.0, 1.0])
    answered = float(np.log(1 + np.exp([2.0, 0.0]).sum()) - 2.0)
    unanswered = float(np.log(1 + np.exp([-1.0, 1.0]).sum()))
    batch = Batch(Texts(nothing, nothing, nothing, ()), lists=(2, 2), right=(0, None))
    assert float(loss_of(logits, batch)) == pytest.approx((answered + unanswered) / 2)


def test_a_drawn_question_has_its_right_passage_first_and_wrong_ones_after(data: Path) -> None:
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from wellread.train.reranker import drawn

    lesson = make_lesson(read_questions(data), HashEmbedder())
    chance = random.Random(5)
    seen = [drawn(lesson, lesson.groups, chance) for _ in range(200)]
    right = {group.question: lesson.passages[group.gold][1] for group in lesson.groups if group.gold is not None}
    for question, texts, gold in seen:
        assert (gold == 0) == (question in right)
        assert gold is None or texts[0].endswith(right[question])
        assert gold is None or not any(text.endswith(right[question]) for text in texts[1:-1])
    assert 0 < sum(gold is None for *_, gold in seen) < 60
