"""What every training has in common: what it is asked for, what it begins with, and how it keeps and tells what was learned."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wellread.config import load
from wellread.models import bert, minilm
from wellread.models.adapter import Adapter, write_adapter
from wellread.models.catalog import find
from wellread.models.files import ModelStore, Pulled
from wellread.models.graph import open_tokenizer
from wellread.train.encoder import train
from wellread.train.pairs import Question, without_evaluation

_OFTEN = 50  # steps


class Learner(Protocol):
    """What learns."""

    def learned(self) -> Adapter: ...

    def trained(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """The files of all-MiniLM-L6-v2, its weights, and its tokenizer, which cuts at the length wanted."""

    pulled: Pulled
    base: bert.Bert
    tokenizer: Any


def arguments(what: str, *, data: str, steps: int, size: str) -> argparse.ArgumentParser:
    """The command line `DATA OUT [--steps N] [--seed N]`. `data` says what DATA holds, `size` what a step looks at."""
    parser = argparse.ArgumentParser(prog=f"python -m wellread.train.{what}", description=f"Teach a {what}.")
    parser.add_argument("data", type=Path, help=f"folder with {data} and the evaluation sets")
    parser.add_argument("out", type=Path, help="folder for what is made")
    parser.add_argument("--steps", type=int, default=steps, help=f"each looks at {size}")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def begin(out: Path, max_tokens: int) -> Begun:
    """Make the folder `out`, and bring what is trained, on one thread. Raises `ModelMissing` where it cannot be fetched."""
    import torch

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    settings = load().settings
    pulled = ModelStore(settings.models_folder).pull(find(minilm.NAME), offline=settings.offline)
    return Begun(pulled, minilm.read(pulled.paths["model"]), open_tokenizer(pulled.paths["tokenizer"], max_tokens))


def to_learn_from(questions: Sequence[Question], data: Path) -> list[Question]:
    """Those that no evaluation set under `data` has; says how many it has."""
    kept, dropped = without_evaluation(questions, data)
    print(f"{len(kept)} questions; dropped because an evaluation set has them: {dropped}")
    return kept


def learn(learner: Learner, losses: Iterator[Any], steps: int, path: Path, *, rate: float) -> None:
    """Train, keeping what was learned in `path` and saying how it goes, now and then and at the end."""
    began, seen = time.process_time(), []

    def tell(at: int, loss: float) -> None:
        seen.append(loss)
        if (at + 1) % _OFTEN == 0 or at + 1 == steps:
            write_adapter(learner.learned(), path)
            print(f"step {at + 1}: loss {np.mean(seen[-_OFTEN:]):.3f}, {time.process_time() - began:.0f} s of CPU", flush=True)

    train(learner.trained(), losses, steps, tell, rate=rate)
