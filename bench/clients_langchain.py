"""Calls of LangChain's clients: `langchain-openai`."""

from __future__ import annotations

import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from clients_call import (
    CAPITAL,
    FUNCTIONS,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    PLACES,
    QUESTION,
    QUOTE,
    TEXTS,
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

KEY = SecretStr("none")


@cache
def model(url: str, name: str, tokens: int = 12, *, responses: bool = False) -> ChatOpenAI:
    """A model that stays."""
    how: Any = {"max_completion_tokens": tokens, "use_responses_api": responses}
    return ChatOpenAI(base_url=url + "/v1", model=name, api_key=KEY, temperature=0, **how)


def invoke(at: Place) -> str:
    told = model(at.url, at.chat).invoke(QUESTION)
    see(told.usage_metadata and told.usage_metadata["output_tokens"], "the tokens are not counted")
    return paris(str(told.content))


def stream(at: Place) -> str:
    pieces = [str(piece.content) for piece in model(at.url, at.chat).stream(QUESTION)]
    see(len(pieces) > 3, f"{len(pieces)} pieces")
    return paris("".join(pieces))


def invoke_responses(at: Place) -> str:
    return paris(model(at.url, at.chat, responses=True).invoke(QUESTION).text)


def with_structured_output(at: Place) -> str:
    schema = {"title": "Capital", "description": "A capital.", **CAPITAL}
    return fits(json.dumps(model(at.url, at.chat, 40).with_structured_output(schema, method="json_schema").invoke(QUESTION)))


def with_structured_output_function_calling(at: Place) -> str:
    schema = {"title": "Capital", "description": "A capital.", **CAPITAL}
    return fits(json.dumps(model(at.url, at.chat, 40).with_structured_output(schema, method="function_calling").invoke(QUESTION)))


def _bound(at: Place, choice: str, wanted: Any) -> str:
    made: Any = model(at.url, at.chat, 40).bind_tools(FUNCTIONS, tool_choice=choice).invoke(WEATHER)
    see(made.tool_calls, f"nothing is called: {str(made.content)[:40]!r}")
    return called(made.tool_calls[0]["name"], made.tool_calls[0]["args"], wanted)


def bind_tools_any(at: Place) -> str:
    return _bound(at, "any", PLACES)


def bind_tools_named(at: Place) -> str:
    return _bound(at, "clock", ["clock"])


def bind_tools_auto(at: Place) -> str:
    made: Any = model(at.url, at.chat, 40).bind_tools(FUNCTIONS).invoke(WEATHER)
    see(made.tool_calls or made.content, "neither a call nor a text")
    return "a call" if made.tool_calls else "a text"


def embeddings_of_texts(at: Place) -> str:
    ask = OpenAIEmbeddings(base_url=at.embeds + "/v1", model=at.embed, api_key=KEY, check_embedding_ctx_length=False)
    return near(ask.embed_documents(TEXTS))


def embeddings_of_tokens(at: Place) -> str:
    """With `check_embedding_ctx_length`, it sends the numbers of OpenAI's own tokens, which mean nothing to another model."""
    import openai

    found = importlib.util.find_spec("litellm")
    see(found and found.origin, "LiteLLM is not installed, which has OpenAI's tokens")
    folder = Path(str(found and found.origin)).parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)  # else they are fetched from the internet
    ask = OpenAIEmbeddings(base_url=at.embeds + "/v1", model=at.embed, api_key=KEY)
    try:
        ask.embed_documents(TEXTS)
    except openai.APIStatusError as error:
        return refused(error, saying="check_embedding_ctx_length=False")
    raise Wrong("the numbers of another model's tokens are embedded")


def library(at: Place) -> str:
    libraries(at)
    told = ChatOpenAI(base_url=at.url + "/v1", model=at.library, api_key=KEY, extra_body=QUOTE).invoke(LIBRARY_QUESTION)
    see(LIBRARY_ANSWER in str(told.content) and "[1]" in str(told.content), str(told.content)[:60])
    return LIBRARY_ANSWER


CALLS: tuple[Call, ...] = (
    invoke, stream, invoke_responses, with_structured_output, with_structured_output_function_calling, bind_tools_any, bind_tools_named,
    bind_tools_auto, embeddings_of_texts, embeddings_of_tokens, library,
)  # fmt: skip
