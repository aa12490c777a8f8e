"""The database of a library: whole changes or none, documents that live as long as a file holds them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wellread.errors import LibraryError, LibraryLocked, LibraryTooNew
from wellread.index.check import document_faults
from wellread.index.migrations import SCHEMA_VERSION
from wellread.index.rows import Failure, Source
from wellread.index.store import Store
from wellread.types import Document, Page, Section, Span

Put = Callable[..., Document]


def all_chunks(store: Store) -> list[int]:
    with closing(sqlite3.connect(store.path)) as db:
        return [row[0] for row in db.execute("select id from chunks order by id")]


def dump(store: Store) -> list[str]:
    """Everything in the database, as SQL."""
    with closing(sqlite3.connect(store.path)) as db:
        return list(db.iterdump())


def test_a_document_comes_back_as_it_was(store: Store, put: Put) -> None:
    text = "Preface.\n\nTitle\n\n𝔘nicode, 中文, \U0001f600.\fSecond page."
    at = text.index("\f")
    document = put(
        store,
        "/b.pdf",
        text,
        title="A title",
        pages=(Page(0, "iv", 0, at, (595.0, 842.5)), Page(1, "1", at + 1, len(text))),
        sections=(Section(1, "Title", text.index("Title"), len(text)),),
    )
    assert store.document(document.id) == document
    assert store.has(document.id)
    assert not store.has("0" * 64)
    with pytest.raises(LibraryError, match="not in this library"):
        store.document("0" * 64)


def test_warnings_and_listings(store: Store) -> None:
    document = Document("d" * 64, "/a", "A", "text/plain", "Some text.", warnings=("half of it is a picture",))
    store.put(document, [Span(0, 10)], np.ones((1, 3), np.float32), Source("/a", document.id, 1, 1))
    store.link(Source("/0", document.id, 1, 1))
    (listed,) = store.documents()
    assert (listed.title, listed.chars, listed.pages, listed.chunks) == ("A", 10, 0, 1)
    assert listed.sources == ("/0", "/a")
    assert listed.warnings == store.document(document.id).warnings == document.warnings


def test_a_document_knows_its_chunks_whatever_befalls_it(store: Store, put: Put) -> None:
    def noted() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(store.path)) as db:
            return db.execute(
                "select first_chunk is (select min(id) from chunks where document = d.id),"
                " chunk_count = (select count(*) from chunks where document = d.id) from documents d"
            ).fetchall()

    document = put(store, "/a", " ".join(f"Sentence number {number}." for number in range(60)), chunk_chars=60)
    put(store, "/b", "Other.")
    assert noted() == [(1, 1)] * 2
    put(store, "/a", document.text, chunk_chars=500)
    assert noted() == [(1, 1)] * 2
    store.put(document, [], np.ones((0, 3), np.float32), Source("/a", document.id, 1, 1))
    assert noted() == [(1, 1)] * 2
    assert [listed.chunks for listed in store.documents()] == [0, 1]


def test_a_date_is_kept_and_guarded(store: Store, put: Put) -> None:
    document = replace(put(store, "/a", "One text."), date="2024-02-29")
    vectors = np.full((1, 3), 1 / np.sqrt(3), np.float32)
    store.put(document, [Span(0, 9)], vectors, Source("/a", document.id, 1, 1))
    assert store.document(document.id) == document
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        assert list(document_faults(db, document.id, 6)) == []
        for day in ("'2024-02-28'", "null"):
            db.execute(f"update documents set date = {day}")
            assert list(document_faults(db, document.id, 6)) == ["its places, chunks or vectors do not have their checksum"]
        db.execute("update documents set date = '2024-02-29', first_chunk = first_chunk + 1")
        assert list(document_faults(db, document.id, 6)) == ["its chunks are not where its row says"]
        db.execute("update documents set first_chunk = null")
        assert list(document_faults(db, document.id, 6)) == ["its chunks are not where its row says"]


def test_chunks_are_spans_and_come_in_reading_order(store: Store, put: Put) -> None:
    put(store, "/b", "Another document.")
    document = put(store, "/a", " ".join(f"Sentence number {number}." for number in range(60)), chunk_chars=60)
    chunks = store.chunks_of(document.id)
    assert len(chunks) > 10 and chunks == sorted(chunks, key=lambda chunk: chunk.start)
    assert all(chunk.document == document.id and chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
    assert store.chunks_of("nowhere") == []
    assert store.chunks([10**9]) == {}
    assert len(store.chunks(all_chunks(store) * 200)) == len(all_chunks(store)) == len(chunks) + 1


def test_vectors_keep_their_order_and_nearly_their_values(store: Store) -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    document = Document("d" * 64, "/a", "A", "text/plain", "abcde")
    store.put(document, [Span(at, at + 1) for at in range(5)], vectors, Source("/a", document.id, 5, 1))
    ids = all_chunks(store)
    assert np.allclose(np.stack([store.vectors(ids)[chunk] for chunk in ids]), vectors, atol=2e-3)
    ((streamed, values),) = store.vectors_since(0, store.change)
    assert streamed.tolist() == ids
    assert np.array_equal(values, np.stack([store.vectors(ids)[chunk] for chunk in ids]))
    assert list(store.vectors_since(store.change, 10**6)) == []
    assert list(store.vectors_since(0, store.change - 1)) == []


def test_a_put_that_fails_leaves_everything_as_it_was(store: Store, put: Put) -> None:
    old = put(store, "/a", "The old version. It has words.")
    before = dump(store)
    new = replace(old, id="e" * 64, text="The new version.")
    with pytest.raises(ValueError, match="zip"):  # fewer vectors than spans: it fails when half of it is written
        store.put(new, [Span(0, 3), Span(4, 7)], np.ones((1, 64), np.float32), Source("/a", new.id, 1, 2))
    assert dump(store) == before
    with pytest.raises(LibraryError, match="UNIQUE"):
        store.put(replace(new, pages=(Page(0, "1", 0, 5), Page(0, "1", 5, 9))), [], np.ones((0, 64)), Source("/a", new.id, 1, 2))
    assert dump(store) == before
    put(store, "/a", "It still can be written to.")


def test_a_new_version_takes_the_place_of_the_old_one(store: Store, put: Put) -> None:
    old = put(store, "/a", "The old version.")
    chunks = all_chunks(store)
    change = store.change
    new = put(store, "/a", "The new version.")
    assert not store.has(old.id)
    assert [listed.id for listed in store.documents()] == [new.id]
    assert store.change == change + 1
    assert store.removed_since(change) == chunks
    assert not set(all_chunks(store)) & set(chunks)


def test_the_same_bytes_under_two_names_are_one_document(store: Store, put: Put) -> None:
    document = put(store, "/b", "One text.")
    store.link(Source("/a", document.id, 9, 1))
    assert [listed.sources for listed in store.documents()] == [("/a", "/b")]
    assert store.document(document.id).source == "/a"
    assert store.chunk_count() == 1
    assert store.unlink(["/a"]) == 0
    assert store.document(document.id).source == "/b"
    assert store.unlink(["/b", "/never"]) == 1
    assert not store.has(document.id)
    assert store.chunk_count() == 0
    assert store.sources() == {}


def test_putting_again_replaces_the_chunks_and_keeps_the_other_name(store: Store, put: Put) -> None:
    document = put(store, "/a", "One text.")
    assert put(store, "/b", "One text.") == replace(document, source="/b", title="/b")
    assert store.chunk_count() == 1
    assert set(store.sources()) == {"/a", "/b"}


def test_a_file_that_takes_on_the_text_of_another_lets_its_own_go(store: Store, put: Put) -> None:
    one, other = put(store, "/a", "One text."), put(store, "/b", "Another text.")
    store.link(Source("/a", other.id, 13, 2))
    assert not store.has(one.id)
    assert store.sources()["/a"] == Source("/a", other.id, 13, 2)


def test_forgetting_nothing_is_no_change(store: Store, put: Put) -> None:
    put(store, "/a", "One text.")
    change = store.change
    assert store.unlink([]) == 0
    store.set_meta("embedder", "hash-64")
    store.add_root("/folder")
    store.write_trace("t1", "ask", "why?", {})
    assert store.change == change


def test_the_same_document_always_has_the_same_chunks(store: Store, put: Put) -> None:
    put(store, "/a", "One text.")
    ids = all_chunks(store)
    assert max(ids) < 2**53
    store.unlink(["/a"])
    assert store.removed_since(0) == list(ids)
    put(store, "/b", "Another text.")
    put(store, "/a", "One text.")
    assert set(ids) < set(all_chunks(store))
    assert store.removed_since(0) == []
    assert {row.chunk for row in store.index_rows(store.change - 1)} == set(ids)


def test_what_is_written_together_is_one_change_or_none(store: Store, put: Put) -> None:
    before = store.change
    with store.together():
        put(store, "/a", "One text.")
        put(store, "/b", "Another text.")
    assert store.change == before + 1
    with pytest.raises(ZeroDivisionError), store.together():
        put(store, "/c", "A third text.")
        store.unlink(["/a"])
        raise ZeroDivisionError
    assert set(store.sources()) == {"/a", "/b"}
    assert store.change == before + 1
    put(store, "/c", "A third text.")
    assert store.change == before + 2


def test_a_document_named_after_a_file_goes_by_the_name_that_is_left(store: Store, put: Put) -> None:
    document = put(store, "/x/draft.txt", "One text.", title="draft.txt")
    change = store.change
    store.link(Source("/y/final.txt", document.id, 9, 2))
    store.unlink(["/x/draft.txt"])
    assert store.document(document.id).title == "final.txt"
    assert [row.context for row in store.index_rows(change)] == ["final.txt"]
    assert list(store.vectors_since(change, store.change)) == []


def test_rows_for_an_index_carry_title_and_heading(store: Store, put: Put) -> None:
    text = "Preface.\n\nMethods\n\nWe measured."
    put(store, "/a", text, title="Paper", sections=(Section(1, "Methods", text.index("Methods"), len(text)),))
    assert [(row.context, row.text) for row in store.index_rows(0)] == [
        ("Paper", "Preface."),
        ("Paper > Methods", "Methods\n\nWe measured."),
    ]
    change = store.change
    assert list(store.index_rows(change)) == []
    put(store, "/b", "More.", title="Other")
    assert [row.context for row in store.index_rows(change)] == ["Other"]


def test_failures_and_roots_are_remembered(store: Store) -> None:
    failure = Failure("/bad.pdf", 3, 4, "damaged", "it is damaged.", None)
    store.set_failure(failure)
    store.set_failure(replace(failure, size=5))
    assert store.failures() == {"/bad.pdf": replace(failure, size=5)}
    store.forget_failures(["/bad.pdf", "/other"])
    assert store.failures() == {}
    store.add_root("/b")
    store.add_root("/a")
    store.add_root("/a")
    assert store.roots() == ["/a", "/b"]
    store.remove_root("/a")
    assert store.roots() == ["/b"]


def test_traces_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    store.write_trace("abc123", "ask", "first?", {"answer": {"text": "好"}, "steps": []})
    store.write_trace("abd456", "ask", "second?", {"answer": {}, "steps": []})
    assert [trace["id"] for trace in store.traces()] == ["abd456", "abc123"]
    assert [trace["id"] for trace in store.traces(1)] == ["abd456"]
    found = store.trace("abc")
    assert found is not None
    assert (found["question"], found["answer"]) == ("first?", {"text": "好"})
    assert store.trace("x") is None
    assert store.trace("a_c") is None


# --- opening


def test_an_empty_file_becomes_a_library_and_a_library_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.touch()
    with closing(Store(path)) as store:
        before = dump(store)
        identity = store.identity
    assert len(identity) == 16
    with closing(Store(path)) as store:
        assert dump(store) == before
        assert store.identity == identity
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)


def test_two_libraries_can_be_told_apart(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "a.db")) as one, closing(Store(tmp_path / "b.db")) as other:
        assert one.identity != other.identity


def test_a_newer_library_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with closing(Store(path)) as store:
        before = dump(store)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LibraryTooNew, match=f"schema {SCHEMA_VERSION + 1}") as raised:
        Store(path)
    assert raised.value.hint is not None
    assert "upgrade" in raised.value.hint
    with closing(sqlite3.connect(path)) as db:
        assert list(db.iterdump()) == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_bytes(b"This is not a database, whatever its name says. " * 100)
    with pytest.raises(LibraryError, match="damaged"):
        Store(path)
    with pytest.raises(LibraryError, match="cannot be opened"):
        Store(tmp_path / "no such folder" / "library.db")


def test_a_writer_that_waits_too_long_is_told_who_is_in_the_way(store: Store) -> None:
    with closing(Store(store.path, wait_seconds=0.05)) as second, closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("begin immediate")
        with pytest.raises(LibraryLocked, match="another process"):
            second.set_meta("a", 1)
        assert second.meta("a") is None
        db.execute("rollback")
        second.set_meta("a", 1)
    assert store.meta("a") == 1


def test_a_reader_sees_one_state_while_another_connection_writes(store: Store, put: Put) -> None:
    document = put(store, "/a", "One text.")
    with closing(Store(store.path)) as other:
        put(other, "/a", "Another text.")
        assert not store.has(document.id)
        assert [listed.id for listed in store.documents()] == [listed.id for listed in other.documents()]


def test_processes_that_make_a_library_at_once_make_one(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from wellread.index.store import Store; print(Store(Path(sys.argv[1])).identity)"
    path = str(tmp_path / "library.db")
    running = [subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=60)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(told)) == 1


def test_a_process_killed_while_it_writes_leaves_the_last_whole_state(tmp_path: Path, put: Put) -> None:
    path = tmp_path / "library.db"
    with closing(Store(path)) as store:
        put(store, "/a", "One text.")
        before = dump(store)
    code = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from wellread.index.store import Source, Store\n"
        "from wellread.types import Document, Span\n"
        "class Fatal(list):\n"
        "    def __iter__(self):\n"
        "        yield Span(0, 3)\n"
        "        os._exit(9)\n"
        "d = Document('e' * 64, '/a', 'A', 'text/plain', 'New text.')\n"
        "Store(Path(sys.argv[1])).put(d, Fatal(), np.ones((2, 4), np.float32), Source('/a', d.id, 9, 2))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60).returncode == 9
    with closing(Store(path)) as store:
        assert dump(store) == before
