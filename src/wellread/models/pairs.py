"""Reading two texts together: an ONNX graph whose input is a pair of texts as one, each pair by itself.

Nothing is padded, so what comes out depends on its pair only. Several threads may use one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.errors import ModelError, ModelMissing
from wellread.models.adapter import Floats

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Read:
    """What a graph made of one pair: its first `output` [tokens, width] or [logits], where the second text's tokens begin and end, and for
    each token the code points (start, end) of its text that it stands for."""

    output: Floats
    second: int
    end: int
    offsets: list[tuple[int, int]]


class PairGraph:
    """A graph and its tokenizer. `truncated` counts the pairs, since loading, that were longer than `max_tokens` (markers included): the
    longer of the two texts was cut at its end.
    """

    def __init__(self, model: Path, tokenizer: Path, *, name: str, max_tokens: int, hint: str, threads: int = 1) -> None:
        """Load both files. Raises `ModelMissing` or `ModelError`, with `hint`."""
        for path in (model, tokenizer):
            if not path.is_file():
                raise ModelMissing(f"{name}: the file {path} is not there.", hint=hint)
        self.name = name
        self.truncated = 0
        self._hint = hint
        self._lock = threading.Lock()
        self._tokenizer = _load_tokenizer(name, tokenizer, max_tokens, hint)
        self._session = _load_session(name, model, threads, hint)
        self._inputs = [each.name for each in self._session.get_inputs()]
        self.shape: list[Any] = self._session.get_outputs()[0].shape
        if set(self._inputs) - set(_INPUTS):
            raise ModelError(f"{name}: {model.name} is not a graph that reads pairs of texts.", hint=hint)

    def read(self, one: str, other: str) -> Read:
        """Run one pair. Raises `ModelError`."""
        encoding = self._tokenizer.encode(one, other)
        ids = np.array([encoding.ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.array([encoding.type_ids], np.int64)}
        try:
            first, *_ = self._session.run(None, {name: feeds[name] for name in self._inputs})
        except Exception as error:  # onnxruntime has no common class of errors
            raise ModelError(f"{self.name}: reading a text failed ({error}).", hint=self._hint) from error
        if encoding.overflowing:
            with self._lock:
                self.truncated += 1
        last = len(encoding.ids) - 1
        return Read(first[0], encoding.sequence_ids.index(1) if 1 in encoding.sequence_ids else last, last, encoding.offsets)


def _load_tokenizer(name: str, path: Path, max_tokens: int, hint: str) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{name}: {path.name} is not a tokenizer ({error}).", hint=hint) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    # A marker such as "[SEP]" that stands in a text is text.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _load_session(name: str, path: Path, threads: int, hint: str) -> Any:
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
        raise ModelError(f"{name}: {path.name} cannot be loaded ({error}).", hint=hint) from error
