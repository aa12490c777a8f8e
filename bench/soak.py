"""A server under mixed load for as long as one wants, its engine killed every minute: does it stay as it was?

    python bench/soak.py [--minutes 30] [--kill-every 60] [--clients 6] [--burst 1000] [--json FILE]

Starts `wellread serve` on a library made of this project's own documents. Clients ask at random: chats (streamed or whole), streams that
are left half-way, questions to the library, searches, embeddings, Ollama's and Anthropic's protocols, and nonsense. What is answered must
be a 200, a 4xx to nonsense, a 429, or, for a request that was at work when the engine was killed, a 503 or an error event. Memory, open
files and threads of the server are noted every ten seconds; what is told of them are the medians of the first and last fifth, after two
minutes of warming up. --burst sends that many requests at once first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psutil

DOCS = Path(__file__).parents[1] / "docs"
WARM_S = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The server and its children at a time: resident megabytes, open files and threads of the server, and megabytes of all."""

    at: float
    server_mb: float
    files: int
    threads: int
    all_mb: float


@dataclass
class Tally:
    """What came back, by kind of request, and what should not have."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[tuple[float, float]] = field(default_factory=list)
    """When requests that failed with the engine began and ended."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kill-every", type=float, default=60, help="seconds between two kills of the engine; 0 for none")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "docs.wellread"
        subprocess.run([sys.executable, "-m", "wellread", "add", str(DOCS), "--library", str(library)], check=True, capture_output=True)
        command = [sys.executable, "-m", "wellread", "serve", "--port", "0", "--libraries", folder, "--quiet", "--threads", "1"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
            try:
                soak(server, address_of(server), arguments)
            finally:
                server.send_signal(signal.SIGTERM)
                began = time.monotonic()
                print(f"ended with {server.wait(30)} within {time.monotonic() - began:.1f} s of SIGTERM")


def address_of(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"(http://[^\s\"]+)/v1", line):
            threading.Thread(target=lambda: [None for _ in server.stderr or ()], daemon=True).start()
            return found[1]
    raise SystemExit("wellread serve did not start")


def soak(server: subprocess.Popen[str], url: str, arguments: argparse.Namespace) -> None:
    chat(url)  # the engine is ready
    process = psutil.Process(server.pid)
    if arguments.burst:
        print(burst(url, arguments.burst, process))
    samples: list[Sample] = []
    kills: list[float] = []
    end = time.monotonic() + arguments.minutes * 60
    stop = threading.Event()
    watchers = [threading.Thread(target=watch, args=(process, samples, stop))]
    if arguments.kill_every:
        watchers.append(threading.Thread(target=killing, args=(process, kills, arguments.kill_every, stop)))
    for watcher in watchers:
        watcher.start()
    tally = Tally()
    asyncio.run(load(url, tally, arguments.clients, end))
    stop.set()
    for watcher in watchers:
        watcher.join()
    chat(url)
    print(report(samples, kills, tally, arguments))
    if arguments.json:
        record = {"samples": [asdict(each) for each in samples], "kills": kills, "answers": tally.answers, "wrong": tally.wrong}
        arguments.json.write_text(json.dumps(record), encoding="utf-8")


# --- what is asked


def chat(url: str) -> None:
    body = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
    httpx.post(url + "/v1/chat/completions", json=body, timeout=300).raise_for_status()


def requests(random_: random.Random) -> tuple[str, str, str, dict[str, Any]]:
    """A request: what it is called, method, path and body."""
    model = "smollm2:135m"
    words = [{"role": "user", "content": f"Write about the number {random_.randrange(10**6)}. " * random_.randrange(1, 30)}]
    question = random_.choice(["What is a library?", "How are citations checked?", "Which port does the server use?", "文档可以是中文吗？"])
    asked = [{"role": "user", "content": question}]
    short = {"max_tokens": random_.randrange(4, 24)}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("chat", "/v1/chat/completions", {"model": model, "messages": words, **short}),
        ("stream", "/v1/chat/completions", {"model": model, "messages": words, "stream": True, **short}),
        ("left", "/v1/chat/completions", {"model": model, "messages": words, "stream": True, "max_tokens": 200}),
        ("library", "/v1/chat/completions", {"model": "library:docs", "messages": asked}),
        ("search", "/api/v1/libraries/docs/search", {"query": question}),
        ("embed", "/v1/embeddings", {"model": "all-minilm", "input": [question] * 4}),
        ("ollama", "/api/chat", {"model": model, "messages": words, "options": {"num_predict": 12}}),
        ("anthropic", "/v1/messages", {"model": model, "messages": words, **short}),
        (
            "schema",
            "/v1/chat/completions",
            {"model": model, "messages": words, "max_tokens": 24, "response_format": {"type": "json_object"}},
        ),
        ("nonsense", "/v1/chat/completions", {"model": model, "messages": [{"role": "boss"}], "temperature": "hot"}),
        ("unknown", "/v1/chat/completions", {"model": "no-such-model", "messages": words}),
    ]
    name, path, body = random_.choice(kinds)
    return name, "POST", path, body


async def load(url: str, tally: Tally, clients: int, end: float) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=httpx.Limits(max_connections=clients * 2)) as client:
        await asyncio.gather(*(ask_on(client, tally, random.Random(number), end) for number in range(clients)))


async def ask_on(client: httpx.AsyncClient, tally: Tally, random_: random.Random, end: float) -> None:
    while time.monotonic() < end:
        name, method, path, body = requests(random_)
        began = time.monotonic()
        try:
            status, text = await one(client, name, method, path, body)
        except httpx.HTTPError as error:
            tally.wrong.append(f"{name}: {type(error).__name__} {error}")
            continue
        failed = status == 503 or '"model_failed"' in text or '"error"' in text[-300:]
        expected = (400, 404) if name in ("nonsense", "unknown") else (200, 429)
        if status in expected and not (failed and status == 200):
            tally.answers[f"{name} {status}"] += 1
        elif failed and status in (200, 503, 529):
            tally.answers[f"{name} engine killed"] += 1
            tally.lost.append((began, time.monotonic()))
        else:
            tally.wrong.append(f"{name}: {status} {text[:200]}")
        if status == 429:
            await asyncio.sleep(1)


async def one(client: httpx.AsyncClient, name: str, method: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    async with client.stream(method, path, json=body) as response:
        text = ""
        async for piece in response.aiter_text():
            text += piece
            if name == "left" and len(text) > 2000:
                break
        return response.status_code, text


# --- what is watched


def watch(process: psutil.Process, samples: list[Sample], stop: threading.Event) -> None:
    began = time.monotonic()
    while not stop.wait(10):
        memory = process.memory_info().rss / 1e6
        children = 0.0
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                children += child.memory_info().rss / 1e6
        at = time.monotonic() - began
        samples.append(Sample(at, memory, process.num_fds(), process.num_threads(), memory + children))


def killing(process: psutil.Process, kills: list[float], every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        for child in process.children():
            with contextlib.suppress(psutil.Error):
                if "wellread.models.child" in child.cmdline():
                    child.kill()
                    kills.append(time.monotonic())


def burst(url: str, count: int, process: psutil.Process) -> str:
    """So many requests at once."""

    async def all_() -> list[tuple[int, float]]:
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:

            async def ask() -> tuple[int, float]:
                body = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": 8}
                began = time.monotonic()
                response = await client.post("/v1/chat/completions", json=body)
                return response.status_code, time.monotonic() - began

            return await asyncio.gather(*(ask() for _ in range(count)))

    before = process.memory_info().rss / 1e6
    answers = asyncio.run(all_())
    taken = [seconds for status, seconds in answers if status == 200]
    codes = dict(sorted(Counter(status for status, _ in answers).items()))
    tail = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
    memory = f"{before:.0f} MB before, {process.memory_info().rss / 1e6:.0f} after"
    return f"{count} at once: {codes}; of those answered p50 {median(taken):.1f} s, p99 {tail:.1f} s; server {memory}"


def report(samples: list[Sample], kills: list[float], tally: Tally, arguments: argparse.Namespace) -> str:
    warm = [each for each in samples if each.at > WARM_S] or samples
    fifth = max(1, len(warm) // 5)
    rows = [f"{arguments.minutes:g} minutes, {sum(tally.answers.values())} requests, engine killed {len(kills)} times"]
    rows += [f"  {name:<24} {count}" for name, count in sorted(tally.answers.items())]
    for what in ("server_mb", "files", "threads", "all_mb"):
        first, last = (median(getattr(each, what) for each in part) for part in (warm[:fifth], warm[-fifth:]))
        rows.append(f"  {what:<10} {first:.0f} -> {last:.0f}")
    stray = [span for span in tally.lost if not any(span[0] <= kill <= span[1] + 1 for kill in kills)]
    rows.append(f"  failed although no engine was killed meanwhile: {len(stray)}; other answers that should not be: {len(tally.wrong)}")
    return "\n".join([*rows, *(f"    {each}" for each in tally.wrong[:10])])


if __name__ == "__main__":
    main()
