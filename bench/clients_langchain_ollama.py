"""Calls of LangChain's clients: `langchain-ollama`."""

from __future__ import annotations

import json
from typing import Any

from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM

from clients_call import (
    CAPITAL,
    CITY,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    QUESTION,
    TEXTS,
    WEATHER,
    Call,
    Place,
    fits,
    libraries,
    near,
    paris,
    see,
)

TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": CITY}}


def _model(at: Place, tokens: int = 12, **how: Any) -> ChatOllama:
    return ChatOllama(**{"model": at.chat, "base_url": at.url, "num_predict": tokens, **how})


def validate_and_invoke(at: Place) -> str:
    told = _model(at, validate_model_on_init=True).invoke(QUESTION)
    see(told.usage_metadata and told.usage_metadata["output_tokens"], "the tokens are not counted")
    return paris(str(told.content))


def stream(at: Place) -> str:
    pieces = [str(piece.content) for piece in _model(at).stream(QUESTION)]
    see(len(pieces) > 3, f"{len(pieces)} pieces")
    return paris("".join(pieces))


def with_structured_output(at: Place) -> str:
    return fits(json.dumps(_model(at, 40).with_structured_output({"title": "Capital", **CAPITAL}).invoke(QUESTION)))


def bind_tools(at: Place) -> str:
    made: Any = _model(at, 40).bind_tools([TOOL]).invoke(WEATHER)
    see(made.tool_calls or made.content, "neither a call nor a text")
    return "a call" if made.tool_calls else "a text"


def llm(at: Place) -> str:
    return paris(OllamaLLM(model=at.chat, base_url=at.url, num_predict=12).invoke(QUESTION))


def embeddings(at: Place) -> str:
    return near(OllamaEmbeddings(model=at.embed, base_url=at.embeds).embed_documents(TEXTS))


def library(at: Place) -> str:
    libraries(at)
    text = str(ChatOllama(model=at.library, base_url=at.url).invoke(LIBRARY_QUESTION).content)
    see(LIBRARY_ANSWER in text and "[1]" in text, text[:60])
    return LIBRARY_ANSWER


CALLS: tuple[Call, ...] = (validate_and_invoke, stream, with_structured_output, bind_tools, llm, embeddings, library)
