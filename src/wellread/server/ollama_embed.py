"""POST /api/embed, and /api/embeddings as it was before: https://docs.ollama.com/api/embed"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from wellread.models.base import Embedder, Measures
from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.ollama_lines import Meter
from wellread.server.ollama_read import keep_of, model_of
from wellread.server.openai_embeddings import embedded

_MOST_TEXTS = 2_048


async def embed(exchange: Exchange) -> Response:
    """Vectors of texts, each of length 1."""
    fields, meter = await exchange.fields(), Meter()
    keep_of(fields)
    model, texts, cut = model_of(fields), _texts(fields), fields.flag("truncate")
    dimensions = fields.whole("dimensions", least=1) if "dimensions" in fields else None

    def make(stop: threading.Event) -> dict[str, Any]:
        embedder = _loaded(exchange, model, meter)
        if dimensions not in (None, embedder.dimensions):
            raise unsupported("dimensions", f"{model} has {embedder.dimensions}, and its vectors mean nothing when they are cut")
        vectors, tokens = embedded(exchange, embedder, texts, stop, query=False, cut=cut)
        rows = [[float(value) for value in vector] for vector in vectors]
        too_long = {"truncated_inputs": found} if (found := _too_long(embedder, texts)) else {}
        return {"model": model, "embeddings": rows, "prompt_eval_count": tokens, **meter.durations(), **too_long}

    return await exchange.whole(make)


async def embeddings(exchange: Exchange) -> Response:
    """The vector of one text."""
    fields = await exchange.fields()
    keep_of(fields)
    model, text = model_of(fields), fields.text("prompt", "")

    def make(stop: threading.Event) -> dict[str, Any]:
        embedder = _loaded(exchange, model, Meter())
        texts = [text] if text.strip() else []
        vectors, _ = embedded(exchange, embedder, texts, stop, query=False, cut=False)
        return {"embedding": [float(value) for vector in vectors for value in vector]}

    return await exchange.whole(make)


def _loaded(exchange: Exchange, model: str, meter: Meter) -> Embedder:
    meter.loading()
    embedder = exchange.runtime.models.embedder(model)
    meter.loaded()
    return embedder


def _texts(fields: Fields) -> list[str]:
    """The texts; none where only the model is to be loaded."""
    value = fields.values.get("input")
    found = fields.texts("input", most=_MOST_TEXTS) if isinstance(value, list) else [fields.text("input", "")]
    if found in ([], [""]):
        return []
    if not all(text.strip() for text in found):
        raise wrong("input", '"input" holds an empty text')
    return found


def _too_long(embedder: Embedder, texts: Sequence[str]) -> list[int]:
    """Which texts were cut."""
    if not isinstance(embedder, Measures):
        return []
    return [at for at, text in enumerate(texts) if embedder.count_tokens(text) > embedder.max_tokens]
