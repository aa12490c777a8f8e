"""One writer at a time, across processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wellread.lock import Busy, locked

_HOLD = """
import sys
from pathlib import Path
from wellread.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""

_COUNT = """
import sys, time
from pathlib import Path
from wellread.lock import locked
counter = Path(sys.argv[2])
for _ in range(20):
    with locked(Path(sys.argv[1])):
        value = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(value + 1))
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it is told to let go."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_waited_for_and_named(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    told: list[str] = []
    with holder(path) as process:
        with pytest.raises(Busy) as raised, locked(path, wait_seconds=0.2, waiting=lambda: told.append("waiting")):
            raise AssertionError("two processes hold the lock")
        assert raised.value.pid == process.pid
        assert told == ["waiting"]
        process.communicate("go\n", timeout=30)
    with locked(path, wait_seconds=0, waiting=lambda: told.append("again")):
        assert int(path.read_text()) == os.getpid()
    assert told == ["waiting"]
    assert path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal that cannot be caught")
def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        with locked(tmp_path / "lock", wait_seconds=10):
            pass


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="inside"), locked(tmp_path / "lock"):
        raise RuntimeError("inside")
    with locked(tmp_path / "lock", wait_seconds=0):
        pass


def test_within_a_process_too_only_one_holds_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        began = time.monotonic()
        with pytest.raises(Busy), locked(tmp_path / "lock", wait_seconds=0.1):
            raise AssertionError("held twice")
        assert time.monotonic() - began >= 0.1


def test_no_change_is_lost_between_processes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    arguments = [sys.executable, "-c", _COUNT, str(tmp_path / "lock"), str(counter)]
    running = [subprocess.Popen(arguments) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert counter.read_text() == "60"
