"""Archives and XML made to harm: nothing swells, nothing is fetched, and nothing outside is read or written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import socket
import stat
import struct
import sys
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool, Reading
from wellread.types import Document

MEGABYTE, GIB = 1_000_000, 1024**3
LIMITS = Limits(cpu_seconds=30, wall_seconds=300, memory_bytes=GIB)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX systems")

Entry = tuple[str, bytes, int, int]  # name, deflated bytes, size and checksum of what they unpack to


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    with ReaderPool(limits=LIMITS) as pool:
        yield pool


@pytest.fixture
def read(pool: ReaderPool, tmp_path: Path) -> Callable[[str, bytes], list[Reading]]:
    """Reads bytes as a file of a given name, in a child with limits, which then still reads the next one."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.txt").write_text("good words")

    def readings(name: str, data: bytes) -> list[Reading]:
        (folder / name).write_bytes(data)
        before = everything(tmp_path)
        found = list(pool.read_all([folder / name]))
        assert everything(tmp_path) == before
        for reading in found:
            assert reading.origin == str(folder / name)
            inside = reading.source.removeprefix(reading.origin)
            assert not inside or inside.startswith("/")
            assert ".." not in inside.split("/")
            if isinstance(reading.result, ReadError):
                assert reading.result.reason != "crashed", reading
                assert reading.result.message.endswith(".")
                assert len(reading.result.message) < 500
        assert pool.read(folder / "good.txt").text == "good words"
        return found

    return readings


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def reasons(readings: Sequence[Reading]) -> set[str]:
    """Why things were not read; "read" for what was."""
    return {
        reading.result.reason if isinstance(reading.result, ReadError) else "read" for reading in readings if reading.result is not None
    }


def texts(readings: Sequence[Reading]) -> list[str]:
    return [reading.result.text for reading in readings if isinstance(reading.result, Document)]


# --- bombs


def zeros(name: str, size: int) -> Entry:
    """An entry of `size` zeros (whole megabytes, a hundred at least), a thousandth as large."""
    block, count = bytes(10 * MEGABYTE), size // (10 * MEGABYTE)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself, so it can be repeated
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(block, checksum)
    return name, piece * count + b"\x03\x00", count * len(block), checksum


def packed(name: str, data: bytes) -> Entry:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return name, packer.compress(data) + packer.flush(), len(data), zlib.crc32(data)


def zip_of(*entries: Entry, says: int | None = None) -> bytes:
    """A zip archive of these entries; `says` is the size that its directory tells of each, if not the true one."""
    out, directory = bytearray(), bytearray()
    for name, data, size, checksum in entries:
        told = size if says is None else says
        raw = name.encode()
        middle = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, checksum, len(data), told, len(raw), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + middle + struct.pack("<HHHII", 0, 0, 0, 0, len(out)) + raw
        out += b"PK\x03\x04" + middle + raw + data
    end = struct.pack("<HHHHIIH", 0, 0, len(entries) & 0xFFFF, len(entries) & 0xFFFF, len(directory), len(out), 0)
    return bytes(out + directory) + b"PK\x05\x06" + end


@pytest.fixture(scope="module")
def gigabyte() -> Callable[[str], Entry]:
    _, data, size, checksum = zeros("", 1000 * MEGABYTE)
    return lambda name: (name, data, size, checksum)


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = {  # the part that tells the kind, and the one that holds the text
    "x.docx": ("word/document.xml", "word/document.xml"),
    "picture.docx": ("word/document.xml", "word/media/image1.png"),
    "x.xlsx": ("xl/workbook.xml", "xl/sharedStrings.xml"),
    "x.pptx": ("ppt/presentation.xml", "ppt/slides/slide1.xml"),
    "x.epub": ("META-INF/container.xml", "OEBPS/chapter.xhtml"),
    "x.odt": ("mimetype", "content.xml"),
    "x.ods": ("mimetype", "content.xml"),
}
TYPES = {"x.odt": b"application/vnd.oasis.opendocument.text", "x.ods": b"application/vnd.oasis.opendocument.spreadsheet"}


@pytest.mark.parametrize("name", [*OFFICE, "x.zip"])
@pytest.mark.parametrize("lying", [False, True])
def test_a_gigabyte_from_a_megabyte_is_refused(
    name: str, lying: bool, gigabyte: Callable[[str], Entry], read: Callable[[str, bytes], list[Reading]]
) -> None:
    first, swelling = OFFICE.get(name, ("a.txt", "b.txt"))
    entries = [packed(first, TYPES.get(name, b"<a/>"))] if first != swelling else []
    bomb = zip_of(*entries, gigabyte(swelling), says=1000 if lying else None)
    assert len(bomb) < 2 * MEGABYTE
    found = read(name, bomb)
    assert sum(map(len, texts(found))) < 10_000
    assert reasons(found) - {"read"} <= {"too_large", "damaged", "no_text", *(["memory"] if lying else [])}
    if not lying:
        assert reasons(found) - {"read"} == {"too_large"}


def test_other_packers_are_bounded_too(read: Callable[[str, bytes], list[Reading]]) -> None:
    data = bytes(10 * MEGABYTE)
    for name, piece in (("x.txt.gz", gzip.compress(data)), ("x.bz2", bz2.compress(data)), ("x.xz", lzma.compress(data, preset=0))):
        found = read(name, piece * 100)  # one after another they unpack as one
        assert texts(found) == []
        assert reasons(found) <= {"too_large", "damaged", "memory"}


@pytest.mark.slow
def test_a_tar_bomb_is_bounded(read: Callable[[str, bytes], list[Reading]]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number in range(40):
            entry = tarfile.TarInfo(f"{number}.txt")
            entry.size = 25 * MEGABYTE
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    found = read("x.tar.gz", out.getvalue())
    assert sum(map(len, texts(found))) < 30 * MEGABYTE
    assert "too_large" in reasons(found)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_archives_five_deep_are_not_followed_to_their_end(read: Callable[[str, bytes], list[Reading]]) -> None:
    inner = zipped({"deepest.txt": b"the deepest words"})
    for depth in range(4, 0, -1):
        inner = zipped({f"{depth}.zip": inner, f"{depth}.txt": b"words at level %d" % depth})
    found = read("x.zip", inner)
    assert "words at level 1" in texts(found)
    assert "the deepest words" not in texts(found)
    assert "too_large" in reasons(found)


def test_archives_that_fan_out_are_refused(read: Callable[[str, bytes], list[Reading]]) -> None:
    """Ten in each of ten in each of ten, as 42.zip has it: 1,000 files of 10 MB from a few kilobytes."""
    inner = zip_of(*[zeros(f"{number}.txt", 10 * MEGABYTE) for number in range(10)])
    for _ in range(2):
        inner = zipped({f"{number}.zip": inner for number in range(10)})
    found = read("x.zip", inner)
    assert "too_large" in reasons(found)
    assert sum(map(len, texts(found))) <= LIMITS.unpacked_bytes
    assert len(found) < 2 * LIMITS.unpacked_entries


@pytest.mark.parametrize("count", [30_000, pytest.param(900_000, marks=pytest.mark.slow)])
def test_a_million_entries_are_refused(count: int, read: Callable[[str, bytes], list[Reading]]) -> None:
    """Every line of the directory names the same few bytes, so that a million fit."""
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(b"x"), 1, 1, 5, 0) + b"a.txtx"
    start = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, zlib.crc32(b"x"), 1, 1, 5, 0, 0, 0, 0, 0, 0)
    directory = (b"PK\x01\x02" + start + b"a.txt") * count
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), len(directory), len(local), 0)
    for name in ("x.zip", "x.docx", "x.epub"):
        found = read(name, local + directory + end)
        assert len(found) <= LIMITS.unpacked_entries + 1
        assert reasons(found) & {"too_large", "damaged", "memory"}


# --- names and links


def slipping_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in (
            "../evil.txt",
            "../../../../tmp/evil.txt",
            "/etc/evil.txt",
            "a/../../evil.txt",
            "C:\\evil.txt",
            "..\\evil.txt",
            "good.txt",
        ):
            archive.writestr(name, f"words of {name}")
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def slipping_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, target in (
            ("passwd.txt", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.txt", tarfile.LNKTYPE, "/etc/passwd"),
            ("pipe.txt", tarfile.FIFOTYPE, ""),
            ("zero.txt", tarfile.CHRTYPE, ""),
            ("folder", tarfile.SYMTYPE, "/"),
            ("folder/evil.txt", tarfile.REGTYPE, ""),
            ("../evil.txt", tarfile.REGTYPE, ""),
            ("/etc/evil.txt", tarfile.REGTYPE, ""),
            ("good.txt", tarfile.REGTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            data = b"words of the archive" if kind == tarfile.REGTYPE else b""
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(("name", "make"), [("x.zip", slipping_zip), ("x.tar", slipping_tar)])
def test_names_and_links_in_archives_lead_nowhere(
    name: str, make: Callable[[], bytes], read: Callable[[str, bytes], list[Reading]]
) -> None:
    found = read(name, make())
    assert any(reading.source.endswith("/good.txt") and isinstance(reading.result, Document) for reading in found)
    assert not any("root:" in text for text in texts(found))


# --- XML

LAUGHS = '<!DOCTYPE r [<!ENTITY a0 "ha ha ha ha ha ha ha ha ha ha "> %s]>' % " ".join(  # noqa: UP031 (percent signs stay readable)
    f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 10)
)
QUADRATIC = '<!DOCTYPE r [<!ENTITY a "{}">]>'.format("ha " * 100_000)


def outside(secret: Path, port: int) -> str:
    """Entities that point to a file and to a server."""
    return (
        f'<!DOCTYPE r [<!ENTITY a9 SYSTEM "{secret.as_uri()}"> <!ENTITY web SYSTEM "http://127.0.0.1:{port}/entity">'
        f' <!ENTITY % remote SYSTEM "http://127.0.0.1:{port}/dtd"> %remote;]>'
    )


def xml_files(declared: str, inside: str) -> dict[str, bytes]:
    """One file of each format made of XML, with a document type and something that uses it."""
    head = '<?xml version="1.0"?>' + declared
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    types += b'<Default Extension="xml" ContentType="application/xml"/></Types>'

    def relations(target: str) -> bytes:
        return f'{package}<Relationship Id="r1" Type="{office}/officeDocument" Target="{target}"/></Relationships>'.encode()

    word = f"{head}<w:document {W}><w:body><w:p><w:r><w:t>kept words {inside}</w:t></w:r></w:p></w:body></w:document>"
    sheet = f"{head}<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>kept words {inside}</t></si></sst>"
    names = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    body = f"<office:body><office:text><text:p>kept words {inside}</text:p></office:text></office:body>"
    odt = f"{head}<office:document-content {names}>{body}</office:document-content>"
    container = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    listed = '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine>'
    opf = f"{head}<package><metadata/>{listed}</package>"
    page = f"{head}<html xmlns='http://www.w3.org/1999/xhtml'><body><p>kept words {inside}</p></body></html>"
    return {
        "x.xml": f"{head}<r><p>kept words {inside}</p></r>".encode(),
        "data.xml": f"{head}<r><v>kept words {inside}</v></r>".encode(),
        "x.svg": f"{head}<svg xmlns='http://www.w3.org/2000/svg'><text>kept words {inside}</text></svg>".encode(),
        "x.html": f"{declared}<html><body><p>kept words {inside}</p></body></html>".encode(),
        "x.xhtml": page.encode(),
        "x.docx": zipped({"[Content_Types].xml": types, "_rels/.rels": relations("word/document.xml"), "word/document.xml": word.encode()}),
        "x.xlsx": zipped(
            {
                "[Content_Types].xml": types,
                "_rels/.rels": relations("xl/workbook.xml"),
                "xl/workbook.xml": b"<workbook/>",
                "xl/sharedStrings.xml": sheet.encode(),
            }
        ),
        "x.odt": zipped({"mimetype": TYPES["x.odt"], "content.xml": odt.encode()}),
        "x.epub": zipped(
            {
                "mimetype": b"application/epub+zip",
                "META-INF/container.xml": container.encode(),
                "a.opf": opf.encode(),
                "a.xhtml": page.encode(),
            }
        ),
    }


@pytest.mark.parametrize("declared", [LAUGHS, QUADRATIC], ids=["laughs", "quadratic"])
def test_entities_do_not_swell(declared: str, read: Callable[[str, bytes], list[Reading]]) -> None:
    inside = "&a9;" if declared is LAUGHS else "&a;" * 1000
    for name, data in xml_files(declared, inside).items():
        found = read(name, data)
        assert found, name
        written = sum(map(len, texts(found)))
        assert written <= 2 * len(declared + inside) + 1000, name
        assert reasons(found) <= {"read", "damaged", "no_text", "too_large"}, name


@pytest.mark.enable_socket
def test_entities_fetch_nothing(tmp_path: Path, read: Callable[[str, bytes], list[Reading]]) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret is out")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                heard.append(connection.recv(1000))
                connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as probe:
            probe.sendall(b"probe")
            probe.recv(10)
        for name, data in xml_files(outside(secret, port), "&a9; &web;").items():
            found = read(name, data)
            assert found, name
            assert not any("the secret is out" in text for text in texts(found)), name
            assert reasons(found) <= {"read", "damaged", "no_text"}, name
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert heard == [b"probe"]
