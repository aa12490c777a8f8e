"""`wellread mcp`: the Model Context Protocol over stdin and stdout, for agents that start their servers themselves."""

from __future__ import annotations

import argparse
import asyncio
import signal

from wellread.errors import UsageError
from wellread.parts import Parts
from wellread.server.command import shelf_of
from wellread.server.errors import Refused, refusal
from wellread.server.exchange import Caller
from wellread.server.log import Log
from wellread.server.mcp_server import INSTALL, is_installed, server
from wellread.server.runtime import Runtime
from wellread.server.stored import StoredResponses


def mcp(arguments: argparse.Namespace, parts: Parts) -> int:
    """Speak until stdin ends. stdout carries the protocol and nothing else; models load when they are first needed."""
    if not is_installed():
        raise UsageError("the Model Context Protocol is not installed.", hint=INSTALL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the SDK waits for stdin in a thread that nothing else ends
    log = Log(quiet=True)
    runtime = Runtime(parts, shelf_of(arguments, parts), StoredResponses(None))
    try:
        asyncio.run(_speak(runtime, log))
    finally:
        runtime.close()
    return 0


async def _speak(runtime: Runtime, log: Log) -> None:
    from mcp.server.stdio import stdio_server

    def failed(error: Exception) -> None:
        if not isinstance(error, Refused) and refusal(error).status >= 500:
            log.failure("-", error)

    spoken = server(runtime, Caller("stdio"), failed, fetches=True)
    async with stdio_server() as (reading, writing):
        await spoken.run(reading, writing, spoken.create_initialization_options())
