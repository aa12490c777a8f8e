"""POST /v1/embeddings: https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from starlette.responses import Response

from wellread.models.base import Embedder, Measures
from wellread.models.watched import Stopped
from wellread.server.body import Fields
from wellread.server.errors import Refused, unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.types import Usage

_MOST_TEXTS = 2_048
_BATCH = 32
_KINDS = {"query": True, "search_query": True, "document": False, "passage": False, "search_document": False, "": False}
"""What a text is embedded for, in the words of several services: whether it is a question."""


async def embeddings(exchange: Exchange) -> Response:
    """Vectors of texts."""
    fields = await exchange.fields()
    texts = _texts(fields)
    model = fields.text("model")
    form = fields.text("encoding_format", "float")
    if form not in ("float", "base64"):
        raise wrong("encoding_format", '"encoding_format" must be "float" or "base64"')
    kind = fields.text("input_type", "")
    if kind not in _KINDS:
        raise wrong("input_type", '"input_type" must be "query" or "document"')
    cut, dimensions = fields.flag("truncate"), fields.whole("dimensions", least=1) if "dimensions" in fields else None

    def make(stop: threading.Event) -> dict[str, Any]:
        embedder = exchange.runtime.models.embedder(model)
        if dimensions not in (None, embedder.dimensions):
            raise unsupported("dimensions", f"{model} has {embedder.dimensions} and cannot be cut")
        vectors, tokens = embedded(exchange, embedder, texts, stop, query=_KINDS[kind], cut=cut)
        rows = [{"object": "embedding", "index": index, "embedding": _written(vector, form)} for index, vector in enumerate(vectors)]
        return {"object": "list", "data": rows, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}

    return await exchange.whole(make)


def _texts(fields: Fields) -> list[str]:
    value = fields.values.get("input")
    if isinstance(value, list) and value and not isinstance(value[0], str):
        raise wrong("input", "token numbers are not read", hint="send the text; for LangChain: check_embedding_ctx_length=False")
    found = fields.texts("input", most=_MOST_TEXTS) if isinstance(value, list) else [fields.text("input")]
    if not found or not all(text.strip() for text in found):
        raise wrong("input", '"input" is empty, or holds an empty text')
    return found


def embedded(
    exchange: Exchange, embedder: Embedder, texts: Sequence[str], stop: threading.Event, *, query: bool, cut: bool
) -> tuple[list[np.ndarray], int]:
    """The vectors of texts and the tokens that were read for them, which the request's trace and the server's numbers are told. Raises
    `Refused` for a text that is too long, unless it may be `cut`."""
    tokens = _counted(embedder, texts, query=query, cut=cut)
    with exchange.tracing.work("embeddings", embedder.name, texts=len(texts)):
        vectors = list(_vectors(embedder, texts, stop, query=query))
    exchange.tracing.spent(Usage(tokens))
    exchange.runtime.metrics.add("wellread_tokens_total", tokens, kind="embedded")
    return vectors, tokens


def _counted(embedder: Embedder, texts: Sequence[str], *, query: bool, cut: bool) -> int:
    """The tokens that are read. Raises `Refused` for a text of which the end would not be, unless that was asked for."""
    if not isinstance(embedder, Measures):
        return sum(len(text.split()) for text in texts)
    total = 0
    for position, text in enumerate(texts):
        tokens = embedder.count_tokens(text, query=query)
        if tokens > embedder.max_tokens and not cut:
            raise Refused(
                400,
                "context_length_exceeded",
                f"a text has {tokens} tokens, and {embedder.name} reads {embedder.max_tokens}",
                f"input[{position}]",
                'send it in parts, or with "truncate": true to have its beginning embedded',
            )
        total += min(tokens, embedder.max_tokens)
    return total


def _vectors(embedder: Embedder, texts: Sequence[str], stop: threading.Event, *, query: bool) -> Iterator[np.ndarray]:
    """The vectors of texts, one after another."""
    for at in range(0, len(texts), _BATCH):
        if stop.is_set():
            raise Stopped("the request was stopped.")
        yield from embedder.embed(texts[at : at + _BATCH], query=query)


def _written(vector: np.ndarray, form: str) -> str | list[float]:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(value) for value in vector]
