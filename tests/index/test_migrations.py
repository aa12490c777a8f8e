"""Libraries of earlier versions are brought up to date, with a copy kept; newer ones are left alone."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from wellread.doctor import examine
from wellread.errors import LibraryTooNew
from wellread.index.migrations import _STEPS, SCHEMA_VERSION
from wellread.index.salvage import salvage
from wellread.index.store import Store
from wellread.library import Library
from wellread.models.fake import HashEmbedder

TEXTS = {"tea.txt": "Green tea is steeped at eighty degrees.", "solar.txt": "The solar panels produce four kilowatts at noon."}


def library_of_schema_1(folder: Path, files: Path) -> None:
    """What version 0.1 of the schema held after two files were added and a third could not be read."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "library.db", isolation_level=None)) as db:
        for statement in _STEPS[0].split(";"):
            db.execute(statement)
        db.execute("pragma user_version = 1")
        db.execute("update meta set value = 2 where key = 'change'")
        db.execute("insert into meta values ('embedder', ?)", (HashEmbedder().name,))
        db.execute("insert into roots values (?)", (str(files),))
        for change, (name, text) in enumerate(TEXTS.items(), start=1):
            path = files / name
            path.write_text(text)
            document, stat = hashlib.sha256(text.encode()).hexdigest(), path.stat()
            db.execute("insert into documents values (?, ?, 'text/plain', ?, '[]', ?)", (document, name, len(text), change))
            db.execute("insert into texts values (?, ?)", (document, text))
            db.execute("insert into sources values (?, ?, ?, ?)", (str(path), document, stat.st_size, stat.st_mtime_ns))
            db.execute("insert into chunks values (?, ?, 0, ?, null, null, 'text', ?)", (change, document, len(text), change))
            vector = HashEmbedder().embed([text])[0].astype(np.float16)
            db.execute("insert into vectors values (?, ?)", (change, vector.tobytes()))
        book = files / "table.csv"
        book.write_text("boat,harbour\nTern,Inner\n")
        stat = book.stat()
        failure = (str(book), stat.st_size, stat.st_mtime_ns, "unsupported", "table.csv cannot be read yet.", None)
        db.execute("insert into failures values (?, ?, ?, ?, ?, ?)", failure)


def test_a_library_of_an_earlier_version_goes_on(
    tmp_path: Path, open_library: Callable[..., Library], check_library: Callable[[Library], None]
) -> None:
    (tmp_path / "files").mkdir()
    library_of_schema_1(tmp_path / "test.wellread", tmp_path / "files")
    library = open_library("test")
    assert library.search("solar panels")[0].chunk.text == TEXTS["solar.txt"]
    report = library.sync()
    assert (report.added, report.unchanged, report.failed) == (1, 2, [])  # what could not be read then can be now
    check_library(library)
    with closing(sqlite3.connect(tmp_path / "test.wellread" / "library.schema1.db")) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
        assert db.execute("select count(*) from documents").fetchone() == (2,)
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_a_library_of_schema_2_learns_where_its_chunks_are(
    tmp_path: Path, open_library: Callable[..., Library], check_library: Callable[[Library], None]
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name, text in TEXTS.items():
        (files / name).write_text(text)
        os.utime(files / name, ns=(0, DAY_NS))
    path = tmp_path / "test.wellread" / "library.db"
    with open_library("test") as library:
        library.add(files)
        new = rows(path)
    back_to_schema_2(path)
    before = rows(path)
    with open_library("test") as library:
        assert examine(library.folder) == []
        report = library.sync()
        assert (report.unchanged, report.changed) == (2, False)
        assert [(listed.date, listed.tags) for listed in library.documents()] == [("2024-02-29", ())] * 2
        assert [hit.title for hit in library.search("solar panels", filter="date:2024-02-29 title:solar")] == ["solar.txt"]
        check_library(library)
    after = rows(path)
    assert after == new  # as if it had been made today, checksums included
    assert {table: held for table, held in after.items() if table not in ("documents", "tags")} == {
        table: held for table, held in before.items() if table != "documents"
    }
    with closing(sqlite3.connect(path.with_name("library.schema2.db"))) as db:
        assert db.execute("pragma user_version").fetchone() == (2,)


@pytest.mark.parametrize("older", [False, True])
def test_what_is_saved_of_a_library_knows_where_its_chunks_are(older: bool, tmp_path: Path, open_library: Callable[..., Library]) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name, text in TEXTS.items():
        (files / name).write_text(text)
    path = tmp_path / "test.wellread" / "library.db"
    with open_library("test") as library:
        library.add(files, tags=["finance"])
    whole = rows(path)
    if older:
        back_to_schema_2(path)
    assert salvage(path, lambda what, done, total: None).lost == ()
    saved = rows(path)
    noted = [[row[:5] + row[6:] for row in held["documents"]] for held in (saved, whole)]  # all but the number of the change
    assert noted[0] == noted[1]
    assert saved["tags"] == ([] if older else [(str(files), "finance")])
    with open_library("test") as library:
        assert [hit.title for hit in library.search("solar", filter="title:solar")] == ["solar.txt"]
        assert examine(library.folder) == []


DAY_NS = 1_709_251_199 * 10**9  # the last second of 29 February 2024


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of a database with its rows."""
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' and name != 'sqlite_sequence'")]
        return {table: sorted(db.execute(f"select * from {table}").fetchall(), key=repr) for table in tables}


def back_to_schema_2(path: Path) -> None:
    """Undo the third step."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in (
            "create index chunks_document on chunks (document)",
            "drop index chunks_page",
            "create index sources_document on sources (document)",
            "drop index sources_modified",
            "drop table tags",
            *(f"alter table documents drop column {name}" for name in ("date", "first_chunk", "chunk_count")),
            "pragma user_version = 2",
        ):
            db.execute(statement)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    library_of_schema_1(tmp_path / "test.wellread", tmp_path / "files")
    path = tmp_path / "test.wellread" / "library.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table web (in_the_way)")  # the second step stumbles over it
        db.commit()
    with pytest.raises(Exception, match="web"):
        Store(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
        assert db.execute("select name from sqlite_master where name in ('regions', 'containers')").fetchall() == []


def test_a_newer_library_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(LibraryTooNew, match="newer Wellread"):
        Store(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
