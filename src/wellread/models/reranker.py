"""Reranking: reading a question and a passage together, by a cross-encoder that is an ONNX graph.

Two kinds are run. A cross-encoder of the user's, as optimum and sentence-transformers export them, has its scores as output:
`open_reranker`. One that was trained here is the English embedder changed by what training learned: `trained_reranker`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellread.errors import ModelError
from wellread.models.adapter import Adapter, Floats, graph_of, read_adapter
from wellread.models.graph import Read, TextGraph

MAX_TOKENS = 192
"""A question with a passage that `trained_reranker` reads, the markers included: a passage of 500 characters has about 120."""

_LONGEST = 512
_AGAIN = "remove the model and pull it again"
_EXPORT = "export it with `optimum-cli export onnx --task text-classification --model NAME FOLDER`"


@dataclass(frozen=True, slots=True)
class Head:
    """What makes a logit of hidden vectors: `weight` float32 [2 * width] and `bias`.

    The first half of `weight` is for the first token's vector; the second for the product, entry by entry, of the question's and
    the passage's mean vectors, each of length 1.
    """

    weight: Floats
    bias: float

    def logit(self, hidden: Floats, second: int) -> float:
        """The logit of one pair from its hidden vectors [tokens, width]; the passage begins at token `second`."""
        asked, told = hidden[:second].mean(axis=0), hidden[second:].mean(axis=0)
        lengths = max(float(np.linalg.norm(asked)), 1e-12) * max(float(np.linalg.norm(told)), 1e-12)
        return float(np.concatenate([hidden[0], asked * told / lengths]) @ self.weight) + self.bias


def head_of(adapter: Adapter) -> Head:
    """The head that an adapter holds. Raises `ModelError` when it holds that of something else."""
    try:
        return Head(adapter.head["weight"], float(adapter.head["bias"]))
    except (KeyError, TypeError) as error:
        raise ModelError("this adapter does not score pairs of texts.", hint="use one that was trained to rerank or to check") from error


class OnnxReranker:
    """The `Reranker` of a graph that reads a question and a passage as one text.

    Without a `head` the graph's first output must be float32 [1, 1], a logit, or [1, 2], where the second says "relevant". With one
    it is float32 [1, tokens, width]. Several threads may use one reranker.
    """

    def __init__(self, model: Path, tokenizer: Path, *, name: str, max_tokens: int, head: Head | None = None, threads: int = 1) -> None:
        """Load both files; `max_tokens` includes the markers. Raises `ModelMissing` or `ModelError`."""
        hint = _AGAIN if head else _EXPORT
        self.name = name
        self._head = head
        self._graph = TextGraph(model, tokenizer, name=name, max_tokens=max_tokens, hint=hint, threads=threads)
        shape = self._graph.shape
        if not (len(shape) == 3 if head else len(shape) == 2 and shape[1] in (1, 2)):
            raise ModelError(f"{name}: {model.name} is not a graph that scores pairs of texts.", hint=hint)

    @property
    def truncated(self) -> int:
        """How many pairs, since loading, were cut because they were too long."""
        return self._graph.truncated

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """How well each text answers the query: float32 [len(texts)], the probability that it does. Raises `ModelError`."""
        odds = 1 / (1 + np.exp(-self.logits(query, texts).astype(np.float64)))
        return np.asarray(odds, np.float32)

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """The same before it is squeezed into 0..1: float32 [len(texts)], the logarithm of the odds."""
        return np.array([self._logit(self._graph.read(query, text)) for text in texts], np.float32)

    def _logit(self, read: Read) -> float:
        if self._head:
            return self._head.logit(read.output, read.second)
        return float(read.output[-1] - (read.output[0] if len(read.output) == 2 else 0))


def open_reranker(folder: Path, *, threads: int = 1) -> OnnxReranker:
    """The cross-encoder in a folder: `model.onnx` (in it or in its folder `onnx`) and `tokenizer.json`. It is called as the folder is.

    Raises `ModelMissing` when a file is not there and `ModelError` when it is something else.
    """
    places = (folder / "model.onnx", folder / "onnx" / "model.onnx")
    model = next((path for path in places if path.is_file()), places[0])
    name = folder.resolve().name
    return OnnxReranker(model, folder / "tokenizer.json", name=name, max_tokens=_longest(folder), threads=threads)


def trained_reranker(adapter: Path, weights: Path, tokenizer: Path, folder: Path, *, threads: int = 1) -> OnnxReranker:
    """What training wrote to `adapter`, on the fetched all-MiniLM-L6-v2 `weights` with its `tokenizer`; its graph is kept in `folder`.

    Raises `ModelError` when a file is some other file.
    """
    head = head_of(read_adapter(adapter))
    model = graph_of(adapter, weights, folder)
    return OnnxReranker(model, tokenizer, name=adapter.stem, max_tokens=MAX_TOKENS, head=head, threads=threads)


def _longest(folder: Path) -> int:
    """How many tokens the graph can read, by `config.json`; some count places from 2, as RoBERTa does, and so hold two fewer."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        places = int(config["max_position_embeddings"])
        return min(_LONGEST, places - 2 if "roberta" in str(config.get("model_type", "")) else places)
    except (OSError, ValueError, KeyError, TypeError):
        return _LONGEST
