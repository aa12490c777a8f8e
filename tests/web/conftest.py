"""A small internet: servers on this machine, and names that lead where a test wants them to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wellread.web.limits import WebLimits
from wellread.web.missed import Missed
from wellread.web.network import Network
from wellread.web.site import Fetched, Seen, fetch_site

CERTIFICATE = Path(__file__).parent / "site.test.pem"  # of "site.test", signed by itself, with its key
PUBLIC = "93.184.216.34"


@dataclass
class Answer:
    """What a server says. The body goes out in pieces of `piece` bytes, `pause` seconds apart; after `cut` bytes the line goes dead."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    piece: int = 1 << 20
    pause: float = 0.0
    cut: int | None = None


@dataclass(repr=False)
class Server:
    """What it says at each path (one answer after the other, the last for good), and what it was asked."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def say(self, path: str, body: bytes | str = b"<!DOCTYPE html><p>text", kind: str = "text/html", **how: Any) -> None:
        """Answer so at a path, after what was to be said there before. `how` is the rest of an `Answer`."""
        data = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": kind, **how.pop("headers", {})}
        self.answers.setdefault(path, []).append(Answer(data, headers, **how))

    def move(self, path: str, to: str, status: int = 302) -> None:
        self.answers[path] = [Answer(headers={"Location": to}, status=status)]

    def list(self, path: str, *locations: str, kind: str = "urlset") -> None:
        """Offer a site map."""
        entry = {"urlset": "url", "sitemapindex": "sitemap"}[kind]
        entries = "".join(f"<{entry}><loc>{location}</loc></{entry}>" for location in locations)
        self.say(path, f'<{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{kind}>', "application/xml")

    def answer(self, path: str) -> Answer:
        found = self.answers.get(path, [Answer(status=404)])
        return found.pop(0) if len(found) > 1 else found[0]

    @property
    def pages(self) -> list[str]:
        """What it was asked for, in order, without robots.txt."""
        return [path for path in self.asked if path != "/robots.txt"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server_.asked.append(self.path)
        self.server_.heard.append({name.lower(): value for name, value in self.headers.items()})
        answer = self.server_.answer(self.path)
        held = [answer.headers.get(name) for name in ("ETag", "Last-Modified")]
        asked = [self.headers.get(name) for name in ("If-None-Match", "If-Modified-Since")]
        same = answer.status == 200 and any(mine and mine == theirs for mine, theirs in zip(held, asked, strict=True))
        self.send_response(304 if same else answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not same and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        end = 0 if same else len(answer.body) if answer.cut is None else answer.cut
        for at in range(0, end, answer.piece):
            self.wfile.write(answer.body[at : min(at + answer.piece, end)])
            self.wfile.flush()
            time.sleep(answer.pause)
        self.close_connection = self.close_connection or answer.cut is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    running = []

    def start(*, tls: bool = False) -> Server:
        made = Server()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": made}))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        running.append(server)
        made.port = server.server_address[1]
        return made

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


class Internet:
    """`names` gives each name its answers: the first look-up gets the first, and so on. Whatever is dialled, it is this machine that
    picks up, at the port in `servers` or the one that was asked for. Sleep is noted and not slept.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.servers: dict[int, Server] = {}
        self.certificate = CERTIFICATE
        self.trusted: Path | None = None
        self.dead: set[str] = set()
        self.dialled: list[tuple[str, int]] = []
        self.slept: list[float] = []
        self.asked: list[str] = []

    def resolve(self, host: str, port: int, seconds: float) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(-2, "Name or service not known")
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def dial(self, ip: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((ip, port))
        if ip in self.dead:
            raise OSError("Network is unreachable")
        there = self.servers[port].port if port in self.servers else port
        return socket.create_connection(("127.0.0.1", there), timeout=seconds)

    def trust(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # quicker than one with all the authorities of this machine
        if self.trusted:
            context.load_verify_locations(self.trusted)
        return context

    def fetch(
        self,
        root: str,
        seen: Sequence[Seen] = (),
        *,
        allow_private: bool = False,
        clock: Callable[[], float] = time.monotonic,
        **limits: Any,
    ) -> list[Fetched | Missed]:
        """All that `fetch_site` brings."""
        network = Network(self.resolve, self.dial, self.trust, clock, self.slept.append)
        held = {each.url: each for each in seen}
        return list(fetch_site(root, held, limits=WebLimits(**limits), allow_private=allow_private, network=network))


@pytest.fixture
def internet(server: Server) -> Internet:
    """An internet in which http://site.test/ is `server`."""
    made = Internet()
    made.names["site.test"] = [[PUBLIC]]
    made.servers[80] = server
    return made
