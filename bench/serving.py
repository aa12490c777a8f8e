"""Throughput and time to the first token over HTTP: Wellread's server beside llama.cpp's own, and beside the bare engine.

    python bench/serving.py QUESTIONS.jsonl.gz [--streams 1 4 8] [--rounds 3] [--json FILE]
                            [--native LLAMA_SERVER --native-model FILE.gguf ...]

Every subject runs the same weights on the same number of threads (--threads, 1 unless said otherwise) and stays loaded; they take
turns, one burst each, in an order that changes from round to round. A burst is as many requests at once as there are streams, each
with a prompt of its own made of the sources and the question of a row (some 600 to 1,000 tokens), and at most --tokens new tokens.
"wheel" is the server inside the xllamacpp wheel, "native" a llama-server built for this machine, once for each file given; "engine"
is our engine without pipes and HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from wellread.config import load
from wellread.models.files import ModelStore
from wellread.models.gguf import read_gguf
from wellread.models.template import chat_template
from wellread.types import Message, Token, Usage

WINDOW = 2048
SYSTEM = "Answer the question from the texts, at length, and quote the sentences that your answer rests on."


@dataclass(frozen=True, slots=True)
class Run:
    """One request: seconds to the first text and to the end, and tokens in and out. `burst` names the requests that ran together."""

    subject: str
    streams: int
    burst: int
    first: float
    whole: float
    prompt: int
    tokens: int


def prompts(path: Path) -> list[list[dict[str, str]]]:
    """Conversations of the size that retrieval makes."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            text = "\n\n".join(f"[{source['n']}] {source['text']}" for source in row["sources"])
            if 2600 <= len(text) <= 4000 and text.isascii():
                content = f"{text}\n\nQuestion: {row['question']}"
                found.append([{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}])
    return found


# --- subjects


@contextmanager
def process(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block."""
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.terminate()


def wellread_server(stack: ExitStack, slots: int, threads: int) -> str:
    """The address of a server of ours."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    command = [sys.executable, "-m", "wellread", "serve", "--port", "0", "--libraries", folder, "--slots", str(slots)]
    command += ["--threads", str(threads), "--context-window", str(WINDOW)]
    running = stack.enter_context(process(command))
    assert running.stderr is not None
    for line in running.stderr:
        if found := re.search(r"http://[^\s\"]+/v1", line):
            return found.group()
    raise SystemExit("wellread serve did not start")


def llama_server(stack: ExitStack, command: Sequence[str], model: Path, slots: int, threads: int) -> str:
    """The address of a llama-server."""
    port = free_port()
    arguments = ["-m", str(model), "--port", str(port), "-np", str(slots), "-t", str(threads), "-c", str(WINDOW * slots)]
    running = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(running.wait)
    stack.callback(running.kill)
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if httpx.get(address + "/health").status_code == 200:
                return address + "/v1"
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{command[0]} did not start")


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def serve_wheel(arguments: argparse.Namespace) -> None:
    """llama.cpp's server as the wheel has it, until it is killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.port = arguments.port
    params.n_ctx = arguments.context
    params.n_parallel = arguments.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.ui = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    time.sleep(1e6)


def serve_engine(arguments: argparse.Namespace) -> None:
    """Our engine by itself: bursts of rendered prompts come in as JSON lines, the times of each go out."""
    from wellread.models.engines import room_for
    from wellread.models.memory import keeps_dense
    from wellread.models.openvino import OpenVINOEngine
    from wellread.types import Sampling

    model = Path(arguments.model)
    derived = max(Path(arguments.derived).glob("*-openvino-*"), key=lambda folder: folder.stat().st_mtime)
    ends, room = sorted(read_gguf(model).end_tokens()), room_for(WINDOW, arguments.slots)
    engine = OpenVINOEngine(model, derived, ends, arguments.threads, room, dense=keeps_dense(model.stat().st_size))
    for line in sys.stdin:
        told = []
        for prompt in json.loads(line):
            ids = engine.encode(prompt)
            told.append(Told(len(ids)))
            engine.begin(ids, Sampling(max_tokens=arguments.tokens), None, told[-1])
        while engine.step():
            pass
        print(json.dumps([each.run for each in told]), flush=True)


class Told:
    """What the engine says of one request, and when."""

    def __init__(self, prompt: int) -> None:
        self.began = time.perf_counter()
        self.run = {"prompt": prompt, "first": 0.0, "whole": 0.0, "tokens": 0}

    def piece(self, text: str, tokens: Sequence[Token] = ()) -> bool:
        if text and not self.run["first"]:
            self.run["first"] = time.perf_counter() - self.began
        return False

    def done(self, finish: str, usage: Usage) -> None:
        self.run |= {"whole": time.perf_counter() - self.began, "tokens": usage.completion_tokens}

    def failed(self, error: Exception) -> None:
        raise error


# --- measuring


async def burst(address: str, model: str, conversations: Sequence[Any], tokens: int) -> list[dict[str, float]]:
    """Requests at once, each with its times."""
    limits = httpx.Limits(max_keepalive_connections=0)  # llama.cpp's server drops one of twenty that are kept
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        return await asyncio.gather(*(ask(client, address, model, each, tokens) for each in conversations))


async def ask(client: httpx.AsyncClient, address: str, model: str, messages: Any, tokens: int) -> dict[str, float]:
    body = {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0, "stream": True}
    body["stream_options"] = {"include_usage": True}
    began, first, usage = time.perf_counter(), 0.0, {}
    async with client.stream("POST", address + "/chat/completions", json=body) as response:
        if response.status_code != 200:
            raise SystemExit(f"{address}: {response.status_code} {(await response.aread())[:300]!r}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line[6:])
            if not first and any(choice["delta"].get("content") for choice in event["choices"]):
                first = time.perf_counter() - began
            usage = event.get("usage") or usage
    whole = time.perf_counter() - began
    return {"prompt": usage["prompt_tokens"], "first": first, "whole": whole, "tokens": usage["completion_tokens"]}


def table(runs: Sequence[Run], streams: Sequence[int], subjects: Sequence[str]) -> str:
    """Medians over requests, and new tokens a second over bursts; ratios to ours."""
    rows = [f"{'streams':>7}  {'subject':<28} {'first s':>8} {'whole s':>8} {'new tok/s':>9}   first, whole, tok/s against wellread"]
    for count in streams:
        figures = {}
        for subject in subjects:
            own = [run for run in runs if (run.subject, run.streams) == (subject, count)]
            rates = []
            for number in {run.burst for run in own}:
                together = [run for run in own if run.burst == number]
                rates.append(sum(run.tokens for run in together) / max(run.whole for run in together))
            figures[subject] = median(run.first for run in own), median(run.whole for run in own), median(rates)
        ours = figures["wellread"]
        for subject, (first, whole, rate) in figures.items():
            ratios = f"{first / ours[0]:.2f}  {whole / ours[1]:.2f}  {rate / ours[2]:.2f}"
            rows.append(f"{count:>7}  {subject:<28} {first:8.2f} {whole:8.2f} {rate:9.1f}   {ratios}")
    return "\n".join(rows)


def measure(arguments: argparse.Namespace) -> None:
    conversations = prompts(arguments.questions)
    settings = load().settings
    pulled = ModelStore(settings.models_folder).get(settings.model)
    model = pulled.paths["model"]
    derived = ModelStore(settings.models_folder).derived(pulled, "chat")
    slots = max(arguments.streams)
    render = chat_template(read_gguf(model), "").render
    own = [sys.executable, __file__]
    runs: list[Run] = []
    with ExitStack() as stack:
        addresses = {"wellread": wellread_server(stack, slots, arguments.threads)}
        wheel = [*own, "--wheel"]
        port = free_port()
        flags = ["--model", str(model), "--slots", str(slots), "--threads", str(arguments.threads)]
        running = stack.enter_context(process([*wheel, *flags, "--port", str(port), "--context", str(WINDOW * slots)]))
        assert running.stdout is not None
        running.stdout.readline()
        addresses["wheel " + quantization(model)] = f"http://127.0.0.1:{port}/v1"
        for file in arguments.native_model if arguments.native else ():
            addresses["native " + file.stem] = llama_server(stack, [str(arguments.native)], file, slots, arguments.threads)
        engine = stack.enter_context(process([*own, "--engine", *flags, "--derived", str(derived), "--tokens", str(arguments.tokens)]))
        assert engine.stdin is not None and engine.stdout is not None

        def one(subject: str, taken: Sequence[Any]) -> list[dict[str, float]]:
            if subject != "engine":
                name = settings.model if subject == "wellread" else "m"
                return asyncio.run(burst(addresses[subject], name, taken, arguments.tokens))
            rendered = [render([Message(row["role"], row["content"]) for row in each]) for each in taken]
            engine.stdin.write(json.dumps(rendered) + "\n")
            engine.stdin.flush()
            return list(json.loads(engine.stdout.readline()))

        subjects = [subject for subject in [*addresses, "engine"] if subject in (arguments.subjects or [*addresses, "engine"])]
        for subject in subjects:  # files are read and kernels compiled
            one(subject, conversations[-1:])
        at = 0
        for number in range(arguments.rounds):
            for count in arguments.streams:
                taken = [conversations[(at + each) % (len(conversations) - 1)] for each in range(count)]
                at += count
                for turn in range(len(subjects)):
                    subject = subjects[(turn + number) % len(subjects)]
                    runs += [Run(subject, count, at, **each) for each in one(subject, taken)]
                    print(
                        f"round {number + 1}, {count} streams, {subject}: {max(run.whole for run in runs[-count:]):.1f} s", file=sys.stderr
                    )
    print(f"{median(run.prompt for run in runs):.0f} tokens in, {median(run.tokens for run in runs):.0f} out (medians)")
    print(table(runs, arguments.streams, subjects))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=1), encoding="utf-8")


def quantization(model: Path) -> str:
    from wellread.models.facts import quantization as said

    return said(read_gguf(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="?", help="rows with sources and a question, JSON lines, gzipped")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--native", type=Path, help="a llama-server built for this machine")
    parser.add_argument("--native-model", type=Path, nargs="+", default=[], help="files of the same weights for it")
    parser.add_argument("--subjects", nargs="+", help='only these, such as "wellread" and "engine"')
    parser.add_argument("--json", type=Path)
    for name in ("--wheel", "--engine"):  # how this script starts its subjects
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    for name in ("--model", "--derived"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--slots", "--port", "--context"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.wheel:
        serve_wheel(arguments)
    elif arguments.engine:
        serve_engine(arguments)
    elif arguments.questions is None:
        parser.error("QUESTIONS is missing")
    else:
        measure(arguments)


if __name__ == "__main__":
    main()
