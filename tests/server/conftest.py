"""A server in a thread of the test, on models without weights, with the libraries that the test makes."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.models.conftest import serve, site  # noqa: F401

from wellread.config import Settings
from wellread.library import Library
from wellread.models.base import ChatModel, Reranker
from wellread.models.fake import EchoChat, HashEmbedder
from wellread.parts import Parts
from wellread.server.app import app
from wellread.server.guard import Policy
from wellread.server.log import Log
from wellread.server.run import Server, bound
from wellread.server.runtime import Bounds, Runtime
from wellread.server.shelf import Shelf
from wellread.server.stored import StoredResponses


@dataclass
class Running:
    """A server that runs, and what it has written to its log."""

    server: Server
    runtime: Runtime
    log: io.StringIO = field(default_factory=io.StringIO)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


Start = Callable[..., Running]


@contextmanager
def run(
    folder: Path,
    chat: ChatModel,
    policy: Policy = Policy(),
    bounds: Bounds = Bounds(),
    reranker: Reranker | None = None,
    offline: bool = True,
    **more: Any,
) -> Iterator[Running]:
    """A server from start to end; every folder NAME.wellread of `folder` is a library. `more` is for its `Runtime`."""
    settings = Settings(model="none", home=folder / "home", offline=offline)
    with Parts(settings, embedder=HashEmbedder(), chat=chat, reranker=reranker) as parts:
        runtime = Runtime(parts, Shelf(parts, folders=[folder]), StoredResponses(folder / "home" / "responses.db"), bounds, **more)
        log = io.StringIO()
        server = Server(app(runtime, policy, Log(log)), bound("127.0.0.1", 0), bounds)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        try:
            yield Running(server, runtime, log)
        finally:
            server.stop()
            thread.join(15)
            runtime.close()
            assert not thread.is_alive()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, with a model that echoes unless another is given."""
    with ExitStack() as running:
        yield lambda chat=None, **how: running.enter_context(run(tmp_path, chat or EchoChat(), **how))


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for tests that leave it as it is, with a library "papers" and small limits."""
    folder = tmp_path_factory.mktemp("echo")
    (folder / "tea.txt").write_text("Green tea is steeped at eighty degrees for two minutes. Black tea needs boiling water.\n")
    parts = Parts(Settings(model="none", home=folder / "home"), embedder=HashEmbedder())
    with Library(folder / "papers.wellread", parts) as library:
        library.add(folder / "tea.txt")
    with run(folder, EchoChat(), bounds=Bounds(body_bytes=1 << 20)) as running:
        yield running


@pytest.fixture
def shelve(tmp_path: Path, papers: Path) -> Callable[..., None]:
    """Makes a library of the three short documents, under a name."""

    def make(name: str = "papers", sources: Sequence[Path] = (papers,), **settings: Any) -> None:
        parts = Parts(Settings(model="none", home=tmp_path / "home", **settings), embedder=HashEmbedder())
        with Library(tmp_path / f"{name}.wellread", parts) as library:
            library.add(*sources)

    return make
