"""Calls of Anthropic's own client."""

from __future__ import annotations

from functools import cache
from typing import Any

import anthropic
from anthropic import Anthropic

from clients_call import (
    CAPITAL,
    CITY,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    LONG,
    PICTURE,
    PLACES,
    QUOTE,
    USER,
    WEATHER,
    Call,
    Place,
    Wrong,
    called,
    fits,
    libraries,
    paris,
    refused,
    see,
)

TOOLS: Any = [{"name": name, "description": f"The {name} of a city.", "input_schema": CITY} for name in PLACES]
ASKED: Any = [{"role": "user", "content": WEATHER}]
GREEDY = {"temperature": 0}  # the client has no such parameter any more
APPROVED = "The installation of the solar panels was approved by Maria Keller in May 2021."
MINUTES = f"Nothing else was said.\n\n{APPROVED} Then all went home."


@cache
def client(url: str) -> Anthropic:
    """A client that stays."""
    return Anthropic(base_url=url, api_key="none", timeout=120)


def ask(at: Place, **how: Any) -> Any:
    """A message, of the question unless there is another."""
    return client(at.url).messages.create(**{"model": at.chat, "messages": USER, "max_tokens": 12, "extra_body": GREEDY, **how})


def text_of(message: Any) -> str:
    """All that a message says."""
    return "".join(block.text for block in message.content if block.type == "text")


def messages(at: Place) -> str:
    made = ask(at)
    see(made.usage.input_tokens + (made.usage.cache_read_input_tokens or 0) > 5 and made.usage.output_tokens, "the tokens are not counted")
    see(made.stop_reason in ("end_turn", "max_tokens"), f"it ends with {made.stop_reason}")
    return paris(text_of(made))


def messages_stream(at: Place) -> str:
    with client(at.url).messages.stream(model=at.chat, messages=USER, max_tokens=12, extra_body=GREEDY) as stream:
        pieces = list(stream.text_stream)
        last = stream.get_final_message()
    see(len(pieces) > 3 and "".join(pieces) == text_of(last), f"{len(pieces)} pieces")
    see(last.usage.output_tokens == ask(at).usage.output_tokens, "streamed and whole count differently")
    return paris(text_of(last))


def stop_sequences(at: Place) -> str:
    made = ask(at, stop_sequences=["Paris"])
    see((made.stop_reason, made.stop_sequence) == ("stop_sequence", "Paris"), f"{made.stop_reason}, {made.stop_sequence}")
    see("Paris" not in text_of(made), "the text goes on")
    return "stop_sequence"


def _tools(at: Place, choice: Any, wanted: Any = PLACES) -> str:
    made = ask(at, messages=ASKED, tools=TOOLS, tool_choice=choice, max_tokens=40)
    uses = [block for block in made.content if block.type == "tool_use"]
    see(uses, f"nothing is called: {text_of(made)[:40]!r}")
    see(made.stop_reason == "tool_use", f"it ends with {made.stop_reason}")
    return called(uses[0].name, uses[0].input, wanted)


def tools_any(at: Place) -> str:
    return _tools(at, {"type": "any"})


def tools_tool(at: Place) -> str:
    return _tools(at, {"type": "tool", "name": "clock"}, ["clock"])


def tools_auto(at: Place) -> str:
    made = ask(at, messages=ASKED, tools=TOOLS, max_tokens=40)
    kinds = [block.type for block in made.content]
    see(all(block.name in PLACES for block in made.content if block.type == "tool_use"), "a call that is none")
    see(kinds, "neither a call nor a text")
    return "a call" if "tool_use" in kinds else "a text"


def tools_result(at: Place) -> str:
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Snow, 3 degrees."}
    turns = [*ASKED, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    text = text_of(ask(at, messages=turns, tools=TOOLS, tool_choice={"type": "none"}, max_tokens=30))
    see("now" in text or "3" in text, f"the result is not read: {text!r}")
    return "it is read"


def output_schema(at: Place) -> str:
    return fits(text_of(ask(at, output_config={"format": {"type": "json_schema", "schema": CAPITAL}}, max_tokens=40)))


def citations_of_a_document(at: Place) -> str:
    source = {"type": "text", "media_type": "text/plain", "data": MINUTES}
    document = {"type": "document", "source": source, "title": "Minutes", "citations": {"enabled": True}}
    content = [document, {"type": "text", "text": "Who approved the installation of the solar panels?"}]
    made = ask(at, messages=[{"role": "user", "content": content}], max_tokens=60)
    cites = [cite for block in made.content if block.type == "text" for cite in block.citations or []]
    see(cites, "nothing is cited")
    for cite in cites:
        see(cite.cited_text == MINUTES[cite.start_char_index : cite.end_char_index], f"{cite.cited_text!r} is not there")
    see("Maria Keller" in text_of(made) and "Maria Keller" in cites[0].cited_text, f"{text_of(made)[:60]!r}")
    return f"{cites[0].type}, {len(cites)} citations"


def citations_streamed(at: Place) -> str:
    source = {"type": "content", "content": [{"type": "text", "text": "Tea is green."}, {"type": "text", "text": APPROVED}]}
    content: Any = [{"type": "document", "source": source, "citations": {"enabled": True}}]
    content.append({"type": "text", "text": "Who approved the installation of the solar panels?"})
    turns: Any = [{"role": "user", "content": content}]
    with client(at.url).messages.stream(model=at.chat, messages=turns, max_tokens=60, extra_body=GREEDY) as stream:
        cites: Any = [event.citation for event in stream if event.type == "citation"]
    see(cites, "nothing is cited")
    see((cites[0].cited_text, cites[0].start_block_index) == (APPROVED, 1), f"{cites[0].cited_text!r}")
    return str(cites[0].type)


def citations_of_a_library(at: Place) -> str:
    libraries(at)
    made = ask(at, model=at.library, messages=[{"role": "user", "content": LIBRARY_QUESTION}], max_tokens=200, extra_body=QUOTE)
    cites = [cite for block in made.content if block.type == "text" for cite in block.citations or []]
    see(LIBRARY_ANSWER in text_of(made), f"{text_of(made)[:60]!r}")
    see(cites and all(cite.cited_text in at.text for cite in cites), "a citation that is not in the document")
    return f"{LIBRARY_ANSWER}, {cites[0].type}"


def count_tokens(at: Place) -> str:
    counted = client(at.url).messages.count_tokens(model=at.chat, messages=USER).input_tokens
    used = ask(at).usage
    see(counted == used.input_tokens + (used.cache_read_input_tokens or 0), f"{counted} are counted, {used.input_tokens} read")
    return f"{counted} tokens"


def models(at: Place) -> str:
    names = [model.id for model in client(at.url).models.list()]
    see(at.chat in names, f"{at.chat} is not among {names}")
    return f"{len(names)} models"


def context_overflow(at: Place) -> str:
    try:
        ask(at, messages=[{"role": "user", "content": LONG}])
    except anthropic.APIStatusError as error:
        see(isinstance(error.body, dict) and error.body.get("type") == "error", f"no error of this protocol: {error.body}")
        return refused(error)
    raise Wrong("the prompt is cut in silence")


def image(at: Place) -> str:
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    try:
        ask(at, messages=[{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]}])
    except anthropic.APIStatusError as error:
        return refused(error)
    raise Wrong("the picture is dropped in silence")


CALLS: tuple[Call, ...] = (
    messages, messages_stream, stop_sequences, tools_any, tools_tool, tools_auto, tools_result, output_schema,
    citations_of_a_document, citations_streamed, citations_of_a_library, count_tokens, models, context_overflow, image,
)  # fmt: skip
