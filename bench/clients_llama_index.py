"""Calls of LlamaIndex's clients: `llama-index-llms-ollama`."""

from __future__ import annotations

from typing import Any, Literal

from llama_index.core import PromptTemplate
from llama_index.core.llms import ChatMessage
from llama_index.llms.ollama import Ollama
from pydantic import BaseModel, Field

from clients_call import LIBRARY_ANSWER, LIBRARY_QUESTION, QUESTION, Call, Place, fits, libraries, paris, see

ASKED = [ChatMessage(role="user", content=QUESTION)]


class Capital(BaseModel):
    """The same as `CAPITAL`."""

    capital: Literal["Paris", "Rome"]
    letters: int = Field(ge=1, le=9)


def _model(at: Place, tokens: int = 12) -> Any:
    return Ollama(model=at.chat, base_url=at.url, request_timeout=120, additional_kwargs={"num_predict": tokens})


def metadata(at: Place) -> str:
    window = _model(at).metadata.context_window
    see(window == 8192, f"a context of {window}")
    return f"a context of {window}"


def chat(at: Place) -> str:
    return paris(str(_model(at).chat(ASKED).message.content))


def stream_chat(at: Place) -> str:
    pieces = [piece.delta or "" for piece in _model(at).stream_chat(ASKED)]
    see(len(pieces) > 3, f"{len(pieces)} pieces")
    return paris("".join(pieces))


def complete(at: Place) -> str:
    return paris(_model(at).complete(QUESTION).text)


def structured_predict(at: Place) -> str:
    return fits(_model(at, 40).structured_predict(Capital, PromptTemplate(QUESTION)).model_dump_json())


def library(at: Place) -> str:
    libraries(at)
    text = Ollama(model=at.library, base_url=at.url, request_timeout=120).complete(LIBRARY_QUESTION).text
    see(LIBRARY_ANSWER in text and "[1]" in text, text[:60])
    return LIBRARY_ANSWER


CALLS: tuple[Call, ...] = (metadata, chat, stream_chat, complete, structured_predict, library)
