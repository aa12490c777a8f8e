"""A model run token by token with its logits in hand: for what OpenVINO GenAI's pipeline does not tell or do.

That is the probabilities of a prompt's tokens, the likeliest tokens beside each one, and biases of single tokens. It computes in f32, so
that what it tells is the model's own, and takes memory for the weights a second time from the first such request on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wellread.models.choose import choose, likeliest, log_probabilities
from wellread.models.engine import Reply
from wellread.models.pieces import Detokeniser, StopCutter
from wellread.types import Sampling, Token, Usage

_CHUNK = 64  # tokens read at a time: each has as many logits as there are words


class Stepwise:
    """The model in the file `ir`. Requests take turns, a token each; `decode` makes text of token numbers."""

    def __init__(self, ir: Path, end_tokens: Collection[int], threads: int, decode: Callable[[list[int]], str]) -> None:
        self._ir = ir
        self._end_tokens = end_tokens
        self._threads = threads
        self._decode = decode
        self._compiled: Any = None
        self._running: list[_Running] = []
        self._scoring: list[_Scoring] = []

    def begin(self, prompt: Sequence[int], sampling: Sampling, reply: Reply) -> None:
        """Take a request up."""
        words, cut = Detokeniser(self._decode), StopCutter(sampling.stop)
        random = np.random.default_rng(sampling.seed)
        self._running.append(_Running(self._run(), list(prompt), sampling, reply, random, words, cut))

    def step(self) -> bool:
        """A chunk of the prompt or a token of the answer for each request; False when there is none."""
        self._running = [running for running in self._running if self._goes_on(running)]
        self._scoring = [scoring for scoring in self._scoring if self._scores_on(scoring)]
        return bool(self._running or self._scoring)

    def score(self, prompt: Sequence[int], top: int, reply: Reply) -> None:
        """See `Engine.score`."""
        found = [Token(self._decode([prompt[0]]), None)] if prompt else []
        self._scoring.append(_Scoring(self._run(), list(prompt), top, reply, found))

    def _scores_on(self, scoring: _Scoring) -> bool:
        told = len(scoring.found)
        chunk = scoring.prompt[max(0, told - 1) : -1][:_CHUNK]
        if not chunk:
            scoring.reply.scored(scoring.found)
            return False
        for place, row in enumerate(log_probabilities(scoring.run.read(chunk)), told):
            scoring.found.append(self._token(row, scoring.prompt[place], scoring.top))
        return not scoring.reply.piece("")

    def _goes_on(self, running: _Running) -> bool:
        chunk = running.unread[:_CHUNK]
        running.unread = running.unread[_CHUNK:]
        logits = running.run.read(chunk)[-1]
        if running.unread:
            return not running.reply.piece("")
        sampling = running.sampling
        token = choose(logits, sampling, running.prompt, running.written, running.random)
        ended = "stop" if token in self._end_tokens else ""
        text, told = "", tuple[Token, ...]()
        if not ended:
            text = running.cut.add(running.words.add([token]))
            told = (self._token(log_probabilities(logits), token, sampling.logprobs),) if sampling.logprobs is not None else ()
        running.written.append(token)
        running.unread = [token]
        if not ended and (running.cut.stopped or len(running.written) >= sampling.max_tokens):
            ended = "stop" if running.cut.stopped else "length"
        if running.reply.piece(text + (running.cut.rest() if ended else ""), told):
            return False
        if ended:
            running.reply.done(ended, Usage(len(running.prompt), len(running.written)))
        return not ended

    def _token(self, logprobs: np.ndarray, token: int, top: int) -> Token:
        best = tuple((self._decode([each]), float(logprobs[each])) for each in likeliest(logprobs, top))
        return Token(self._decode([token]), float(logprobs[token]), best)

    def _run(self) -> _Run:
        if self._compiled is None:
            from openvino import Core

            properties = {
                "INFERENCE_NUM_THREADS": self._threads,
                "ENABLE_CPU_PINNING": False,
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
                "INFERENCE_PRECISION_HINT": "f32",
                "KV_CACHE_PRECISION": "f32",
            }
            self._compiled = Core().compile_model(str(self._ir), "CPU", properties)
        return _Run(self._compiled)


class _Run:
    """One text as the model reads it."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._inputs = {name for port in compiled.inputs for name in port.get_names()}
        self._read = 0

    def read(self, tokens: Sequence[int]) -> np.ndarray:
        """Read on; the logits after each token, [len(tokens), vocabulary]."""
        total = self._read + len(tokens)
        inputs = {
            "input_ids": np.array([tokens], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(self._read, total, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        self._request.infer({name: value for name, value in inputs.items() if name in self._inputs})
        self._read = total
        logits: np.ndarray = self._request.get_tensor("logits").data[0].copy()
        return logits


@dataclass
class _Scoring:
    run: _Run
    prompt: list[int]
    top: int
    reply: Reply
    found: list[Token]


@dataclass
class _Running:
    run: _Run
    prompt: list[int]
    sampling: Sampling
    reply: Reply
    random: np.random.Generator
    words: Detokeniser
    cut: StopCutter
    written: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unread = list(self.prompt)
