"""An ONNX graph that reads text, one by itself or two as one, together with its tokenizer.

Nothing is padded, so what comes out depends on what is read only. Several threads may use one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.errors import ModelError, ModelMissing
from wellread.models.adapter import Floats

_INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""What a graph may ask for, and what the tokenizer calls it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a graph made of one pair: its first `output` [tokens, width] or [logits], where the second text's tokens begin and end, and for
    each token the code points (start, end) of its text that it stands for."""

    output: Floats
    second: int
    end: int
    offsets: list[tuple[int, int]]


class TextGraph:
    """A graph and its tokenizer. `shape` is that of the graph's first output. `truncated` counts what, since loading, was longer than
    `max_tokens` (markers included): it was cut at its end, of a pair the longer of the two texts.
    """

    def __init__(self, model: Path, tokenizer: Path, *, name: str, max_tokens: int, hint: str, threads: int = 1) -> None:
        """Load both files. Raises `ModelMissing` or `ModelError`, with `hint`."""
        for path in (model, tokenizer):
            if not path.is_file():
                raise ModelMissing(f"{name}: the file {path} is not there.", hint=hint)
        self.truncated = 0
        self._name, self._hint = name, hint
        self._lock = threading.Lock()
        try:
            self._tokenizer = open_tokenizer(tokenizer, max_tokens)
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"{name}: {tokenizer.name} is not a tokenizer ({error}).", hint=hint) from error
        try:
            self._session = open_session(model, threads)
        except Exception as error:  # onnxruntime has no common class of errors
            raise ModelError(f"{name}: {model.name} cannot be loaded ({error}).", hint=hint) from error
        self._inputs = [each.name for each in self._session.get_inputs()]
        self.shape: list[Any] = self._session.get_outputs()[0].shape
        if set(self._inputs) - set(_INPUTS):
            raise ModelError(f"{name}: {model.name} is not a graph that reads text.", hint=hint)

    def output(self, text: str) -> Floats:
        """What the graph makes of a text: its first output, without the axis of the batch. Raises `ModelError`."""
        return self._run(self._tokenizer.encode(text))

    def count(self, text: str) -> int:
        """How many tokens a text has, the markers included, also of one that is too long to be read whole."""
        encoding = self._tokenizer.encode(text)
        markers = sum(encoding.special_tokens_mask)
        return int(len(encoding.ids) + sum(len(each.ids) - markers for each in encoding.overflowing))

    def read(self, one: str, other: str) -> Read:
        """Run two texts as one. Raises `ModelError`."""
        encoding = self._tokenizer.encode(one, other)
        last = len(encoding.ids) - 1
        second = encoding.sequence_ids.index(1) if 1 in encoding.sequence_ids else last
        return Read(self._run(encoding), second, last, encoding.offsets)

    def _run(self, encoding: Any) -> Floats:
        feeds = {name: np.array([getattr(encoding, _INPUTS[name])], np.int64) for name in self._inputs}
        try:
            first, *_ = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime has no common class of errors
            raise ModelError(f"{self._name}: reading a text failed ({error}).", hint=self._hint) from error
        if encoding.overflowing:
            with self._lock:
                self.truncated += 1
        output: Floats = first[0]
        return output


def open_tokenizer(path: Path, max_tokens: int) -> Any:
    """The tokenizer in a file: it pads nothing, and cuts what is longer than `max_tokens`. Raises a bare `Exception` for another file."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    # A marker such as "[SEP]" that stands in a text is text.
    tokenizer.encode_special_tokens = True
    return tokenizer


def open_session(path: Path, threads: int = 1) -> Any:
    """onnxruntime's session of a graph, on `threads` threads. Raises errors of onnxruntime for another file."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads sleep instead of burning a core that another program could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
