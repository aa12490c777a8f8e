"""POST /tokenize and GET /tokenizer_info, as vLLM has them: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html

lm-evaluation-harness asks for them, and then needs no tokenizer of its own.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from starlette.responses import Response

from wellread.models.base import TextModel
from wellread.models.facts import is_gguf
from wellread.models.gguf import read_gguf
from wellread.server.errors import Refused, unsupported
from wellread.server.exchange import Exchange, Json
from wellread.server.sampling import refuse

_CANNOT: dict[str, tuple[object, str]] = {
    "messages": (None, "a text is cut into tokens here, as it is"),
    "add_special_tokens": (False, "nothing is put before a text here"),
    "return_token_strs": (False, "the numbers are told only"),
}


async def tokenize(exchange: Exchange) -> Response:
    """The token numbers of a text, control tokens included; of the default model where none is named."""
    fields = await exchange.fields()
    refuse(fields, _CANNOT)
    text = "" if fields.values.get("prompt") == "" else fields.text("prompt")
    name = _named(exchange, fields.text("model", ""))

    def make(stop: threading.Event) -> dict[str, Any]:
        model = exchange.runtime.models.chat(name).model
        if not isinstance(model, TextModel):
            raise unsupported("model", f"{name} does not tell its tokens")
        tokens = model.encode(text) if text else []
        return {"count": len(tokens), "max_model_len": model.context_window, "tokens": tokens}

    return await exchange.whole(make)


async def tokenizer_info(exchange: Exchange) -> Response:
    """The markers and the chat template that a model's file has."""
    name = _named(exchange, exchange.request.query_params.get("model", ""))
    return Json(await asyncio.to_thread(_info, exchange, name))


def _info(exchange: Exchange, name: str) -> dict[str, Any]:
    models = exchange.runtime.models
    pulled = models.pulled(models.known(name))
    if pulled is None or not is_gguf(pulled.paths["model"]):
        raise unsupported("model", f"{name} does not tell its tokens")
    metadata = read_gguf(pulled.paths["model"]).metadata
    tokens = metadata.get("tokenizer.ggml.tokens", [])

    def marker(which: str) -> str | None:
        number = metadata.get(f"tokenizer.ggml.{which}_token_id")
        return str(tokens[number]) if isinstance(number, int) and 0 <= number < len(tokens) else None

    return {
        "tokenizer_class": str(metadata.get("tokenizer.ggml.model", "")),
        "bos_token": marker("bos"),
        "eos_token": marker("eos"),
        "pad_token": marker("padding"),
        "chat_template": metadata.get("tokenizer.chat_template"),
    }


def _named(exchange: Exchange, name: str) -> str:
    found = name or exchange.runtime.models.default
    if found is None:
        raise Refused(404, "model_not_found", "there is no model to ask", "model", "name one")
    return found
