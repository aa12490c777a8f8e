"""Teaching the weights of all-MiniLM-L6-v2, which every user has, to tell whether a text supports a claim.

    python -m wellread.train.checker DATA OUT [--steps N] [--seed N] [--reader reader.npz]

DATA is laid out as for the reader; see `wellread.train.claims` for what is made of it. Only low-rank changes of the matrices are learned
(`wellread.models.adapter`). With `--reader` they begin as those of a reader, `src/wellread/models/reader.npz`, which has already learned to
find in a text what is asked for. The loss is the binary cross-entropy of one logit for each pair. What any evaluation set holds is left
out. 1,600 steps take 41 minutes of processor time.
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

from wellread.models.adapter import read_adapter
from wellread.train.claims import Row, rows_of
from wellread.train.encoder import Texts, drawn, encode
from wellread.train.pairs import held_out, read_questions
from wellread.train.reranker import Network
from wellread.train.run import arguments, begin, learn, to_learn_from

RANK = 32
"""That of the reader whose changes it may begin with."""

MAX_TOKENS = 224
"""The longest claim with a text, in tokens."""

_PAIRS = 24  # in a step
_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of claims and texts. `labels` is float32 [pairs], 1 where the text supports the claim."""

    texts: Texts
    labels: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How likely a true claim scores above a false one of a kind (AUROC), and how many of that kind there were."""

    origin: str
    kind: str
    auroc: float
    count: int


def batch_of(rows: Sequence[Row], tokenizer: Any) -> Batch:
    """Some rows; the claim comes first, as it does when a checker is asked."""
    return Batch(encode(tokenizer, [(row.claim, row.evidence) for row in rows]), np.array([row.label for row in rows], np.float32))


def batches(rows: Sequence[Row], tokenizer: Any, steps: int, seed: int) -> Iterator[Batch]:
    """The batches of a training run: the same for the same seed."""
    return (batch_of(picked, tokenizer) for picked in drawn(rows, _PAIRS, steps, random.Random(seed)))


def loss_of(logits: Any, batch: Batch) -> Any:
    """The mean over pairs of the binary cross-entropy."""
    import torch

    return torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(batch.labels))


def judge(score: Callable[[Sequence[Row]], NDArray[np.float32]], rows: Sequence[Row]) -> list[Verdict]:
    """For each kind of false claims how well `score` tells them from the true ones that were made of the same (answers, sentences)."""
    scores = np.concatenate([score(rows[at : at + _PAIRS]) for at in range(0, len(rows), _PAIRS)])
    parts: dict[tuple[str, str], list[float]] = {}
    for row, each in zip(rows, scores.tolist(), strict=True):
        parts.setdefault((row.origin, row.kind), []).append(each)
    return [
        Verdict(origin, kind, _auroc(np.array(parts[origin, "true"]), np.array(found)), len(found))
        for (origin, kind), found in sorted(parts.items())
        if kind != "true" and (origin, "true") in parts
    ]


def _auroc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """Mann and Whitney 1947: equal scores count half."""
    return float(np.mean((right[:, None] > wrong) + 0.5 * (right[:, None] == wrong)))


def main() -> int:
    """Train, write `checker.npz`, and say how well it tells true claims from false ones in articles it has not seen."""
    import torch

    parser = arguments("checker", data="grounded_qa", steps=1600, size=f"{_PAIRS} claims")
    parser.add_argument("--reader", type=Path, help="reader.npz, whose changes to begin with (without it they begin at nothing)")
    asked = parser.parse_args()
    start = None if asked.reader is None else read_adapter(asked.reader)
    begun = begin(asked.out, MAX_TOKENS)
    network = Network(begun.base, rank=RANK, seed=asked.seed, start=start)
    rows, held = _rows(asked.data, asked.seed)
    losses = (loss_of(network.logits(batch.texts), batch) for batch in batches(rows, begun.tokenizer, asked.steps, asked.seed))
    learn(network, losses, asked.steps, asked.out / "checker.npz", rate=_RATE)

    def score(some: Sequence[Row]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(network.logits(batch_of(some, begun.tokenizer).texts).numpy(), np.float32)

    for each in judge(score, held):
        print(f"held out, made of {each.origin}s, {each.kind}: AUROC {each.auroc:.3f} ({each.count})")
    return 0


def _rows(data: Path, seed: int) -> tuple[list[Row], list[Row]]:
    """Those to learn from, and those of held-out articles."""
    questions = to_learn_from([each for each in read_questions(data) if each.article], data)
    sides = ([each for each in questions if held_out(each.article) == held] for held in (False, True))
    rows, held = (rows_of(side, random.Random(seed)) for side in sides)
    print(f"{len(rows)} claims to learn from, {sum(row.label for row in rows)} of them true; {len(held)} held out", flush=True)
    return rows, held


if __name__ == "__main__":
    sys.exit(main())
