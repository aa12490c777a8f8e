"""Models without weights: for tests, examples, and for trying things out where no model is at hand."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wellread.errors import ContextOverflow, ModelError
from wellread.models.base import Reading
from wellread.models.engine import Reply
from wellread.types import Delta, Message, ModelRef, Sampling, Token, Usage

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_PIECE = re.compile(r"\s*\S+|\s+$")
_TOKEN = re.compile(r"\s*\S+(?:\s+$)?")


class ScriptedChat:
    """A chat model that says what it was told to, reply by reply. A token is a word.

    A reply may be a function of the messages. What it was asked is kept in `asked`.
    """

    def __init__(
        self,
        replies: Sequence[str | Callable[[Sequence[Message]], str]],
        *,
        name: str = "scripted",
        context_window: int = 4096,
    ) -> None:
        self.name = name
        self.context_window = context_window
        self.asked: list[tuple[Message, ...]] = []
        self._replies = list(replies)

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """The next reply, a word at a time. `schema` is not looked at. Raises `ModelError` when no reply is left."""
        prompt = self.count_tokens(messages)
        _fit(prompt, sampling, self.context_window)
        if not self._replies:
            raise ModelError("the script has no reply left.", hint="give ScriptedChat one reply for each request")
        reply = self._replies.pop(0)
        self.asked.append(tuple(messages))
        yield from _words(reply if isinstance(reply, str) else reply(messages), prompt, sampling)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words, and one more for each message."""
        return sum(len(message.content.split()) + 1 for message in messages)

    def ref(self) -> ModelRef:
        """Its name; there is no file."""
        return ModelRef(self.name)

    def close(self) -> None:
        """Nothing to release."""


class EchoChat:
    """A chat model that repeats the last message. A token is a word."""

    def __init__(self, *, name: str = "echo", context_window: int = 4096) -> None:
        self.name = name
        self.context_window = context_window

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """The content of the last message, a word at a time. `schema` is not looked at."""
        prompt = self.count_tokens(messages)
        _fit(prompt, sampling, self.context_window)
        yield from _words(messages[-1].content if messages else "", prompt, sampling)

    def complete(self, prompt: str | Sequence[int], *, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """The prompt once more, a word at a time; the words of token numbers are the numbers."""
        _fit(self.count_text(prompt), sampling, self.context_window)
        yield from _words(_text(prompt), self.count_text(prompt), sampling)

    def encode(self, text: str) -> list[int]:
        """A number for each word: its place."""
        return list(range(self.count_text(text)))

    def count_text(self, prompt: str | Sequence[int]) -> int:
        """Words."""
        return len(_text(prompt).split())

    def score(self, prompt: str | Sequence[int], top: int = 0) -> list[Token]:
        """Its words, each as likely as 1 in e, with themselves as the likeliest."""
        return [
            Token(word, -1.0 if place else None, ((word, -1.0),) if place and top else ())
            for place, word in enumerate(_PIECE.findall(_text(prompt)))
        ]

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words, and one more for each message."""
        return sum(len(message.content.split()) + 1 for message in messages)

    def ref(self) -> ModelRef:
        """Its name; there is no file."""
        return ModelRef(self.name)

    def close(self) -> None:
        """Nothing to release."""


class HashEmbedder:
    """An embedder that knows no language: texts are near when they share words (or, in Chinese, Japanese and Korean, pairs of
    signs).

    Each word adds +1 or -1 at a place, both taken from its hash (feature hashing; Weinberger et al., 2009,
    https://arxiv.org/abs/0902.2206). The same text gives the same vector on every machine.
    """

    def __init__(self, dimensions: int = 64, *, revision: str = "1") -> None:
        self.name = f"hash-{dimensions}"
        self.revision = revision
        self.dimensions = dimensions
        self.unrelated = 0.0

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Vectors of shape [len(texts), dimensions], float32, of length 1; a text without words points along the first axis."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for feature in _features(text):
                number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
                vectors[row, (number >> 1) % self.dimensions] += 1 if number & 1 else -1
            if not vectors[row].any():
                vectors[row, 0] = 1
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


class FakeReranker:
    """A reranker that knows no language: the share of the query's words (in Chinese, Japanese and Korean, pairs of signs) that a text
    has too. Nothing asked, nothing found: 0.
    """

    def __init__(self, *, name: str = "overlap") -> None:
        self.name = name

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        """Float32 [len(texts)], 0..1."""
        wanted = set(_features(query))
        return np.array([len(wanted & set(_features(text))) / max(len(wanted), 1) for text in texts], np.float32)


class FakeReader:
    """A reader that knows no language: the answer is what follows, in a sentence, the last word that the question has too; how much of the
    question the text has says how sure it is."""

    def __init__(self, *, name: str = "overlap") -> None:
        self.name = name

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str]) -> list[Reading]:
        """One for each text."""
        wanted = set(_features(question))
        return [self._best(wanted, text) for text, _ in zip(texts, titles, strict=True)]

    def _best(self, wanted: set[str], text: str) -> Reading:
        held = len(wanted & set(_features(text))) / max(len(wanted), 1)
        odds = 10.0 * held - 5.0
        found = [match for match in _WORD.finditer(text) if match.group().lower() in wanted]
        start = min(found[-1].end() + 1, len(text)) if found else 0
        stop = text.find(".", start)
        return Reading(start, stop if stop > start else len(text), odds)


class EchoEngine:
    """An engine for the child process (`engine.Engine`) that repeats the prompt: supervision can be tried without a model.

    The words `!crash`, `!raise` and `!hang` do what they say when they are reached, `!wait` takes 50 ms; a prompt with `!refuse` is
    refused. It prints, as chatty native libraries do.
    """

    notes: tuple[str, ...] = ("echo",)

    def __init__(self) -> None:
        print("loading the echo engine")
        self._words: list[str] = []
        self._running: list[tuple[Iterator[Delta], Reply]] = []

    def encode(self, prompt: str) -> list[int]:
        words = _TOKEN.findall(prompt)
        self._words += words
        return list(range(len(self._words) - len(words), len(self._words)))

    def begin(self, prompt: Sequence[int], sampling: Sampling, schema: str | None, reply: Reply) -> None:
        text = "".join(self._words[number] for number in prompt)
        if "!refuse" in text:
            raise RuntimeError("told to refuse")
        self._running.append((_words(text, len(prompt), sampling), reply))

    def step(self) -> bool:
        self._running = [(pieces, reply) for pieces, reply in self._running if self._goes_on(pieces, reply)]
        return bool(self._running)

    def score(self, prompt: Sequence[int], top: int, reply: Reply) -> None:
        reply.scored([Token(self._words[number], None if place == 0 else -1.0) for place, number in enumerate(prompt)])

    def _goes_on(self, pieces: Iterator[Delta], reply: Reply) -> bool:
        delta = next(pieces)
        print("echo", delta)
        word = delta.text.strip()
        if word == "!crash":
            os._exit(9)
        elif word == "!raise":
            raise RuntimeError("told to raise")
        elif word in ("!hang", "!wait"):
            time.sleep(3600 if word == "!hang" else 0.05)
        if delta.finish:
            reply.done(delta.finish, delta.usage or Usage())
            return False
        return not reply.piece(delta.text)


def _text(prompt: str | Sequence[int]) -> str:
    return prompt if isinstance(prompt, str) else " ".join(str(number) for number in prompt)


def _words(text: str, prompt_tokens: int, sampling: Sampling) -> Iterator[Delta]:
    ends = [at for stop in sampling.stop if stop and (at := text.find(stop)) >= 0]
    pieces = _PIECE.findall(text[: min(ends)] if ends else text)
    for piece in pieces[: sampling.max_tokens]:
        told = () if sampling.logprobs is None else (Token(piece, -1.0, ((piece, -1.0),) if sampling.logprobs else ()),)
        yield Delta(text=piece, tokens=told)
    written = min(len(pieces), sampling.max_tokens)
    yield Delta(finish="length" if len(pieces) > sampling.max_tokens else "stop", usage=Usage(prompt_tokens, written))


def _fit(prompt_tokens: int, sampling: Sampling, window: int) -> None:
    if prompt_tokens + sampling.max_tokens > window:
        raise ContextOverflow(f"the prompt takes {prompt_tokens} tokens and the answer {sampling.max_tokens}, the window holds {window}.")


def _features(text: str) -> list[str]:
    text = text.casefold()
    pairs = [run[at : at + 2] for run in _CJK.findall(text) for at in range(max(1, len(run) - 1))]
    return pairs + _WORD.findall(_CJK.sub(" ", text))
