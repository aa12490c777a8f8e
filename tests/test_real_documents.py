"""The span invariant on real files of every format read here: read, split, stored, changed, moved and removed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from wellread.errors import WellreadError
from wellread.library import Library
from wellread.split import CHUNK_CHARS, split
from wellread.types import Document

Check = Callable[[Library], None]
KINDS = ("pdf", "html", "md", "txt", "code", "docx")
SMALL = 40_000
"""Bytes of the largest file that is read every time."""


def files(docs_set: Path, limit: int | None = SMALL) -> list[Path]:
    found = sorted(path for kind in KINDS for path in (docs_set / kind).iterdir() if path.is_file())
    return [path for path in found if limit is None or path.stat().st_size <= limit]


def check_split(name: str, document: Document) -> None:
    text, at = document.text, 0
    for span in split(document):
        assert not text[at : span.start].strip(), name
        assert 0 < span.end - span.start <= CHUNK_CHARS, name
        assert text[span.start : span.end].strip() == text[span.start : span.end], name
        # headings without a text of their own may stand before the text they lead to
        assert not any(span.start + 300 < section.start < span.end for section in document.sections), name
        assert "\f" not in text[span.start : span.end] or not document.pages, name
        at = span.end
    assert not text[at:].strip(), name


class Folder:
    """A folder to which things happen; `pool` holds the real files that may come to it."""

    def __init__(self, path: Path, pool: list[Path], seed: int) -> None:
        self.path, self._pool = path, pool
        self._rng = random.Random(seed)
        self._number = 0

    def fill(self) -> None:
        """Copy the whole pool into it."""
        for each in self._pool:
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
    check(library)
    for _ in range(syncs):
        for _ in range(changes):
            folder.happen()
        report = library.sync()
        check(library)
        failed = {failure.path for failure in report.failed}
        held = {source for listed in library.documents() for source in listed.sources}
        names = set(folder.names())
        members = {source for source in held if not Path(source).parent.is_dir()}  # what lies in a mail or an archive
        assert held - members - failed == names - failed
        assert all(names.intersection(map(str, Path(member).parents)) for member in members)
        for query in ("retrieval", "检索", "the"):
            for hit in library.search(query):
                assert hit.chunk.text == library.document(hit.chunk.document).text[hit.chunk.start : hit.chunk.end]


def test_a_short_history_of_real_files(docs_set: Path, tmp_path: Path, open_library: Callable[..., Library], check_library: Check) -> None:
    pool = [path for path in files(docs_set, 40_000) if path.parent.name != "pdf"]
    folder, library = Folder(tmp_path / "files", pool, 1), open_library()
    folder.fill()
    library.add(folder.path)
    check_history(library, folder, check_library, syncs=3, changes=4)


@pytest.mark.slow
@pytest.mark.xdist_group("real documents")
def test_chunks_of_all_files_are_spans(real_library: Library, real_documents: Mapping[str, Document | str], check_library: Check) -> None:
    check_library(real_library)
    read = {name: document for name, document in real_documents.items() if isinstance(document, Document)}
    assert sum(name.startswith(KINDS) for name in read) > 75
    for name, document in read.items():
        check_split(name, document)


@pytest.mark.slow
@pytest.mark.xdist_group("real documents")
def test_a_long_history_of_real_files(
    docs_set: Path, tmp_path: Path, real_library: Library, open_library: Callable[..., Library], check_library: Check
) -> None:
    """The library is a copy: what happens to the files is not told to the one that others look at."""
    shutil.copytree(real_library.folder, tmp_path / "test.wellread")
    library = open_library()
    assert not library.sync().changed
    folder = Folder(real_library.folder.parent / "files", files(docs_set, 600_000), seed=1)
    check_history(library, folder, check_library, syncs=8, changes=5)


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
