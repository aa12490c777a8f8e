"""Reading for an answer: where in a passage the words stand that answer a question, and whether they stand there at all.

A span is scored by its first and its last token, as Devlin et al. 2018 (arXiv:1810.04805) do; scores of all passages of a question are
on one scale, whose zero is "no answer here" (the shared normalisation of Clark and Gardner 2017, arXiv:1710.10723).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wellread.errors import ModelError
from wellread.models.adapter import Floats, read_adapter
from wellread.models.base import Reading
from wellread.models.graph import TextGraph

MAX_TOKENS = 192
"""A question with a passage, the markers included: a passage of 500 characters has about 120."""

_LONGEST = 40
"""The longest answer, in tokens."""

_AGAIN = "remove the model and pull it again"


class OnnxReader:
    """The `Reader` of an adapter: `weight` float32 [width, 3] and `bias` [3], for the start and the end of an answer and, at the first
    token, for there being one. Several threads may use one reader.
    """

    def __init__(self, adapter: Path, model: Path, tokenizer: Path, *, threads: int = 1) -> None:
        """`model` is the graph of the adapter: see `adapter.graph_of`. Raises `ModelMissing` or `ModelError`."""
        head = read_adapter(adapter).head
        if head.keys() != {"weight", "bias"} or head["weight"].shape[1:] != (3,):
            raise ModelError(f"{adapter} was not trained to read.", hint="use one that `python -m wellread.train.reader` wrote")
        self.name = adapter.stem
        self._weight, self._bias = head["weight"], head["bias"]
        self._graph = TextGraph(model, tokenizer, name=self.name, max_tokens=MAX_TOKENS, hint=_AGAIN, threads=threads)

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str]) -> list[Reading]:
        """The best answer of each text. Raises `ModelError`."""
        return [self._best(question, text, f"{title}\n" if title else "") for text, title in zip(texts, titles, strict=True)]

    def _best(self, question: str, text: str, title: str) -> Reading:
        read = self._graph.read(question, title + text)
        logits = read.output @ self._weight + self._bias
        starts, ends = (logits[read.second : read.end, which] + logits[0, 2] for which in (0, 1))
        offsets = read.offsets[read.second : read.end]
        first = next((at for at, (start, _) in enumerate(offsets) if start >= len(title)), len(offsets))  # a title is no answer
        if first == len(offsets):
            return Reading(0, 0, -np.inf)
        at, last, score = best_span(starts[first:], ends[first:], _LONGEST)
        return Reading(offsets[first + at][0] - len(title), offsets[first + last][1] - len(title), score)


def best_span(starts: Floats, ends: Floats, longest: int) -> tuple[int, int, float]:
    """First and last token (of at most `longest`) with the highest sum of scores, and half that sum; both float32 [n], n > 0."""
    sums = starts[:, None] + ends[None, :]
    allowed = np.triu(np.ones_like(sums)) - np.triu(np.ones_like(sums), longest)
    best = int(np.where(allowed > 0, sums, -np.inf).argmax())
    first, last = divmod(best, len(ends))
    return first, last, float(sums[first, last]) / 2
