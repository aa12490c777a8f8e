"""What is the same in all vectors of the multilingual embedder, from texts of two languages: `python -m wellread.train.center`.

Arguments: the folder of its ONNX graph and tokenizer, files of questions and sources (.jsonl or .jsonl.gz: {"question", "sources":
[{"text"}]}), and the file to write. Half of the files' rows must be English, half Chinese; nothing is learned from answers.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.models import e5
from wellread.models.base import Embedder
from wellread.models.embedder import OnnxEmbedder
from wellread.words import cjk_share

_EACH = 250
_CHARS = 500


def center(rows: Sequence[Any], embedder: Embedder) -> NDArray[np.float32]:
    """The mean vector of questions and passages in two languages, each counting a quarter, and the unit vector from one to the other."""
    means = []
    for chinese in (False, True):
        own = [row for row in rows if (cjk_share(row["question"]) > 0.5) == chinese]
        passages = list(dict.fromkeys(source["text"][:_CHARS] for row in own for source in row["sources"]))[:_EACH]
        questions = [row["question"] for row in own][:_EACH]
        means += [embedder.embed(passages).mean(axis=0), embedder.embed(questions, query=True).mean(axis=0)]
    english, chinese_ = means[0] + means[1], means[2] + means[3]
    direction = english - chinese_
    return np.stack([np.mean(means, axis=0), direction / np.linalg.norm(direction)]).astype(np.float32)


def _rows(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(arguments: Sequence[str]) -> None:
    """Read, embed, write."""
    model, *files, out = map(Path, arguments)
    rows = [row for file in files for row in _rows(file)]
    random.Random(3).shuffle(rows)
    embedder = OnnxEmbedder(
        model / "model.onnx",
        model / "tokenizer.json",
        name=e5.NAME,
        max_tokens=e5.MAX_TOKENS,
        query_prefix=e5.QUERY_PREFIX,
        passage_prefix=e5.PASSAGE_PREFIX,
    )
    np.save(out, center(rows, embedder))


if __name__ == "__main__":
    main(sys.argv[1:])
