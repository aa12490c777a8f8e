"""The span invariant on real files of every format read here: read, split, stored, changed, moved and removed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wellread.errors import ReadError, WellreadError
from wellread.library import Library
from wellread.read.pool import ReaderPool
from wellread.split import CHUNK_CHARS, split

Check = Callable[[Library], None]
KINDS = ("pdf", "html", "md", "txt", "code", "docx")
TEXTS = ("html", "md", "txt", "code")
SMALL = 40_000
"""Bytes of the largest file that is read every time."""


def files(docs_set: Path, limit: int | None = SMALL) -> list[Path]:
    found = sorted(path for kind in KINDS for path in (docs_set / kind).iterdir() if path.is_file())
    return [path for path in found if limit is None or path.stat().st_size <= limit]


def check_split(paths: list[Path]) -> int:
    """Read and split files. Returns how many could be read."""
    read = 0
    with ReaderPool() as pool:
        for reading in pool.read_all(paths):
            path, document = reading.source, reading.result
            if document is None or isinstance(document, ReadError):
                continue
            read += 1
            text, at = document.text, 0
            for span in split(document):
                assert not text[at : span.start].strip(), path
                assert 0 < span.end - span.start <= CHUNK_CHARS, path
                assert text[span.start : span.end].strip() == text[span.start : span.end], path
                # headings without a text of their own may stand before the text they lead to
                assert not any(span.start + 300 < section.start < span.end for section in document.sections), path
                assert "\f" not in text[span.start : span.end] or not document.pages, path
                at = span.end
            assert not text[at:].strip(), path
    return read


class Folder:
    """A folder of copies of real files, to which things happen."""

    def __init__(self, path: Path, pool: list[Path], seed: int) -> None:
        self.path, self._pool = path, pool
        self._rng = random.Random(seed)
        self._number = 0
        path.mkdir()
        for each in pool:
            self.write(f"{each.parent.name}/{each.name}", each.read_bytes())

    def write(self, name: str, data: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._number += 1
        os.utime(path, (1_700_000_000 + self._number,) * 2)  # two writes in one tick of the clock would look like none

    def happen(self) -> None:
        """Add, edit, replace, move or remove a file."""
        rng, new = self._rng, f"new/{self._number}"
        here = sorted(path for path in self.path.rglob("*") if path.is_file())
        path, other = rng.choice(here), rng.choice(self._pool)
        what = rng.choice(["add", "edit", "edit", "replace", "move", "remove"])
        if what == "add":
            self.write(f"{new}{other.suffix}", other.read_bytes())
        elif what == "edit":
            path = rng.choice([path for path in here if path.suffix not in (".pdf", ".docx")])
            data = path.read_bytes()
            at = rng.randrange(len(data) + 1)
            data = (
                data[:at]
                + rng.choice([b" inserted words ", b"\n\n", "新的一句。".encode(), b"\xff\xfe", b""])
                + data[at + rng.randrange(40) :]
            )
            self.write(str(path.relative_to(self.path)), data)
        elif what == "replace":
            self.write(str(path.relative_to(self.path)), other.read_bytes())
        elif what == "move":
            (self.path / "new").mkdir(exist_ok=True)
            path.rename(self.path / f"{new}{path.suffix}")
            self._number += 1
        else:
            path.unlink()

    def names(self) -> Iterator[str]:
        return (str(path) for path in self.path.rglob("*") if path.is_file())


def check_history(library: Library, folder: Folder, check: Check, *, syncs: int, changes: int) -> None:
    library.add(folder.path)
    check(library)
    for _ in range(syncs):
        for _ in range(changes):
            folder.happen()
        report = library.sync()
        check(library)
        failed = {failure.path for failure in report.failed}
        held = {source for listed in library.documents() for source in listed.sources}
        assert held - failed == set(folder.names()) - failed
        for query in ("retrieval", "检索", "the"):
            for hit in library.search(query):
                assert hit.chunk.text == library.document(hit.chunk.document).text[hit.chunk.start : hit.chunk.end]


def test_a_short_history_of_real_files(docs_set: Path, tmp_path: Path, open_library: Callable[..., Library], check_library: Check) -> None:
    pool = [path for path in files(docs_set, 40_000) if path.parent.name != "pdf"]
    check_history(open_library(), Folder(tmp_path / "files", pool, 1), check_library, syncs=3, changes=4)


@pytest.mark.slow
def test_chunks_of_all_files_are_spans(docs_set: Path) -> None:
    assert check_split(files(docs_set, None)) > 75


@pytest.mark.slow
def test_a_long_history_of_real_files(docs_set: Path, tmp_path: Path, open_library: Callable[..., Library], check_library: Check) -> None:
    folder = Folder(tmp_path / "files", files(docs_set, 600_000), seed=1)
    check_history(open_library(), folder, check_library, syncs=8, changes=5)


@pytest.mark.slow
def test_all_real_files_in_one_library(docs_set: Path, open_library: Callable[..., Library], check_library: Check) -> None:
    library = open_library()
    report = library.add(*(docs_set / kind for kind in KINDS))
    assert report.added > 75
    check_library(library)
    assert not library.sync().changed


def test_the_words_of_a_hit_are_found_on_its_page(docs_set: Path, tmp_path: Path, open_library: Callable[..., Library]) -> None:
    shutil.copy(docs_set / "pdf" / "sample_contract.pdf", tmp_path / "contract.pdf")
    (tmp_path / "plain.txt").write_text("A contract on plain paper has no rectangles.")
    library = open_library()
    library.add(tmp_path / "contract.pdf", tmp_path / "plain.txt")
    chunks = [hit.chunk for hit in library.search("contract", limit=20)]
    for chunk in chunks:
        document = library.document(chunk.document)
        found = library.rects(chunk.document, chunk.start, chunk.end)
        assert bool(found) == bool(document.pages)
        for rect in found:
            width, height = document.pages[rect.page].size or (0, 0)
            assert 0 <= rect.left < rect.right <= width
            assert 0 <= rect.bottom < rect.top <= height
    assert any(library.document(chunk.document).pages for chunk in chunks)
    with (tmp_path / "contract.pdf").open("ab") as file:
        file.write(b"\n%changed")
    pages = next(chunk for chunk in chunks if library.document(chunk.document).pages)
    with pytest.raises(WellreadError, match="no longer the file"):
        library.rects(pages.document, pages.start, pages.end)
