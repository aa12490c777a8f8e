"""Running the server: a port, the app, and an end that comes when it is told to."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from wellread.errors import UsageError
from wellread.server.runtime import Bounds

DEFAULT_PORT = 8421


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `UsageError` where it cannot be had; port 0 takes any that is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f'"{host}" is no address of this machine: {error}.', hint="--host 127.0.0.1 is the loopback interface") from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(2048)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is in use already.", hint="is a server (or Ollama) running there? otherwise choose another port"
            ) from None
        raise UsageError(f"port {port} of {host} cannot be had: {error.strerror}.", hint="choose another --host or --port") from None
    return opened


class Server:
    """An app on a socket, and on some more (`also`). `run` returns when `stop` was called, or on SIGTERM or SIGINT when it runs in the
    main thread."""

    def __init__(self, app: ASGIApp, opened: socket.socket, bounds: Bounds, *, also: Sequence[socket.socket] = ()) -> None:
        self._socket = opened
        self._also = tuple(also)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would quote what it was sent
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_protocol(bounds.header_s),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=max(1, round(bounds.grace_s)),
                h11_max_incomplete_event_size=64 << 10,
            )
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def started(self) -> bool:
        """Whether it answers."""
        return self._server.started

    def run(self) -> None:
        """Serve until the end: what is under way then may finish within the grace time."""
        self._server.run(sockets=[self._socket, *self._also])

    def stop(self) -> None:
        """Have `run` return soon; for other threads."""
        self._server.should_exit = True


def end_on_signals(server: Server) -> None:
    """Make SIGTERM and SIGINT no more than what ends `server`, also before it runs. `Server.run` raises them once more when it is done."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())


def _protocol(header_s: float) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1, but a connection that does not send the head of a request in time is closed."""

    class Impatient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._expect()

        def _expect(self) -> None:
            last: Any = self.cycle
            self.loop.call_later(header_s + (self.timeout_keep_alive if last else 0), self._late, last)

        def _late(self, last: Any) -> None:
            if self.cycle is last and not self.transport.is_closing():
                self.transport.close()

    return Impatient
