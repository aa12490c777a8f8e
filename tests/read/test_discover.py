"""Which files of a folder are documents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wellread.errors import ReadError
from wellread.read.discover import walk


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root)]


def test_files_come_sorted_folder_by_folder(tmp_path: Path) -> None:
    put(tmp_path, "b.txt", "a/z.txt", "a/c/d.txt", "c.txt", "a/a.txt")
    assert found(tmp_path) == ["a/a.txt", "a/c/d.txt", "a/z.txt", "b.txt", "c.txt"]


def test_what_is_not_a_document_is_left_out(tmp_path: Path) -> None:
    put(
        tmp_path,
        ".hidden",
        ".git/config",
        "__pycache__/x.pyc",
        "a/node_modules/x.js",
        "l.wellread/library.db",
        "x.wellread",
        "keep.txt",
    )
    assert found(tmp_path) == ["keep.txt"]


def test_links_stay_under_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(tmp_path, "outside.txt", "root/inside.txt", "root/sub/deep.txt")
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "in.txt").symlink_to(root / "inside.txt")
    (root / "loop").symlink_to(root)
    (root / "gone.txt").symlink_to(root / "nothing")
    assert found(root) == ["in.txt", "inside.txt", "sub/deep.txt"]


def test_pipes_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == ["a.txt"]
    with pytest.raises(ReadError) as caught:
        list(walk(tmp_path / "pipe"))
    assert caught.value.reason == "not_a_file"


def test_a_file_yields_itself_and_nothing_is_missing(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    assert list(walk(tmp_path / "a.txt")) == [tmp_path / "a.txt"]
    with pytest.raises(ReadError) as caught:
        list(walk(tmp_path / "b.txt"))
    assert caught.value.reason == "missing"
