"""Calls of OpenAI's own client: chat, completions, embeddings, models."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

import openai
from openai import OpenAI
from pydantic import BaseModel, Field

from clients_call import (
    CAPITAL,
    FUNCTIONS,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    LONG,
    PICTURE,
    PLACES,
    TEXTS,
    USER,
    WEATHER,
    Call,
    Place,
    called,
    fits,
    libraries,
    near,
    paris,
    refused,
    see,
)


class Capital(BaseModel):
    """The same as `CAPITAL`."""

    capital: Literal["Paris", "Rome"]
    letters: int = Field(ge=1, le=9)


ASKED: Any = [{"role": "user", "content": WEATHER}]


@cache
def client(url: str) -> OpenAI:
    """A client that stays."""
    return OpenAI(base_url=url + "/v1", api_key="none", timeout=120)


def ask(at: Place, **how: Any) -> Any:
    """A chat completion, of the question unless there is another."""
    return client(at.url).chat.completions.create(**{"model": at.chat, "messages": USER, "max_tokens": 12, "temperature": 0, **how})


def chat(at: Place) -> str:
    whole = ask(at)
    see(whole.usage.completion_tokens and whole.usage.prompt_tokens > 5, "the tokens are not counted")
    see(whole.choices[0].finish_reason in ("stop", "length"), f"it ends with {whole.choices[0].finish_reason}")
    return paris(whole.choices[0].message.content)


def chat_stream(at: Place) -> str:
    chunks = list(ask(at, stream=True))
    see(len(chunks) > 3, f"{len(chunks)} pieces")
    see(not any(chunk.usage for chunk in chunks), "usage is told without being asked for")
    return paris("".join(chunk.choices[0].delta.content or "" for chunk in chunks))


def chat_stream_include_usage(at: Place) -> str:
    *chunks, last = list(ask(at, stream=True, stream_options={"include_usage": True}))
    see(last.usage and not last.choices, "the last piece is not the usage")
    whole = ask(at)
    see(last.usage.completion_tokens == whole.usage.completion_tokens, "streamed and whole count differently")
    return f"{paris(''.join(chunk.choices[0].delta.content or '' for chunk in chunks))}, {last.usage.total_tokens} tokens"


def chat_n(at: Place) -> str:
    made = ask(at, n=2, temperature=2, seed=1)
    texts = [choice.message.content for choice in made.choices]
    see([choice.index for choice in made.choices] == [0, 1], f"{len(texts)} answers of 2")
    see(texts[0] != texts[1], "the two answers are the same")
    return "2 answers"


def chat_stop(at: Place) -> str:
    made = ask(at, stop=["Paris"]).choices[0]
    see("Paris" not in made.message.content and made.finish_reason == "stop", f"it goes on: {made.message.content!r}")
    return made.finish_reason


def chat_logprobs(at: Place) -> str:
    made = ask(at, logprobs=True, top_logprobs=3).choices[0]
    see(made.logprobs and made.logprobs.content, "none are told")
    tokens = made.logprobs.content
    see("".join(token.token for token in tokens).startswith(made.message.content), "the tokens are not those of the text")
    see(all(token.logprob <= 0 and len(token.top_logprobs) == 3 for token in tokens), "not 3 each")
    see(all(token.top_logprobs[0].token == token.token for token in tokens), "the likeliest is not what was taken")
    return f"{len(tokens)} tokens"


def chat_logit_bias(at: Place) -> str:
    text = ask(at, logit_bias={str(at.paris): 100}, max_tokens=3).choices[0].message.content
    see(text.strip() == "Paris Paris Paris", f"it has no effect: {text!r}")
    return text.strip()


def _tools(at: Place, choice: Any, wanted: Any = PLACES) -> str:
    made = ask(at, messages=ASKED, tools=FUNCTIONS, tool_choice=choice, max_tokens=40).choices[0]
    see(made.message.tool_calls, f"nothing is called: {(made.message.content or '')[:40]!r}")
    call = made.message.tool_calls[0]
    see(made.finish_reason in ("tool_calls", "stop"), f"it ends with {made.finish_reason}")
    return called(call.function.name, call.function.arguments, wanted)


def tools_required(at: Place) -> str:
    return _tools(at, "required")


def tools_named(at: Place) -> str:
    return _tools(at, {"type": "function", "function": {"name": "clock"}}, ["clock"])


def tools_named_stream(at: Place) -> str:
    choice = {"type": "function", "function": {"name": "clock"}}
    chunks = list(ask(at, messages=ASKED, tools=FUNCTIONS, tool_choice=choice, max_tokens=40, stream=True))
    calls = [call.function for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    see(calls, "nothing is called")
    return called(calls[0].name, "".join(call.arguments or "" for call in calls), ["clock"])


def tools_auto(at: Place) -> str:
    made = ask(at, messages=ASKED, tools=FUNCTIONS, max_tokens=40).choices[0]
    for call in made.message.tool_calls or []:
        see(call.function.name in PLACES and isinstance(json.loads(call.function.arguments), dict), "a call that is none")
    see(made.message.tool_calls or made.message.content, "neither a call nor a text")
    return "a call" if made.message.tool_calls else "a text"


def tools_result(at: Place) -> str:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    turns = [*ASKED, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": "Snow, 3 degrees."}]
    text = ask(at, messages=turns, tools=FUNCTIONS, tool_choice="none", max_tokens=30).choices[0].message.content
    see("now" in text or "3" in text, f"the result is not read: {text!r}")
    return "it is read"


def json_schema(at: Place) -> str:
    form = {"type": "json_schema", "json_schema": {"name": "capital", "schema": CAPITAL, "strict": True}}
    return fits(ask(at, response_format=form, max_tokens=40).choices[0].message.content)


def json_schema_stream(at: Place) -> str:
    form = {"type": "json_schema", "json_schema": {"name": "capital", "schema": CAPITAL}}
    chunks = ask(at, response_format=form, max_tokens=40, stream=True)
    return fits("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))


def json_object(at: Place) -> str:
    made = ask(at, response_format={"type": "json_object"}, max_tokens=100).choices[0]
    text = made.message.content
    see(text.lstrip().startswith("{"), f"no object: {text[:40]!r}")
    see(made.finish_reason == "length" or isinstance(json.loads(text), dict), "no object")
    return f"an object, {made.finish_reason}"


def chat_parse(at: Place) -> str:
    how: Any = {"model": at.chat, "messages": USER, "max_tokens": 40, "temperature": 0}
    parsed = client(at.url).chat.completions.parse(response_format=Capital, **how).choices[0].message.parsed
    see(isinstance(parsed, Capital), "nothing is parsed")
    return repr(parsed)


def context_overflow(at: Place) -> str:
    try:
        ask(at, messages=[{"role": "user", "content": LONG}])
    except openai.APIStatusError as error:
        return refused(error)
    return _no("the prompt is cut in silence")


def image(at: Place) -> str:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}]
    try:
        ask(at, messages=[{"role": "user", "content": parts}])
    except openai.APIStatusError as error:
        return refused(error)
    return _no("the picture is dropped in silence")


def _no(otherwise: str) -> str:
    see(False, otherwise)
    return ""


def completions(at: Place) -> str:
    how: Any = {"model": at.chat, "prompt": "The capital of France is", "max_tokens": 6, "temperature": 0}
    whole = client(at.url).completions.create(**how).choices[0].text
    streamed = "".join(chunk.choices[0].text for chunk in client(at.url).completions.create(stream=True, **how) if chunk.choices)
    see(whole == streamed, f"whole {whole!r}, streamed {streamed!r}")
    return paris(whole)


def completions_echo_logprobs(at: Place) -> str:
    prompt = "The capital of France is"
    made = client(at.url).completions.create(model=at.chat, prompt=prompt, max_tokens=1, temperature=0, echo=True, logprobs=1).choices[0]
    see(made.text.startswith(prompt), f"no echo: {made.text!r}")
    see(made.logprobs and made.logprobs.tokens and made.logprobs.token_logprobs, "no log probabilities")
    told: Any = made.logprobs
    see("".join(told.tokens) == made.text, f"the tokens are not those of the text: {told.tokens}")
    see(told.token_logprobs[0] is None and all(value <= 0 for value in told.token_logprobs[1:]), "they are not those of the prompt")
    return f"{len(told.tokens)} tokens"


def embeddings_base64(at: Place) -> str:
    made = client(at.embeds).embeddings.create(model=at.embed, input=TEXTS)  # what the client asks for by itself
    return near([row.embedding for row in made.data])


def embeddings_float(at: Place) -> str:
    import numpy as np

    one = client(at.embeds).embeddings.create(model=at.embed, input=TEXTS, encoding_format="float")
    other = client(at.embeds).embeddings.create(model=at.embed, input=TEXTS)
    see(np.allclose([row.embedding for row in one.data], [row.embedding for row in other.data], atol=1e-6), "base64 has other numbers")
    return near([row.embedding for row in one.data])


def models_list(at: Place) -> str:
    names = [model.id for model in client(at.url).models.list()]
    see(at.chat in names, f"{at.chat} is not among {names}")
    return f"{len(names)} models"


def models_retrieve(at: Place) -> str:
    see(client(at.url).models.retrieve(at.chat).id == at.chat, "another model")
    return at.chat


def library(at: Place) -> str:
    libraries(at)
    made = ask(at, model=at.library, messages=[{"role": "user", "content": LIBRARY_QUESTION}], max_tokens=200)
    message = made.choices[0].message
    see(LIBRARY_ANSWER in message.content, f"{message.content[:60]!r}")
    see(message.annotations, "no citations")
    quotes = [cite["quote"] for cite in made.model_extra["wellread"]["citations"]]
    see(quotes and all(quote in at.text for quote in quotes), "a quote that is not in the document")
    return f"{LIBRARY_ANSWER}, {len(message.annotations)} citations"


CALLS: tuple[Call, ...] = (
    chat, chat_stream, chat_stream_include_usage, chat_n, chat_stop, chat_logprobs, chat_logit_bias,
    tools_required, tools_named, tools_named_stream, tools_auto, tools_result,
    json_schema, json_schema_stream, json_object, chat_parse, context_overflow, image,
    completions, completions_echo_logprobs, embeddings_base64, embeddings_float, models_list, models_retrieve, library,
)  # fmt: skip
