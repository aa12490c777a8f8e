"""Teaching the weights of all-MiniLM-L6-v2, which every user has, to tell whether a text supports a claim.

    python -m wellread.train.checker DATA OUT [--steps N] [--seed N] [--reader reader.npz]

DATA is laid out as for the reader; see `wellread.train.claims` for what is made of it. Only low-rank changes of the matrices are learned
(`wellread.models.adapter`). With `--reader` they begin as those of a reader, `src/wellread/models/reader.npz`, which has already learned to
find in a text what is asked for. The loss is the binary cross-entropy of one logit for each pair. What any evaluation set holds is left
out. 1,600 steps take 41 minutes of processor time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.config import load
from wellread.models import minilm
from wellread.models.adapter import read_adapter, write_adapter
from wellread.models.catalog import find
from wellread.models.files import ModelStore
from wellread.train.claims import Row, rows_of
from wellread.train.encoder import Texts, drawn, encode, train
from wellread.train.pairs import held_out, read_questions, without_evaluation
from wellread.train.reranker import Network

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
    from tokenizers import Tokenizer

    asked = _arguments()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    start = None if asked.reader is None else read_adapter(asked.reader)
    settings = load().settings
    pulled = ModelStore(settings.models_folder).pull(find(minilm.NAME), offline=settings.offline)
    tokenizer = Tokenizer.from_file(str(pulled.paths["tokenizer"]))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.encode_special_tokens = True  # a marker that stands in a text is text
    network = Network(minilm.read(pulled.paths["model"]), rank=RANK, seed=asked.seed, start=start)
    rows, held = _rows(asked.data, asked.seed)
    began, seen = time.process_time(), []

    def tell(at: int, loss: float) -> None:
        seen.append(loss)
        if (at + 1) % 50 == 0 or at + 1 == asked.steps:
            write_adapter(network.learned(), asked.out / "checker.npz")
            print(f"step {at + 1}: loss {np.mean(seen[-50:]):.3f}, {time.process_time() - began:.0f} s of CPU", flush=True)

    losses = (loss_of(network.logits(batch.texts), batch) for batch in batches(rows, tokenizer, asked.steps, asked.seed))
    train(network.trained(), losses, asked.steps, tell, rate=_RATE)

    def score(some: Sequence[Row]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(network.logits(batch_of(some, tokenizer).texts).numpy(), np.float32)

    for each in judge(score, held):
        print(f"held out, made of {each.origin}s, {each.kind}: AUROC {each.auroc:.3f} ({each.count})")
    return 0


def _rows(data: Path, seed: int) -> tuple[list[Row], list[Row]]:
    """Those to learn from, and those of held-out articles."""
    questions, dropped = without_evaluation([each for each in read_questions(data) if each.article], data)
    print(f"{len(questions)} questions; dropped because an evaluation set has them: {dropped}")
    sides = ([each for each in questions if held_out(each.article) == held] for held in (False, True))
    rows, held = (rows_of(side, random.Random(seed)) for side in sides)
    print(f"{len(rows)} claims to learn from, {sum(row.label for row in rows)} of them true; {len(held)} held out", flush=True)
    return rows, held


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wellread.train.checker", description="Teach a checker.")
    parser.add_argument("data", type=Path, help="folder with grounded_qa and the evaluation sets")
    parser.add_argument("out", type=Path, help="folder for what is made")
    parser.add_argument("--steps", type=int, default=1600, help=f"each looks at {_PAIRS} claims")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", type=Path, help="reader.npz, whose changes to begin with (without it they begin at nothing)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
