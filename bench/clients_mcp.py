"""Calls of the official client of the Model Context Protocol, over HTTP and stdio."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from clients_call import LIBRARY_ANSWER, LIBRARY_QUESTION, Absent, Call, Place, see

TOOLS = ["search", "ask", "fetch", "list_libraries", "list_documents"]
Talk = Callable[[Client, Place], Awaitable[str]]


def _http(talk: Talk, at: Place) -> str:
    import httpx2

    async def play() -> str:
        async with httpx2.AsyncClient(timeout=60) as http, Client(streamable_http_client(at.url + "/mcp", http_client=http)) as client:
            return await talk(client, at)

    return asyncio.run(play())


def _stdio(talk: Talk, at: Place) -> str:
    if not at.stdio:
        raise Absent("it has no such command")
    how = StdioServerParameters(command=sys.executable, args=list(at.stdio), env=dict(at.environ))

    async def play() -> str:
        async with Client(stdio_client(how)) as client:
            return await talk(client, at)

    return asyncio.run(play())


async def _given(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    see(not result.is_error, f"{name}: {result.content}")
    return result.structured_content


async def _list(client: Client, at: Place) -> str:
    names = [tool.name for tool in (await client.list_tools()).tools]
    see(names == TOOLS, f"{names}")
    return f"{len(names)} tools"


async def _search_fetch(client: Client, at: Place) -> str:
    found = (await _given(client, "search", query=LIBRARY_QUESTION, k=3))["results"]
    see(any(LIBRARY_ANSWER in row["text"] for row in found), "the passage is not among the first 3")
    fetched = await _given(client, "fetch", id=found[0]["id"])
    see(fetched["text"][found[0]["start"] : found[0]["end"]] == found[0]["text"], "the passage is not at its place")
    return f"{len(found)} passages"


async def _ask(client: Client, at: Place) -> str:
    answer = await _given(client, "ask", question=LIBRARY_QUESTION, library=at.library.removeprefix("library:"), mode="extract")
    see(LIBRARY_ANSWER in answer["answer"], answer["answer"][:60])
    cite = answer["citations"][0]
    text = (await client.read_resource(cite["resource"])).contents[0].text  # type: ignore[union-attr]
    see(text[cite["start"] : cite["end"]] == cite["quote"], "the quote is not at its place")
    return f"{LIBRARY_ANSWER}, {len(answer['citations'])} citations"


async def _wrong(client: Client, at: Place) -> str:
    result = await client.call_tool("ask", {"question": "x", "library": "none"})
    see(result.is_error, "a library that is not there answers")
    return "refused " + json.dumps(result.content[0].text.splitlines()[0])[:40]  # type: ignore[union-attr]


async def _all(client: Client, at: Place) -> str:
    return ", ".join([await talk(client, at) for talk in (_list, _search_fetch, _ask, _wrong)])


def _named(name: str, call: Any) -> Call:
    made: Any = partial(call)
    made.__name__ = name
    return made  # type: ignore[no-any-return]


CALLS: tuple[Call, ...] = (
    _named("http_list_tools", partial(_http, _list)),
    _named("http_search_fetch", partial(_http, _search_fetch)),
    _named("http_ask_read_resource", partial(_http, _ask)),
    _named("http_unknown_library", partial(_http, _wrong)),
    _named("stdio_all_of_these", partial(_stdio, _all)),
)
