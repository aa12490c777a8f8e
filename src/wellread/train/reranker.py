"""Teaching the weights of all-MiniLM-L6-v2, which every user has, to read a question and a passage together.

    python -m wellread.train.reranker DATA OUT [--steps N] [--seed N]

Only low-rank changes of its matrices are learned, so the outcome is small: see `wellread.models.adapter`.
The loss is listwise: softmax over the passages of one question and a "none of them" whose logit is 0,
which also sets the scale of the logits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.models import bert, minilm
from wellread.models.adapter import Adapter, merged, read_adapter
from wellread.models.embedder import OnnxEmbedder
from wellread.models.files import Pulled
from wellread.models.reranker import OnnxReranker, head_of
from wellread.train.encoder import Encoder, Texts, drift, encode
from wellread.train.pairs import Group, Lesson, make_lesson, read_lesson, read_questions, write_lesson
from wellread.train.run import Begun, arguments, begin, learn, to_learn_from

RANK = 16
MAX_TOKENS = 176
"""The longest question with a passage, in tokens: a passage of 500 characters has about 120."""

_LISTED = 5  # passages of a question that are compared in one step, the right one among them
_QUESTIONS = 6  # in a step
_RATE = 1e-3
_STEEP = 10.0
_UNTITLED = 0.25  # of the questions see passages without their titles
_UNANSWERED = 0.1  # of the questions have no right passage
_HELD_QUESTIONS = 100
_JUDGED = 20  # passages of a held-out question
_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions with their passages, as pairs. `lists` is the number of pairs of each question and `right` which of them is, or None."""

    texts: Texts
    lists: tuple[int, ...]
    right: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Mean reciprocal rank of the right passage: by the logits `alone`, and by the search's score plus a weight times the logit, for
    several weights (`fused`). And the logits, of all questions one after the other."""

    alone: float
    fused: dict[float, float]
    logits: NDArray[np.float32]


class Network:
    """The encoder and a head that makes one logit of a pair, both learned; see `wellread.models.reranker.Head`."""

    def __init__(self, base: bert.Bert, *, rank: int, seed: int, start: Adapter | None = None) -> None:
        """Begun from the changes of an adapter, if `start` is one; its head is not taken."""
        import torch

        self.encoder = Encoder(base, rank=rank, seed=seed, start=start)
        width = self.encoder.width
        # The head begins as the cosine of question and passage, which is what the weights were made for, times _STEEP.
        self._steep = torch.cat([torch.ones(width), torch.full((width,), _STEEP)])
        self.head = torch.cat([torch.zeros(width), torch.ones(width)]).requires_grad_()
        self.bias = torch.tensor([-0.5]).requires_grad_()

    def learned(self) -> Adapter:
        """What was learned so far, as arrays."""
        head = {"weight": (self.head * self._steep).detach().numpy().copy(), "bias": np.float32(float(self.bias.detach()) * _STEEP)}
        return Adapter(self.encoder.learned(), {name: np.asarray(values, np.float32) for name, values in head.items()})

    def trained(self) -> list[Any]:
        """Every tensor that learns."""
        return [self.head, self.bias, *self.encoder.trained()]

    def logits(self, texts: Texts) -> Any:
        """One for each pair, float32 [pairs]."""
        import torch

        x = self.encoder.hidden(texts)
        firsts = x[torch.from_numpy(texts.starts[:-1])]
        lengths = np.diff(texts.starts)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        places = np.arange(len(texts.ids)) - texts.starts[owners]
        second = places >= texts.seconds[owners]
        asked, told = (_means(x, owners, chosen, len(lengths)) for chosen in (~second, second))
        both = torch.nn.functional.normalize(asked, dim=1) * torch.nn.functional.normalize(told, dim=1)
        return torch.cat([firsts, both], dim=1) @ (self.head * self._steep) + self.bias * _STEEP


def _means(x: Any, owners: NDArray[np.int64], chosen: NDArray[np.bool_], pairs: int) -> Any:
    import torch

    where = torch.from_numpy(owners[chosen])
    counts = torch.from_numpy(np.bincount(owners[chosen], minlength=pairs).astype(np.float32))
    return x.new_zeros(pairs, x.shape[1]).index_add(0, where, x[torch.from_numpy(chosen)]) / counts[:, None]


def drawn(lesson: Lesson, groups: Sequence[Group], chance: random.Random) -> tuple[str, list[str], int | None]:
    """A question with passages to compare: the right one first, the wrong ones rather from the top of what was found."""
    group = chance.choice(groups)
    while group.gold is None and chance.random() > _UNANSWERED:
        group = chance.choice(groups)
    wrong = [number for number in group.found if number != group.gold]
    weights = [1 / (at + 5) for at in range(len(wrong))]
    picked: list[int] = [] if group.gold is None else [group.gold]
    while len(picked) < _LISTED - 1 and wrong:
        (number,) = chance.choices(wrong, weights)
        weights.pop(wrong.index(number))
        wrong.remove(number)
        picked.append(number)
    picked.append(chance.randrange(len(lesson.passages)))
    untitled = chance.random() < _UNTITLED
    texts = [lesson.passages[number][1] if untitled else lesson.text(number) for number in picked]
    return group.question, texts, None if group.gold is None else 0


def loss_of(logits: Any, batch: Batch) -> Any:
    """The mean over questions of the cross-entropy of "none" (logit 0) and the passages of each."""
    import torch

    wrong_of = []
    for part, right in zip(torch.split(logits, list(batch.lists)), batch.right, strict=True):
        wrong_of.append(torch.logsumexp(torch.cat([part.new_zeros(1), part]), 0) - (0 if right is None else part[right]))
    return torch.stack(wrong_of).mean()


def steps_of(lesson: Lesson, tokenizer: Any, steps: int, seed: int) -> Iterator[Batch]:
    """The batches of a training run: the same for the same seed."""
    chance = random.Random(seed)
    groups = [group for group in lesson.groups if not group.held and len(group.found) > 1]
    for _ in range(steps):
        picked = [drawn(lesson, groups, chance) for _ in range(_QUESTIONS)]
        pairs = [(question, text) for question, texts, _ in picked for text in texts]
        yield Batch(encode(tokenizer, pairs), tuple(len(texts) for _, texts, _ in picked), tuple(right for *_, right in picked))


def judge(score: Callable[[str, Sequence[str]], NDArray[np.float32]], lesson: Lesson, groups: Sequence[Group]) -> Verdict:
    """How well `score` orders what was found for held-out questions, by itself and added to the search's own scores."""
    alone, fused, scored = [], [], []
    for group in groups:
        if group.gold not in group.found[:_JUDGED]:
            continue
        found = group.found[:_JUDGED]
        right = found.index(group.gold)
        logits = score(group.question, [lesson.text(number) for number in found])
        scored.append(logits)
        alone.append(_reciprocal(logits, right))
        sums = [np.array(group.scores[:_JUDGED]) + weight * logits for weight in _WEIGHTS]
        fused.append([_reciprocal(each, right) for each in sums])
    if not scored:
        raise ValueError("no held-out question has its passage among those found")
    means = np.mean(fused, axis=0)
    return Verdict(float(np.mean(alone)), dict(zip(_WEIGHTS, map(float, means), strict=True)), np.concatenate(scored))


def _reciprocal(scores: NDArray[Any], right: int) -> float:
    return 1.0 / (1 + int((scores > scores[right]).sum()))


def _rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's."""
    return float(np.corrcoef(one.argsort().argsort(), other.argsort().argsort())[0, 1])


def main() -> int:
    """Train, write `reranker.npz`, and say how good it is. Returns 0, or 1 when a gate does not hold."""
    asked = arguments("reranker", data="grounded_qa, halueval_qa", steps=400, size=f"{_QUESTIONS} questions").parse_args()
    begun = begin(asked.out, MAX_TOKENS)
    lesson = _lesson(asked.data, asked.out, begun.pulled)
    network = Network(begun.base, rank=RANK, seed=asked.seed)
    apart = drift(network.encoder, begun.base, next(steps_of(lesson, begun.tokenizer, 1, asked.seed)).texts, asked.out)
    print(f"gate: the network differs from the graph by {apart:.1e}")
    if apart > 1e-3:
        return 1
    batches = steps_of(lesson, begun.tokenizer, asked.steps, asked.seed)
    losses = (loss_of(network.logits(batch.texts), batch) for batch in batches)
    learn(network, losses, asked.steps, asked.out / "reranker.npz", rate=_RATE)
    return _report(network, begun, lesson, asked.out)


def _report(network: Network, begun: Begun, lesson: Lesson, out: Path) -> int:
    """Compare the network with what was exported, on held-out questions."""
    import torch

    held = [group for group in lesson.groups if group.held and group.gold is not None][:_HELD_QUESTIONS]

    def trained(question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(network.logits(encode(begun.tokenizer, [(question, text) for text in texts])).numpy())

    learned = read_adapter(out / "reranker.npz")
    bert.save(merged(begun.base, learned), out / "model.onnx")
    exported = OnnxReranker(out / "model.onnx", begun.pulled.paths["tokenizer"], name="new", max_tokens=MAX_TOKENS, head=head_of(learned))
    ours, theirs = judge(trained, lesson, held), judge(exported.logits, lesson, held)
    agreement = _rank_correlation(ours.logits, theirs.logits)
    print(f"held out: MRR of the network {ours.alone:.3f}, exported {theirs.alone:.3f}; rank correlation {agreement:.4f}")
    print("added to the search's scores, by weight:", ", ".join(f"{weight}: {mean:.3f}" for weight, mean in theirs.fused.items()))
    return 0 if agreement > 0.98 else 1


def _lesson(data: Path, out: Path, pulled: Pulled) -> Lesson:
    """Made once and kept in `out`."""
    path = out / "lesson.json"
    if not path.exists():
        questions = to_learn_from(read_questions(data), data)
        graph = out / "embedder.onnx"
        minilm.convert(pulled.paths["model"], graph)
        embedder = OnnxEmbedder(graph, pulled.paths["tokenizer"], name=minilm.NAME, max_tokens=minilm.MAX_TOKENS)
        write_lesson(make_lesson(questions, embedder), path)
    return read_lesson(path)


if __name__ == "__main__":
    sys.exit(main())
