"""Children that read: reused, limited, replaced when they die, and gone when nobody needs them."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from wellread.errors import ReadError, UsageError
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool
from wellread.types import Document


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    with ReaderPool() as pool:
        yield pool


def gone(pid: int, within: float = 10.0) -> bool:
    """Whether a process ends in time; a dead one that is not yet collected counts as ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


class Reading(threading.Thread):
    """A read in another thread, and how it ended."""

    def __init__(self, pool: ReaderPool, path: Path) -> None:
        super().__init__()
        self.pool, self.path = pool, path
        self.outcome: Document | ReadError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.pool.read(self.path)
        except ReadError as error:
            self.outcome = error

    def reason(self) -> str | None:
        self.join(30)
        return self.outcome.reason if isinstance(self.outcome, ReadError) else None


def test_one_child_reads_many_files(pool: ReaderPool, tmp_path: Path) -> None:
    for number in range(5):
        path = write(tmp_path, f"{number}.md", f"# Title {number}\n\nwords")
        document = pool.read(path)
        assert document.id == hashlib.sha256(path.read_bytes()).hexdigest()
        assert document.source == str(path)
        assert document.sections[0].title == f"Title {number}"
    assert len(pool.pids) == 1


def test_read_all_gives_every_path_its_result(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{number}.txt", f"text {number}" * (number % 7)) for number in range(40)]
    with ReaderPool(jobs=3) as pool:
        results = {Path(reading.source): reading.result for reading in pool.read_all(paths)}
        assert len(pool.pids) == 3
    assert results.keys() == set(paths)
    for path, result in results.items():
        if path.stat().st_size:
            assert isinstance(result, Document)
            assert result.text == path.read_text()
        else:
            assert isinstance(result, ReadError)
            assert result.reason == "empty"


def test_read_all_looks_ahead_only_a_little(tmp_path: Path) -> None:
    taken = 0

    def paths() -> Iterator[Path]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield write(tmp_path, f"{number}.txt", "words")

    with ReaderPool() as pool:
        results = pool.read_all(paths())
        next(results)
        assert taken <= 3
        results.close()  # type: ignore[attr-defined]
        assert pool.read(tmp_path / "0.txt").text == "words"


def test_a_child_killed_over_a_file_costs_that_file_only(pool: ReaderPool, tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    pool.read(path)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    reading = Reading(pool, path)
    time.sleep(0.3)  # it speaks to a child that cannot answer
    os.kill(pid, signal.SIGKILL)
    assert reading.reason() == "crashed"
    assert pool.read(path).text == "words"
    assert pool.pids != (pid,)


def test_a_child_killed_between_files_costs_none(pool: ReaderPool, tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    pool.read(path)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    time.sleep(0.3)  # its main thread is dead; the system may need a moment more to collect the others
    assert pool.read(path).text == "words"


def test_a_silent_child_is_killed_at_the_wall(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words " * 50_000)  # more than a pipe holds, so that writing to it blocks too
    with ReaderPool(limits=Limits(wall_seconds=1.5)) as pool:
        pool.read(path)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ReadError) as caught:
            pool.read(path)
        assert caught.value.reason == "timeout"
        assert gone(pid)
        assert pool.read(path).text.startswith("words")


@pytest.mark.slow
def test_processor_time_is_limited(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", "- [item](x) `code`\n\n> # quote\n\n" * 600_000)
    with ReaderPool(limits=Limits(cpu_seconds=1)) as pool:
        with pytest.raises(ReadError) as caught:
            pool.read(path)
        assert caught.value.reason == "timeout"
        assert pool.read(write(tmp_path, "b.txt", "words")).text == "words"


@pytest.mark.slow
def test_processor_time_is_allowed_anew_for_each_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", "- [item](x) `code`\n\n> # quote\n\n" * 6_000)
    with ReaderPool(limits=Limits(cpu_seconds=1)) as pool:
        pool.read(path)
        child = psutil.Process(pool.pids[0])
        while sum(child.cpu_times()[:2]) < 3.0:
            pool.read(path)
        assert pool.pids == (child.pid,)


def test_memory_is_limited(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "ä" * 20_000_000)
    with ReaderPool(limits=Limits(memory_bytes=150_000_000, text_chars=30_000_000)) as pool:
        with pytest.raises(ReadError) as caught:
            pool.read(path)
        assert caught.value.reason == "memory"
        assert pool.read(write(tmp_path, "b.txt", "words")).text == "words"


def test_only_regular_files_of_a_fitting_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock"))
        large = tmp_path / "large.txt"
        with large.open("wb") as file:
            file.truncate(10_000_000_000)  # takes no room, and would take long to read
        expected = {"pipe": "not_a_file", "sock": "not_a_file", "nothing": "missing", "large.txt": "too_large", ".": "not_a_file"}
        with ReaderPool() as pool:
            for name, reason in expected.items():
                with pytest.raises(ReadError) as caught:
                    pool.read(tmp_path / name)
                assert caught.value.reason == reason
            with pytest.raises(ReadError) as caught:
                pool.read(Path("/dev/zero"))
            assert caught.value.reason == "not_a_file"
            assert pool.pids == ()  # no child was troubled with them


@pytest.mark.skipif(os.geteuid() == 0, reason="the super-user may read everything")
def test_a_file_without_permission_is_unreadable(pool: ReaderPool, tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    path.chmod(0)
    with pytest.raises(ReadError) as caught:
        pool.read(path)
    assert caught.value.reason == "unreadable"


def test_errors_of_readers_pass_through(pool: ReaderPool, tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf([[]], encrypted=True))
    with pytest.raises(ReadError) as caught:
        pool.read(path)
    assert (caught.value.reason, bool(caught.value.hint)) == ("encrypted", True)
    assert "a.pdf" in caught.value.message


def test_odd_file_names_survive(pool: ReaderPool, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\xff.txt"))
    path.write_text("words")
    document = pool.read(path)
    assert document.source == str(path)
    assert document.title == "caf\ufffd\ufffd.txt"


def test_closing_leaves_no_child(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    pool = ReaderPool(jobs=2)
    list(pool.read_all([path] * 8))
    pids = pool.pids
    assert pids
    pool.close()
    pool.close()
    assert all(gone(pid) for pid in pids)
    with pytest.raises(UsageError):
        pool.read(path)


def test_closing_ends_a_read_in_another_thread(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "words")
    pool = ReaderPool()
    pool.read(path)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    reading = Reading(pool, path)
    time.sleep(0.3)
    pool.close()
    assert reading.reason() == "crashed"
    assert gone(pid)


def test_a_forgotten_pool_leaves_no_child(tmp_path: Path) -> None:
    pool = ReaderPool()
    pool.read(write(tmp_path, "a.txt", "words"))
    (pid,) = pool.pids
    del pool
    gc.collect()
    assert gone(pid)


PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have switched off for jobs in the background
from pathlib import Path
from wellread.read.pool import ReaderPool
pool = ReaderPool()
pool.read(Path(sys.argv[1]))
print(pool.pids[0], flush=True)
if sys.argv[2] == "hold":
    pool.read_all([])
    time.sleep(60)
"""


@pytest.mark.parametrize(("how", "ending"), [("hold", signal.SIGKILL), ("hold", signal.SIGINT), ("exit", None)])
def test_a_child_does_not_outlive_its_parent(tmp_path: Path, how: str, ending: signal.Signals | None) -> None:
    path = write(tmp_path, "a.txt", "words")
    with subprocess.Popen([sys.executable, "-c", PARENT, str(path), how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if ending is not None:
            parent.send_signal(ending)
        parent.wait(20)
    assert gone(pid)


def test_a_child_in_the_midst_of_a_file_does_not_outlive_its_parent(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", "- [item](x) `code`\n\n> # quote\n\n" * 600_000)
    script = PARENT.replace(
        "pool.read(Path(sys.argv[1]))", "import threading; threading.Thread(target=pool.read, args=(Path(sys.argv[1]),)).start()"
    )
    script = script.replace("print", "time.sleep(1.5); print")
    with subprocess.Popen([sys.executable, "-c", script, str(path), "hold"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.Process(pid).is_running()
        parent.send_signal(signal.SIGKILL)
        parent.wait(20)
    assert gone(pid)


def test_modules_in_the_current_folder_are_not_imported(tmp_path: Path, make_pdf: Callable[..., bytes]) -> None:
    """A folder of documents may hold a `json.py`; a child that starts there must not run it."""
    write(tmp_path, "json.py", "raise SystemExit('run from the folder of documents')")
    path = write(tmp_path, "a.txt", "words")
    script = "import sys; sys.path[:] = [entry for entry in sys.path if entry]\n" + PARENT
    package = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(path), "exit"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_pool_needs_a_job() -> None:
    with pytest.raises(UsageError):
        ReaderPool(jobs=0)
