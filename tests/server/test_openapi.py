"""What the OpenAPI document says can be sent, and what it says cannot: none of it brings the server down, and what comes back is what the
document says.

The cases are made by schemathesis from the document itself, the same ones each time; WELLREAD_TEST_CASES=100 makes more of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from tests.server.conftest import run

from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import EchoChat, FakeReranker, HashEmbedder
from wellread.parts import Parts
from wellread.server.app import PROTOCOLS
from wellread.server.openapi import document
from wellread.server.runtime import Bounds

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MORE = int(os.environ.get("WELLREAD_TEST_CASES", "3"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NAMES = ["echo", "hash-64", "library:papers", "library:papers@echo", "overlap", "papers", ""]
APART = ("/api/v1/jobs/{id}/events", "/api/push")
"""What goes on as long as a job does, and what is always a 501."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a library, whose models answer at once."""
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "tea.txt").write_text("Green tea is steeped at eighty degrees for two minutes. Black tea needs boiling water.\n")
    with Library(folder / "papers.wellread", Parts(Settings(model="none", home=folder / "home"), embedder=HashEmbedder())) as library:
        library.add(folder / "tea.txt")
    with run(folder, EchoChat(), bounds=Bounds(body_bytes=1 << 20, request_s=20), reranker=FakeReranker()) as running:
        yield running


def operations(mode: GenerationMode, *, few: bool) -> list[Any]:
    """The operations of the document; among the names that they are given are those of what the server has. With `few`, those with a
    body. Where anything may be sent nothing can be wrong, so such are not asked for what is."""
    whole = json.loads(json.dumps(document(PROTOCOLS)))
    taken: list[tuple[str, str]] = []
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            for each in operation["parameters"]:
                if each["name"] == "name":
                    each["schema"]["enum"] = ["papers", "none", "..", "a b", "%"]
            bodies = operation.get("requestBody", {"content": {}})["content"]
            for content in bodies.values():
                for name in {"model", "name", "from", "source"} & content["schema"].get("properties", {}).keys():
                    content["schema"]["properties"][name] = {"enum": NAMES}
            strict = "application/json" in bodies or any(each["in"] == "query" for each in operation["parameters"])
            if path not in APART and (bodies or not few) and (strict or mode.is_positive):
                taken.append((path, method.upper()))
    described = schemathesis.openapi.from_dict(whole)
    return [described[path][method] for path, method in taken]


def played(url: str, mode: GenerationMode, most: int, *, few: bool) -> int:
    """Send `most` cases of every operation, and look at what comes back. Returns how many there were."""
    how = settings(
        max_examples=most, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    sent = 0
    with requests.Session() as session:
        for operation in operations(mode, few=few):

            @seed(0)
            @how
            @given(case=operation.as_strategy(generation_mode=mode))
            def play(case: Any) -> None:
                nonlocal sent
                sent += 1
                case.validate_response(case.call(base_url=url, session=session, timeout=20), checks=CHECKS)

            play()
    return sent


def still_there(running: Any) -> None:
    """The server answers, nobody works any more, and nothing went wrong inside."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "still there"}]}
    got = httpx.post(running.url + "/v1/chat/completions", json=body)
    assert got.json()["choices"][0]["message"]["content"] == "still there"
    errors = [line for line in running.log.getvalue().splitlines() if json.loads(line)["event"] == "error"]
    assert errors == []


def test_a_few_of_what_can_be_sent(served: Any) -> None:
    assert played(served.url, GenerationMode.POSITIVE, 1, few=True) >= 20
    still_there(served)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_much_of_what_can_be_sent(served: Any, mode: GenerationMode) -> None:
    assert played(served.url, mode, MORE, few=False) >= 25 * MORE
    still_there(served)
