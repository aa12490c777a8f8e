"""OpenAI's own client against a server: every call works, or is refused in OpenAI's words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from wellread.models.fake import EchoChat, FakeReranker, HashEmbedder, ScriptedChat

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there 你好"}]
QUESTION = "Who approved the installation of the solar panels?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


OPENED: list[OpenAI] = []


def client(running: Any, **how: Any) -> OpenAI:
    OPENED.append(OpenAI(base_url=running.url + "/v1", api_key="any", max_retries=0, timeout=20, **how))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Clients are closed: else their connections are found open at any time later."""
    yield
    while OPENED:
        OPENED.pop().close()


class Reply(BaseModel):
    name: str
    count: int


def test_chat_whole_and_streamed_say_the_same(start: Callable[..., Any]) -> None:
    ask = client(start(EchoChat()))
    whole = ask.chat.completions.create(model="echo", messages=HELLO)
    assert whole.choices[0].message.content == "Hello there 你好"
    assert (whole.choices[0].finish_reason, whole.model, whole.object) == ("stop", "echo", "chat.completion")
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 3
    chunks = list(ask.chat.completions.create(model="echo", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there 你好"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_how_long_and_how_often(start: Callable[..., Any]) -> None:
    ask = client(start(EchoChat()))
    cut = ask.chat.completions.create(model="echo", messages=HELLO, max_completion_tokens=1)
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("Hello", "length")
    clamped = ask.chat.completions.create(model="echo", messages=HELLO, max_tokens=1_000_000_000)
    assert clamped.choices[0].finish_reason == "stop"
    stopped = ask.chat.completions.create(model="echo", messages=HELLO, stop=["there"], seed=3, temperature=0.5, top_p=0.9)
    assert stopped.choices[0].message.content == "Hello "
    three = ask.chat.completions.create(model="echo", messages=HELLO, n=3)
    assert [choice.message.content for choice in three.choices] == ["Hello there 你好"] * 3
    parts = [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}]
    assert ask.chat.completions.create(model="echo", messages=parts).choices[0].message.content == "one\ntwo"  # type: ignore[arg-type]


def test_functions_demanded_wanted_and_answered(start: Callable[..., Any]) -> None:
    def called(messages: Any) -> str:
        assert "weather" in messages[0].content
        return 'Let me see. <tool_call>\n{"name": "weather", "arguments": {"city": "Bergen"}}\n</tool_call>'

    def told(messages: Any) -> str:
        assert [message.role for message in messages] == ["user", "assistant", "user"]
        assert '"city": "Bergen"' in messages[1].content
        assert "Rain." in messages[2].content
        return "It rains."

    chat = ScriptedChat(['{"city": "Oslo"}', '{"name": "weather"}', '{"city": "Rome"}', called, called, '{"city": "a very', told])
    ask = client(start(chat))
    named: Any = {"type": "function", "function": {"name": "weather"}}
    tools: Any = [WEATHER, TIME]
    user: Any = [{"role": "user", "content": "The weather?"}]

    one = ask.chat.completions.create(model="scripted", messages=user, tools=tools, tool_choice=named).choices[0]
    assert one.message.content is None
    (call,) = one.message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments), one.finish_reason) == ("weather", {"city": "Oslo"}, "tool_calls")
    two = ask.chat.completions.create(model="scripted", messages=user, tools=tools, tool_choice="required").choices[0]
    assert [json.loads(each.function.arguments) for each in two.message.tool_calls or []] == [{"city": "Rome"}]
    free = ask.chat.completions.create(model="scripted", messages=user, tools=tools).choices[0]
    assert free.message.content == "Let me see. "
    assert [each.function.name for each in free.message.tool_calls or []] == ["weather"]
    chunks = list(ask.chat.completions.create(model="scripted", messages=user, tools=tools, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    arguments = "".join(call.function.arguments or "" for chunk in chunks for call in chunk.choices[0].delta.tool_calls or [])
    assert (said, json.loads(arguments), chunks[-1].choices[0].finish_reason) == ("Let me see. ", {"city": "Bergen"}, "tool_calls")
    cut = ask.chat.completions.create(model="scripted", messages=user, tools=[WEATHER], tool_choice="required", max_tokens=2)  # type: ignore[list-item]
    assert cut.choices[0].finish_reason == "length"
    turns: Any = [*user, free.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
    turns[1].pop("content")
    assert ask.chat.completions.create(model="scripted", messages=turns).choices[0].message.content == "It rains."


def test_a_schema_reaches_the_engine_and_a_reply_is_parsed(start: Callable[..., Any]) -> None:
    schemas: list[Any] = []

    class Noting(EchoChat):
        def stream(self, messages: Any, *, schema: Any = None, **how: Any) -> Any:
            schemas.append(schema)
            return super().stream(messages, schema=schema, **how)

    ask = client(start(Noting()))
    user: Any = [{"role": "user", "content": '{"name": "ox", "count": 2}'}]
    reply = ask.chat.completions.parse(model="echo", messages=user, response_format=Reply).choices[0].message.parsed
    assert reply == Reply(name="ox", count=2)
    assert set(schemas[0]["properties"]) == {"name", "count"}
    ask.chat.completions.create(model="echo", messages=user, response_format={"type": "json_object"})
    assert schemas[1] == {"type": "object"}
    parsed = ask.responses.parse(model="echo", input=user, text_format=Reply)
    assert parsed.output_parsed == Reply(name="ox", count=2)
    assert set(schemas[2]["properties"]) == {"name", "count"}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
        ({"logit_bias": {"five": 1}}, "logit_bias.five"),
        ({"logit_bias": {"5": 1000}}, "logit_bias.5"),
        ({"presence_penalty": 5}, "presence_penalty"),
        ({"n": 99}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"stop": ["x"] * 10_000}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"extra_body": {"wellread": {"mode": "auto"}}}, "wellread"),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, None),
    ],
)
def test_what_cannot_be_done_is_said(echo: Any, asked: dict[str, Any], param: str | None) -> None:
    ask = client(echo)
    with pytest.raises(openai.BadRequestError) as refused:
        ask.chat.completions.create(**{"model": "echo", "messages": HELLO, **asked})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert (refused.value.code == "context_length_exceeded") == (param is None)
    with pytest.raises(openai.BadRequestError):
        ask.chat.completions.create(**{"model": "echo", "messages": HELLO, "stream": True, **asked})


def test_models_are_listed_and_looked_up(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve()
    ask = client(start(EchoChat(), reranker=FakeReranker()))
    names = [model.id for model in ask.models.list()]
    assert names == ["library:papers", "echo", "hash-64", "overlap"]
    for name in [*names, "library:papers@echo"]:
        assert ask.models.retrieve(name).id == name
    for name in ("gpt-4o", "library:none", "library:papers@none", "library:../papers", "a/b"):
        with pytest.raises(openai.NotFoundError):
            ask.models.retrieve(name)
        with pytest.raises(openai.NotFoundError):
            ask.chat.completions.create(model=name, messages=HELLO)
        with pytest.raises(openai.NotFoundError):
            ask.chat.completions.create(model=name, messages=HELLO, stream=True)


def test_texts_are_gone_on_from(start: Callable[..., Any]) -> None:
    ask = client(start(EchoChat()))
    one = ask.completions.create(model="echo", prompt="Once upon a time", max_tokens=50)
    assert (one.choices[0].text, one.choices[0].finish_reason) == ("Once upon a time", "stop")
    told = ask.completions.create(model="echo", prompt="a b", echo=True, logprobs=1, max_tokens=0).choices[0]
    assert (told.text, told.finish_reason) == ("a b", "length")
    assert told.logprobs is not None
    assert told.logprobs.model_dump() == {
        "tokens": ["a", " b"], "token_logprobs": [None, -1.0], "top_logprobs": [None, {" b": -1.0}], "text_offset": [0, 1],
    }  # fmt: skip
    numbers = ask.completions.create(model="echo", prompt=[[7, 8], [9]], echo=True, max_tokens=1)
    assert [choice.text for choice in numbers.choices] == ["7 87", "99"]
    two = ask.completions.create(model="echo", prompt=["a b", "c d"], n=2)
    assert [(choice.index, choice.text) for choice in two.choices] == [(0, "a b"), (1, "a b"), (2, "c d"), (3, "c d")]
    assert two.usage is not None
    assert (two.usage.prompt_tokens, two.usage.completion_tokens) == (4, 8)
    assert "".join(each.choices[0].text for each in ask.completions.create(model="echo", prompt="a b c", stream=True)) == "a b c"
    for wrong in (
        {"prompt": [1, "a"]},
        {"prompt": [[1], "a"]},
        {"prompt": [-1]},
        {"prompt": "a", "logprobs": 99},
        {"prompt": "a", "max_tokens": 0},
        {"prompt": ""},
        {"prompt": "a", "suffix": "b"},
    ):
        with pytest.raises(openai.BadRequestError):
            ask.completions.create(**{"model": "echo", "prompt": "a", **wrong})


def test_texts_are_cut_into_tokens(echo: Any) -> None:
    ask = client(echo).with_options(base_url=echo.url)
    got: Any = ask.post("/tokenize", body={"prompt": "a b c", "add_special_tokens": False}, cast_to=object)
    assert got == {"count": 3, "max_model_len": 4096, "tokens": [0, 1, 2]}
    assert ask.post("/tokenize", body={"model": "echo", "prompt": ""}, cast_to=object) == {**got, "count": 0, "tokens": []}
    for wrong in ({}, {"prompt": 5}, {"prompt": "a", "add_special_tokens": True}, {"messages": HELLO}):
        with pytest.raises(openai.BadRequestError):
            ask.post("/tokenize", body=wrong, cast_to=object)
    with pytest.raises(openai.APIStatusError) as refused:
        ask.get("/tokenizer_info", cast_to=object)
    assert refused.value.status_code == 400
    with pytest.raises(openai.NotFoundError):
        ask.get("/tokenizer_info?model=none", cast_to=object)


def test_embeddings_are_the_embedders_own(start: Callable[..., Any]) -> None:
    ask = client(start())
    texts = ["green tea", "solar panels"]
    expected = HashEmbedder().embed(texts)
    got = ask.embeddings.create(model="hash-64", input=texts)  # base64, as the client asks for it
    assert np.array([row.embedding for row in got.data], np.float32) == pytest.approx(expected)
    plain = ask.embeddings.create(model="hash-64", input=texts[0], encoding_format="float", dimensions=64)
    assert np.array(plain.data[0].embedding, np.float32) == pytest.approx(expected[0])
    raw: Any = ask.embeddings.with_raw_response.create(model="hash-64", input=texts[0], encoding_format="base64")
    row = json.loads(raw.text)["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(row), "<f4") == pytest.approx(expected[0])
    for wrong in ({"dimensions": 8}, {"input": [[1, 2]]}, {"input": []}, {"input": ["", "x"]}, {"input": ["x"] * 3000}):
        with pytest.raises(openai.BadRequestError):
            ask.embeddings.create(**{"model": "hash-64", "input": "x", **wrong})


def test_texts_are_reranked(start: Callable[..., Any]) -> None:
    ask = client(start(reranker=FakeReranker()))
    body = {
        "model": "overlap",
        "query": "green tea",
        "documents": ["black coffee", {"text": "green tea"}, "tea"],
        "top_n": 2,
        "return_documents": True,
    }
    got: Any = ask.post("/rerank", body=body, cast_to=object)
    assert [(row["index"], row["document"]["text"]) for row in got["results"]] == [(1, "green tea"), (2, "tea")]
    with pytest.raises(openai.APIStatusError) as refused:
        client(start()).post("/rerank", body=body, cast_to=object)
    assert refused.value.status_code == 501
    assert "--reranker" in str(refused.value)


def test_a_library_answers_with_citations(start: Callable[..., Any], shelve: Callable[..., None], papers: Any) -> None:
    shelve()
    ask = client(start(ScriptedChat(["Maria Keller approved the installation."] * 3)))
    user: Any = [{"role": "system", "content": "Be nice."}, {"role": "user", "content": QUESTION}]
    reply = ask.chat.completions.create(model="library:papers@scripted", messages=user)
    own: Any = reply.model_extra and reply.model_extra["wellread"]
    message = reply.choices[0].message
    assert own["refused"] is False
    assert any("system message was not used" in note for note in own["notes"])
    assert message.content is not None
    assert "[1]" in message.content
    (note, *_) = message.annotations or []
    assert message.content[note.url_citation.start_index : note.url_citation.end_index].endswith("[1]")
    assert note.url_citation.url == (papers / "solar.txt").as_uri()
    assert own["citations"][0]["quote"] in (papers / "solar.txt").read_text()
    chunks = list(ask.chat.completions.create(model="library:papers", messages=user, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == message.content
    (told,) = [chunk for chunk in chunks if chunk.model_extra and "wellread" in chunk.model_extra]
    assert (told.model_extra or {})["wellread"]["citations"] == own["citations"]
    quoted = ask.chat.completions.create(model="library:papers", messages=user[1:], extra_body={"wellread": {"mode": "extract"}})
    assert "approved by Maria Keller" in (quoted.choices[0].message.content or "")
    refused = ask.chat.completions.create(model="library:papers", messages=[{"role": "user", "content": "Zzyzx qwrt?"}])
    assert (refused.model_extra or {})["wellread"]["refused"] is True


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [WEATHER]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"stop": "x"},
        {"extra_body": {"wellread": {"mdoe": "extract"}}},
        {"extra_body": {"wellread": {"mode": "extrat"}}},
        {"extra_body": {"wellread": {"mode": 5}}},
        {"extra_body": {"wellread": {"filter": "colour:blue"}}},
        {"messages": [{"role": "assistant", "content": "x"}]},
    ],
)
def test_what_a_library_cannot_do_is_said(echo: Any, asked: dict[str, Any]) -> None:
    ask = client(echo)
    with pytest.raises(openai.BadRequestError):
        ask.chat.completions.create(**{"model": "library:papers", "messages": HELLO, **asked})


def test_responses_are_kept_and_gone_on_from(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve()
    heard: list[list[tuple[str, str]]] = []

    def hear(messages: Any) -> str:
        heard.append([(message.role, message.content) for message in messages])
        return f"answer {len(heard)}"

    ask = client(start(ScriptedChat([hear] * 3 + ['{"city": "Oslo"}'] + [hear] * 2)))
    first = ask.responses.create(model="scripted", input="one", instructions="Be brief.")
    second = ask.responses.create(model="scripted", input="two", previous_response_id=first.id)
    assert (first.output_text, second.output_text, second.status) == ("answer 1", "answer 2", "completed")
    assert heard[1] == [("user", "one"), ("assistant", "answer 1"), ("user", "two")]  # instructions hold for their own request
    assert ask.responses.retrieve(first.id).output_text == "answer 1"
    assert len(list(ask.responses.input_items.list(first.id))) == 1
    lost = ask.responses.create(model="scripted", input="three", store=False)
    for ident in (lost.id, "resp_none"):
        with pytest.raises(openai.NotFoundError):
            ask.responses.retrieve(ident)
        with pytest.raises(openai.BadRequestError) as refused:
            ask.responses.create(model="scripted", input="x", previous_response_id=ident)
        assert refused.value.code == "previous_response_not_found"
    flat: Any = {"type": "function", **WEATHER["function"]}  # type: ignore[dict-item]
    called = ask.responses.create(model="scripted", input="weather?", tools=[flat], tool_choice="required")
    (call,) = called.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Oslo"}
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}]
    last = ask.responses.create(model="scripted", input=output, previous_response_id=called.id)
    assert last.output_text == "answer 4"
    assert [role for role, _ in heard[3]] == ["user", "assistant", "user"]
    ask.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError):
        ask.responses.create(model="scripted", input="x", previous_response_id=second.id)
    for wrong in (
        {"truncation": "auto"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"input": []},
        {"reasoning": {"effort": "high"}},
    ):
        with pytest.raises(openai.BadRequestError):
            ask.responses.create(**{"model": "scripted", "input": "x", **wrong})


def test_the_events_of_a_response_build_it(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve()
    ask = client(start(ScriptedChat(["Maria Keller approved the installation."])))
    with ask.responses.stream(model="library:papers", input=QUESTION) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert kinds[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]
    assert "response.output_text.annotation.added" in kinds
    assert final.output_text == "".join(event.delta for event in events if event.type == "response.output_text.delta")
    (note, *_) = final.output[0].content[0].annotations  # type: ignore[union-attr]
    assert (note.type, note.filename) == ("file_citation", "solar.txt")  # type: ignore[union-attr]
    assert final.output_text[: note.index].endswith("[1]")  # type: ignore[union-attr]
    assert ask.responses.retrieve(final.id).output_text == final.output_text
    with pytest.raises(openai.NotFoundError), ask.responses.stream(model="none", input="x") as stream:
        list(stream)


def test_probabilities_of_tokens_are_told(start: Callable[..., Any]) -> None:
    ask = client(start(EchoChat()))
    messages: Any = [{"role": "user", "content": "a b"}]
    whole = ask.chat.completions.create(model="echo", messages=messages, logprobs=True, top_logprobs=1).choices[0]
    assert whole.logprobs is not None and whole.logprobs.content is not None
    assert [(token.token, token.logprob, token.top_logprobs[0].token) for token in whole.logprobs.content] == [
        ("a", -1, "a"),
        (" b", -1, " b"),
    ]
    told = []
    for chunk in ask.chat.completions.create(model="echo", messages=messages, logprobs=True, stream=True):
        for choice in chunk.choices:
            told += choice.logprobs.content if choice.logprobs and choice.logprobs.content else []
    assert [(token.token, token.bytes, token.top_logprobs) for token in told] == [("a", [97], []), (" b", [32, 98], [])]
