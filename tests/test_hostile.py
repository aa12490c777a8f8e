"""Files made to harm: each costs itself only, within limits, and is told in a sentence; whatever is read keeps exact places."""

from __future__ import annotations

import os
import pickle
import random
import resource
import socket
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from wellread import Options
from wellread.errors import LibraryError, ReadError
from wellread.library import Library
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool
from wellread.split import split
from wellread.types import Document

GIB = 1024**3
LIMITS = Limits(cpu_seconds=30, wall_seconds=300, memory_bytes=GIB)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX systems")

Outcome = Document | ReadError


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    with ReaderPool(limits=LIMITS) as pool:
        yield pool


@pytest.fixture
def read(pool: ReaderPool, tmp_path: Path) -> Callable[[str, bytes], Outcome]:
    """Reads bytes as a file of a given name, in a child with limits, which then still reads the next one."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.txt").write_text("good words")

    def outcome(name: str, data: bytes) -> Outcome:
        (folder / name).write_bytes(data)
        try:
            return pool.read(folder / name)
        except ReadError as error:
            assert error.reason != "crashed", error
            assert error.message.endswith(".")
            assert "Traceback" not in error.message
            assert len(error.message) < 500
            return error
        finally:
            assert pool.read(folder / "good.txt").text == "good words"

    return outcome


def reason(outcome: Outcome) -> str:
    """Why a file was not read, or "read"."""
    return outcome.reason if isinstance(outcome, ReadError) else "read"


# --- PDF


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(out)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"
SECRET = b"<" + b"5A" * 32 + b">"


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more, data)


def flat_tree(pages: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % number for number in range(3, pages + 3))
    return pdf(CATALOG, b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids), *[PAGE] * pages)


def deep_tree(depth: int) -> bytes:
    nodes = [b"<< /Type /Pages /Count 1 /Parent %d 0 R /Kids [%d 0 R] >>" % (number - 1, number + 1) for number in range(2, depth + 2)]
    return pdf(CATALOG, *nodes, PAGE)


def cross_references(first: bytes) -> bytes:
    """A PDF whose table of objects begins like this."""
    body = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Count 0 /Kids [] >>\nendobj\n"
    return body + first + b"\nstartxref\n%d\n%%%%EOF\n" % len(body)


def looping_table() -> bytes:
    """A table of objects that names itself as the one before it."""
    whole = pdf(CATALOG, b"<< /Type /Pages /Count 0 /Kids [] >>")
    at = whole.rindex(b"xref\n0 ")
    return pdf(CATALOG, b"<< /Type /Pages /Count 0 /Kids [] >>", trailer=b"/Prev %d" % at)


def giant_stream(size: int) -> bytes:
    """A page whose content is `size` blanks, packed a thousandfold."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>"
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()
    return pdf(CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, stream(packed, b"/Filter /FlateDecode"))


PDFS: dict[str, Callable[[], bytes]] = {
    "cut": lambda: flat_tree(20)[:700],
    "only a head": lambda: b"%PDF-1.7\n",
    "tree that holds itself": lambda: pdf(CATALOG, b"<< /Type /Pages /Count 2 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"),
    "tree of two that hold each other": lambda: pdf(
        CATALOG, b"<< /Type /Pages /Count 9 /Kids [3 0 R] >>", b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"
    ),
    "100,000 pages": lambda: flat_tree(100_000),
    "tree 100,000 deep": lambda: deep_tree(100_000),
    "two thousand million pages, it says": lambda: pdf(CATALOG, b"<< /Type /Pages /Count 2000000000 /Kids [3 0 R] >>", PAGE),
    "table of two thousand million": lambda: cross_references(b"xref\n0 2000000000\ntrailer\n<< /Size 2000000000 /Root 1 0 R >>"),
    "stream table of a million million": lambda: cross_references(
        b"9 0 obj\n"
        + stream(b"\x00" * 30, b"/Type /XRef /Size 1000000000000 /W [1 8 8] /Index [0 1000000000000] /Root 1 0 R")
        + b"\nendobj"
    ),
    "table that comes before itself": looping_table,
    "arrays in arrays": lambda: pdf(CATALOG, b"<< /Type /Pages /Count 1 /Kids " + b"[" * 200_000 + b"]" * 200_000 + b" >>"),
    "length that is its own": lambda: pdf(CATALOG, b"<< /Length 2 0 R /Type /Pages /Count 1 /Kids [2 0 R] >>\nstream\n\nendstream"),
}


@pytest.mark.parametrize("name", PDFS)
def test_a_pdf_made_to_harm_is_refused_or_bounded(name: str, read: Callable[[str, bytes], Outcome]) -> None:
    outcome = read("x.pdf", PDFS[name]())
    if name == "100,000 pages":
        assert reason(outcome) == "too_many_pages"
    else:
        assert reason(outcome) in ("damaged", "no_text", "needs_ocr", "too_many_pages")


@pytest.mark.slow
def test_a_page_that_unpacks_to_a_gigabyte_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(giant_stream(GIB))
    (tmp_path / "good.txt").write_text("good words")
    with ReaderPool(limits=LIMITS) as pool:
        with pytest.raises(ReadError) as caught:
            pool.read(tmp_path / "x.pdf")
        # PDFium aborts where it gets no memory, which looks like any other abort
        assert caught.value.reason in ("no_text", "needs_ocr", "memory", "timeout", "damaged", "crashed")
        assert pool.read(tmp_path / "good.txt").text == "good words"


def test_a_pdf_that_is_none_or_closed_says_so(read: Callable[[str, bytes], Outcome]) -> None:
    assert reason(read("x.pdf", b"")) == "empty"
    closed = pdf(
        CATALOG,
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        PAGE,
        trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >> /ID [<00> <00>]" % (SECRET, SECRET),
    )
    assert reason(read("x.pdf", closed)) == "encrypted"
    page = read("page.pdf", b"<!DOCTYPE html><html><body><h1>Elks</h1><p>Elks eat leaves, and more of them in May.</p></body></html>")
    assert isinstance(page, Document)
    assert page.media_type == "text/html"
    assert "Elks eat leaves" in page.text


# --- size


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"all work and no play " * 50_000)
    held = psutil.Process().memory_info().rss
    with ReaderPool(limits=LIMITS) as pool, pytest.raises(ReadError) as caught:
        pool.read(path)
    assert caught.value.reason == "too_large"
    assert "limit" in caught.value.message
    assert psutil.Process().memory_info().rss - held < 50_000_000


LONG_LINES: dict[str, Callable[[int], bytes]] = {
    "line.txt": lambda size: b"word " * (size // 5),
    "letters.txt": lambda size: b"x" * size,
    "line.md": lambda size: b"word " * (size // 5),
    "open.md": lambda size: b"[" * size,
    "stars.md": lambda size: b"*a **b " * (size // 7),
    "line.html": lambda size: b"<html><body><p>" + b"word " * (size // 5),
    "deep.html": lambda size: b"<html>" + b"<div>" * (size // 5) + b"words",
    "line.csv": lambda size: b"word," * (size // 5),
    "quote.csv": lambda size: b'"' + b"word," * (size // 5),
    "line.json": lambda size: b'["' + b"word " * (size // 5) + b'"]',
    "deep.json": lambda size: b"[" * size,
    "deep.yaml": lambda size: b"[" * size,
    "deep.xml": lambda size: b"<p>" * (size // 3),
    "line.py": lambda size: b"x = " + b"1 + " * (size // 4) + b"1",
    "deep.rtf": lambda size: b"{\\rtf1 " + b"{" * size,
    "deep.tex": lambda size: b"\\begin{document}" + b"{" * size,
    "deep.rst": lambda size: b"\n".join(b" " * (at % 300) + b"* item" for at in range(size // 150)),
    "deep.ipynb": lambda size: b'{"cells": ' + b"[" * size,
    "head.eml": lambda size: b"Subject: x\nFrom: " + b"<a@b.c>, " * (size // 9) + b"\n\nwords",
    "parts.eml": lambda size: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nwords\n" * (size // 11),
    "cues.srt": lambda size: b"1\n00:00:01,000 --> 00:00:02,000\nwords\n\n" * (size // 40),
}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, 300_000) for name in LONG_LINES),
        *(pytest.param(name, 45_000_000, marks=pytest.mark.slow) for name in ("line.txt", "quote.csv", "deep.html")),
    ],
)
def test_long_and_deep_texts_are_read_or_refused_within_limits(name: str, size: int, read: Callable[[str, bytes], Outcome]) -> None:
    outcome = read(name, LONG_LINES[name](size))
    assert reason(outcome) in ("read", "too_large", "damaged", "memory", "timeout", "no_text", "too_many_pages")
    if size < 1_000_000 and not name.startswith(("open", "deep", "quote")):
        assert reason(outcome) == "read"
    if isinstance(outcome, Document):
        assert all(0 <= span.start < span.end <= len(outcome.text) for span in split(outcome))


DRIVER = """
import resource, sys
from pathlib import Path
from wellread.config import Settings
from wellread.library import Library
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
with Library(Path(sys.argv[1]), Parts(Settings(model="none"), embedder=HashEmbedder(16))) as library:
    report = library.add(sys.argv[2])
    again = library.sync()
own = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(report.added, len(report.failed), again.unchanged, 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def taken_in(library: Path, source: Path) -> tuple[int, int, int, int]:
    """Files added, failed, and unchanged the second time, and the peak memory in bytes of the larger process."""
    done = subprocess.run([sys.executable, "-c", DRIVER, str(library), str(source)], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    added, failed, unchanged, peak = map(int, done.stdout.split())
    return added, failed, unchanged, peak


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told by /proc")
def test_a_table_of_a_million_lines_stays_in_bounds(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("number,square\n" + "".join(f"{number},{number * number % 9973}\n" for number in range(1_000_000)))
    added, failed, unchanged, peak = taken_in(tmp_path / "library", path)
    assert (added, failed, unchanged) == (1, 0, 1)
    assert peak < GIB


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told by /proc")
def test_ten_thousand_small_files_stay_in_bounds(tmp_path: Path) -> None:
    for number in range(10_000):
        path = tmp_path / "files" / f"{number // 500}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number} of the day {number % 365}.")
    added, failed, unchanged, peak = taken_in(tmp_path / "library", tmp_path / "files")
    assert (added, failed, unchanged) == (10_000, 0, 10_000)
    assert peak < GIB // 4


# --- encodings

GERMAN = "Die Straße ist naß, die Männer grüßen höflich und trinken süßen Kaffee. "
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
HEBREW = "\u202bהספרייה נפתחה בשנת 1998 על ידי נועה.\u202c \u200fשלום\u200f "
ZERO = "The war\u200bden of the li\u00adbrary\u2060 is \ufeffOlga\u200d. "
NEEDLE = "The warden Olga Peters keeps the key."

ENCODED: dict[str, tuple[bytes, str]] = {
    "cp1252": ((GERMAN * 4 + NEEDLE).encode("cp1252"), GERMAN * 4 + NEEDLE),
    "utf-16 with mark": ((GERMAN * 4 + NEEDLE).encode("utf-16"), GERMAN * 4 + NEEDLE),
    "utf-16 without mark": ((GERMAN * 4 + NEEDLE).encode("utf-16-le"), GERMAN * 4 + NEEDLE),
    "utf-16 big end first": ((GERMAN * 4 + NEEDLE).encode("utf-16-be"), GERMAN * 4 + NEEDLE),
    "utf-8 with mark": ((GERMAN + NEEDLE).encode("utf-8-sig"), GERMAN + NEEDLE),
    "utf-32": ((GERMAN + NEEDLE).encode("utf-32"), GERMAN + NEEDLE),
    "shift-jis": ((JAPANESE * 5 + NEEDLE).encode("cp932"), JAPANESE * 5 + NEEDLE),
    "right to left": ((HEBREW * 3 + NEEDLE).encode(), HEBREW * 3 + NEEDLE),
    "zero width": ((ZERO * 3 + NEEDLE).encode(), ZERO * 3 + NEEDLE),
    "lines of Windows": (f"first\r\nsecond\r{NEEDLE}\r\n".encode(), f"first\nsecond\n{NEEDLE}\n"),
    "beyond the basic plane": (("🙂🜚𠮷 " * 9 + NEEDLE).encode(), "🙂🜚𠮷 " * 9 + NEEDLE),
    "lone surrogate in utf-16": (b"\xff\xfe" + b"\x00\xd8" + NEEDLE.encode("utf-16-le"), "\ufffd" + NEEDLE),
    "nul far in": (b"plain words. " * 1000 + b"\x00" + NEEDLE.encode(), "plain words. " * 1000 + "\ufffd" + NEEDLE),
}


@pytest.mark.parametrize("name", ENCODED)
def test_places_are_exact_in_every_encoding(name: str, tmp_path: Path, open_library: Callable[..., Library], check_library: Any) -> None:
    data, text = ENCODED[name]
    (tmp_path / "x.txt").write_bytes(data)
    with open_library() as library:
        assert library.add(tmp_path / "x.txt").failed == []
        (listed,) = library.documents()
        document = library.document(listed.id)
        assert document.text == text
        check_library(library)
        answer = library.ask("Who keeps the key?", options=Options(mode="extract", min_confidence=0))
        assert answer.citations
        for citation in answer.citations:
            assert document.text[citation.start : citation.end] == citation.quote
        assert any("Olga Peters keeps the key" in citation.quote for citation in answer.citations)


STRAY = [
    b"good \x80\x81\xfe\xff words \xc3\x28 " * 50,
    "w\ud800rds ".encode(errors="surrogatepass") * 30,
    b"\xff\xfe" + b"\x00\xdb" * 60 + "rds".encode("utf-16-le"),
]


@pytest.mark.parametrize("data", STRAY, ids=["stray bytes", "surrogates in utf-8", "surrogates alone"])
def test_bytes_of_no_encoding_are_replaced_not_dropped(data: bytes, read: Callable[[str, bytes], Outcome]) -> None:
    outcome = read("x.txt", data)
    if isinstance(outcome, Document):
        assert not any(char in "\x00\r" or "\ud800" <= char <= "\udfff" for char in outcome.text)
        assert any(word in outcome.text for word in ("good", "rds", "\ufffd"))
    else:
        assert outcome.reason in ("unknown_type", "damaged")


# --- folders


def test_a_folder_full_of_traps_is_walked_through(tmp_path: Path, open_library: Callable[..., Library], check_library: Any) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("the secret is out")
    (folder / "good.txt").write_text("good words")
    os.mkfifo(folder / "pipe.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "deep" / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "ping").symlink_to("pong")
    (folder / "pong").symlink_to("ping")
    (folder / "secret.txt").symlink_to(outside / "secret.txt")
    (folder / "all").symlink_to(outside)
    (folder / "zero.txt").symlink_to("/dev/zero")
    (folder / "tty.txt").symlink_to("/dev/tty")
    (folder / "memory.txt").symlink_to("/proc/self/mem")
    if os.geteuid() == 0:
        os.mknod(folder / "endless.txt", 0o600 | 0o020000, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as listening, open_library() as library:
        listening.bind(str(folder / "socket.txt"))
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        report = library.add(folder)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - used < 10
        assert (report.added, report.failed) == (1, [])
        assert library.search("secret") == [] or all("secret" not in hit.chunk.text for hit in library.search("secret"))
        assert library.sync().unchanged == 1
        check_library(library)


# --- objects that run when they are loaded


class Marker:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def loaded_guns(folder: Path, marker: Path) -> None:
    """Files that leave a marker when they are loaded by what usually loads them."""
    data = pickle.dumps(Marker(marker), protocol=2)
    for name in ("x.pkl", "x.joblib", "x.bin", "model.pth", "x.txt", "x.json", "x.csv"):
        (folder / name).write_bytes(data)
    (folder / "text.pkl").write_bytes(pickle.dumps(Marker(marker), protocol=0))
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    objects = np.array([Marker(marker)], dtype=object)
    np.save(folder / "x.npy", objects, allow_pickle=True)
    np.savez(folder / "x.npz", objects)


def test_nothing_is_ever_unpickled(tmp_path: Path, open_library: Callable[..., Library]) -> None:
    marker, folder = tmp_path / "fired", tmp_path / "folder"
    folder.mkdir()
    loaded_guns(folder, marker)
    pickle.loads((folder / "x.pkl").read_bytes()).close()
    assert marker.exists()  # they would fire
    marker.unlink()
    (folder / "good.txt").write_text("good words")
    with open_library() as library:
        report = library.add(folder)
        assert report.added >= 1
        assert all(failure.reason != "crashed" for failure in report.failed)
        library.search("words")
    for path in sorted((tmp_path / "test.wellread" / "index").rglob("*")):
        if path.is_file():
            path.write_bytes((folder / random.Random(path.name).choice(["x.pkl", "x.npy"])).read_bytes())
    try:
        with open_library() as library:
            library.search("words")
            library.sync()
    except LibraryError as error:
        assert error.hint
    assert not marker.exists()
