"""The seams through which every model is used: what the rest of Wellread may ask of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wellread.types import Delta, Message, ModelRef, Sampling, Token

if TYPE_CHECKING:
    import numpy as np


class ChatModel(Protocol):
    """A model that continues a conversation. `context_window` is in tokens and covers prompt and answer together."""

    name: str
    context_window: int

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """Generate the next assistant message piece by piece; closing the iterator stops the generation.

        Raises `ContextOverflow` when prompt and `sampling.max_tokens` do not fit the window, `ModelError` when the engine fails.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """How many tokens the rendered prompt takes (an upper estimate for remote models that do not tell)."""
        ...

    def ref(self) -> ModelRef:
        """Name and digest, for the record of an answer."""
        ...

    def close(self) -> None:
        """Release the model; it may not be used afterwards."""
        ...


@runtime_checkable
class TextModel(Protocol):
    """A chat model that can also go on from any text. Control tokens in that text steer it, as whoever writes it wants."""

    def complete(self, prompt: str | Sequence[int], *, sampling: Sampling = Sampling()) -> Iterator[Delta]:
        """Go on from `prompt`, text or token numbers. See `ChatModel.stream` for how it ends and what it raises."""
        ...

    def encode(self, text: str) -> list[int]:
        """The token numbers of a text."""
        ...

    def count_text(self, prompt: str | Sequence[int]) -> int:
        """How many tokens a text takes."""
        ...

    def score(self, prompt: str | Sequence[int], top: int = 0) -> list[Token]:
        """Every token of a text with its probability after those before it, and the `top` likeliest at its place. Raises `UsageError`
        where that cannot be told."""
        ...


@runtime_checkable
class Measures(Protocol):
    """An embedder that reads no more than `max_tokens` of a text, the markers at both ends included."""

    max_tokens: int

    def count_tokens(self, text: str, *, query: bool = False) -> int:
        """How many tokens a text has, the markers included, however many of them are read."""
        ...


@runtime_checkable
class Supervised(Protocol):
    """A model whose engine is a process of its own, which is started again when it crashed."""

    @property
    def resting(self) -> bool:
        """Whether it crashed so often that it is not started for now."""
        ...


class Embedder(Protocol):
    """A model that maps texts to points; texts that mean the same lie near one another.

    `unrelated` is the cosine that two texts have which have nothing to do with each other: 0 for some models, 0.8 for others.
    `revision` tells apart what makes other vectors under the same name: other weights, or another way of running them.
    """

    name: str
    revision: str
    dimensions: int
    unrelated: float

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Vectors of shape [len(texts), dimensions], float32, L2-normalised. `query` matters to models that tell questions apart."""
        ...


class Reranker(Protocol):
    """A model that reads a question and a text together and says how well the text answers it."""

    name: str

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        """How well each text answers the query: float32 [len(texts)], the probability that it does, 0..1, higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one text: the span (code points of the text) that answers best, and the logarithm of the odds that it does
    against there being no answer (`score`)."""

    start: int
    end: int
    score: float


class Reader(Protocol):
    """A model that looks for the words that answer a question."""

    name: str

    def read(self, question: str, texts: Sequence[str], titles: Sequence[str]) -> list[Reading]:
        """The best answer of each text; `titles` say what each is part of ("" for nothing)."""
        ...


@dataclass(frozen=True, slots=True)
class Judges:
    """What reads English text closely: `reader` for where an answer stands, `checker` for how likely a text supports a claim (its `score`).

    Without them, words and vectors alone decide."""

    reader: Reader | None = None
    checker: Reranker | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """The chat model that may write the answer, the languages it can write (None: any), and how much evidence it is shown at best.

    `evidence_tokens` is small for small models: on 60 training questions with 135M parameters, 160 tokens of the best sentences
    gave about as many right answers as 300 (.65, .67), more of them fit to be shown, and sooner.
    """

    model: ChatModel
    languages: tuple[str, ...] | None = None
    evidence_tokens: int = 1500

    @property
    def small(self) -> bool:
        """Whether it is too small to be trusted with more than writing from evidence. Of 22 follow-up questions that the default model
        rewrote, one came out right."""
        return self.evidence_tokens < 500
