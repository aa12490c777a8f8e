"""Calls of OpenAI's own client: responses."""

from __future__ import annotations

from typing import Any

import openai

from clients_call import CAPITAL, CITY, LONG, PLACES, QUESTION, WEATHER, Call, Place, Wrong, called, fits, paris, refused, see
from clients_openai import Capital, client

TOOLS: Any = [{"type": "function", "name": name, "description": f"The {name} of a city.", "parameters": CITY} for name in PLACES]


def ask(at: Place, **how: Any) -> Any:
    """A response, to the question unless there is another."""
    return client(at.url).responses.create(**{"model": at.chat, "input": QUESTION, "max_output_tokens": 12, "temperature": 0, **how})


def create(at: Place) -> str:
    made = ask(at)
    see(made.usage.output_tokens and made.usage.input_tokens > 5, "the tokens are not counted")
    return paris(made.output_text)


def stream(at: Place) -> str:
    events = list(ask(at, stream=True))
    kinds = [event.type for event in events]
    see(kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"), f"{kinds[0]} to {kinds[-1]}")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    see(events[-1].response.output_text == text, "the end is not the sum of its pieces")
    return paris(text)


def json_schema(at: Place) -> str:
    form = {"format": {"type": "json_schema", "name": "capital", "schema": CAPITAL, "strict": True}}
    return fits(ask(at, text=form, max_output_tokens=40).output_text)


def parse(at: Place) -> str:
    how: Any = {"model": at.chat, "input": QUESTION, "max_output_tokens": 40, "temperature": 0}
    try:
        parsed = client(at.url).responses.parse(text_format=Capital, **how).output_parsed
    except ValueError as error:  # pydantic's, of a text that is no JSON
        raise Wrong("the schema is ignored") from error
    see(isinstance(parsed, Capital), "nothing is parsed")
    return repr(parsed)


def tools_required(at: Place) -> str:
    output = ask(at, input=WEATHER, tools=TOOLS, tool_choice="required", max_output_tokens=40).output
    see(output and output[0].type == "function_call", f"nothing is called, but {[item.type for item in output]}")
    return called(output[0].name, output[0].arguments)


def tools_named(at: Place) -> str:
    named = {"type": "function", "name": "clock"}
    output = ask(at, input=WEATHER, tools=TOOLS, tool_choice=named, max_output_tokens=40).output
    see(output and output[0].type == "function_call", f"nothing is called, but {[item.type for item in output]}")
    return called(output[0].name, output[0].arguments, ["clock"])


def previous_response_id(at: Place) -> str:
    first = ask(at)
    alone = ask(at, input="And of Italy?").usage.input_tokens
    second = ask(at, input="And of Italy?", previous_response_id=first.id)
    see(second.usage.input_tokens > alone + 10, "what came before is not read")
    return f"{second.usage.input_tokens} tokens instead of {alone}"


def retrieve(at: Place) -> str:
    made = ask(at)
    see(client(at.url).responses.retrieve(made.id).output_text == made.output_text, "another text")
    client(at.url).responses.delete(made.id)
    return "the same text"


def context_overflow(at: Place) -> str:
    try:
        ask(at, input=LONG)
    except openai.APIStatusError as error:
        return refused(error)
    raise Wrong("the prompt is cut in silence")


CALLS: tuple[Call, ...] = (
    create,
    stream,
    json_schema,
    parse,
    tools_required,
    tools_named,
    previous_response_id,
    retrieve,
    context_overflow,
)
