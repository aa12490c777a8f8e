"""Backup, restore and vacuum: a library in one file and back, and nothing left of what was removed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from wellread.errors import LibraryError, LibraryTooNew, UsageError
from wellread.index.backup import backup, restore
from wellread.index.index import Index, open_index
from wellread.index.migrations import SCHEMA_VERSION
from wellread.index.store import Store
from wellread.index.vacuum import vacuum
from wellread.models.fake import HashEmbedder
from wellread.retrieve.search import retrieve
from wellread.types import Document

Put = Callable[..., Document]
WORDS = [f"word{number}" for number in range(200)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "books.wellread").mkdir()
    return tmp_path / "books.wellread"


@pytest.fixture
def books(folder: Path) -> Iterator[Store]:
    store = Store(folder / "library.db")
    yield store
    store.close()


def text(rng: random.Random) -> str:
    return "\n\n".join(" ".join(rng.choices(WORDS, k=60)) + "." for _ in range(8))


def indexed(folder: Path, store: Store) -> Index:
    index = open_index(folder, store, 64)
    index.catch_up()
    return index


def best(index: Index, questions: list[str]) -> list[list[tuple[str, int, float]]]:
    """The ten best chunks for each question, with their scores."""
    embedder = HashEmbedder()
    return [[(hit.chunk.document, hit.chunk.start, hit.score) for hit in retrieve(one, index, embedder, limit=10)] for one in questions]


def test_a_restored_library_gives_the_same_answers(books: Store, folder: Path, put: Put, tmp_path: Path) -> None:
    rng = random.Random(1)
    for number in range(40):
        put(books, f"/{number}", text(rng))
    questions = [" ".join(rng.choices(WORDS, k=rng.randint(2, 8))) for _ in range(50)]
    expected = best(indexed(folder, books), questions)
    assert all(len(hits) == 10 for hits in expected)
    assert backup(folder, tmp_path / "saved.db") == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books.wellread", "saved.db"]  # one file and nothing beside it
    elsewhere = tmp_path / "elsewhere" / "more.wellread"
    assert restore(tmp_path / "saved.db", elsewhere) == 40
    store = Store(elsewhere / "library.db")
    assert best(indexed(elsewhere, store), questions) == expected
    assert [store.document(one.id) for one in store.documents()] == [books.document(one.id) for one in books.documents()]
    store.close()


WRITER = """
import sys, random
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_backup import text
from conftest import _put
from wellread.index.store import Store
store, rng = Store(Path(sys.argv[1])), random.Random(9)
print("begin", flush=True)
for number in range(10**6):
    _put(store, f"/{number}", text(rng))
"""


def test_a_backup_during_writes_is_one_committed_state(folder: Path, tmp_path: Path) -> None:
    here = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder / "library.db"), str(here)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"begin\n"
            counts = []
            for number in range(12):
                counts.append(backup(folder, tmp_path / f"{number}.db"))
                with closing(sqlite3.connect(tmp_path / f"{number}.db")) as db:
                    sources = [row[0] for row in db.execute("select path from sources")]
                    assert sorted(sources) == sorted(f"/{done}" for done in range(counts[-1]))  # a prefix of what was written
                    assert db.execute("pragma foreign_key_check").fetchall() == []
                    assert db.execute("select value from meta where key = 'change'").fetchone() == (counts[-1],)
            assert writer.poll() is None
        finally:
            writer.kill()
    assert counts[-1] > counts[0]
    print("documents in each backup:", counts)


def test_nothing_is_overwritten_unasked(books: Store, folder: Path, put: Put, tmp_path: Path) -> None:
    put(books, "/a", "alpha beta")
    backup(folder, tmp_path / "saved.db")
    put(books, "/b", "gamma delta")
    saved = (tmp_path / "saved.db").read_bytes()
    with pytest.raises(UsageError, match="there already"):
        backup(folder, tmp_path / "saved.db")
    assert (tmp_path / "saved.db").read_bytes() == saved
    with pytest.raises(UsageError, match="library"):
        restore(tmp_path / "saved.db", folder)
    assert len(books.documents()) == 2
    indexed(folder, books)
    put(books, "/c", "epsilon")
    books.close()
    assert restore(tmp_path / "saved.db", folder, overwrite=True) == 1
    assert not (folder / "index").exists()
    again = Store(folder / "library.db")
    assert [one.sources for one in again.documents()] == [("/a",)]
    again.close()
    assert backup(folder, tmp_path / "saved.db", overwrite=True) == 1


def test_an_index_from_after_the_backup_is_not_believed(books: Store, folder: Path, put: Put, tmp_path: Path) -> None:
    """The library goes on after a backup, the backup comes back and goes on otherwise, as many changes; an old index comes back too."""
    put(books, "/a", "alpha")
    backup(folder, tmp_path / "saved.db")
    put(books, "/b", "beta")
    indexed(folder, books)
    shutil.copytree(folder / "index", tmp_path / "index")
    books.close()
    restore(tmp_path / "saved.db", folder, overwrite=True)
    shutil.copytree(tmp_path / "index", folder / "index")
    store = Store(folder / "library.db")
    put(store, "/c", "gamma")
    index = indexed(folder, store)
    found = {hit.source for hit in retrieve("beta gamma alpha", index, HashEmbedder())}
    assert found == {"/a", "/c"}
    store.close()


@pytest.mark.parametrize("what", ["garbage", "empty", "foreign", "cut", "missing", "newer"])
def test_what_is_no_whole_library_is_not_restored(what: str, books: Store, folder: Path, put: Put, tmp_path: Path) -> None:
    for number in range(5):
        put(books, f"/{number}", text(random.Random(number)))
    saved, to = tmp_path / "saved.db", tmp_path / "new.wellread"
    backup(folder, saved)
    match what:
        case "garbage":
            saved.write_bytes(random.Random(1).randbytes(50_000))
        case "empty":
            saved.write_bytes(b"")
        case "cut":
            saved.write_bytes(saved.read_bytes()[: saved.stat().st_size * 2 // 3])
        case "missing":
            saved.unlink()
        case "newer":
            with closing(sqlite3.connect(saved)) as db:
                db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
        case "foreign":
            saved.unlink()
            with closing(sqlite3.connect(saved)) as db:
                db.execute("create table cats (name)")
    errors = {"missing": UsageError, "newer": LibraryTooNew}
    with pytest.raises(errors.get(what, LibraryError)) as caught:
        restore(saved, to)
    assert caught.value.hint
    assert not (to / "library.db").exists()
    assert not list(tmp_path.rglob("*.new"))
    with pytest.raises(errors.get(what, LibraryError)):
        restore(saved, folder, overwrite=True)
    assert len(books.documents()) == 5


def test_a_damaged_library_is_not_backed_up_as_if_it_were_whole(books: Store, folder: Path, put: Put, tmp_path: Path) -> None:
    for number in range(30):
        put(books, f"/{number}", text(random.Random(number)))
    books.close()
    data = bytearray((folder / "library.db").read_bytes())
    for page in range(20, len(data) // 4096, 7):
        data[page * 4096 : page * 4096 + 200] = random.Random(page).randbytes(200)
    (folder / "library.db").write_bytes(data)
    with pytest.raises(LibraryError, match="damaged") as caught:
        backup(folder, tmp_path / "saved.db")
    assert "doctor" in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["books.wellread"]


# --- vacuum


def holds(folder: Path, marker: bytes) -> list[str]:
    """The files that hold some bytes."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and marker in path.read_bytes())


@pytest.mark.parametrize("late", [False, True])
def test_nothing_is_left_of_what_was_removed(late: bool, books: Store, folder: Path, put: Put) -> None:
    """Markers in the text, the title, the path and the trace of an answer; short and long documents, indexed and changed over time."""
    rng = random.Random(2)
    marks = ["xqzmarkab", "xqzmarkba", "xqzpath", "xqztitle", "xqzquestion"]
    for number in range(30):
        put(books, f"/{number}", text(rng))
    indexed(folder, books)
    short = put(books, "/xqzpath", f"alpha xqzmarkab beta {text(rng)}", title="xqztitle")
    put(books, "/long", " ".join([text(rng), "xqzmarkba"] * 60))
    (chunk,) = [row.chunk for row in books.index_rows(0) if "xqzmarkab" in row.text]
    index = indexed(folder, books)
    assert len(index.keyword.search("xqzmarkba", limit=100).scores) > 10
    cited = {"answer": {"citations": [{"document": {"id": short.id}, "quote": "xqzmarkab"}], "nearest": []}}
    sent = {"answer": {"citations": [], "ledger": {"sent": [{"chunk": chunk}]}}, "steps": [{"messages": "xqzmarkab"}]}
    shown = {"answer": {"nearest": [{"document": short.id, "text": "xqzmarkab"}]}}
    kept = {"answer": {"citations": [{"document": {"id": books.documents()[0].id}}], "ledger": {"sent": []}}}
    for number, data in enumerate((cited, sent, shown, kept)):
        books.write_trace(f"trace{number}", "ask", "xqzquestion" if data is not kept else "kept", data)
    if late:  # the pages have moved from the log to the database
        with closing(sqlite3.connect(folder / "library.db")) as db:
            db.execute("pragma wal_checkpoint(truncate)")
    for mark in marks:
        assert holds(folder, mark.encode()), mark
    (folder / "library.schema1.db").write_bytes(b"xqzmarkab")
    books.unlink(["/xqzpath", "/long"])
    indexed(folder, books)
    done = vacuum(folder)
    assert (done.traces, done.deleted) == (3, ("library.schema1.db",))
    assert done.freed > 0
    for mark in (*marks, short.id):
        assert holds(folder, mark.encode()) == [], mark
    assert [trace["question"] for trace in books.traces()] == ["kept"]
    index = indexed(folder, books)
    assert not index.keyword.search("xqzmarkba", limit=5).scores
    assert len(books.documents()) == 30
    assert len(index.vector.search(HashEmbedder().embed(["word1"])[0], books, limit=1000)) == books.chunk_count()


def test_a_vacuum_is_told_who_stands_in_its_way(books: Store, folder: Path, put: Put) -> None:
    put(books, "/a", "alpha")
    with closing(sqlite3.connect(folder / "library.db", isolation_level=None)) as db:
        db.execute("begin")
        db.execute("select count(*) from documents").fetchall()
        put(books, "/b", "beta")
        with pytest.raises(LibraryError) as caught:
            vacuum(folder, wait_seconds=0.2)
        assert caught.value.hint
    vacuum(folder)
    assert len(books.documents()) == 2
