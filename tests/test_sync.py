"""Files and a library in step: only what changed is read, and nothing that was read well is lost to a mistake."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from wellread.errors import ReadError, UsageError
from wellread.library import Library
from wellread.models.fake import HashEmbedder
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool
from wellread.sync import SyncReport
from wellread.types import Document

Check = Callable[[Library], None]


class Counting:
    """An embedder that keeps count of the passages it was given."""

    def __init__(self) -> None:
        self._inner = HashEmbedder()
        self.name, self.revision = self._inner.name, self._inner.revision
        self.dimensions, self.unrelated = self._inner.dimensions, self._inner.unrelated
        self.passages: list[str] = []

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        self.passages += [] if query else texts
        return self._inner.embed(texts, query=query)


class Watched:
    """A library and a folder, with counts of what each sync read and embedded."""

    def __init__(self, library: Library, embedder: Counting, folder: Path) -> None:
        self.library, self.embedder, self.folder = library, embedder, folder
        self.read = self.embedded = 0
        self._tick = 1_700_000_000

    def write(self, name: str, text: str) -> Path:
        """A file, with a time of its own: what is written twice in one tick of the clock looks unchanged to anyone."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._tick += 1
        os.utime(path, (self._tick, self._tick))
        return path

    def sync(self, *add: Path) -> SyncReport:
        before, reads = len(self.embedder.passages), []

        def progress(what: str, done: int, total: int) -> None:
            reads.append(done)

        report = self.library.add(*add, progress=progress) if add else self.library.sync(progress)
        self.read, self.embedded = len(reads), len(self.embedder.passages) - before
        return report

    def texts(self) -> dict[str, str]:
        """What the library holds, by file name."""
        return {
            str(Path(source).relative_to(self.folder)): self.library.document(listed.id).text
            for listed in self.library.documents()
            for source in listed.sources
        }


@pytest.fixture
def watched(open_library: Callable[..., Library], tmp_path: Path) -> Watched:
    embedder = Counting()
    (tmp_path / "files").mkdir()
    return Watched(open_library(embedder=embedder), embedder, tmp_path / "files")


def counts(report: SyncReport) -> tuple[int, int, int, int, int, int]:
    """(added, updated, moved, removed, unchanged, failed)"""
    return report.added, report.updated, report.moved, report.removed, report.unchanged, len(report.failed)


def test_what_is_unchanged_costs_no_read_and_no_embedding(watched: Watched, check_library: Check) -> None:
    for number in range(4):
        watched.write(f"{number}.txt", f"Text of number {number}.")
    assert counts(watched.sync(watched.folder)) == (4, 0, 0, 0, 0, 0)
    assert (watched.read, watched.embedded) == (4, 4)
    check_library(watched.library)
    change = watched.library.store.change
    report = watched.sync()
    assert counts(report) == (0, 0, 0, 0, 4, 0)
    assert not report.changed
    assert (watched.read, watched.embedded) == (0, 0)
    assert watched.library.store.change == change
    watched.write("2.txt", "Another text.")
    assert counts(watched.sync()) == (0, 1, 0, 0, 3, 0)
    assert (watched.read, watched.embedded) == (1, 1)
    assert watched.texts()["2.txt"].strip() == "Another text."
    check_library(watched.library)


def test_a_touched_file_is_not_read_again(watched: Watched) -> None:
    watched.write("a.txt", "One text.")
    watched.sync(watched.folder)
    watched.write("a.txt", "One text.")
    assert counts(watched.sync()) == (0, 0, 0, 0, 1, 0)
    assert watched.read == 0
    assert watched.library.store.sources()[str(watched.folder / "a.txt")].mtime_ns == (watched.folder / "a.txt").stat().st_mtime_ns


def test_copies_moves_and_removals(watched: Watched, check_library: Check) -> None:
    path = watched.write("a.txt", "One text.")
    watched.write("b.txt", "Two texts.")
    watched.sync(watched.folder)
    watched.write("copy.txt", "One text.")
    assert counts(watched.sync()) == (1, 0, 0, 0, 2, 0)
    assert watched.read == watched.embedded == 0
    assert sorted(watched.texts()) == ["a.txt", "b.txt", "copy.txt"]
    assert len(watched.library.documents()) == 2
    path.unlink()
    assert counts(watched.sync()) == (0, 0, 0, 1, 2, 0)
    assert sorted(watched.texts()) == ["b.txt", "copy.txt"]
    (watched.folder / "sub").mkdir()
    (watched.folder / "copy.txt").rename(watched.folder / "sub" / "moved.txt")
    assert counts(watched.sync()) == (0, 0, 1, 0, 1, 0)
    assert watched.read == watched.embedded == 0
    assert sorted(watched.texts()) == ["b.txt", "sub/moved.txt"]
    check_library(watched.library)
    (watched.folder / "sub" / "moved.txt").unlink()
    (watched.folder / "b.txt").unlink()
    assert counts(watched.sync()) == (0, 0, 0, 2, 0, 0)
    assert watched.library.documents() == []
    check_library(watched.library)


def test_a_file_that_became_two_was_moved_once(watched: Watched) -> None:
    path = watched.write("a.txt", "One text.")
    watched.sync(watched.folder)
    path.unlink()
    watched.write("b.txt", "One text.")
    watched.write("c.txt", "One text.")
    assert counts(watched.sync()) == (1, 0, 1, 0, 0, 0)
    assert sorted(watched.texts()) == ["b.txt", "c.txt"]


def test_two_files_that_change_places(watched: Watched, check_library: Check) -> None:
    watched.write("a.txt", "Alpha.")
    watched.write("b.txt", "Beta.")
    watched.sync(watched.folder)
    watched.write("a.txt", "Beta.")
    watched.write("b.txt", "Alpha.")
    assert counts(watched.sync()) == (0, 2, 0, 0, 0, 0)
    assert {name: text.strip() for name, text in watched.texts().items()} == {"a.txt": "Beta.", "b.txt": "Alpha."}
    check_library(watched.library)


def test_a_move_from_one_root_into_another(watched: Watched, check_library: Check) -> None:
    path = watched.write("one/a.txt", "One text.")
    watched.write("two/b.txt", "Two texts.")
    watched.sync(watched.folder / "one")
    path.rename(watched.folder / "two" / "a.txt")
    assert counts(watched.sync(watched.folder / "two")) == (1, 0, 1, 0, 0, 0)
    assert counts(watched.sync()) == (0, 0, 0, 1, 2, 0)
    assert sorted(watched.texts()) == ["two/a.txt", "two/b.txt"]
    check_library(watched.library)


def test_adding_one_folder_leaves_the_files_of_another_alone(watched: Watched) -> None:
    watched.write("one/a.txt", "One text.")
    watched.write("two/b.txt", "Two texts.")
    watched.sync(watched.folder / "one")
    assert counts(watched.sync(watched.folder / "two")) == (1, 0, 0, 0, 0, 0)
    assert sorted(watched.texts()) == ["one/a.txt", "two/b.txt"]
    assert counts(watched.sync(watched.folder / "two" / "b.txt")) == (0, 0, 0, 0, 1, 0)
    assert counts(watched.sync()) == (0, 0, 0, 0, 2, 0)


def test_failures_are_remembered_and_tried_again_when_the_file_changes(watched: Watched, check_library: Check) -> None:
    watched.write("good.txt", "One text.")
    watched.write("bad.txt", "")
    report = watched.sync(watched.folder)
    assert counts(report) == (1, 0, 0, 0, 0, 1)
    assert report.failed[0].reason == "empty"
    again = watched.sync()
    assert again.failed == report.failed
    assert watched.read == 0
    watched.write("bad.txt", "Good after all.")
    assert counts(watched.sync()) == (1, 0, 0, 0, 1, 0)
    assert watched.library.store.failures() == {}
    check_library(watched.library)
    watched.write("worse.txt", "")
    watched.sync()
    (watched.folder / "worse.txt").unlink()
    assert counts(watched.sync()) == (0, 0, 0, 0, 2, 0)
    assert watched.library.store.failures() == {}


def test_a_new_version_that_cannot_be_read_leaves_the_old_one(watched: Watched, check_library: Check) -> None:
    path = watched.write("a.txt", "The version that could be read.")
    stat = path.stat()
    watched.sync(watched.folder)
    watched.write("a.txt", "")
    for _ in range(2):
        report = watched.sync()
        assert counts(report) == (0, 0, 0, 0, 0, 1)
        assert not report.changed
    assert "could be read" in watched.texts()["a.txt"]
    assert watched.library.search("version")
    check_library(watched.library)
    watched.write("a.txt", "The version that could be read.")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(watched.sync()) == (0, 0, 0, 0, 1, 0)
    assert watched.library.store.failures() == {}


def test_a_root_that_is_gone_is_an_error_that_deletes_nothing(watched: Watched, check_library: Check) -> None:
    watched.write("one/a.txt", "One text.")
    path = watched.write("two/b.txt", "Two texts.")
    watched.sync(watched.folder / "one", watched.folder / "two")
    path.unlink()
    (watched.folder / "two").rmdir()
    with pytest.raises(UsageError, match=r"there is no file or folder .*two") as raised:
        watched.library.sync()
    assert "wellread remove" in str(raised.value.hint)
    assert len(watched.library.documents()) == 2
    check_library(watched.library)
    assert watched.library.remove(str(watched.folder / "two")) == 1
    assert counts(watched.sync()) == (0, 0, 0, 0, 1, 0)


def test_a_folder_emptied_by_hand_is_no_error(watched: Watched) -> None:
    path = watched.write("a.txt", "One text.")
    watched.sync(watched.folder)
    path.unlink()
    assert counts(watched.sync()) == (0, 0, 0, 1, 0, 0)


def test_what_lies_in_a_folder_that_may_not_be_listed_is_kept(watched: Watched) -> None:
    path = watched.write("private/a.txt", "One text.")
    watched.sync(watched.folder)
    path.parent.chmod(0)
    if os.access(path.parent, os.R_OK):
        pytest.skip("nothing is forbidden to this user")
    try:
        report = watched.sync()
    finally:
        path.parent.chmod(0o700)
    assert counts(report) == (0, 0, 0, 0, 0, 1)
    assert list(watched.texts()) == ["private/a.txt"]


def test_an_add_that_is_stopped_is_finished_by_sync(watched: Watched, check_library: Check) -> None:
    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 70:
            raise Stop

    for number in range(80):
        watched.write(f"{number}.txt", f"Text of number {number}.")
    with pytest.raises(Stop):
        watched.library.add(watched.folder, progress=stop)
    done = len(watched.library.documents())
    assert 60 < done < 70  # they are written some sixty at a time
    assert counts(watched.sync()) == (80 - done, 0, 0, 0, done, 0)
    assert watched.read == 80 - done
    check_library(watched.library)


def test_an_embedder_that_fails_leaves_what_was_done(open_library: Callable[..., Library], tmp_path: Path, check_library: Check) -> None:
    class Failing(Counting):
        def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
            if any("bad" in text for text in texts):
                raise RuntimeError("told to fail")
            return super().embed(texts, query=query)

    (tmp_path / "files").mkdir()
    for name in ("1.txt", "2 bad.txt", "3.txt"):
        (tmp_path / "files" / name).write_text(f"Text of {name}.")
    library = open_library(embedder=Failing())
    with pytest.raises(RuntimeError, match="told to fail"):
        library.add(tmp_path / "files")
    assert all("bad" not in listed.title for listed in library.documents())
    (tmp_path / "files" / "2 bad.txt").unlink()
    report = library.sync()
    assert report.added + report.unchanged == 2
    check_library(library)


# --- the span invariant, after any history

_PARAGRAPHS = (
    "Solar panels turn light into electricity. They need no fuel.",
    "检索增强生成结合了检索与生成。它减少了幻觉！",
    "A list:\n\n- one thing\n- another thing",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f600 e\u0301 ﬁ … “quotes” — dashes.",
    "word " * 180,
    "长句子没有空格" * 90,
)


def _document(rng: random.Random, suffix: str) -> str:
    parts = [rng.choice(_PARAGRAPHS) for _ in range(rng.randint(1, 5))]
    if suffix == ".md":
        return "\n\n".join(f"{'#' * rng.randint(1, 3)} Heading {at}\n\n{part}" for at, part in enumerate(parts))
    if suffix == ".html":
        body = "".join(f"<h2>Heading {at}</h2><p>{part}</p>" for at, part in enumerate(parts))
        return f"<html><head><title>T</title></head><body><article>{body}</article></body></html>"
    if suffix == ".py":
        return "".join(f"def f{at}():\n    # {part.splitlines()[0]}\n    return {at}\n\n" for at, part in enumerate(parts))
    return "\n\n".join(parts) + f"\n\n{rng.random()}"


def _step(rng: random.Random, watched: Watched) -> None:
    """One thing that happens to a folder: a file is added, edited, overwritten by another, copied, moved or removed."""
    files = sorted(path for path in watched.folder.rglob("*") if path.is_file())
    what = rng.choice(["add", "edit", "overwrite", "copy", "move", "remove", "empty"]) if len(files) > 2 else "add"
    new = f"{rng.choice(['', 'sub/', 'sub/deep/'])}{rng.randrange(10**6)}"
    if what == "add":
        suffix = rng.choice([".txt", ".md", ".html", ".py"])
        watched.write(new + suffix, _document(rng, suffix))
        return
    path = rng.choice(files)
    name, text = str(path.relative_to(watched.folder)), path.read_text()
    if what == "edit":
        at = rng.randrange(len(text) + 1)
        watched.write(name, text[:at] + rng.choice([" new words. ", "", "\n\n", "新的"]) + text[at + rng.randrange(20) :])
    elif what == "overwrite":
        watched.write(name, rng.choice(files).read_text())
    elif what == "copy":
        watched.write(new + path.suffix, text)
    elif what == "move":
        watched.write(new + path.suffix, "")
        path.rename(watched.folder / (new + path.suffix))
    elif what == "empty":
        watched.write(name, "")
    else:
        path.unlink()


def _history(seed: int, syncs: int, watched: Watched, check: Check) -> None:
    rng = random.Random(seed)
    for _ in range(4):
        _step(rng, watched)
    watched.sync(watched.folder)
    for _ in range(syncs):
        for _ in range(rng.randint(1, 4)):
            _step(rng, watched)
        report = watched.sync()
        check(watched.library)
        files = {str(path.relative_to(watched.folder)) for path in watched.folder.rglob("*") if path.is_file()}
        failed = {str(Path(failure.path).relative_to(watched.folder)) for failure in report.failed}
        assert set(watched.texts()) - failed == files - failed
        assert report.added + report.updated + report.moved + report.unchanged + len(report.failed) == len(files)
        assert set(watched.library.store.failures()) == {failure.path for failure in report.failed}
        for hit in watched.library.search("solar panels 检索 heading"):
            assert hit.chunk.text == watched.library.document(hit.chunk.document).text[hit.chunk.start : hit.chunk.end]


@pytest.mark.parametrize("seed", range(3))
def test_every_chunk_is_a_span_after_any_history(seed: int, watched: Watched, check_library: Check) -> None:
    _history(seed, 5, watched, check_library)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_chunk_is_a_span_after_any_long_history(seed: int, watched: Watched, check_library: Check) -> None:
    _history(seed, 12, watched, check_library)


# --- archives


def _zip(path: Path, members: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


def _zipped(members: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def test_an_archive_is_a_folder(watched: Watched, check_library: Check) -> None:
    inner = _zipped({"deep.txt": "The deepest text."})
    archive = _zip(watched.folder / "all.zip", {"a.txt": "One text.", "b/c.txt": "Two texts.", "b/inner.zip": inner, "empty.txt": ""})
    report = watched.sync(watched.folder)
    assert counts(report) == (3, 0, 0, 0, 0, 1)
    assert [failure.path for failure in report.failed] == [f"{archive}/empty.txt"]
    assert sorted(watched.texts()) == ["all.zip/a.txt", "all.zip/b/c.txt", "all.zip/b/inner.zip/deep.txt"]
    check_library(watched.library)
    assert counts(watched.sync()) == (0, 0, 0, 0, 3, 1)
    assert (watched.read, watched.embedded) == (0, 0)
    _zip(archive, {"a.txt": "One text.", "b/c.txt": "Other texts.", "new.txt": "A new text."})
    assert counts(watched.sync()) == (1, 1, 0, 1, 1, 0)
    assert watched.embedded == 2
    assert sorted(watched.texts()) == ["all.zip/a.txt", "all.zip/b/c.txt", "all.zip/new.txt"]
    archive.rename(watched.folder / "moved.zip")
    assert counts(watched.sync()) == (0, 0, 3, 0, 0, 0)
    assert watched.embedded == 0
    assert sorted(watched.texts()) == ["moved.zip/a.txt", "moved.zip/b/c.txt", "moved.zip/new.txt"]
    (watched.folder / "moved.zip").write_bytes(b"PK\x03\x04 and nothing that was there before")
    assert counts(watched.sync()) == (0, 0, 0, 0, 0, 1)
    assert len(watched.library.documents()) == 3  # what was read well stays until it can be read again
    (watched.folder / "moved.zip").unlink()
    assert counts(watched.sync()) == (0, 0, 0, 3, 0, 0)
    assert watched.library.documents() == []
    assert watched.library.store.containers() == {}
    check_library(watched.library)


def test_what_is_removed_from_an_archive_stays_away(watched: Watched) -> None:
    archive = _zip(watched.folder / "all.zip", {"a.txt": "One text.", "b/c.txt": "Two texts."})
    watched.sync(watched.folder)
    assert watched.library.remove(f"{archive}/b") == 1
    _zip(archive, {"a.txt": "One text.", "b/c.txt": "Two texts.", "d.txt": "Three texts."})
    watched.sync()
    assert sorted(watched.texts()) == ["all.zip/a.txt", "all.zip/d.txt"]


def test_archives_may_lie_in_one_another_only_so_deep(watched: Watched) -> None:
    data = _zipped({"core.txt": "The core."})
    for depth in range(5):
        data = _zipped({f"{depth}.zip": data, f"{depth}.txt": f"Text at depth {depth}."})
    (watched.folder / "all.zip").write_bytes(data)
    report = watched.sync(watched.folder)
    assert report.added == 3
    (failure,) = report.failed
    assert (failure.reason, failure.path.count(".zip")) == ("too_large", 4)


def test_what_archives_in_an_archive_unpack_to_is_counted_together(watched: Watched) -> None:
    limits = Limits(unpacked_bytes=100_000)
    data = _zipped({f"{number}.zip": _zipped({"a.txt": f"{number} " + "word " * 9_000}) for number in range(4)})
    (watched.folder / "all.zip").write_bytes(data)
    with ReaderPool(limits=limits) as pool:
        results = [reading.result for reading in pool.read_all([watched.folder / "all.zip"])]
    assert any(isinstance(result, ReadError) and result.reason == "too_large" for result in results)
    assert sum(isinstance(result, Document) for result in results) <= 2


# --- readers that learn more


def test_a_failure_is_tried_again_by_other_readers_and_under_other_limits(
    open_library: Callable[..., Library], tmp_path: Path, check_library: Check
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "long.txt").write_text("A word or two. " * 100_000)
    library = open_library(max_file_mb=1)
    assert [failure.reason for failure in library.add(tmp_path / "files").failed] == ["too_large"]
    assert [failure.reason for failure in library.sync().failed] == ["too_large"]
    assert open_library(max_file_mb=2).sync().added == 1


def test_reindexing_changes_the_embedder_and_nothing_else(
    open_library: Callable[..., Library], tmp_path: Path, check_library: Check
) -> None:
    (tmp_path / "files").mkdir()
    for number in range(5):
        (tmp_path / "files" / f"{number}.txt").write_text(f"Text of number {number}.")
    library = open_library()
    library.add(tmp_path / "files")
    chunks = library.store.chunks([hit.chunk.id for hit in library.search("text", limit=5)])
    library.close()
    other = open_library(embedder=HashEmbedder(dimensions=32))
    with pytest.raises(UsageError, match="was made with the embedder") as caught:
        other.search("text")
    assert "wellread reindex" in str(caught.value.hint)
    assert other.reindex() == 5
    assert other.store.chunks(list(chunks)) == chunks
    assert other.search("number 3", limit=1)[0].chunk.text == "Text of number 3."
    assert not other.sync().changed
    check_library(other)


# --- files that do not hold still


def test_files_that_go_and_change_while_they_are_read(watched: Watched, check_library: Check) -> None:
    """What is stored is what was read; what is gone by then is told, and the next sync has the last word."""
    for number in range(40):
        watched.write(f"{number:02}.txt", f"Text of number {number}.")

    def meddle(what: str, done: int, total: int) -> None:
        if done == 1:
            (watched.folder / "37.txt").unlink()
            watched.write("38.txt", "Replaced while others were read.")
            watched.write("39.txt", "Text of number 3.")

    report = watched.library.add(watched.folder, progress=meddle)
    assert report.added == 39
    assert [(Path(failure.path).name, failure.reason) for failure in report.failed] == [("37.txt", "missing")]
    check_library(watched.library)
    assert watched.texts()["38.txt"].strip() == "Replaced while others were read."
    report = watched.sync()
    assert report.failed == []
    texts = watched.texts()
    assert sorted(texts) == sorted(path.name for path in watched.folder.iterdir())
    assert all(text.strip() == (watched.folder / name).read_text() for name, text in texts.items())
    assert len(watched.library.documents()) == 38  # two files have one text
    check_library(watched.library)
