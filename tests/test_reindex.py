"""Reindexing beside the use of a library: who searches meanwhile, who adds, and who stops it on the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from wellread.config import Settings
from wellread.errors import LibraryLocked, UsageError
from wellread.index.vacuum import vacuum
from wellread.library import Library, cached
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
from wellread.reindex import FILE, Reindex, reindexing

OpenLibrary = Callable[..., Library]


class Counting(HashEmbedder):
    """Counts the passages it embeds, and calls `between` after each batch of them."""

    def __init__(self, dimensions: int = 32, *, revision: str = "1", between: Callable[[], None] = lambda: None) -> None:
        super().__init__(dimensions, revision=revision)
        self.passages = 0
        self._between = between

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        vectors = super().embed(texts, query=query)
        if not query:
            self.passages += len(texts)
            self._between()
        return vectors


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """30 documents of 10 chunks."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.txt").write_text("\n\n".join(f"Word{number} and part{part}. " * 20 for part in range(10)))
    return folder


@pytest.fixture
def made(open_library: OpenLibrary, files: Path) -> Path:
    """The folder of a library of these documents, embedded in 64 dimensions."""
    library = open_library()
    library.add(files)
    return library.folder


def content(folder: Path) -> list[list[tuple[object, ...]]]:
    """Everything that reindexing may change, but for numbers of changes."""
    queries = (
        "select id, document, start, end, page, section, kind from chunks order by id",
        "select chunk, data from vectors order by chunk",
        "select id, title, reader, crc from documents order by id",
        "select key, value from meta where key like 'embedder%' order by key",
    )
    with closing(sqlite3.connect(folder / "library.db")) as db:
        return [db.execute(query).fetchall() for query in queries]


def test_searches_see_the_old_vectors_until_the_swap_and_then_the_new_ones(
    open_library: OpenLibrary, made: Path, check_library: Callable[[Library], None]
) -> None:
    reader = Library(made, Parts(Settings(model="none")))  # one that takes whatever embedder the library has
    reader.parts.embedder = {"hash-64": HashEmbedder(), "hash-4": HashEmbedder(4)}.__getitem__  # type: ignore[assignment]
    before = reader.search("word7 part3")
    seen: list[object] = []
    other = open_library(embedder=Counting(4, between=lambda: seen.append(reader.search("word7 part3"))))
    with pytest.raises(UsageError, match="was made with the embedder"):
        other.search("word7 part3")
    assert other.reindex() == 30
    assert len(seen) > 3
    assert all(hits == before for hits in seen)
    after = reader.search("word7 part3")
    assert after == other.search("word7 part3")
    assert [hit.why["cosine"] for hit in after] != [hit.why["cosine"] for hit in before]
    assert not list(made.glob(f"{FILE}*"))
    check_library(other)
    reader.close()


def test_a_swap_between_the_choice_of_an_embedder_and_the_search_is_noticed(open_library: OpenLibrary, made: Path) -> None:
    embedders = {"hash-64": HashEmbedder(), "hash-32": HashEmbedder(32)}
    other = open_library(embedder=embedders["hash-32"])
    reader = Library(made, Parts(Settings(model="none")))
    asked: list[str] = []

    def embedder(name: str) -> HashEmbedder:
        asked.append(name)
        if len(asked) == 2:  # the first was the look at its revision
            other.reindex()
        return embedders[name]

    reader.parts.embedder = embedder  # type: ignore[method-assign,assignment]
    assert reader.search("word7 part3") == other.search("word7 part3")
    assert {"hash-64", "hash-32"} == set(asked)
    reader.close()


def test_what_is_added_changed_and_removed_meanwhile_is_in_the_end_result(
    open_library: OpenLibrary, made: Path, files: Path, check_library: Callable[[Library], None]
) -> None:
    writer = Library(made, Parts(Settings(model="none"), embedder=HashEmbedder()))
    batches: list[int] = []

    def meddle() -> None:
        batches.append(1)
        if len(batches) == 2:
            (files / "new.txt").write_text("Something about walruses.")
            (files / "29.txt").write_text("Something about dolphins.")
            (files / "00.txt").unlink()
            assert (writer.sync().added, len(writer.search("walruses", limit=1))) == (1, 1)

    other = open_library(embedder=Counting(between=meddle))
    assert other.reindex() == 30
    for animal in ("walruses", "dolphins"):
        assert f"Something about {animal}." in [hit.chunk.text for hit in other.search(animal)]
    assert not other.sync().changed
    check_library(other)
    writer.close()


_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_reindex import Counting
from wellread.config import Settings
from wellread.library import Library
from wellread.parts import Parts

left = [int(sys.argv[3])]
def count():
    left[0] -= 1
    if not left[0]:
        os._exit(9)
library = Library(Path(sys.argv[1]), Parts(Settings(model="none"), embedder=Counting(between=count)))
def progress(what, done, total):
    if what.startswith("putting") and done == int(sys.argv[4]):
        os._exit(9)
library.reindex(progress)
"""


@pytest.mark.parametrize(("batch", "document", "kept"), [(4, 0, 192), (0, 15, 300)])
def test_killed_and_called_again_it_goes_on_where_it_was(
    open_library: OpenLibrary, made: Path, batch: int, document: int, kept: int, check_library: Callable[[Library], None]
) -> None:
    before = content(made)
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(made), here, str(batch), str(document)], check=False, timeout=60)
    assert done.returncode == 9
    assert content(made) == before
    embedder = Counting()
    again = open_library(embedder=embedder)
    assert again.reindex() == 30
    assert embedder.passages == len(content(made)[0]) - kept == 300 - kept
    check_library(again)
    resumed = content(made)
    uninterrupted = Counting()
    assert open_library(embedder=uninterrupted).reindex() == 30
    assert uninterrupted.passages == 300
    assert content(made) == resumed


def test_what_another_embedder_or_damage_left_is_thrown_away(open_library: OpenLibrary, made: Path) -> None:
    library = open_library()
    with closing(Reindex(library.store, Counting())) as work:
        work.embed(lambda what, done, total: None)
    for left in (made / FILE).read_bytes(), b"no database at all", b"":
        (made / FILE).write_bytes(left)
        embedder = Counting(revision="2")
        assert open_library(embedder=embedder).reindex() == 30
        assert embedder.passages == 300
    library.close()


def test_one_at_a_time(open_library: OpenLibrary, made: Path) -> None:
    with reindexing(made), pytest.raises(LibraryLocked, match="is being reindexed"):
        open_library(embedder=Counting()).reindex()


def test_vacuum_leaves_nothing_of_a_stopped_reindexing(open_library: OpenLibrary, made: Path) -> None:
    library = open_library()
    with closing(Reindex(library.store, Counting())) as work:
        work.embed(lambda what, done, total: None)
    library.close()
    assert FILE in vacuum(made).deleted
    assert not (made / FILE).exists()


def test_an_empty_library_has_nothing_to_reindex(open_library: OpenLibrary) -> None:
    assert open_library().reindex() == 0


# --- revisions


def test_another_revision_of_the_same_embedder_is_refused(open_library: OpenLibrary, made: Path, files: Path) -> None:
    newer = open_library(embedder=HashEmbedder(revision="2"))
    for act in (lambda: newer.search("word1"), newer.sync, lambda: newer.add(files)):
        (files / "new.txt").write_text("Something new.")
        with pytest.raises(UsageError, match='another revision of the embedder "hash-64"') as caught:
            act()
        assert "wellread reindex" in str(caught.value.hint)
    assert newer.reindex() == 30
    assert newer.sync().added == 1
    assert newer.search("something new", limit=1)[0].chunk.text == "Something new."
    with pytest.raises(UsageError, match="another revision"):
        open_library(embedder=HashEmbedder()).search("word1")


def test_a_library_from_before_revisions_is_taken_as_it_is_and_gets_one(open_library: OpenLibrary, made: Path, files: Path) -> None:
    with closing(sqlite3.connect(made / "library.db")) as db:
        db.execute("delete from meta where key = 'embedder_revision'")
        db.commit()
    library = open_library(embedder=HashEmbedder(revision="7"))
    assert library.search("word1")
    assert library.store.meta("embedder_revision") is None
    (files / "new.txt").write_text("Something new.")
    library.sync()
    assert library.store.meta("embedder_revision") == "7"


def test_the_library_of_some_files_embeds_anew_by_itself(tmp_path: Path, files: Path) -> None:
    settings = Settings(model="none", home=tmp_path / "home")
    with cached([files], parts=Parts(settings, embedder=HashEmbedder())) as library:
        library.add(files)
    embedder = Counting(64, revision="2")
    with cached([files], parts=Parts(settings, embedder=embedder)) as library:
        library.add(files)
        assert embedder.passages == 300
        assert library.search("word7 part3", limit=1)[0].title == "07.txt"
        library.add(files)
        assert embedder.passages == 300
