"""Calls of Ollama's own client: every method that goes to the server (`web_search` and `web_fetch` go to ollama.com)."""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from ollama import AsyncClient, Client, ResponseError

from clients_call import (
    CAPITAL,
    CITY,
    LIBRARY_ANSWER,
    LIBRARY_QUESTION,
    LONG,
    PICTURE,
    QUESTION,
    TEXTS,
    USER,
    WEATHER,
    Absent,
    Call,
    Place,
    Wrong,
    fits,
    libraries,
    near,
    paris,
    refused,
    see,
)

SHORT = {"num_predict": 12}
QUESTIONS: Any = {"capital": {"type": "choice", "instructions": QUESTION, "criteria": {"Paris": None, "Rome": None}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": CITY}}


@cache
def client(url: str) -> Client:
    """A client that stays."""
    return Client(url, timeout=120)


def _chat(at: Place, **how: Any) -> Any:
    return client(at.url).chat(**{"model": at.chat, "messages": USER, "options": SHORT, **how})


def chat(at: Place) -> str:
    whole = _chat(at)
    see(whole.eval_count and whole.prompt_eval_count and whole.total_duration, "nothing is counted")
    see(whole.done_reason in ("stop", "length"), f"it ends with {whole.done_reason}")
    return paris(whole.message.content)


def chat_stream(at: Place) -> str:
    *rows, last = list(_chat(at, stream=True))
    see(len(rows) > 3 and last.done and not any(row.done for row in rows), f"{len(rows)} pieces")
    spent = (last.prompt_eval_duration or 0) + (last.eval_duration or 0) + (last.load_duration or 0)
    see(last.prompt_eval_duration and last.eval_duration and spent <= last.total_duration, "the times do not add up")
    whole = _chat(at)
    see((last.prompt_eval_count, last.eval_count) == (whole.prompt_eval_count, whole.eval_count), "streamed and whole count differently")
    return paris("".join(row.message.content or "" for row in [*rows, last]))


def chat_tools(at: Place) -> str:
    message = _chat(at, messages=[{"role": "user", "content": WEATHER}], tools=[TOOL], options={"num_predict": 40}).message
    for call in message.tool_calls or []:
        see(call.function.name == "weather" and "city" in call.function.arguments, "a call that is none")
    see(message.tool_calls or message.content, "neither a call nor a text")
    return "a call" if message.tool_calls else "a text"


def chat_tool_result(at: Place) -> str:
    call = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    result = {"role": "tool", "tool_name": "weather", "content": "Snow, 3 degrees."}
    turns = [{"role": "user", "content": WEATHER}, {"role": "assistant", "tool_calls": [call]}, result]
    text = _chat(at, messages=turns, options={"num_predict": 30}).message.content
    see("now" in text or "3" in text, f"the result is not read: {text!r}")
    return "it is read"


def chat_format_schema(at: Place) -> str:
    return fits(_chat(at, format=CAPITAL, options={"num_predict": 40}).message.content)


def chat_context_overflow(at: Place) -> str:
    try:
        _chat(at, messages=[{"role": "user", "content": LONG}])
    except ResponseError as error:
        return refused(error)
    raise Wrong("the prompt is cut in silence")


def chat_image(at: Place) -> str:
    try:
        _chat(at, messages=[{"role": "user", "content": "What is this?", "images": [PICTURE]}])
    except ResponseError as error:
        return refused(error)
    raise Wrong("the picture is dropped in silence")


def chat_library(at: Place) -> str:
    libraries(at)
    made = _chat(at, model=at.library, messages=[{"role": "user", "content": LIBRARY_QUESTION}], options=None)
    see(LIBRARY_ANSWER in made.message.content and "[1]" in made.message.content, f"{made.message.content[:60]!r}")
    return LIBRARY_ANSWER


def chat_async(at: Place) -> str:
    async def meanwhile() -> str:
        other = AsyncClient(at.url, timeout=120)
        return "".join([row.message.content or "" async for row in await other.chat(at.chat, USER, stream=True, options=SHORT)])

    return paris(asyncio.run(meanwhile()))


def generate(at: Place) -> str:
    whole = client(at.url).generate(at.chat, QUESTION, options=SHORT)
    see(whole.eval_count and whole.done_reason, "nothing is counted")
    return paris(whole.response)


def generate_stream(at: Place) -> str:
    return paris("".join(row.response for row in client(at.url).generate(at.chat, QUESTION, stream=True, options=SHORT)))


def generate_raw(at: Place) -> str:
    return paris(client(at.url).generate(at.chat, "The capital of France is", raw=True, options=SHORT).response)


def generate_format_json(at: Place) -> str:
    made = client(at.url).generate(at.chat, QUESTION, format="json", options={"num_predict": 100})
    see(made.response.lstrip().startswith("{"), f"no object: {made.response[:40]!r}")
    see(made.done_reason == "length" or isinstance(json.loads(made.response), dict), "no object")
    return f"an object, {made.done_reason}"


def embed(at: Place) -> str:
    return near(client(at.embeds).embed(at.embed, TEXTS).embeddings)


def embeddings(at: Place) -> str:
    return near([client(at.embeds).embeddings(at.embed, text).embedding for text in TEXTS])


def embed_too_long(at: Place) -> str:
    try:
        client(at.embeds).embed(at.embed, LONG)
    except ResponseError as error:
        found = refused(error)
    else:
        raise Wrong("the text is cut in silence")
    see(len(client(at.embeds).embed(at.embed, LONG, truncate=True).embeddings) == 1, "it is not cut when asked to")
    return f"{found}, cut when asked to"


def list_(at: Place) -> str:
    rows = {row.model: row for row in client(at.url).list().models}
    see(at.chat in rows, f"{at.chat} is not among {sorted(map(str, rows))}")
    see(rows[at.chat].size and rows[at.chat].digest and rows[at.chat].modified_at, "a model without size, digest or time")
    return f"{len(rows)} models"


def show(at: Place) -> str:
    shown = client(at.url).show(at.chat)
    see((shown.modelinfo or {}).get("llama.context_length") == 8192, f"its context: {shown.modelinfo}")
    see(shown.details and shown.details.quantization_level == "Q4_1" and "im_start" in (shown.template or ""), f"{shown.details}")
    return f"{shown.details and shown.details.parameter_size} Q4_1"


def ps(at: Place) -> str:
    _chat(at)
    rows = {row.model: row for row in client(at.url).ps().models}
    see(at.chat in rows and (rows[at.chat].size or 0) > 1e8 and rows[at.chat].expires_at, f"{sorted(map(str, rows))} are loaded")
    return f"{at.chat} is loaded"


def pull(at: Place) -> str:
    see(client(at.url).pull(at.chat).status == "success", "not pulled")
    statuses = [row.status for row in client(at.url).pull(at.chat, stream=True)]
    see(statuses[-1] == "success", f"{statuses}")
    return "success"


def push(at: Place) -> str:
    try:
        client(at.url).push(at.chat)
    except ResponseError as error:
        return refused(error, 501)
    raise Wrong("nothing is sent anywhere, in silence")


def create_chat_copy_delete(at: Place) -> str:
    ask = client(at.url)
    made = ask.create("pirate", from_=at.chat, system="You are a pirate.", parameters={"num_predict": 8})
    see(made.status == "success", f"create: {made.status}")
    try:
        counts = [_chat(at, model=name, options=None).prompt_eval_count for name in ("pirate", at.chat)]
        see(counts[0] != counts[1], "its system message is not used")
        see(_chat(at, model="pirate", options=None).eval_count == 8, "its parameter does not hold")
        see(ask.copy("pirate", "corsair").status == "success", "not copied")
        see("corsair:latest" in [row.model for row in ask.list().models], "the copy is not listed")
        see(ask.delete("corsair").status == "success", "not deleted")
    finally:
        ask.delete("pirate")
    see(not {"pirate:latest", "corsair:latest"} & {row.model for row in ask.list().models}, "they are still listed")
    return "success"


def create_blob(at: Place) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.gguf"
        file.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 64)
        try:
            client(at.url).create_blob(file)
        except ResponseError as error:
            return f"a damaged one {refused(error)}"
    raise Wrong("a damaged file is kept")


def unknown_model(at: Place) -> str:
    try:
        _chat(at, model="none-of-that-name")
    except ResponseError as error:
        if "model" not in str(error):  # it is the path that is not there
            raise Absent("404") from None
        return refused(error, 404)
    raise Wrong("another model answers")


def systemone(at: Place) -> str:
    try:
        client(at.url).systemone(at.chat, QUESTION, QUESTIONS)
    except ResponseError as error:
        return refused(error, 404)
    raise Wrong("it is answered by a model that cannot")


CALLS: tuple[Call, ...] = (
    chat, chat_stream, chat_tools, chat_tool_result, chat_format_schema, chat_context_overflow, chat_image, chat_library, chat_async,
    generate, generate_stream, generate_raw, generate_format_json, embed, embeddings, embed_too_long,
    list_, show, ps, pull, push, create_chat_copy_delete, create_blob, unknown_model, systemone,
)  # fmt: skip
