"""Teaching the weights of all-MiniLM-L6-v2, which every user has, to find the words that answer a question, or that nothing does.

    python -m wellread.train.reader DATA OUT [--steps N] [--seed N]

DATA is laid out as for the reranker. The loss is the mean of two cross-entropies, over where the answer starts and where it ends, each
among all tokens of all passages that a question is shown with, and "no answer", whose logit is 0 (Clark and Gardner 2017,
arXiv:1710.10723). Only low-rank changes of the matrices are learned: see `wellread.models.adapter`. What any evaluation set holds is left
out. 5,000 steps take 85 minutes of processor time.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wellread.models import bert
from wellread.models.adapter import Adapter
from wellread.models.reader import MAX_TOKENS
from wellread.train.encoder import Encoder, Texts, drawn, encode
from wellread.train.pairs import Question, held_out, read_questions, spans_of
from wellread.train.run import arguments, begin, learn, to_learn_from
from wellread.train.twins import twin
from wellread.words import content_words

RANK = 32
_QUESTIONS = 6  # in a step
_SHOWN = 3  # passages of a question
_TWINS = 0.7  # of the answerable questions get one
_TITLED = 0.5  # of the questions see passages below their titles
_RATE = 1.5e-3
_OTHERS = 40  # questions on the same matter, which lend names to a twin


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the passages it is shown with; where there is an answer, it stands in the first, at `spans` (code points)."""

    question: str
    title: str
    passages: tuple[str, ...]
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of questions and passages. `lists` is the number of pairs of each question.

    `right` holds the answers of each question: their first and last tokens, counted from the start of the batch.
    """

    texts: Texts
    lists: tuple[int, ...]
    right: tuple[tuple[tuple[int, int], ...], ...]


class Network:
    """The encoder, and a head of three numbers for each token: start, end, and (of the first token) whether there is an answer."""

    def __init__(self, base: bert.Bert, *, rank: int, seed: int) -> None:
        import torch

        self.encoder = Encoder(base, rank=rank, seed=seed)
        maker = torch.Generator().manual_seed(seed)
        self.weight = (torch.randn(self.encoder.width, 3, generator=maker) * 0.02).requires_grad_()
        self.bias = torch.tensor([-4.0, -4.0, 0.0]).requires_grad_()

    def learned(self) -> Adapter:
        """What was learned so far, as arrays."""
        return Adapter(self.encoder.learned(), {"weight": self.weight.detach().numpy().copy(), "bias": self.bias.detach().numpy().copy()})

    def trained(self) -> list[Any]:
        """Every tensor that learns."""
        return [self.weight, self.bias, *self.encoder.trained()]

    def logits(self, texts: Texts) -> tuple[Any, Any]:
        """For each token, how likely an answer starts and ends there, float32 [tokens] each; hardly, outside of the passages."""
        import torch

        logits = self.encoder.hidden(texts) @ self.weight + self.bias
        lengths = np.diff(texts.starts)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        places = np.arange(len(texts.ids)) - texts.starts[owners]
        outside = torch.from_numpy((places < texts.seconds[owners]) | (places >= lengths[owners] - 1))
        there = logits[torch.from_numpy(texts.starts[:-1]), 2][torch.from_numpy(owners)]
        return (logits[:, 0] + there).masked_fill(outside, -1e4), (logits[:, 1] + there).masked_fill(outside, -1e4)


def loss_of(logits: tuple[Any, Any], batch: Batch) -> Any:
    """The mean over questions and over start and end of the cross-entropy; of several places of the answer, any is right."""
    import torch

    losses, pair = [], 0
    for count, right in zip(batch.lists, batch.right, strict=True):
        low, high = int(batch.texts.starts[pair]), int(batch.texts.starts[pair + count])
        pair += count
        for which, each in enumerate(logits):
            everything = torch.logsumexp(torch.cat([each.new_zeros(1), each[low:high]]), 0)
            places = sorted({span[which] for span in right})
            losses.append(everything - (torch.logsumexp(each[torch.tensor(places)], 0) if places else 0.0))
    return torch.stack(losses).mean()


def cases_of(questions: Sequence[Question], chance: random.Random) -> list[Case]:
    """What is learned from: each question with the passages that look most as if they answered it, and twins that nothing answers."""
    by_article: dict[str, list[str]] = {}
    for each in questions:
        by_article.setdefault(each.article, []).append(each.text)
    found = []
    for each in questions:
        case = _case(each)
        if case is None:
            continue
        found.append(case)
        if case.spans and chance.random() < _TWINS:
            changed = twin(each.text, by_article[each.article][:_OTHERS], chance)
            if changed is not None:
                found.append(Case(changed, case.title, case.passages))
    return found


def _case(question: Question) -> Case | None:
    """None when the answer was cut in two."""
    asked = set(content_words(question.text))

    def likeness(passage: str) -> int:
        return len(asked & set(content_words(passage)))

    cut = [[paragraph[start:end] for start, end in spans_of(paragraph)] for paragraph in question.paragraphs]
    if question.gold is None:
        return Case(question.text, question.article, tuple(sorted((text for each in cut for text in each), key=likeness, reverse=True)))
    answer = question.answers[0]
    holding = [text for text in cut[question.gold] if answer in text]
    if not holding:
        return None
    gold = max(holding, key=likeness)
    others = [text for each in cut for text in each if answer.lower() not in text.lower()]
    starts = [at for at in range(len(gold)) if gold.startswith(answer, at)]
    shown = (gold, *sorted(others, key=likeness, reverse=True))
    return Case(question.text, question.article, shown, tuple((start, start + len(answer)) for start in starts))


def batch_of(cases: Sequence[Case], tokenizer: Any, chance: random.Random) -> Batch:
    """Some cases, each with its first passages."""
    pairs, lists, prefixes = [], [], []
    for case in cases:
        title = f"{case.title}\n" if case.title and chance.random() < _TITLED else ""
        shown = case.passages[:_SHOWN]
        pairs += [(case.question, title + passage) for passage in shown]
        lists.append(len(shown))
        prefixes.append(len(title))
    texts = encode(tokenizer, pairs)
    firsts = np.cumsum([0, *lists[:-1]])
    right = tuple(
        tuple(found for start, end in case.spans if (found := _tokens_at(texts, int(first), start + prefix, end + prefix)) is not None)
        for case, first, prefix in zip(cases, firsts, prefixes, strict=True)
    )
    return Batch(texts, tuple(lists), right)


def _tokens_at(texts: Texts, pair: int, start: int, end: int) -> tuple[int, int] | None:
    """The first and last token, in the batch, of some code points of a pair's second text; None when they were cut off."""
    low = int(texts.starts[pair])
    second = range(int(texts.seconds[pair]), len(texts.offsets[pair]) - 1)
    first = next((at for at in second if texts.offsets[pair][at][0] <= start < texts.offsets[pair][at][1]), None)
    last = next((at for at in reversed(second) if texts.offsets[pair][at][0] < end <= texts.offsets[pair][at][1]), None)
    return None if first is None or last is None else (low + first, low + last)


def batches(cases: Sequence[Case], tokenizer: Any, steps: int, seed: int) -> Iterator[Batch]:
    """The batches of a training run: the same for the same seed, every case once before any comes again."""
    chance = random.Random(seed)
    for picked in drawn(cases, _QUESTIONS, steps, chance):
        yield batch_of(picked, tokenizer, chance)


def main() -> int:
    """Train, and write `reader.npz`."""
    asked = arguments("reader", data="grounded_qa", steps=5000, size=f"{_QUESTIONS} questions").parse_args()
    begun = begin(asked.out, MAX_TOKENS)
    questions = to_learn_from([each for each in read_questions(asked.data) if each.article], asked.data)
    cases = cases_of([each for each in questions if not held_out(each.article)], random.Random(asked.seed))
    network = Network(begun.base, rank=RANK, seed=asked.seed)
    losses = (loss_of(network.logits(batch.texts), batch) for batch in batches(cases, begun.tokenizer, asked.steps, asked.seed))
    learn(network, losses, asked.steps, asked.out / "reader.npz", rate=_RATE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
