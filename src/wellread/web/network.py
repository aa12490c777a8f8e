"""What fetching needs of the world outside, as five functions, so that each can be another one."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Resolve = Callable[[str, int, float], Sequence[str]]
"""The IP addresses, as text, of (host, port), within so many seconds. Raises `OSError`."""

Dial = Callable[[str, int, float], socket.socket]
"""A connection to (IP address, port), made within so many seconds. Raises `OSError`."""


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """What the system knows of a host. The system's own look-up has no time limit and cannot be interrupted, so a thread does it."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(each[4][0]) for each in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise TimeoutError(f"the name {host} could not be looked up in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def dial(ip: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection."""
    made = socket.create_connection((ip, port), timeout=max(seconds, 0.001))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def trust() -> ssl.SSLContext:
    """What this computer trusts: a company's own authority is in the system's store, a Python without one still has certifi's."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@dataclass(frozen=True, slots=True)
class Network:
    """The world outside. `clock` and `sleep` count seconds. Proxies are left out on purpose: behind one, nobody here can tell to which
    address a name leads.
    """

    resolve: Resolve = look_up
    dial: Dial = dial
    trust: Callable[[], ssl.SSLContext] = trust
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


DEFAULT_NETWORK = Network()
