"""Running a text embedder that is an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError
from wellread.models.graph import TextGraph

_PULL = "remove the model and pull it again"


class OnnxEmbedder:
    """The `Embedder` of a BERT-like graph: the mean of its token vectors, brought to length 1.

    The graph's first output must be float32 [1, tokens, dimensions]. Each text runs alone: nothing is padded, and a vector depends
    on its text only, not on the texts beside it, so it can be cached and comes out the same bit for bit on every call. Several
    threads may use one embedder.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Path,
        *,
        name: str,
        max_tokens: int,
        revision: str = "",
        unrelated: float = 0.0,
        query_prefix: str = "",
        passage_prefix: str = "",
        center: NDArray[np.float32] | None = None,
        workers: int = 1,
        threads: int = 1,
    ) -> None:
        """Load both files.

        `center` [2, dimensions] is a mean that is taken from every vector, and a direction of length 1 that is taken out of it.
        `max_tokens` includes the markers at both ends. `workers` texts run at a time, each on `threads` threads; many texts are
        served best by workers, a single one by threads. Raises `ModelMissing` or `ModelError`.
        """
        self.name = name
        self.revision = revision
        self.unrelated = unrelated
        self.max_tokens = max_tokens
        self._center = center
        self._prefix = {True: query_prefix, False: passage_prefix}
        self._workers = workers
        self._graph = TextGraph(model, tokenizer, name=name, max_tokens=max_tokens, hint=_PULL, threads=threads)
        shape = self._graph.shape
        if len(shape) != 3 or not isinstance(shape[2], int):
            raise ModelError(f"{name}: {model.name} is not a graph that makes token vectors from token numbers.", hint=_PULL)
        self.dimensions: int = shape[2]

    @property
    def truncated(self) -> int:
        """How many texts, since loading, were cut because they were too long: only their first `max_tokens` tokens were read."""
        return self._graph.truncated

    def count_tokens(self, text: str, *, query: bool = False) -> int:
        """How many tokens a text has with its prefix and markers; what goes beyond `max_tokens` is not read."""
        return self._graph.count(self._prefix[query] + text)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of shape [len(texts), dimensions], float32, each of length 1, in the order of `texts`.

        `query` puts the prefix for questions before each text instead of the one for passages. Raises `ModelError` when the engine
        fails.
        """
        prefixed = [self._prefix[query] + text for text in texts]
        vectors = np.zeros((len(prefixed), self.dimensions), np.float32)
        if self._workers > 1 and len(prefixed) > 1:
            pool = ThreadPoolExecutor(self._workers)
            try:
                results = list(pool.map(self._embed_one, prefixed))
            finally:
                pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the texts that are left
        else:
            results = [self._embed_one(text) for text in prefixed]
        for row, vector in zip(vectors, results, strict=True):
            row[:] = vector
        return vectors

    def _embed_one(self, text: str) -> NDArray[np.float32]:
        vector = _unit(self._graph.output(text).mean(axis=0))
        if self._center is not None:
            mean, direction = self._center
            rest = vector - mean
            vector = _unit(rest - (rest @ direction) * direction)
        return vector


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; the floor keeps a vector of zeros at zero instead of dividing it by zero."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
