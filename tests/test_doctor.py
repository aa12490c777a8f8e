"""The doctor: silent on a sound library, exact on a damaged one, and whatever it repairs is sound afterwards."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import wellread
from wellread.doctor import Finding, examine, repair
from wellread.errors import LibraryLocked
from wellread.index.keyword import KeywordIndex
from wellread.index.migrations import SCHEMA_VERSION
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
from wellread.library import Library
from wellread.lock import locked
from wellread.models.catalog import Entry, ModelFile
from wellread.models.fake import HashEmbedder
from wellread.models.files import ModelStore
from wellread.split import split
from wellread.types import Document

OpenLibrary = Callable[..., Library]


def words(rng: random.Random, count: int) -> str:
    made = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 9))) for _ in range(count)]
    return " ".join(f"The common {' '.join(made[at : at + 9])}." for at in range(0, count, 9))


def put(store: Store, path: Path, text: str) -> None:
    """Write a text to a file and store it, as a sync does."""
    path.write_text(text)
    document = Document(hashlib.sha256(text.encode()).hexdigest(), str(path), path.name, "text/plain", text)
    spans = split(document)
    vectors = HashEmbedder().embed([text[span.start : span.end] for span in spans])
    store.put(document, spans, vectors, Source(str(path), document.id, path.stat().st_size, path.stat().st_mtime_ns))


def filled(folder: Path, texts: Path, documents: int, rng: random.Random) -> None:
    """A library of made-up texts, without indexes."""
    folder.mkdir()
    texts.mkdir()
    store = Store(folder / "library.db")
    store.set_meta("embedder", HashEmbedder().name)
    store.add_root(str(texts))
    with store.together():
        for number in range(documents):
            put(store, texts / f"{number:02}.txt", words(rng, 300))
    store.close()


def level(folder: Path) -> None:
    """Bring the indexes level with the database."""
    store = Store(folder / "library.db")
    KeywordIndex(folder / "index" / "keyword").catch_up(store)
    VectorIndex(folder / "index" / "vector", 64).catch_up(store)
    store.close()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return tmp_path / "texts"


@pytest.fixture
def sound(texts: Path, tmp_path: Path) -> Path:
    """A library of twelve documents, one of them changed since the indexes were first made."""
    folder = tmp_path / "sound.wellread"
    filled(folder, texts, 12, random.Random(1))
    level(folder)
    store = Store(folder / "library.db")
    put(store, texts / "03.txt", words(random.Random(2), 300))
    store.close()
    level(folder)
    return folder


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "library.db", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
        db.execute("pragma wal_checkpoint(truncate)")


def told(findings: list[Finding] | tuple[Finding, ...]) -> str:
    return "\n".join(finding.what for finding in findings)


def state(folder: Path) -> dict[str, bytes]:
    """Every file of a library but those that SQLite and locks leave beside it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".db-shm", ".db-wal") and path.name != "lock"
    }


def healed(folder: Path, open_library: OpenLibrary, check_library: Any, documents: int = 12) -> None:
    """After a repair and a sync the library is sound, and searching it finds something."""
    with open_library(folder.stem) as library:
        library.sync()
        assert len(library.documents()) == documents
        assert library.search("common")
        check_library(library)
    assert examine(folder) == []


def test_a_sound_library_is_left_in_peace(sound: Path, tmp_path: Path, open_library: OpenLibrary, texts: Path) -> None:
    before = state(sound)
    assert examine(sound) == []
    assert repair(sound).done == ()
    assert state(sound) == before
    with open_library("sound") as library:  # in use, with the indexes behind
        library.store.unlink([str(texts / "05.txt")])
        assert examine(sound) == []
    with open_library("new"):
        pass
    assert examine(tmp_path / "new.wellread") == []
    assert told(examine(tmp_path / "nothing.wellread")) == f"there is no library in {tmp_path / 'nothing.wellread'}."
    assert not (tmp_path / "nothing.wellread").exists()


CHANGES = {
    "text": (
        "update texts set text = replace(text, 'common', 'bommon') where document in (select id from documents where title = '05.txt')",
        "checksum",
    ),
    "nul": (
        "update texts set text = text || char(0), crc = null where document in (select id from documents where title = '05.txt')",
        "characters",
    ),
    "no utf-8": (
        "update texts set text = cast(x'ff' || cast(text as blob) as text)"
        " where document in (select id from documents where title = '05.txt')",
        "UTF-8",
    ),
    "no text": ("delete from texts where document in (select id from documents where title = '05.txt')", "missing"),
    "title": ("update documents set title = cast(x'ff' || '5.txt' as text) where title = '05.txt'", "title"),
    "warnings": ("update documents set warnings = '[' where title = '05.txt'", "warnings"),
    "outside": ("update chunks set end = end + 90000 where id = (select max(id) from chunks)", "outside of its text"),
    "empty": ("update chunks set end = start where id = (select max(id) from chunks)", "outside of its text"),
    "no number": ("update chunks set start = 'x' where id = (select max(id) from chunks)", "rows are damaged"),
    "wrong page": ("update chunks set page = 7 where id = (select max(id) from chunks)", "page or in the section"),
    "no vector": ("delete from vectors where chunk = (select max(chunk) from vectors)", "no vector"),
    "long vector": ("update vectors set data = zeroblob(130) where chunk = (select max(chunk) from vectors)", "another length"),
    "zero vector": ("update vectors set data = zeroblob(128) where chunk = (select max(chunk) from vectors)", "length 1"),
    "text for vector": ("update vectors set data = cast(data as text) where chunk = (select max(chunk) from vectors)", "no blob"),
    "nan": (
        "update vectors set data = cast(x'ffff' || substr(data, 3) as blob) where chunk = (select max(chunk) from vectors)",
        "length 1",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_damaged_document_is_named_and_read_again(case: str, sound: Path, open_library: OpenLibrary, check_library: Any) -> None:
    change, expected = CHANGES[case]
    sql(sound, change)
    (finding,) = examine(sound)
    assert expected in finding.what
    assert ".txt" in finding.what
    assert (finding.severity, finding.remedy) == ("error", "reread")
    repaired = repair(sound)
    assert repaired.left == ()
    assert len(repaired.done) == 1
    healed(sound, open_library, check_library)


def test_a_damaged_document_whose_file_is_gone_is_kept_and_told(sound: Path, texts: Path) -> None:
    sql(
        sound,
        "update texts set text = replace(text, 'common', 'bommon') where document in (select id from documents where title = '05.txt')",
    )
    (finding,) = examine(sound)
    (texts / finding.what.split('"')[1]).write_text("Something else.")
    before = state(sound)
    repaired = repair(sound)
    assert repaired.done == ()
    assert [(one.severity, one.repair) for one in repaired.left] == [("error", None)]
    assert state(sound) == before


def test_rows_that_belong_nowhere_go(sound: Path, open_library: OpenLibrary, check_library: Any) -> None:
    sql(
        sound,
        "pragma foreign_keys = off",
        "insert into sources values ('/ghost', 'nobody', 1, 1)",
        "insert into pages values ('nobody', 0, '1', 0, 1, null, null)",
        "delete from sources where path like '%07.txt'",
        "delete from chunks where id = (select max(id) from chunks)",
        "insert into traces values ('t', 1.0, 'ask', 'q', '{not json')",
        "update meta set value = 0 where key = 'change'",
    )
    found = told(examine(sound))
    for part in ("in sources", "in pages", "in vectors", "in no chunk", "07.txt", "traces", "lost count"):
        assert part in found
    repaired = repair(sound)
    assert repaired.left == ()
    assert any("07.txt" in sentence and "deleted" in sentence for sentence in repaired.done)  # no text goes without a word
    healed(sound, open_library, check_library)


def test_every_flipped_bit_of_the_indexes_is_found(sound: Path, tmp_path: Path, open_library: OpenLibrary, check_library: Any) -> None:
    rng, tried = random.Random(3), 0
    files = [path for path in (sound / "index").rglob("*") if path.is_file() and path.stat().st_size and path.suffix != ".lock"]
    for file in files:
        data = file.read_bytes()
        for low in range(0, len(data), 4096):
            bad = bytearray(data)
            bad[rng.randrange(low, min(low + 4096, len(data)))] ^= 1 << rng.randrange(8)
            file.write_bytes(bad)
            (finding,) = examine(sound)
            assert finding.remedy == "reindex"
            assert file.name in finding.what or file.parent.name in finding.what
            tried += 1
        file.write_bytes(data)
    assert tried >= len(files) >= 10
    assert examine(sound) == []
    shutil.copytree(sound, tmp_path / "flipped.wellread")
    file = next((tmp_path / "flipped.wellread" / "index" / "keyword").glob("*.idx"))
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))
    assert repair(tmp_path / "flipped.wellread").left == ()
    healed(tmp_path / "flipped.wellread", open_library, check_library)


@pytest.mark.parametrize("damage", ["cut", "missing", "empty", "garbage"])
def test_broken_index_files_are_found_and_made_anew(
    damage: str, sound: Path, tmp_path: Path, open_library: OpenLibrary, check_library: Any
) -> None:
    for file in [path for path in (sound / "index").rglob("*") if path.is_file() and path.stat().st_size]:
        shutil.rmtree(tmp_path / "broken.wellread", ignore_errors=True)
        shutil.copytree(sound, tmp_path / "broken.wellread")
        path = tmp_path / "broken.wellread" / file.relative_to(sound)
        data = path.read_bytes()
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "garbage": random.Random(1).randbytes(len(data))}[damage])
        (finding,) = examine(tmp_path / "broken.wellread")
        assert finding.remedy == "reindex", finding
    assert repair(tmp_path / "broken.wellread").left == ()
    healed(tmp_path / "broken.wellread", open_library, check_library)


def test_an_index_of_other_chunks_is_found(sound: Path, open_library: OpenLibrary, check_library: Any) -> None:
    """The files are whole, and the database has changed without its counter."""
    sql(sound, "pragma foreign_keys = on", "delete from documents where title = '05.txt'")
    found = examine(sound)
    assert len(found) == 2
    assert told(found).count("chunks that are not in the database") == 2
    assert repair(sound).left == ()
    healed(sound, open_library, check_library)


# --- library.db


@pytest.mark.parametrize(
    ("what", "expected"),
    [("garbage", "damaged"), ("empty", "empty"), ("newer", "newer Wellread"), ("foreign", "empty"), ("half a page", "damaged")],
)
def test_what_is_no_library_is_told_and_not_touched(what: str, expected: str, sound: Path) -> None:
    path = sound / "library.db"
    data = path.read_bytes()
    if what == "newer":
        sql(sound, f"pragma user_version = {SCHEMA_VERSION + 1}")
    elif what == "foreign":
        path.unlink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("create table cats (name)")
    else:
        path.write_bytes({"garbage": random.Random(1).randbytes(50_000), "empty": b"", "half a page": data[:2000]}[what])
    before = path.read_bytes()
    (finding,) = examine(sound)
    assert finding.severity == "error"
    assert expected in finding.what
    repaired = repair(sound)
    assert repaired.done == ()
    (left,) = repaired.left
    assert left.repair is None
    assert path.read_bytes() == before
    assert not list(sound.glob("*.new*")) + list(sound.glob("*.damaged*"))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.002, 0.05])
def test_what_is_left_of_a_damaged_library_is_saved(share: float, tmp_path: Path, open_library: OpenLibrary, check_library: Any) -> None:
    folder, rng = tmp_path / "big.wellread", random.Random(share)
    filled(folder, tmp_path / "files", 300, rng)
    path = folder / "library.db"
    data = bytearray(path.read_bytes())
    pages = range(1, len(data) // 4096)  # the first page holds what the others mean
    damaged = rng.sample(pages, max(1, int(share * len(pages))))
    for page in damaged:
        data[page * 4096 : (page + 1) * 4096] = rng.randbytes(4096)
    path.write_bytes(data)
    (finding,) = examine(folder)
    assert finding.remedy == "salvage"
    repaired = repair(folder)
    if repaired.left:  # the tables themselves could not be read
        print(f"{len(damaged)} of {len(pages)} pages damaged, nothing saved")
        assert all(one.repair is None for one in repaired.left)
        assert path.read_bytes() == data
        assert share > 0.01
        return
    assert (folder / "library.db.damaged").read_bytes() == data
    assert examine(folder) == []
    with open_library("big") as library:
        saved = len(library.documents())
        print(f"{len(damaged)} of {len(pages)} pages damaged, {saved} of 300 documents saved")
        assert saved + repaired.done[0].count(".txt") <= 300
        assert saved > 280 or share > 0.002
        if library.store.roots():
            assert library.sync().added + saved == 300
            assert library.search("common")
            check_library(library)


def test_every_flipped_bit_of_the_database_is_told_or_harmless(sound: Path, texts: Path) -> None:
    """A bit in each page. What is not found must leave all texts, places and vectors as they were."""
    path = sound / "library.db"
    data, rng = path.read_bytes(), random.Random(4)

    def content() -> list[Any]:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
            tables = ("texts", "pages", "sections", "sources", "chunks", "vectors")
            return [db.execute(f"select * from {table}").fetchall() for table in tables]

    before, outcomes = content(), {"found": 0, "harmless": 0, "missed": 0}
    for low in range(0, len(data), 4096):
        bad = bytearray(data)
        bad[rng.randrange(low, low + 4096)] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        if examine(sound):
            outcomes["found"] += 1
        else:
            outcomes["harmless" if content() == before else "missed"] += 1
    path.write_bytes(data)
    print(outcomes)
    assert outcomes["found"] > len(data) // 4096 // 4
    assert outcomes["missed"] <= len(data) // 4096 // 10


# --- the rest


def test_files_left_behind_and_models_that_went_bad(sound: Path, tmp_path: Path) -> None:
    left = sound / "library.db.new"
    left.write_bytes(b"half")
    assert examine(sound) == []  # it may just be being written
    os.utime(left, (time.time() - 7200,) * 2)
    models = ModelStore(tmp_path / "models")
    weights = b"weights" * 1000
    (tmp_path / "weights.bin").write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    blob = models.blobs.path(digest)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(weights)
    file = ModelFile(role="model", filename="weights.bin", size=len(weights), sha256=digest, sources=())
    models.pull(
        Entry(name="hash-64:latest", kind="embed", licence="MIT", description="", revision="1", languages=(), files=(file,)), offline=True
    )
    (finding,) = examine(sound, models)
    assert "left behind" in finding.what
    blob.write_bytes(b"W" + weights[1:])
    assert len(examine(sound, models)) == 2
    repaired = repair(sound, models)
    assert repaired.left == ()
    assert not left.exists()
    assert not blob.exists()


def test_a_library_in_use_is_not_repaired(sound: Path) -> None:
    sql(sound, "update texts set text = 'x' where document in (select id from documents where title = '05.txt')")
    with locked(sound / "lock"), pytest.raises(LibraryLocked):
        repair(sound, wait_seconds=0.1)
    assert len(examine(sound)) == 1


def test_a_library_that_may_not_be_written_to_is_examined(sound: Path) -> None:
    before = state(sound)
    code = "import sys, pathlib, wellread.doctor as d; print(d.examine(pathlib.Path(sys.argv[1])))"
    bound = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if bound and shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to give its rights up")
    inside = [sound, *sound.rglob("*")]
    for path in inside:
        path.chmod(0o500 if path.is_dir() else 0o400)
    environ = {**os.environ, "PYTHONPATH": str(Path(wellread.__file__).parents[1])}
    ran = subprocess.run([*bound, sys.executable, "-c", code, str(sound)], capture_output=True, text=True, env=environ)
    for path in inside:
        path.chmod(0o700)
    assert ran.stdout == "[]\n", ran
    assert state(sound) == before


# --- copies of a library that is being written to

WRITER = """
import random, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_doctor import put, words
from wellread.index.keyword import KeywordIndex
from wellread.index.locks import indexing
from wellread.index.store import Store
from wellread.index.vector import VectorIndex
folder, rng = Path(sys.argv[1]), random.Random(1)
store = Store(folder / "library.db")
store.set_meta("embedder", "hash-64")
keyword, vector = KeywordIndex(folder / "index" / "keyword"), VectorIndex(folder / "index" / "vector", 64)
for number in range(10**6):
    put(store, folder.parent / "files" / f"{number:06}.txt", words(rng, rng.randint(50, 700)))
    print(number + 1, flush=True)
    time.sleep(0.05)
    if number % 3 == 0:
        with indexing(folder):
            keyword.catch_up(store)
            vector.catch_up(store)
"""


class Writer:
    """A process that adds documents to `folder` without end, one a transaction. `told` is how many it has said are there."""

    def __init__(self, folder: Path) -> None:
        self.told = 0
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(wellread.__file__).parents[1]), *filter(None, sys.path)])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE, env=environ
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told = int(line)

    def end(self) -> None:
        self.process.kill()
        self._listener.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    (tmp_path / "files").mkdir()
    (tmp_path / "kept.wellread").mkdir()
    writer = Writer(tmp_path / "kept.wellread")
    until = time.monotonic() + 60
    while writer.told < 3:
        assert writer.process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    yield writer
    writer.end()


def held(folder: Path) -> int:
    """How many documents a library has, which must be the first that were written."""
    with closing(sqlite3.connect(folder / "library.db")) as db:
        names = [Path(row[0]).name for row in db.execute("select path from sources order by path")]
    assert names == [f"{number:06}.txt" for number in range(len(names))]
    return len(names)


def power_cuts(times: int, writer: Writer, tmp_path: Path) -> None:
    """The folder at one instant, less what was not yet forced to the disk: any of the index files, and what is in the log after the last
    transaction.
    """
    rng, kept, copy = random.Random(times), tmp_path / "kept.wellread", tmp_path / "copy.wellread"
    for _ in range(times):
        time.sleep(rng.uniform(0, 0.15))
        told = writer.told
        writer.process.send_signal(signal.SIGSTOP)
        shutil.copytree(kept, copy)
        writer.process.send_signal(signal.SIGCONT)
        with (copy / "library.db-wal").open("ab") as log:
            log.write(rng.choice((b"", bytes(5000), rng.randbytes(9000))))
        for path in sorted((copy / "index").rglob("*")):
            if path.is_file() and path.stat().st_size and rng.random() < 0.2:
                size = path.stat().st_size
                keep = rng.randrange(size)
                path.write_bytes(path.read_bytes()[:keep] + rng.choice((b"", bytes(size - keep))))
        assert told <= held(copy)
        assert all(finding.remedy == "reindex" for finding in examine(copy))
        level(copy)
        assert examine(copy) == []
        shutil.rmtree(copy)
    assert writer.process.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be halted there")
@pytest.mark.parametrize("times", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_after_a_power_cut_a_library_holds_what_was_committed(times: int, writer: Writer, tmp_path: Path) -> None:
    power_cuts(times, writer, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("times", [12])
def test_a_copy_made_file_by_file_is_whole_or_told_and_repaired(times: int, writer: Writer, tmp_path: Path) -> None:
    """Nothing makes such a copy right: the log may be of another time than the database. `backup` is there for that."""
    rng, kept, copy = random.Random(times), tmp_path / "kept.wellread", tmp_path / "copy.wellread"
    outcomes = {"a committed state": 0, "indexes made anew": 0, "documents saved from a torn database": 0, "lost": 0}
    saved, of = 0, 0
    for _ in range(times):
        time.sleep(rng.uniform(0, 0.15))
        told = writer.told
        copy.mkdir()
        paths = [path for path in kept.rglob("*") if path.is_file() and not path.name.endswith(("-shm", ".lock"))]
        for path in rng.sample(paths, len(paths)):
            (copy / path.relative_to(kept)).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # merged away meanwhile
                shutil.copyfile(path, copy / path.relative_to(kept))
            time.sleep(rng.choice((0, 0, 0.02)))
        found = examine(copy)
        remedies = {finding.remedy for finding in found}
        repaired = repair(copy)
        if any(finding.severity == "error" for finding in repaired.left):
            outcomes["lost"] += 1
        elif not found or remedies == {"reindex"}:
            outcomes["indexes made anew" if found else "a committed state"] += 1
            assert told - 1 <= held(copy)
            level(copy)
            assert examine(copy) == []
        else:
            outcomes["documents saved from a torn database"] += 1
            with closing(sqlite3.connect(copy / "library.db")) as db:
                saved += db.execute("select count(*) from documents").fetchone()[0]
                of += told
            assert examine(copy) == []
        shutil.rmtree(copy)
    print(outcomes, f"{saved} of {of} documents in torn ones")
    assert outcomes["lost"] <= times // 10
