"""Connections to checked addresses only.

A name is looked up once, every address it has must be public, and the connection is made to just those addresses: there is no second
look-up that could answer differently (DNS rebinding). This happens where connections are made, so it holds for every redirect too.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore

from wellread.web.missed import Failure
from wellread.web.network import Network
from wellread.web.public import is_public

_ATTEMPT = 10.0  # seconds for one of several addresses


class Dialler(httpcore.NetworkBackend):
    """Opens connections for httpcore, of which all together may last until `until` on the network's clock."""

    def __init__(self, network: Network, *, allow_private: bool) -> None:
        self.until = 0.0
        self._network = network
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host. Raises `Failure` "forbidden", "unreachable" or "timeout"."""
        addresses = self._checked(host, port)
        failed: OSError | None = None
        for ip in addresses:
            left = self._left()
            try:
                made = self._network.dial(ip, port, left if len(addresses) == 1 else min(left, _ATTEMPT))
            except OSError as error:
                failed = error
            else:
                return _Stream(made, self._left)
        raise Failure("timeout" if isinstance(failed, TimeoutError) else "unreachable", f"{host} does not answer ({_first_line(failed)})")

    def _checked(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, all of which may be connected to."""
        try:
            addresses: Sequence[str] = [str(ipaddress.ip_address(host))]
        except ValueError:
            addresses = self._looked_up(host, port)
        refused = [] if self._allow_private else [ip for ip in addresses if not is_public(ip)]
        if refused:
            where = "that" if refused == [host] else f"{host} is at {refused[0]}, and that"
            raise Failure("forbidden", f"{where} is not an address of the public internet")
        return addresses

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._network.resolve(host, port, self._left())
        except TimeoutError as error:
            raise Failure("timeout", _first_line(error)) from error
        except OSError as error:
            raise Failure("unreachable", f"the name {host} is not known ({_first_line(error)})") from error
        if not addresses:
            raise Failure("unreachable", f"{host} has no address")
        return addresses

    def _left(self) -> float:
        """Seconds that are left. Raises `Failure` "timeout" when there are none."""
        left = self.until - self._network.clock()
        if left <= 0:
            raise Failure("timeout", "its time was up before all of it had come")
        return left


class _Stream(httpcore.NetworkStream):
    """A socket every use of which is held to the time that is left."""

    def __init__(self, made: socket.socket, left: Callable[[], float]) -> None:
        self._socket = made
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._left())
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(self._left())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._left)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """httpcore asks "is_readable" of an idle connection: one that has something to say has been closed."""
        if info != "is_readable":
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(0))


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
