"""Anthropic's own client against a server: messages, streams, tools, documents with citations, errors."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.config import Settings
from wellread.models.fake import EchoChat, HashEmbedder, ScriptedChat
from wellread.models.watched import Stopped
from wellread.parts import Parts
from wellread.server.anthropic_messages import read
from wellread.server.body import Fields
from wellread.server.errors import Refused
from wellread.server.exchange import Caller
from wellread.server.given import Given
from wellread.server.given import read as documents_of
from wellread.server.given_shelf import GivenShelf
from wellread.server.guard import Key, Policy
from wellread.server.halting import Halted, halting
from wellread.server.turn import Ended, Said
from wellread.types import Citation, Usage

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
QUESTION = "Who approved the installation of the solar panels?"
APPROVED = "The installation of the solar panels was approved by Maria Keller in May 2021."
SENT: dict[str, Any] = {"type": "text", "text": "x"}
HELLO: Any = [{"role": "user", "content": "Hello there 你好"}]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: Any = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}


Connect = Callable[..., Anthropic]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and closes them in the end."""
    with ExitStack() as stack:

        def make(url: str, key: str = "any") -> Anthropic:
            return stack.enter_context(Anthropic(base_url=url, api_key=key, max_retries=0, timeout=60))

        yield make


def pdf(*texts: str) -> str:
    """A PDF with a page for each text, as base64."""
    pages = b""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(texts)))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(texts)}>>"]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    for number, text in enumerate(texts):
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"
        objects.append(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>" + f"/Contents {5 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj{body}endobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    pages = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Root 1 0 R/Size {len(objects) + 1}>>\n".encode()
    return base64.b64encode(data + pages + f"startxref\n{len(data)}\n%%EOF".encode()).decode()


def document(source: dict[str, Any], title: str | None = None, *, cited: bool = True) -> Any:
    return {"type": "document", "source": source, "title": title, "citations": {"enabled": cited}}


def plain(text: str) -> dict[str, Any]:
    return {"type": "text", "media_type": "text/plain", "data": text}


def test_messages_whole_and_streamed_say_the_same(connect: Connect, start: Callable[..., Any]) -> None:
    ask = connect(start(EchoChat()).url)
    how: Any = {
        "model": "echo",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    }
    whole = ask.messages.create(messages=HELLO, extra_body={"temperature": 0.5, "top_k": 5, "top_p": 0.9}, **how)
    assert [block.to_dict() for block in whole.content] == [{"type": "text", "text": "Hello there 你好", "citations": None}]
    ended = (whole.stop_reason, whole.stop_sequence, whole.model, whole.role, whole.type)
    assert ended == (
        "end_turn",
        None,
        "echo",
        "assistant",
        "message",
    )
    assert whole.usage.input_tokens > whole.usage.output_tokens > 2
    with ask.messages.stream(messages=HELLO, **how) as stream:
        kinds = [event.type for event in stream if event.type not in ("text", "ping")]
        last = stream.get_final_message()
    middle = [*["content_block_delta"] * whole.usage.output_tokens, "content_block_stop"]
    assert kinds == ["message_start", "content_block_start", *middle, "message_delta", "message_stop"]
    assert (last.content[0].to_dict(), last.stop_reason) == (whole.content[0].to_dict(), "end_turn")
    assert last.usage.output_tokens == whole.usage.output_tokens
    assert last.usage.input_tokens == whole.usage.input_tokens
    assert ask.messages.count_tokens(model="echo", messages=HELLO, system="Be brief.").input_tokens == whole.usage.input_tokens
    assert [model.id for model in ask.models.list()] == ["echo", "hash-64"]
    cut = ask.messages.create(model="echo", max_tokens=1, messages=HELLO)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 1)
    stopped = ask.messages.create(model="echo", max_tokens=9, messages=HELLO, stop_sequences=["nothing", "there"])
    assert [block.text for block in stopped.content if block.type == "text"] == ["Hello "]
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "there")
    parts: Any = [{"role": "user", "content": [document(plain("The sky."), "Sky", cited=False), {"type": "text", "text": "and you"}]}]
    told = ask.messages.create(model="echo", max_tokens=50, messages=parts).content[0]
    assert told.type == "text"
    assert told.text == '<document title="Sky">\nThe sky.\n</document>\nand you'


def test_tools_demanded_wanted_and_answered(connect: Connect, start: Callable[..., Any]) -> None:
    def called(messages: Any) -> str:
        assert "weather" in messages[0].content
        call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bergen"}}\n</tool_call>'
        return f"Let me see. {call}\n{call}"

    answered: list[Any] = []

    def rains(messages: Any) -> str:
        answered.extend(messages)
        return "It rains."

    demanded = ['{"name": "clock"}', "{}", '{"city": "Oslo"}', '{"city": "Oslo and more']
    ask = connect(start(ScriptedChat([*demanded, called, called, called, rains], name="scripted")).url)
    user: Any = [{"role": "user", "content": "And the weather?"}]
    how: Any = {"model": "scripted", "max_tokens": 50, "messages": user, "tools": [WEATHER, CLOCK]}
    any_ = ask.messages.create(tool_choice={"type": "any"}, **how)
    assert [(block.name, block.input) for block in any_.content if block.type == "tool_use"] == [("clock", {})]
    assert any_.stop_reason == "tool_use"
    with ask.messages.stream(tool_choice={"type": "tool", "name": "weather"}, **how) as stream:
        named = stream.get_final_message().content
    assert [(block.name, block.input) for block in named if block.type == "tool_use"] == [("weather", {"city": "Oslo"})]
    cut = ask.messages.create(tool_choice={"type": "tool", "name": "weather"}, **{**how, "max_tokens": 3})
    assert (cut.stop_reason, cut.content[0].to_dict()["input"]) == ("max_tokens", {})
    free = ask.messages.create(**how)
    assert [block.type for block in free.content] == ["text", "tool_use", "tool_use"]
    once = ask.messages.create(tool_choice={"type": "auto", "disable_parallel_tool_use": True}, **how)
    assert [block.type for block in once.content] == ["text", "tool_use"]
    with ask.messages.stream(**how) as stream:
        assert stream.get_final_message().content[1].to_dict()["input"] == {"city": "Bergen"}
    call = once.content[1].to_dict()
    back = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "Rain."}], "is_error": False}
    turns: Any = [*user, {"role": "assistant", "content": [block.to_dict() for block in once.content]}, {"role": "user", "content": [back]}]
    ended = ask.messages.create(**{**how, "messages": turns, "tool_choice": {"type": "none"}})
    assert ended.content[0].to_dict()["text"] == "It rains."
    assert "Bergen" in answered[-2].content
    assert "Rain." in answered[-1].content


def test_a_library_cites_the_places_in_its_documents(
    connect: Connect, start: Callable[..., Any], shelve: Callable[..., None], papers: Path
) -> None:
    (papers / "minutes.txt").write_text("Nothing was said.\fThe budget was approved by Ines Vogel in June 2022.\n")
    shelve()
    running = start()
    ask = connect(running.url)
    how: Any = {"model": "library:papers", "max_tokens": 100, "extra_body": {"wellread": {"mode": "extract"}}}
    whole = ask.messages.create(messages=[{"role": "user", "content": QUESTION}], **how)
    cites = [cite for block in whole.content if block.type == "text" for cite in block.citations or []]
    assert cites[0].type == "char_location"
    assert cites[0].document_title == "solar.txt"
    text = (papers / "solar.txt").read_text()
    assert cites[0].cited_text == text[cites[0].start_char_index : cites[0].end_char_index] == APPROVED
    assert cites[0].file_id == whole.to_dict()["wellread"]["citations"][0]["document"]["id"]  # type: ignore[index]
    with ask.messages.stream(messages=[{"role": "user", "content": QUESTION}], **how) as stream:
        assert any(event.type == "citation" for event in stream)
        last = stream.get_final_message()
    assert last.to_dict()["wellread"]["answer"] == whole.to_dict()["wellread"]["answer"]  # type: ignore[index]
    assert [block.to_dict()["citations"] for block in last.content] == [block.to_dict()["citations"] for block in whole.content]
    paged = ask.messages.create(messages=[{"role": "user", "content": "Who approved the budget?"}], **how)
    (cite,) = [cite for block in paged.content if block.type == "text" for cite in block.citations or []]
    assert cite.type == "page_location"
    assert (cite.start_page_number, cite.end_page_number) == (2, 3)


def test_documents_that_are_sent_are_answered_from_and_cited(connect: Connect, start: Callable[..., Any]) -> None:
    ask = connect(start(EchoChat()).url)
    text = f"About\r\n\r\nthe 屋顶.\r\n\r\n{APPROVED}\0 The end."
    blocks = ["Green tea is steeped at eighty degrees.", "Black tea needs boiling water."]
    result: Any = {"type": "search_result", "source": "https://x.example/1", "title": "Cats", "citations": {"enabled": True}}
    result["content"] = [{"type": "text", "text": "Cats sleep sixteen hours."}, {"type": "text", "text": "Dogs bark at night."}]
    found = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [result]}
    documents = [
        document(plain(text), "Minutes"),
        document({"type": "content", "content": [{"type": "text", "text": each} for each in blocks]}, "Tea"),
        document({"type": "base64", "media_type": "application/pdf", "data": pdf("An empty page.", "The budget was nine thousand euros.")}),
    ]
    use = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"query": "cats"}}

    def asked(question: str, **how: Any) -> Any:
        sent = documents if "budget" in question else documents[:2]
        turns: Any = [
            {"role": "user", "content": [*sent, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [found]},
        ]
        extra = {"wellread": {"mode": "extract"}}
        message = ask.messages.create(model="echo", max_tokens=100, messages=turns, extra_body=extra, **how)
        cites = [cite for block in message.content if block.type == "text" for cite in block.citations or []]
        return message, cites[0]

    message, cite = asked(QUESTION, system="Be brief.", tools=[WEATHER])
    assert (cite.type, cite.document_index, cite.document_title) == ("char_location", 0, "Minutes")
    assert cite.cited_text == text[cite.start_char_index : cite.end_char_index] == APPROVED
    assert [note.partition(":")[0] for note in message.to_dict()["wellread"]["notes"]] == [
        "no tools were called",
        "the system message was not used",
    ]
    _, cite = asked("What does black tea need?")
    assert (cite.type, cite.document_index, cite.start_block_index, cite.end_block_index) == ("content_block_location", 1, 1, 2)
    assert cite.cited_text == blocks[1]
    _, cite = asked("How much was the budget?")
    assert (cite.type, cite.document_index, cite.start_page_number, cite.end_page_number) == ("page_location", 2, 2, 3)
    assert cite.cited_text == "The budget was nine thousand euros."
    _, cite = asked("How long do cats sleep?")
    assert (cite.type, cite.search_result_index, cite.source, cite.title) == ("search_result_location", 0, "https://x.example/1", "Cats")
    assert (cite.cited_text, cite.start_block_index) == ("Cats sleep sixteen hours.", 0)
    refused = ask.messages.create(
        model="echo", max_tokens=9, messages=[{"role": "user", "content": [documents[0], {"type": "text", "text": "What is a zebra?"}]}]
    )
    assert (refused.stop_reason, refused.to_dict()["wellread"]["refused"]) == ("end_turn", True)  # type: ignore[index]


PICTURE = {"type": "image", "source": {"type": "url", "url": "x"}}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "no pictures"),
        ({"messages": [{"role": "user", "content": [document({"type": "url", "url": "https://x.example"})]}]}, "nothing is fetched"),
        ({"messages": [{"role": "user", "content": [document({"type": "base64", "data": "%%"})]}]}, "not base64"),
        (
            {"messages": [{"role": "user", "content": [document({"type": "base64", "data": "aGVsbG8="}), {"type": "text", "text": "x"}]}]},
            "PDF",
        ),
        ({"messages": [{"role": "user", "content": [document(plain("a")), document(plain("b"), cited=False)]}]}, "some documents only"),
        ({"messages": [{"role": "user", "content": [document(plain(" ")), SENT]}]}, "no text"),
        ({"messages": [{"role": "user", "content": [document(plain("a"))]}]}, "no question"),
        ({"model": "library:papers", "messages": [{"role": "user", "content": [document(plain("a"))]}]}, "its own documents"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "The answer is"}]}, "goes on from one"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "of your own"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "not among the tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "think"),
        ({"messages": [{"role": "user", "content": [document(plain("a")), SENT]}], "stop_sequences": ["x"]}, "stop_sequences"),
        ({"model": "library:papers", "output_config": {"format": {"type": "json_schema", "schema": {}}}}, "output_config"),
        ({"model": "library:papers", "tools": [CLOCK]}, "calls no functions"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 9}, "temperature"),
        ({"stop_sequences": ["  "]}, "stop sequence"),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, "window"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "string", "pattern": "((a{0,9}){0,9})*"}}}},
            "pattern",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_done_is_said(connect: Connect, echo: Any, asked: dict[str, Any], words: str) -> None:
    ask = connect(echo.url)
    for stream in (False, True):
        with pytest.raises(anthropic.BadRequestError) as refused:
            ask.messages.create(model="echo", max_tokens=9, messages=HELLO, extra_body=asked, stream=stream)
        told: Any = refused.value.body
        assert words in told["error"]["message"]
        assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
        assert told["request_id"] == refused.value.request_id == refused.value.response.headers["x-request-id"]


def test_other_errors_have_anthropics_shape_too(connect: Connect, echo: Any) -> None:
    ask = connect(echo.url)
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask.messages.create(model="ecko", max_tokens=9, messages=HELLO)
    assert "did you mean" in missing.value.message
    with pytest.raises(anthropic.BadRequestError, match='"max_tokens" is missing'):
        ask.messages.create(model="echo", messages=HELLO, extra_body={"max_tokens": None}, max_tokens=1)
    with pytest.raises(anthropic.BadRequestError, match="library"):
        ask.messages.count_tokens(model="library:papers", messages=HELLO)
    with pytest.raises(anthropic.PermissionDeniedError) as kept_out:
        ask.messages.create(model="echo", max_tokens=9, messages=HELLO, extra_headers={"origin": "http://evil.example"})
    assert json.loads(kept_out.value.response.text)["error"]["type"] == "permission_error"
    assert kept_out.value.response.json()["request_id"]
    with pytest.raises(anthropic.APIStatusError) as wrong_method:
        ask.get("/v1/messages", cast_to=object)
    assert (wrong_method.value.status_code, wrong_method.value.response.json()["type"]) == (405, "error")


@pytest.mark.slow
def test_documents_are_kept_for_the_next_turn_and_then_removed(tmp_path: Path) -> None:
    class Counting(HashEmbedder):
        read = 0

        def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
            self.read += 0 if query else len(texts)
            return super().embed(texts, query=query)

    embedder, stop = Counting(), threading.Event()
    parts = Parts(Settings(model="none", home=tmp_path), embedder=embedder)
    shelf, brief = GivenShelf(parts, most=2, keep_s=60), GivenShelf(parts, keep_s=0.1)

    def opened(owner: str, text: str, shelf: GivenShelf = shelf) -> tuple[Path, int]:
        before = embedder.read
        with shelf.open(owner, [Given("text", 0, "x", "Tea", blocks=(text,))], parts, stop) as library:
            assert library.search("tea")[0].chunk.text == text
            return library.folder, embedder.read - before

    first = opened("me", "Tea is hot.")
    assert opened("me", "Tea is hot.") == (first[0], 0)
    second = opened("you", "Tea is hot.")
    assert second[1] == first[1] > 0
    third = opened("me", "Tea is cold.")
    assert [folder.exists() for folder, _ in (first, second, third)] == [False, True, True]
    shelf.close()
    assert not second[0].exists() and not third[0].exists()
    fourth = opened("me", "Tea is hot.", brief)
    until = time.monotonic() + 5
    while fourth[0].exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not fourth[0].exists()
    with pytest.raises(Stopped):
        stop.set()
        opened("me", "Tea is hot.\n\n" + "\n\n".join(f"Tea number {number} " + "is green and black " * 20 for number in range(300)))


def test_a_token_comes_as_anthropics_key(connect: Connect, start: Callable[..., Any]) -> None:
    running = start(policy=Policy(keys=(Key("a-token-of-some-length", Caller("owner")),)))
    with pytest.raises(anthropic.AuthenticationError) as kept_out:
        connect(running.url).messages.create(model="echo", max_tokens=9, messages=HELLO)
    told: Any = kept_out.value.body
    assert (told["type"], told["error"]["type"]) == ("error", "authentication_error")
    known = connect(running.url, "a-token-of-some-length")
    assert known.messages.create(model="echo", max_tokens=9, messages=HELLO).stop_reason == "end_turn"


def text_of(signs: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(signs), min_size=least, max_size=most).map("".join)


@settings(max_examples=40)
@given(st.lists(text_of("ab<", 0, 3), max_size=8), st.lists(text_of("ab<", 1, 3), max_size=3))
def test_a_stop_string_ends_a_text_wherever_it_falls(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    got = list(halting((piece for piece in [*(Said(0, piece) for piece in pieces), Ended(0, "stop", Usage())]), stops, 3))
    said = "".join(piece.text for piece in got if isinstance(piece, Said))
    last = got[-1]
    if isinstance(last, Halted):
        assert said == text[: text.find(last.sequence)]
        assert not any(stop in said for stop in stops)
    else:
        assert not ends
        assert said == text


@settings(max_examples=40)
@given(st.lists(text_of("ab \n\r\0\fé", 1, 9), min_size=1, max_size=4), st.data())
def test_places_are_places_in_what_was_given(blocks: list[str], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["text", "content", "search"]))
    given_ = Given(kind, 2, "x", "Title", blocks=tuple(blocks[:1] if kind == "text" else blocks))
    document = documents_of([given_], Settings())[given_]
    assert not set("\r\0") & set(document.text)
    which = data.draw(st.integers(0, len(given_.blocks) - 1))
    at = sum(len(block) + 2 for block in given_.blocks[:which])
    start = at + data.draw(st.integers(0, len(given_.blocks[which]) - 1))
    end = data.draw(st.integers(start + 1, at + len(given_.blocks[which])))
    place = given_.location(Citation(1, document.id, "", "", "", None, None, start, end, document.text[start:end]))
    if kind == "text":
        assert place["cited_text"] == blocks[0][place["start_char_index"] : place["end_char_index"]]
    else:
        assert (place["start_block_index"], place["end_block_index"], place["cited_text"]) == (which, which + 1, blocks[which])


_NAMES = st.sampled_from(
    "model messages role content type text source data citations enabled title tools name input_schema input tool_choice system"
    " max_tokens thinking stop_sequences output_config format schema tool_use_id id context media_type wellread".split()
)
_KINDS = "text document search_result tool_use tool_result image user assistant base64 content any tool".split()
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(_KINDS)
_JSON: Any = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=25)


@settings(max_examples=40)
@given(st.dictionaries(_NAMES, _JSON, max_size=8), _JSON)
def test_any_object_is_read_or_refused(body: dict[str, Any], content: Any) -> None:
    valid = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}]}
    for each in (body, valid, {**valid, **body}):
        try:
            read(Fields(each))
        except Refused as refused:
            assert refused.status == 400
            assert refused.message
