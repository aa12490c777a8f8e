"""Wellread's own interface: the same answers as from the library itself, and a description that holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import HashEmbedder, ScriptedChat
from wellread.options import Options
from wellread.parts import Parts
from wellread.record import answer_json
from wellread.server.app import PROTOCOLS
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
QUESTION = "Who approved the installation of the solar panels?"


def test_a_library_over_http_says_what_it_says_here(start: Callable[..., Any], shelve: Callable[..., None], tmp_path: Path) -> None:
    shelve()
    url = start(ScriptedChat(["Maria Keller approved it."] * 2)).url + "/api/v1/libraries"
    with Library(tmp_path / "papers.wellread", Parts(Settings(model="none", home=tmp_path / "home"), embedder=HashEmbedder())) as here:
        expected = answer_json(here.ask(QUESTION, options=Options(mode="extract")))
        hits = [hit.chunk.id for hit in here.search("solar panels")]
        listed = [each.id for each in here.documents()]
    assert httpx.get(url).json() == {"libraries": [{"name": "papers", "model": "library:papers"}]}
    about = httpx.get(url + "/papers").json()
    assert (about["documents"], about["embedder"]) == (3, "hash-64")
    documents = httpx.get(url + "/papers/documents").json()
    assert [row["id"] for row in documents["documents"]] == listed
    assert httpx.get(url + "/papers/documents", params={"limit": 1, "offset": 2}).json()["documents"] == documents["documents"][2:]
    assert httpx.get(url + "/papers/documents", params={"filter": "type:pdf"}).json()["total"] == 0
    found = httpx.post(url + "/papers/search", json={"query": "solar panels"}).json()
    assert [hit["chunk"] for hit in found["hits"]] == hits
    answer = httpx.post(url + "/papers/ask", json={"question": QUESTION, "mode": "extract"}).json()
    same = ("answer", "sentences", "citations", "ledger", "mode", "confidence")
    assert {name: answer[name] for name in same} == {name: expected[name] for name in same}
    quote = answer["citations"][0]
    span = httpx.get(f"{url}/papers/documents/{quote['document']['id']}", params={"start": quote["start"], "end": quote["end"]}).json()
    assert span["text"] == quote["quote"]
    assert httpx.get(f"{url}/papers/traces").json()["traces"][0]["id"] == answer["trace_id"]
    assert httpx.get(f"{url}/papers/traces/{answer['trace_id']}").json()["question"] == QUESTION
    assert httpx.get(f"{url}/papers/traces/{answer['trace_id'][:4]}").status_code == 404
    told = httpx.post(url + "/papers/ask", json={"question": QUESTION, "stream": True, "history": [{"question": "a", "answer": "b"}]}).text
    events = [(block.split("\n")[0], json.loads(block.split("\n")[1][6:])) for block in told.strip().split("\n\n")]
    assert {name for name, _ in events[:-1]} == {"event: draft"}
    assert events[-1][0] == "event: answer"
    assert events[-1][1]["citations"][0]["quote"] == quote["quote"]


def test_a_slip_of_the_pen_is_told(echo: Any) -> None:
    url = echo.url + "/api/v1/libraries/papers"
    for path, body, word in (
        ("/ask", {"question": "x", "strcit": True}, 'did you mean "strict"?'),
        ("/ask", {"question": " "}, "question is empty"),
        ("/ask", {"question": "x", "mode": "best"}, "no answer mode"),
        ("/ask", {"question": "x", "history": [{"question": "y"}]}, "history[0].answer"),
        ("/search", {"query": "x", "limit": 0}, "limit"),
        ("/search", {"query": "x", "filter": "colour:blue"}, "colour"),
        ("/search", {"query": "x", "by": 5}, "by"),
    ):
        got = httpx.post(url + path, json=body)
        assert got.status_code == 400
        assert word in got.json()["error"]["message"]
    assert httpx.get(url + "/documents?limit=-1").status_code == 400
    assert httpx.get(url + "/documents?filetr=x").status_code == 400
    assert httpx.get(url + "/documents?filter=colour:blue").status_code == 400
    assert httpx.put(url + "/documents").status_code == 405


def test_every_route_is_described(echo: Any) -> None:
    described = httpx.get(echo.url + "/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for protocol in PROTOCOLS:
        for route in protocol.routes:
            operation = described["paths"][route.path.replace(":path", "")][route.method.lower()]
            assert operation["summary"].endswith(".")
            assert ("requestBody" in operation) == (route.method == "POST" or route.body is not None)
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert all("{" + name in route.path for name in named)


def test_the_page_about_it_needs_nothing_from_elsewhere(start: Callable[..., Any]) -> None:
    """It needs no token, which it asks for itself, and lets nothing in but its own two files."""
    url = start(policy=Policy((Key("t" * 20, Caller("owner")),))).url
    assert httpx.get(url + "/openapi.json").status_code == 401
    for path in ("/docs", "/docs/page.js", "/docs/page.css"):
        got = httpx.get(url + path)
        assert got.status_code == 200
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"(?:src|href)=\"(?!/|data:,)|https?://|innerHTML|\son\w+=", got.text), path
    assert httpx.get(url + "/docs/page.html").status_code == 401
    assert "light-dark" in httpx.get(url + "/docs/page.css").text
