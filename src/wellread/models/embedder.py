"""Running a text embedder that is an ONNX graph."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError, ModelMissing

_PULL = "remove the model and pull it again"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class OnnxEmbedder:
    """The `Embedder` of a BERT-like graph: the mean of its token vectors, brought to length 1.

    The graph's first output must be float32 [1, tokens, dimensions]. Each text runs alone: nothing is padded, and a vector depends
    on its text only, not on the texts beside it, so it can be cached and comes out the same bit for bit on every call. Several
    threads may use one embedder.

    `truncated` counts the texts, since loading, of which only the first `max_tokens` tokens were read.
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
        for path in (model, tokenizer):
            if not path.is_file():
                raise ModelMissing(f"{name}: the file {path} is not there.", hint=_PULL)
        self.name = name
        self.revision = revision
        self.unrelated = unrelated
        self.truncated = 0
        self._center = center
        self._prefix = {True: query_prefix, False: passage_prefix}
        self._workers = workers
        self._lock = threading.Lock()
        self._tokenizer = _load_tokenizer(name, tokenizer, max_tokens)
        self._session = _load_session(name, model, threads)
        self._inputs = [each.name for each in self._session.get_inputs()]
        strange = set(self._inputs) - set(_INPUTS)
        shape = self._session.get_outputs()[0].shape
        if strange or len(shape) != 3 or not isinstance(shape[2], int):
            raise ModelError(f"{name}: {model.name} is not a graph that makes token vectors from token numbers.", hint=_PULL)
        self.dimensions: int = shape[2]

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
        for row, (vector, _) in zip(vectors, results, strict=True):
            row[:] = vector
        with self._lock:
            self.truncated += sum(cut for _, cut in results)
        return vectors

    def _embed_one(self, text: str) -> tuple[NDArray[np.float32], bool]:
        encoding = self._tokenizer.encode(text)
        ids = np.array([encoding.ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        try:
            (hidden,) = self._session.run(None, {name: feeds[name] for name in self._inputs})
        except Exception as error:  # onnxruntime has no common class of errors
            raise ModelError(f"{self.name}: embedding a text failed ({error}).", hint=_PULL) from error
        vector = _unit(hidden[0].mean(axis=0))
        if self._center is not None:
            mean, direction = self._center
            rest = vector - mean
            vector = _unit(rest - (rest @ direction) * direction)
        return vector, bool(encoding.overflowing)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; the floor keeps a vector of zeros at zero instead of dividing it by zero."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _load_tokenizer(name: str, path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{name}: {path.name} is not a tokenizer ({error}).", hint=_PULL) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    # A marker such as "[SEP]" that stands in a text is text.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _load_session(name: str, path: Path, threads: int) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads sleep instead of burning a core that another program could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of errors
        raise ModelError(f"{name}: {path.name} cannot be loaded ({error}).", hint=_PULL) from error
