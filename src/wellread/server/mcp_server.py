"""Wellread as a server of the Model Context Protocol: https://modelcontextprotocol.io/specification

Built on the protocol's own SDK, which the extra `mcp` brings; it is imported when it is first needed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from wellread import __version__
from wellread.errors import suggest
from wellread.server.body import Fields
from wellread.server.errors import Refused, refusal
from wellread.server.exchange import Caller
from wellread.server.mcp_tools import SCHEME, TOOLS, Reader, Tool, uri
from wellread.server.runtime import Runtime
from wellread.server.work import Work

if TYPE_CHECKING:
    from mcp.server import Server
    from mcp.types import (
        CallToolRequestParams,
        CallToolResult,
        ListResourcesResult,
        ListResourceTemplatesResult,
        ListToolsResult,
        PaginatedRequestParams,
        ReadResourceRequestParams,
        ReadResourceResult,
    )

T = TypeVar("T")

INSTALL = 'pip install "wellread[mcp]"'
"""What brings the SDK."""

_PAGE = 100
_MOST_CHARS = 2_000_000
_TOOLS = {tool.name: tool for tool in TOOLS}
_INSTRUCTIONS = (
    "The user's own documents. Use ask for a question: its answer is checked, and quotes what it rests on. Use search and fetch to read "
    "for yourself, and cite the title and page of what you use."
)

Failed = Callable[[Exception], None]
"""Told of every error, for the log."""


def is_installed() -> bool:
    """Whether the SDK is here."""
    return importlib.util.find_spec("mcp") is not None


def server(runtime: Runtime, caller: Caller, failed: Failed, *, fetches: bool = False) -> Server[Any]:
    """A server for one caller; for `fetches` see `Reader`. The SDK must be installed."""
    from mcp.server import Server

    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it would quote what it was sent
    speaks = _Speaks(runtime, caller, failed, fetches)
    return Server(
        "wellread",
        title="Wellread",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=speaks.list_tools,
        on_call_tool=speaks.call_tool,
        on_list_resources=speaks.list_resources,
        on_list_resource_templates=speaks.list_templates,
        on_read_resource=speaks.read_resource,
    )


class _Speaks:
    """The protocol's requests, answered for one caller."""

    def __init__(self, runtime: Runtime, caller: Caller, failed: Failed, fetches: bool) -> None:
        self._runtime = runtime
        self._caller = caller
        self._failed = failed
        self._fetches = fetches

    async def list_tools(self, context: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        from mcp import types

        hints = types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
        tools = [
            types.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.about,
                input_schema=_object(tool.properties, tool.required) | {"additionalProperties": False},
                output_schema=_object(tool.gives, tuple(tool.gives)),
                annotations=hints,
            )
            for tool in TOOLS
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, context: Any, params: CallToolRequestParams) -> CallToolResult:
        """What a tool gives, as structured content and as text. What goes wrong is a result too, which the model can learn from."""
        from mcp import MCPError, types

        tool = _TOOLS.get(params.name)
        if tool is None:
            near = suggest(params.name[:200], _TOOLS)
            raise MCPError(types.INVALID_PARAMS, f"there is no such tool; {near or 'the tools are ' + ', '.join(_TOOLS)}")
        try:
            fields = Fields(params.arguments or {})
            fields.only(dict(tool.properties))
            found = await (self._worked(tool, fields) if tool.works else self._quickly(lambda reader: tool.run(reader, fields)))
        except Exception as error:
            self._failed(error)
            return types.CallToolResult(content=[types.TextContent(text=_said(refusal(error)))], is_error=True)
        text = json.dumps(found, ensure_ascii=False)
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=found)

    async def list_resources(self, context: Any, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """The documents of every library, a hundred at a time."""
        from mcp import MCPError, types

        cursor = (params.cursor if params is not None else None) or "0"
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 12):
            raise MCPError(types.INVALID_PARAMS, "this is no cursor that was given here")
        start = int(cursor)

        def listed(reader: Reader) -> list[types.Resource]:
            rows: list[types.Resource] = []
            for name in reader.libraries():
                with reader.open(name) as opened:
                    for each in opened.documents():
                        about = f"{each.media_type}, in {name}"
                        address = uri(name, each.id)
                        rows.append(
                            types.Resource(uri=address, name=each.title, title=each.title, description=about, mime_type="text/plain")
                        )
            return rows

        rows = await self._told(listed)
        following = str(start + _PAGE) if start + _PAGE < len(rows) else None
        return types.ListResourcesResult(resources=rows[start : start + _PAGE], next_cursor=following)

    async def list_templates(self, context: Any, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        from mcp import types

        about = "The text of a document; list_documents gives the ids."
        template = SCHEME + "{library}/{document}"
        row = types.ResourceTemplate(uri_template=template, name="document", title="Document", description=about, mime_type="text/plain")
        return types.ListResourceTemplatesResult(resource_templates=[row])

    async def read_resource(self, context: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
        """The text of a document."""
        from mcp import types

        address = params.uri

        def text(reader: Reader) -> str:
            if not address.startswith(SCHEME):
                raise Refused(404, "document_not_found", f"resources begin with {SCHEME}")
            _, document, span = reader.document(address)
            if span is None and len(document.text) > _MOST_CHARS:
                raise Refused(
                    413, "document_too_large", f"this document has {len(document.text)} characters", hint="fetch reads it in parts"
                )
            return document.text if span is None else document.text[slice(*span)]

        found = types.TextResourceContents(uri=address, mime_type="text/plain", text=await self._told(text))
        return types.ReadResourceResult(contents=[found])

    # --- inside

    async def _told(self, make: Callable[[Reader], T]) -> T:
        """What a function returns; its errors as errors of the protocol."""
        from mcp import MCPError, types

        try:
            return await self._quickly(make)
        except Exception as error:
            self._failed(error)
            refused = refusal(error)
            raise MCPError(types.INTERNAL_ERROR if refused.status >= 500 else types.INVALID_PARAMS, _said(refused)) from None

    async def _quickly(self, make: Callable[[Reader], T]) -> T:
        return await asyncio.to_thread(make, self._reader(threading.Event()))

    def _reader(self, stop: threading.Event) -> Reader:
        return Reader(self._runtime, self._caller, stop, self._fetches)

    async def _worked(self, tool: Tool, fields: Fields) -> dict[str, Any]:
        """What a tool gives that needs a place in the line; its work stops when nobody waits for it any more."""

        def make(stop: threading.Event) -> Generator[dict[str, Any], None, None]:
            yield tool.run(self._reader(stop), fields)

        async with Work(self._runtime.line, self._caller.name, make, self._runtime.bounds.request_s) as work:
            found = await work.next()
        assert isinstance(found, dict)  # it yields one, or raises
        return found


def _object(properties: Any, required: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _said(refused: Refused) -> str:
    return f"{refused.message}\nhint: {refused.hint}" if refused.hint else refused.message
