"""Calls of LiteLLM, which speaks the protocols of all others."""

from __future__ import annotations

import os
from typing import Any

from clients_call import (
    CAPITAL,
    FUNCTIONS,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    LONG,
    QUOTE,
    TEXTS,
    USER,
    WEATHER,
    Call,
    Place,
    Wrong,
    called,
    fits,
    libraries,
    near,
    paris,
    refused,
    see,
)

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch one from the internet
import litellm


def _ask(at: Place, protocol: str, **how: Any) -> Any:
    base = at.url + ("/v1" if protocol == "openai" else "")
    model = f"{protocol}/{how.pop('name', at.chat)}"
    asked = {"api_base": base, "api_key": "none", "messages": USER, "max_tokens": 12, "temperature": 0}
    return litellm.completion(**{"model": model, **asked, **how})


def _completion(at: Place, protocol: str) -> str:
    whole = _ask(at, protocol)
    see(whole.usage.completion_tokens and whole.usage.prompt_tokens, "the tokens are not counted")
    return paris(whole.choices[0].message.content)


def _stream(at: Place, protocol: str) -> str:
    pieces = [piece.choices[0].delta.content or "" for piece in _ask(at, protocol, stream=True)]
    see(len(pieces) > 3, f"{len(pieces)} pieces")
    return paris("".join(pieces))


def _schema(at: Place, protocol: str) -> str:
    form = {"type": "json_schema", "json_schema": {"name": "capital", "schema": CAPITAL, "strict": True}}
    return fits(_ask(at, protocol, response_format=form, max_tokens=40).choices[0].message.content)


def _named(at: Place, protocol: str) -> str:
    choice = {"type": "function", "function": {"name": "clock"}}
    asked = [{"role": "user", "content": WEATHER}]
    made = _ask(at, protocol, messages=asked, tools=FUNCTIONS, tool_choice=choice, max_tokens=40).choices[0]
    see(made.message.tool_calls, f"nothing is called: {(made.message.content or '')[:40]!r}")
    call = made.message.tool_calls[0].function
    return called(call.name, call.arguments, ["clock"])


def _overflow(at: Place, protocol: str) -> str:
    try:
        _ask(at, protocol, messages=[{"role": "user", "content": LONG}])
    except Exception as error:
        return refused(error, 400, 500, saying="context")  # LiteLLM makes a 500 of what Ollama's protocol refuses
    raise Wrong("the prompt is cut in silence")


def _library(at: Place, protocol: str) -> str:
    libraries(at)
    asked = [{"role": "user", "content": LIBRARY_QUESTION}]
    text = _ask(at, protocol, name=at.library, messages=asked, max_tokens=200, extra_body=QUOTE).choices[0].message.content
    see(LIBRARY_ANSWER in text, text[:60])
    return LIBRARY_ANSWER


def openai_completion(at: Place) -> str:
    return _completion(at, "openai")


def openai_stream(at: Place) -> str:
    return _stream(at, "openai")


def openai_json_schema(at: Place) -> str:
    return _schema(at, "openai")


def openai_tools_named(at: Place) -> str:
    return _named(at, "openai")


def openai_context_overflow(at: Place) -> str:
    return _overflow(at, "openai")


def openai_library(at: Place) -> str:
    return _library(at, "openai")


def openai_embedding(at: Place) -> str:
    made = litellm.embedding(model=f"openai/{at.embed}", api_base=at.embeds + "/v1", api_key="none", input=TEXTS)
    return near([row["embedding"] for row in made.data])


def ollama_chat_completion(at: Place) -> str:
    return _completion(at, "ollama_chat")


def ollama_chat_stream(at: Place) -> str:
    return _stream(at, "ollama_chat")


def ollama_chat_json_schema(at: Place) -> str:
    return _schema(at, "ollama_chat")


def ollama_completion(at: Place) -> str:
    return _completion(at, "ollama")


def ollama_embedding(at: Place) -> str:
    made = litellm.embedding(model=f"ollama/{at.embed}", api_base=at.embeds, input=TEXTS)
    return near([row["embedding"] for row in made.data])


def anthropic_completion(at: Place) -> str:
    return _completion(at, "anthropic")


def anthropic_stream(at: Place) -> str:
    return _stream(at, "anthropic")


def anthropic_tools_named(at: Place) -> str:
    return _named(at, "anthropic")


def anthropic_library(at: Place) -> str:
    return _library(at, "anthropic")


CALLS: tuple[Call, ...] = (
    openai_completion, openai_stream, openai_json_schema, openai_tools_named, openai_context_overflow, openai_library, openai_embedding,
    ollama_chat_completion, ollama_chat_stream, ollama_chat_json_schema, ollama_completion, ollama_embedding,
    anthropic_completion, anthropic_stream, anthropic_tools_named, anthropic_library,
)  # fmt: skip
