"""Reranking: reading a question and a passage together, by a cross-encoder that is an ONNX graph.

Two kinds are run. A cross-encoder of the user's, as optimum and sentence-transformers export them, has its scores as output:
`open_reranker`. One that was trained here is the English embedder that is there anyway, changed by what training learned: matrices
of low rank that are added to its own (LoRA, Hu et al. 2021, arXiv:2106.09685), and a head. `trained_reranker` adds them up once, on
the machine where it will run, so a megabyte holds it instead of twenty.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError, ModelMissing
from wellread.models import bert, minilm

MATRICES = ("query", "key", "value", "output", "up", "down")
"""The matrices of a block that training changes, by their names in `bert.Block`."""

MAX_TOKENS = 192
"""A question with a passage that `trained_reranker` reads, the markers included: a passage of 500 characters has about 120."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_LONGEST = 512
_AGAIN = "remove the model and pull it again"
_EXPORT = "export it with `optimum-cli export onnx --task text-classification --model NAME FOLDER`"

Floats = NDArray[np.float32]


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


@dataclass(frozen=True, slots=True)
class Change:
    """What is added to a matrix [outputs, inputs]: up · down, `down` float32 [rank, inputs] and `up` float32 [outputs, rank]."""

    down: Floats
    up: Floats


@dataclass(frozen=True, slots=True)
class Learned:
    """The outcome of training: a change for each of `MATRICES` in each block, and the head."""

    blocks: tuple[Mapping[str, Change], ...]
    head: Head


class OnnxReranker:
    """The `Reranker` of a graph that reads a question and a passage as one text.

    Without a `head` the graph's first output must be float32 [1, 1], a logit, or [1, 2], where the second says "relevant". With one
    it is float32 [1, tokens, width]. Each pair runs alone: nothing is padded, and a score depends on its pair only. Several threads
    may use one reranker.

    `truncated` counts the pairs, since loading, that were longer than `max_tokens`: the longer of the two texts was cut at its end.
    """

    def __init__(self, model: Path, tokenizer: Path, *, name: str, max_tokens: int, head: Head | None = None, threads: int = 1) -> None:
        """Load both files; `max_tokens` includes the markers. Raises `ModelMissing` or `ModelError`."""
        hint = _AGAIN if head else _EXPORT
        for path in (model, tokenizer):
            if not path.is_file():
                raise ModelMissing(f"{name}: the file {path} is not there.", hint=hint)
        self.name = name
        self.truncated = 0
        self._head = head
        self._hint = hint
        self._lock = threading.Lock()
        self._tokenizer = _load_tokenizer(name, tokenizer, max_tokens, hint)
        self._session = _load_session(name, model, threads, hint)
        self._inputs = [each.name for each in self._session.get_inputs()]
        shape = self._session.get_outputs()[0].shape
        wanted = len(shape) == 3 if head else len(shape) == 2 and shape[1] in (1, 2)
        if set(self._inputs) - set(_INPUTS) or not wanted:
            raise ModelError(f"{name}: {model.name} is not a graph that scores pairs of texts.", hint=hint)

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """How well each text answers the query: float32 [len(texts)], the probability that it does. Raises `ModelError`."""
        odds = 1 / (1 + np.exp(-self.logits(query, texts).astype(np.float64)))
        return np.asarray(odds, np.float32)

    def logits(self, query: str, texts: Sequence[str]) -> Floats:
        """The same before it is squeezed into 0..1: float32 [len(texts)], the logarithm of the odds."""
        scored = [self._logit(query, text) for text in texts]
        with self._lock:
            self.truncated += sum(cut for _, cut in scored)
        return np.array([logit for logit, _ in scored], np.float32)

    def _logit(self, query: str, text: str) -> tuple[float, bool]:
        encoding = self._tokenizer.encode(query, text)
        ids = np.array([encoding.ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.array([encoding.type_ids], np.int64)}
        try:
            first, *_ = self._session.run(None, {name: feeds[name] for name in self._inputs})
        except Exception as error:  # onnxruntime has no common class of errors
            raise ModelError(f"{self.name}: scoring a text failed ({error}).", hint=self._hint) from error
        if self._head:
            logit = self._head.logit(first[0], encoding.sequence_ids.index(1) if 1 in encoding.sequence_ids else len(encoding.ids) - 1)
        else:
            logit = float(first[0, -1] - (first[0, 0] if first.shape[1] == 2 else 0))
        return logit, bool(encoding.overflowing)


def open_reranker(folder: Path, *, threads: int = 1) -> OnnxReranker:
    """The cross-encoder in a folder: `model.onnx` (in it or in its folder `onnx`) and `tokenizer.json`. It is called as the folder is.

    Raises `ModelMissing` when a file is not there and `ModelError` when it is something else.
    """
    places = (folder / "model.onnx", folder / "onnx" / "model.onnx")
    model = next((path for path in places if path.is_file()), places[0])
    name = folder.resolve().name
    return OnnxReranker(model, folder / "tokenizer.json", name=name, max_tokens=_longest(folder), threads=threads)


def trained_reranker(learned: Path, weights: Path, tokenizer: Path, folder: Path, *, threads: int = 1) -> OnnxReranker:
    """What `wellread.train.reranker` wrote to `learned`, with the fetched all-MiniLM-L6-v2 `weights` and its `tokenizer`.

    `folder` is given the graph the first time; its name tells which weights it was made of. Raises `ModelError` when a file is some
    other file.
    """
    known = read_learned(learned)
    model = folder / f"{hashlib.sha256(learned.read_bytes()).hexdigest()[:16]}.onnx"
    if not model.exists():
        bert.save(merged(minilm.read(weights), known), model)
    return OnnxReranker(model, tokenizer, name=learned.stem, max_tokens=MAX_TOKENS, head=known.head, threads=threads)


def merged(base: bert.Bert, learned: Learned) -> bert.Bert:
    """The encoder with the changes added to its matrices."""
    return replace(base, blocks=tuple(_changed(block, each) for block, each in zip(base.blocks, learned.blocks, strict=True)))


def _changed(block: bert.Block, changes: Mapping[str, Change]) -> bert.Block:
    def dense(old: bert.Dense, name: str) -> bert.Dense:
        return bert.Dense(old.weight + changes[name].up @ changes[name].down, old.bias)

    return replace(
        block,
        query=dense(block.query, "query"),
        key=dense(block.key, "key"),
        value=dense(block.value, "value"),
        output=dense(block.output, "output"),
        up=dense(block.up, "up"),
        down=dense(block.down, "down"),
    )


def write_learned(learned: Learned, path: Path) -> None:
    """Keep what was learned as float16 in numpy's own format, the head as float32."""
    arrays: dict[str, Any] = {"head": learned.head.weight, "bias": np.float32(learned.head.bias)}
    for at, changes in enumerate(learned.blocks):
        for name, change in changes.items():
            arrays |= {f"{at}.{name}.down": change.down.astype(np.float16), f"{at}.{name}.up": change.up.astype(np.float16)}
    np.savez(path, **arrays)


def read_learned(path: Path) -> Learned:
    """What `write_learned` kept. Raises `ModelError` when it is not that."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        count = 1 + max(int(name.split(".")[0]) for name in arrays if name not in ("head", "bias"))
        blocks = tuple({name: Change(arrays[f"{at}.{name}.down"], arrays[f"{at}.{name}.up"]) for name in MATRICES} for at in range(count))
        return Learned(blocks, Head(arrays["head"], float(arrays["bias"])))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} does not hold a reranker's weights ({error}).", hint="train it again with `python -m wellread.train.reranker`"
        ) from error


def _longest(folder: Path) -> int:
    """How many tokens the graph can read, by `config.json`; some count places from 2, as RoBERTa does, and so hold two fewer."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        places = int(config["max_position_embeddings"])
        return min(_LONGEST, places - 2 if "roberta" in str(config.get("model_type", "")) else places)
    except (OSError, ValueError, KeyError, TypeError):
        return _LONGEST


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
