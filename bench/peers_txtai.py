"""txtai with its defaults (whole documents, cut off at 512 tokens), and with `hybrid=True`, which adds its BM25."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers_common

os.environ["KMP_DUPLICATE_LIB_OK"] = "TRUE"

from txtai import Embeddings


def dense(documents: list[tuple[str, str]], vectors: peers_common.Vectors, *, hybrid: bool = False) -> Callable[[str], list[str]]:
    vectors.encode([text for _, text in documents])  # all at once: txtai comes with a few at a time
    index = Embeddings(method="external", transform=lambda texts: vectors.encode(texts), hybrid=hybrid)
    index.index((name, text, None) for name, text in documents)
    return lambda question: [name for name, _ in index.search(question, peers_common.DEPTH)]


def both(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    return dense(documents, vectors, hybrid=True)


def ingest(ids: list[str], texts: list[str], vectors: Any, folder: Path) -> None:
    given = dict(zip(texts, vectors, strict=True))
    index = Embeddings(method="external", transform=lambda part: [given[text] for text in part], content=True)
    index.index((name, text, None) for name, text in zip(ids, texts, strict=True))
    index.config.pop("transform")  # a function cannot be saved
    index.save(str(folder))


def opened(folder: Path) -> Callable[[Any, int], list[str]]:
    index = Embeddings()
    index.load(str(folder))
    asked: dict[str, Any] = {}
    index.model.transform = lambda texts: [asked[text] for text in texts]

    def search(vector: Any, limit: int) -> list[str]:
        asked["question"] = vector
        return [row["id"] for row in index.search("question", limit)]

    return search


TOKENS = 512
VARIANTS = {"txtai": dense, "txtai hybrid": both}

if __name__ == "__main__":
    peers_common.run(sys.modules[__name__])
