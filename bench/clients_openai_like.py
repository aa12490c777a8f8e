"""Calls of LlamaIndex's clients: `llama-index-llms-openai-like`."""

from __future__ import annotations

from typing import Any, Literal

from llama_index.core import PromptTemplate
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field

from clients_call import LIBRARY_ANSWER, LIBRARY_QUESTION, QUESTION, WEATHER, Call, Place, fits, libraries, paris, see

ASKED = [ChatMessage(role="user", content=QUESTION)]


class Capital(BaseModel):
    """The same as `CAPITAL`."""

    capital: Literal["Paris", "Rome"]
    letters: int = Field(ge=1, le=9)


def _model(at: Place, tokens: int = 12, **how: Any) -> Any:
    asked = {"model": at.chat, "api_base": at.url + "/v1", "api_key": "none", "max_tokens": tokens, "timeout": 120}
    return OpenAILike(**{**asked, "is_chat_model": True, "temperature": 0, **how})


def chat(at: Place) -> str:
    return paris(str(_model(at).chat(ASKED).message.content))


def stream_chat(at: Place) -> str:
    pieces = [piece.delta or "" for piece in _model(at).stream_chat(ASKED)]
    see(len(pieces) > 3, f"{len(pieces)} pieces")
    return paris("".join(pieces))


def complete(at: Place) -> str:
    return paris(_model(at, is_chat_model=False).complete("The capital of France is").text)


def structured_predict(at: Place) -> str:
    made = _model(at, 40, should_use_structured_outputs=True).structured_predict(Capital, PromptTemplate(QUESTION))
    return fits(made.model_dump_json())


def structured_predict_function_calling(at: Place) -> str:
    made = _model(at, 40, is_function_calling_model=True).structured_predict(Capital, PromptTemplate(QUESTION))
    return fits(made.model_dump_json())


class Asked(BaseModel):
    """What is asked of a function."""

    city: Literal["Oslo", "Rome"]


def _weather(city: str) -> str:
    return f"Snow in {city}."


def chat_with_tools_required(at: Place) -> str:
    model = _model(at, 40, is_function_calling_model=True)
    tool = FunctionTool.from_defaults(_weather, name="weather", description="The weather of a city.", fn_schema=Asked)
    made = model.chat_with_tools([tool], user_msg=WEATHER, tool_required=True)
    calls = model.get_tool_calls_from_response(made, error_on_no_tool_call=False)
    see(calls, "nothing is called")
    see(calls[0].tool_name == "weather" and calls[0].tool_kwargs.get("city") in ("Oslo", "Rome"), f"{calls[0]}")
    return f"weather({calls[0].tool_kwargs['city']})"


def library(at: Place) -> str:
    libraries(at)
    text = str(_model(at, 200, model=at.library).chat([ChatMessage(role="user", content=LIBRARY_QUESTION)]).message.content)
    see(LIBRARY_ANSWER in text and "[1]" in text, text[:60])
    return LIBRARY_ANSWER


CALLS: tuple[Call, ...] = (
    chat, stream_chat, complete, structured_predict, structured_predict_function_calling, chat_with_tools_required, library,
)  # fmt: skip
