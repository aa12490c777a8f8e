"""What real clients get: every call of each, made to `wellread serve`, and to llama.cpp's own HTTP server beside it.

    python bench/clients.py [--only CLIENT ...] [--also PYTHON ...] [--json FILE]

Both have the same weights (the model in the settings). Wellread has a library of docs/serving.md. llama.cpp's server is the one inside
the xllamacpp wheel, one for chat and one for embeddings. A row is a call and what came of it: "ok" with what was seen, or that it was
refused where a refusal is right; "none" for what the server says that it does not have; "wrong" for anything else: an error, or an
answer that is not what was asked for. Clients that cannot be installed beside the others are called from environments of their own
(--also), which need nothing but the client, numpy and httpx.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from clients_call import Call, Place, tried

CLIENTS = {  # what is called: where the calls are, and what must be installed
    "openai": ("clients_openai", "openai"),
    "openai responses": ("clients_responses", "openai"),
    "ollama": ("clients_ollama", "ollama"),
    "anthropic": ("clients_anthropic", "anthropic"),
    "langchain-openai": ("clients_langchain", "langchain_openai"),
    "langchain-ollama": ("clients_langchain_ollama", "langchain_ollama"),
    "llama-index-llms-ollama": ("clients_llama_index", "llama_index.llms.ollama"),
    "llama-index-llms-openai-like": ("clients_openai_like", "llama_index.llms.openai_like"),
    "litellm": ("clients_litellm", "litellm"),
    "mcp": ("clients_mcp", "mcp"),
    "lm-eval": ("clients_lm_eval", "lm_eval"),
}
DOCUMENT = Path(__file__).parents[1] / "docs" / "serving.md"


def installed(client: str) -> bool:
    """Whether a client can be called from here."""
    try:
        return importlib.util.find_spec(CLIENTS[client][1]) is not None
    except ModuleNotFoundError:
        return False


def calls_of(client: str) -> dict[str, Call]:
    """The calls of a client, by name."""
    return {call.__name__.strip("_").replace("_", " "): call for call in import_module(CLIENTS[client][0]).CALLS}


@contextmanager
def process(command: Sequence[str], **how: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block."""
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, **how) as running:
        try:
            yield running
        finally:
            running.terminate()


def wellread_place(stack: ExitStack, facts: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> Place:
    """A server of ours, with a library in `folder`."""
    own = [sys.executable, "-m", "wellread"]
    adding = [*own, "add", str(DOCUMENT), "--library", str(folder / "docs")]
    subprocess.run(adding, check=True, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    serving = [*own, "serve", "--port", "0", "--libraries", str(folder)]
    running = stack.enter_context(process(serving, env=environ, stderr=subprocess.PIPE))
    assert running.stderr is not None
    found = re.search(r"http://[^\s\"]+(?=/v1)", running.stderr.readline())
    if found is None:
        raise SystemExit("wellread serve did not start")
    url = found.group()
    return Place(
        url=url,
        chat=facts["model"],
        embed=facts["embedder"],
        embeds=url,
        library="library:docs",
        text=DOCUMENT.read_text(encoding="utf-8"),
        paris=facts["paris"],
        stdio=["-m", "wellread", "mcp", "--libraries", str(folder)],
        environ=dict(environ),
    )


def llama_place(stack: ExitStack, facts: Mapping[str, Any]) -> Place:
    """Servers of llama.cpp."""
    addresses = []
    for kind in ("chat", "embed"):
        command = [sys.executable, __file__, "--llama", kind, facts["weights"], facts["model"]]
        running = stack.enter_context(process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        assert running.stdout is not None
        addresses.append(running.stdout.readline().strip())
    return Place(
        url=addresses[0],
        chat=facts["model"],
        embed=facts["model"],
        embeds=addresses[1],
        library="",
        text="",
        paris=facts["paris"],
    )


def serve_llama(kind: str, weights: str, name: str) -> None:
    """llama.cpp's server as the wheel has it, until stdin is closed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = weights, {name}
    params.n_ctx, params.n_parallel = 4096 * 4, 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if kind == "embed":
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.embedding, params.ui, params.port = kind == "embed", False, 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


def facts_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """What both servers are told of the models, which are fetched if need be."""
    from wellread.config import load
    from wellread.models.files import ModelStore
    from wellread.models.gguf import read_gguf

    settings = load(environ).settings
    pulling = [sys.executable, "-m", "wellread", "models", "pull", settings.model]
    subprocess.run(pulling, check=True, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pulled = ModelStore(settings.models_folder).get(settings.model)
    weights = pulled.paths["model"]
    tokens = read_gguf(weights).metadata["tokenizer.ggml.tokens"]
    return {
        "model": settings.model,
        "embedder": "all-minilm",
        "weights": str(weights),
        "paris": tokens.index("Ġ" + "Paris"),
    }


def rows(place: Place, clients: Sequence[str]) -> list[tuple[str, str, str]]:
    """Client, call and what comes of it, of the clients that are installed here."""
    found = []
    for client in clients:
        if installed(client):
            for name, call in calls_of(client).items():
                began = time.monotonic()
                found.append((client, name, tried(call, place)))
                print(f"{time.monotonic() - began:5.1f} s", *found[-1], sep="  ", file=sys.stderr)
    return found


def elsewhere(python: str, place: Place, clients: Sequence[str]) -> list[tuple[str, str, str]]:
    """The same from another environment."""
    done = subprocess.run(
        [python, __file__, "--at", json.dumps(asdict(place)), "--only", *clients], stdout=subprocess.PIPE, check=True, text=True
    )
    return [(row[0], row[1], row[2]) for row in json.loads(done.stdout)]


def table(results: dict[str, list[tuple[str, str, str]]]) -> str:
    """Call and results, side by side, and how many of them are ok."""
    subjects = list(results)
    found = {(client, name): {} for each in results.values() for client, name, _ in each}  # type: dict[tuple[str, str], dict[str, str]]
    for subject, each in results.items():
        for client, name, result in each:
            found[client, name][subject] = result
    lines = ["| client | call | " + " | ".join(subjects) + " |", "|---" * (2 + len(subjects)) + "|"]
    for (client, name), told in found.items():
        cells = [told.get(subject, "").replace("|", "/") for subject in subjects]
        lines.append(f"| {client} | {name} | " + " | ".join(cells) + " |")
    for subject, each in results.items():
        counted = {kind: sum(result.startswith(kind) for *_, result in each) for kind in ("ok", "none", "wrong")}
        lines.append(f"\n{subject}: {len(each)} calls, " + ", ".join(f"{count} {kind}" for kind, count in counted.items()))
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["--llama"]:  # how this script starts its subject
        serve_llama(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(CLIENTS), choices=list(CLIENTS))
    parser.add_argument("--also", nargs="+", default=[], help="interpreters of other environments, for clients that are not installed here")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--at", type=json.loads, help=argparse.SUPPRESS)  # a Place: how this script calls itself in another environment
    arguments = parser.parse_args()
    if arguments.at:
        json.dump(rows(Place(**arguments.at), arguments.only), sys.stdout)
        return
    facts, results = facts_of(os.environ), {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for subject in ("wellread", "llama.cpp"):
            place = wellread_place(stack, facts, folder, os.environ) if subject == "wellread" else llama_place(stack, facts)
            results[subject] = rows(place, arguments.only)
            missing = [client for client in arguments.only if not installed(client)]
            for python in arguments.also if missing else ():
                results[subject] += elsewhere(python, place, missing)
    print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
