"""Archives and mails as folders."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read import media
from wellread.read.limits import Limits
from wellread.read.unpack import ARCHIVES, unpack
from wellread.read.unpack_names import MemberNames, bytes_name, safe_path
from wellread.read.wire import Packed

FILES = {"a.txt": b"elks", "deep/b.txt": b"moss" * 5_000, "empty": b""}


def zipped(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return held.getvalue()


def members(data: bytes, name: str, limits: Limits | None = None) -> list[Packed]:
    return list(unpack(data, name, media.sniff(data, name), limits or Limits()))


def until_refused(data: bytes, name: str, limits: Limits | None = None) -> tuple[list[Packed], str]:
    """The members before the error that ends the archive, and its reason."""
    limits = limits or Limits()
    found = []
    with pytest.raises(ReadError) as caught:
        for member in unpack(data, name, media.sniff(data, name), limits):
            found.append(member)
    return found, caught.value.reason


def local(name: bytes, data: bytes, flags: int = 0) -> bytes:
    """A stored entry as it stands before the directory of a zip archive."""
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, flags, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0) + name + data


def with_directory(entries: Mapping[bytes, bytes], flags: int = 0, times: int = 1) -> bytes:
    """A zip archive whose names are exactly these bytes; its directory is repeated `times` times."""
    body, directory = b"", b""
    for name, data in entries.items():
        sizes = (zlib.crc32(data), len(data), len(data), len(name))
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, flags, 0, 0, 0, *sizes, 0, 0, 0, 0, 0, len(body)) + name
        body += local(name, data, flags)
    directory *= times
    return body + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), len(body), 0)


@given(
    st.dictionaries(
        st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=12).map(lambda name: f"in/{name}.txt"),
        st.binary(max_size=2_000),
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_what_went_in_comes_out(files: dict[str, bytes]) -> None:
    for data, name in (
        (zipped(files), "x.zip"),
        (tarred(files), "x.tar"),
        (tarred(files, "w:gz"), "x.tar.gz"),
        (tarred(files, "w:bz2"), "x.tbz2"),
        (tarred(files, "w:xz"), "x.txz"),
    ):
        media_type = media.sniff(data, name) if files else {"zip": media.ZIP, "tar": media.TAR}.get(name[2:], media.GZIP)
        if not files and media_type == media.GZIP:
            continue
        assert media_type in ARCHIVES
        assert {member.name: member.data for member in unpack(data, name, media_type, Limits())} == files


def test_a_single_file_loses_its_suffix() -> None:
    for pack, name in ((gzip.compress, "notes.csv.gz"), (bz2.compress, "notes.csv.bz2"), (lzma.compress, "notes.csv.xz")):
        assert members(pack(b"a,b\n" * 1000), name) == [Packed("notes.csv", b"a,b\n" * 1000)]


def test_what_a_folder_leaves_out_is_left_out() -> None:
    files = {
        ".git/config": b"x",
        "__MACOSX/._a.txt": b"x",
        "a/.DS_Store": b"x",
        "a/__pycache__/m.pyc": b"x",
        "node_modules/m.js": b"x",
        "a/kept.txt": b"x",
    }
    for data, name in ((zipped(files), "x.zip"), (tarred(files), "x.tar")):
        assert [member.name for member in members(data, name)] == ["a/kept.txt"]


def test_links_devices_and_folders_of_a_tar_are_passed_over() -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            entry = tarfile.TarInfo(f"special{kind.decode()}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        for name in ("/etc/absolute.txt", "../../up.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    assert [member.name for member in members(held.getvalue(), "x.tar")] == ["etc/absolute.txt", "up.txt"]


def test_a_link_in_a_zip_is_passed_over() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("real.txt", "x")
    assert [member.name for member in members(held.getvalue(), "x.zip")] == ["real.txt"]


def test_hostile_names_lead_nowhere() -> None:
    hostile = [b"../../etc/passwd.txt", b"/abs.txt", b"C:\\windows\\system.txt", b"a/./../b.txt", b"..", b"C:", b"tab\there.txt"]
    found = members(with_directory(dict.fromkeys(hostile, b"x")), "x.zip")
    assert [member.name for member in found] == [
        "etc/passwd.txt",
        "abs.txt",
        "windows/system.txt",
        "a/b.txt",
        "unnamed",
        "unnamed (2)",
        "tab\ufffdhere.txt",
    ]
    assert all(member.data == b"x" for member in found)


@given(st.text(max_size=60))
def test_every_name_becomes_a_plain_relative_path(raw: str) -> None:
    parts = safe_path(raw).split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    assert not any(char in "\\\x00\u202e\n" for part in parts for char in part)
    assert not (len(parts[0]) > 1 and parts[0][1] == ":" and parts[0][0].isascii() and parts[0][0].isalpha())


@given(st.lists(st.sampled_from(["a.txt", "a (2).txt", "b/a.txt", "a"]), max_size=12))
def test_names_are_unique(raws: list[str]) -> None:
    names = MemberNames()
    taken = [names.take(raw) for raw in raws]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("name", ["季度报告.txt", "中文/说明（终稿）.doc", "会议记录2024.pdf"])
def test_chinese_names_without_the_flag(name: str) -> None:
    for encoding in ("gbk", "utf-8"):
        assert [member.name for member in members(with_directory({name.encode(encoding): b"x"}), "x.zip")] == [name]


def test_other_names_without_the_flag() -> None:
    for name, encoding in (("Übersicht für Café.txt", "cp437"), ("ふじさん.txt", "cp932"), ("résumé.txt", "cp437"), ("plain.txt", "ascii")):
        assert bytes_name(name.encode(encoding)) == name


def test_an_encrypted_member_does_not_stop_the_others() -> None:
    data = with_directory({b"open.txt": b"open"})
    locked = with_directory({b"locked.txt": b"0123456789abcdef"}, flags=1)
    with zipfile.ZipFile(io.BytesIO(data)) as one, zipfile.ZipFile(io.BytesIO(locked)) as other:
        assert (one.infolist()[0].flag_bits, other.infolist()[0].flag_bits) == (0, 1)
    (member,) = members(locked, "x.zip")
    assert member.error is not None
    assert (member.name, member.data, member.error.reason) == ("locked.txt", b"", "encrypted")
    mixed = bytearray(zipped({"one.txt": b"1", "two.txt": b"2"}))
    mixed[mixed.rindex(b"PK\x01\x02", 0, mixed.rindex(b"PK\x01\x02")) + 8] |= 1
    first, second = members(bytes(mixed), "x.zip")
    assert first.error is not None
    assert (first.error.reason, second.error, second.data) == ("encrypted", None, b"2")


def test_a_broken_member_does_not_stop_the_others() -> None:
    data = bytearray(zipped({"one.txt": b"first of all" * 20, "two.txt": b"2"}))
    data[len("one.txt") + 34] ^= 0xFF
    one, two = members(bytes(data), "x.zip")
    assert one.error is not None
    assert (one.error.reason, two.data) == ("damaged", b"2")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_every_cut_gives_whole_members_and_then_an_error(name: str) -> None:
    files = {f"{n}.txt": random.Random(n).randbytes(700) for n in range(4)}
    whole = zipped(files) if name == "x.zip" else tarred(files, {".gz": "w:gz", "bz2": "w:bz2", ".xz": "w:xz"}.get(name[-3:], "w"))
    last = len(tarred(files).rstrip(b"\0")) if name == "x.tar" else len(whole) - 1  # a tar may lose zeros at its end
    seen = set()
    for length in range(30, last, max(1, last // 40)):
        media_type = {"x.zip": media.ZIP, "x.tar": media.TAR}.get(name) or media.sniff(whole, name)
        found = []
        with pytest.raises(ReadError) as caught:
            for member in unpack(whole[:length], name, media_type, Limits()):
                found.append(member)
        assert caught.value.reason == "damaged"
        assert all(files[member.name] == member.data for member in found)
        seen.add(len(found))
    if name in ("x.zip", "x.tar"):
        assert seen >= {0, 1, 2, 3}


def test_a_streamed_zip_that_is_cut_gives_its_members() -> None:
    class Pipe(io.RawIOBase):  # what cannot be rewound makes zipfile put the sizes behind the data
        def __init__(self) -> None:
            self.held = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.held += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for n in range(3):
            archive.writestr(f"{n}.txt", bytes([65 + n]) * 100_000)
    whole = bytes(pipe.held)
    found, reason = until_refused(whole[: whole.index(b"PK\x01\x02") - 20], "x.zip")
    assert (reason, [(member.name, len(member.data)) for member in found]) == ("damaged", [("0.txt", 100_000), ("1.txt", 100_000)])


def test_a_bomb_of_one_member_is_not_unpacked() -> None:
    pressed = gzip.compress(b"\0" * 60_000_000, 1)
    began = time.process_time()
    found, reason = until_refused(pressed, "x.gz")
    assert (found, reason) == ([], "too_large")
    bomb = zipped({"zeros": b"\0" * 60_000_000, "a.txt": b"x"})
    zeros, small = members(bomb, "x.zip")
    assert zeros.error is not None
    assert (zeros.error.reason, small.data) == ("too_large", b"x")
    assert time.process_time() - began < 3


def test_a_bomb_of_many_members_is_refused_by_its_directory() -> None:
    zeros = b"\0" * 5_000_000
    assert until_refused(zipped({f"{n}": zeros for n in range(3)}), "x.zip") == ([], "too_large")
    assert until_refused(tarred({"zeros": zeros}, "w:gz"), "x.tgz")[1] == "too_large"


def test_a_directory_that_lies_about_sizes_gains_nothing() -> None:
    data = bytearray(zipped({"zeros": b"\0" * 5_000_000}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    (member,) = members(bytes(data), "x.zip")
    assert member.error is not None
    assert member.error.reason == "damaged"


def test_a_million_entries_are_refused_at_once() -> None:
    million = with_directory({b"a.txt": b"x"}, times=1_000_000)
    began = time.process_time()
    with pytest.raises(ReadError, match="parts") as caught:
        next(unpack(million, "x.zip", media.ZIP, Limits()))
    assert caught.value.reason == "too_large"
    assert time.process_time() - began < 1
    assert until_refused(zipped({f"{n}.txt": b"" for n in range(2_001)}), "x.zip") == ([], "too_large")
    found, reason = until_refused(tarred({f"{n}.txt": b"" for n in range(60)}), "x.tar", Limits(unpacked_entries=50))
    assert (len(found), reason) == (50, "too_large")


def test_a_nest_comes_out_one_shell_at_a_time() -> None:
    data, name = b"elk", "elk.txt"
    for level in range(5):
        data, name = zipped({name: data}), f"{level}.zip"
    for level in (3, 2, 1, 0):
        (member,) = members(data, "x.zip")
        assert member.name == f"{level}.zip"
        data = member.data
    assert members(data, "x.zip") == [Packed("elk.txt", b"elk")]


def test_a_member_over_the_limit_of_a_file_is_told_and_passed_over() -> None:
    files = {"big.txt": bytes(range(256)) * 40, "small.txt": b"x"}
    for data, name in ((zipped(files), "x.zip"), (tarred(files), "x.tar"), (tarred(files, "w:gz"), "x.tgz")):
        big, small = members(data, name, Limits(file_bytes=5_000))
        assert big.error is not None
        assert (big.data, big.error.reason, small.data) == (b"", "too_large", b"x")


def test_a_sparse_tar_is_counted_by_what_it_becomes() -> None:
    head = tarfile.TarInfo("holes")
    head.size, head.type = 512, tarfile.GNUTYPE_SPARSE
    block = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[483:495] = b"%011o\0" % 40_000_000
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    assert until_refused(bytes(block) + b"x" * 512 + b"\0" * 1024, "x.tar") == ([], "too_large")


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_broken_archives_end_with_an_error_of_ours(data: st.DataObject) -> None:
    kinds = (
        ("x.zip", zipped(FILES), media.ZIP),
        ("x.tar", tarred(FILES), media.TAR),
        ("x.tgz", tarred(FILES, "w:gz"), media.GZIP),
        ("x.txz", tarred(FILES, "w:xz"), media.XZ),
    )
    name, whole, media_type = data.draw(st.sampled_from(kinds))
    broken = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=5)):
        broken[at] = data.draw(st.integers(0, 255))
    try:
        for member in unpack(bytes(broken), name, media_type, Limits()):
            assert member.error is None or not member.data
    except ReadError as error:
        assert error.reason in ("damaged", "too_large")
