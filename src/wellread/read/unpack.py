"""Archives and mails as folders: what lies in them comes out one by one, and is measured while it does."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import IO, Protocol

from wellread.read import media
from wellread.read.limits import MEGABYTE, Limits
from wellread.read.refuse import refusal
from wellread.read.unpack_names import MemberNames, bytes_name, zip_name
from wellread.read.wire import Packed

ARCHIVES = frozenset((media.ZIP, media.TAR, media.GZIP, media.BZIP2, media.XZ))
"""What has no text of its own."""

UNPACKABLE = ARCHIVES | {media.EML, media.MSG}
"""What holds other files."""

_BLOCK = 512  # of a tar archive
_CHUNK = 1 << 16
_IGNORED = 50  # so many times more entries than may be read: folders, links and hidden files cost little, but not nothing
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, IndexError, struct.error,
    RecursionError,
)  # fmt: skip
_ENTRY = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_DESCRIPTOR_FLAG = 8


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Budget:
    """What one archive may still cost. `spend` and `count` raise `ReadError` "too_large", which ends the archive."""

    def __init__(self, name: str, size: int, limits: Limits) -> None:
        self.limits = limits
        self._name = name
        self._size = size
        self._spent = 0
        self._members = 0

    def spend(self, size: int) -> None:
        """Count bytes that came out."""
        self._spent += size
        if self._spent > self.limits.unpacked_bytes:
            raise refusal("too_large", self._name, f"it unpacks to more than {max(0, self.limits.unpacked_bytes):,} bytes")
        if self._spent > MEGABYTE and self._spent > self.limits.unpacked_ratio * self._size:
            raise refusal("too_large", self._name, f"it unpacks to more than {self.limits.unpacked_ratio} times its size")

    def count(self, members: int = 1) -> None:
        """Count members that are to be read."""
        self._members += members
        if self._members > self.limits.unpacked_entries:
            raise refusal("too_large", self._name, f"it holds more than {self.limits.unpacked_entries:,} files")

    def too_many(self, entries: int) -> None:
        """Refuse an archive of so many entries of any kind."""
        if entries > _IGNORED * max(1, self.limits.unpacked_entries):
            raise refusal("too_large", self._name, f"it holds {entries:,} parts or more")

    def too_large(self, name: str, size: int) -> Packed:
        return Packed(name, b"", refusal("too_large", name, f"{size:,} bytes, and the limit is {self.limits.file_bytes:,}"))


class _Counted:
    """A stream whose bytes are counted as they are read; `last` is the block read last."""

    def __init__(self, stream: _Source, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._ahead = b""
        self.last = b""

    def head(self, size: int) -> bytes:
        """The first bytes, which `read` will give again."""
        self._ahead = self.read(size)
        return self._ahead

    def read(self, size: int) -> bytes:
        if self._ahead:
            self.last, self._ahead = self._ahead[:size], self._ahead[size:]
            return self.last
        self.last = self._stream.read(size)
        self._budget.spend(len(self.last))
        return self.last


def unpack(data: bytes, name: str, media_type: str, limits: Limits) -> Iterator[Packed]:
    """The files in an archive, or those attached to a mail, one after another; `media_type` is one of `UNPACKABLE`.

    A member that cannot be had comes with its error and without bytes. Folders, links, devices, hidden files and what else a walk
    through folders leaves out are passed over. Names are relative paths with "/" and unique. Sizes are counted as the bytes come out,
    whatever was declared. Raises `ReadError` "damaged" or "too_large" where nothing more can be had, after what came before.
    """
    budget = _Budget(name, len(data), limits)
    yield from _UNPACKERS[media_type](data, name, budget)


def _zip(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    budget.too_many(data.count(_ENTRY))
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (*_DAMAGE, NotImplementedError):
        yield from _without_directory(data, name, budget)
        return
    names = MemberNames()
    kept = []
    for entry in entries:
        shown = None if entry.filename.endswith("/") or stat.S_ISLNK(entry.external_attr >> 16) else names.take(zip_name(entry))
        if shown is not None:
            kept.append((entry, shown))
    budget.count(len(kept))
    declared = _Budget(name, len(data), budget.limits)  # refused before anything comes out, where the directory itself says so
    declared.spend(sum(entry.file_size for entry, _ in kept if entry.file_size <= budget.limits.file_bytes))
    for entry, shown in kept:
        yield _zip_member(archive, entry, shown, budget)


def _zip_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, budget: _Budget) -> Packed:
    if entry.flag_bits & 1:
        return Packed(name, b"", refusal("encrypted", name))
    if entry.file_size > budget.limits.file_bytes:
        return budget.too_large(name, entry.file_size)
    try:
        with archive.open(entry) as stream:
            return _whole(_Counted(stream, budget), name, budget)
    except (NotImplementedError, RuntimeError):
        return Packed(name, b"", refusal("unsupported", name, "compressed in an unusual way"))
    except _DAMAGE:
        return Packed(name, b"", refusal("damaged", name, "it cannot be unpacked"))


def _without_directory(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    """The members of a zip archive whose end is missing, as the header of each tells them."""
    names = MemberNames()
    at = 0
    while data.startswith(b"PK\x03\x04", at) and at + _LOCAL.size <= len(data):
        _, _, flags, method, _, _, crc, packed, _, name_size, extra_size = _LOCAL.unpack_from(data, at)
        begin = at + _LOCAL.size + name_size + extra_size
        raw = data[at + _LOCAL.size : at + _LOCAL.size + name_size]
        sized = not flags & _DESCRIPTOR_FLAG
        if flags & 1 or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or not (sized or method == zipfile.ZIP_DEFLATED):
            break
        end = begin + packed if sized else len(data)
        content, used, whole = _inflated(data, begin, end, method == zipfile.ZIP_DEFLATED, budget)
        if not whole or end > len(data) or (sized and zlib.crc32(content) != crc):
            break
        at = end if sized else _after_descriptor(data, begin + used)
        shown = None if raw.endswith(b"/") else names.take(bytes_name(raw))
        if shown is not None:
            budget.count()
            yield Packed(shown, content)
    raise refusal("damaged", name, "its zip directory cannot be read, it may be cut short")


def _inflated(data: bytes, begin: int, end: int, deflated: bool, budget: _Budget) -> tuple[bytes, int, bool]:
    """The content of a member, how many bytes it lay in, and whether it is whole."""
    if not deflated:
        budget.spend(min(end, len(data)) - begin)
        return data[begin:end], end - begin, True
    inflater, pieces, size, at = zlib.decompressobj(-zlib.MAX_WBITS), [], 0, begin
    piece = b""
    try:
        while not inflater.eof and (at < min(end, len(data)) or piece) and size <= budget.limits.file_bytes:
            fed = data[at : min(end, at + _CHUNK)]
            piece = inflater.decompress(fed, _CHUNK)
            at += len(fed) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
            budget.spend(len(piece))
            pieces.append(piece)
            size += len(piece)
    except zlib.error:
        return b"", 0, False
    return b"".join(pieces), at - begin, inflater.eof


def _after_descriptor(data: bytes, at: int) -> int:
    """Where the next header is looked for after a member whose sizes follow it: 12 bytes on, or 16 with a signature (4.3.9)."""
    return at + (16 if data.startswith(b"PK\x07\x08", at) else 12)


def _tar(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    return _tar_members(_Counted(io.BytesIO(data), budget), name, budget)


def _tar_members(source: _Counted, name: str, budget: _Budget) -> Iterator[Packed]:
    names, entries = MemberNames(), 0
    try:
        # in blocks, so that the last one read is the one that ends the archive
        with tarfile.open(mode="r|", fileobj=source, bufsize=_BLOCK, encoding="utf-8", errors="surrogateescape") as archive:  # type: ignore[call-overload]
            for entry in archive:
                archive.members = []  # tarfile would remember them all
                entries += 1
                budget.too_many(entries)
                shown = names.take(_tar_name(entry.name)) if entry.isfile() else None
                if shown is not None:
                    budget.count()
                    yield _tar_member(archive, entry, shown, budget)
        ended = source.last
        while source.read(_CHUNK):  # checksums stand at the end
            pass
    except _DAMAGE as error:
        raise refusal("damaged", name, "it is cut short or broken") from error
    if not ended or ended.strip(b"\0"):  # tarfile takes a broken header, or none, for the end
        raise refusal("damaged", name, "it is cut short or broken")


def _tar_member(archive: tarfile.TarFile, entry: tarfile.TarInfo, name: str, budget: _Budget) -> Packed:
    if entry.size > budget.limits.file_bytes:
        return budget.too_large(name, entry.size)
    if entry.issparse():
        budget.spend(entry.size)  # the holes are in no stream
    content = archive.extractfile(entry)
    return Packed(name, content.read() if content is not None else b"")


def _tar_name(name: str) -> str:
    raw = name.encode("utf-8", errors="surrogateescape")
    return bytes_name(raw) if any("\udc80" <= char <= "\udcff" for char in name) else name


def _compressed(opened: Callable[[IO[bytes]], _Source], data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    """What one compressed stream holds: a tar archive, or a single file that has its name without the suffix."""
    source = _Counted(opened(io.BytesIO(data)), budget)
    path = PurePath(name)
    try:
        is_tar = source.head(_BLOCK)[257:262] == b"ustar" or path.suffix.lower() in (".tgz", ".tbz2", ".txz") or path.stem.endswith(".tar")
        if is_tar:
            yield from _tar_members(source, name, budget)
            return
        budget.count()
        shown = MemberNames().take(path.stem if path.suffix.lower() in (".gz", ".bz2", ".xz") else path.name) or "unnamed"
        member = _whole(source, shown, budget)
    except _DAMAGE as error:
        raise refusal("damaged", name, "it is cut short or broken") from error
    yield member


def _gzip(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    return _compressed(lambda file: gzip.GzipFile(fileobj=file), data, name, budget)


def _bzip2(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    return _compressed(bz2.BZ2File, data, name, budget)


def _xz(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    return _compressed(lzma.LZMAFile, data, name, budget)


def _whole(source: _Counted, name: str, budget: _Budget) -> Packed:
    pieces, size = [], 0
    while piece := source.read(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > budget.limits.file_bytes:
            return budget.too_large(name, size)
    return Packed(name, b"".join(pieces))


def _mail(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    from wellread.read.mail import mail_attachments

    return _attached(mail_attachments(data, name), budget)


def _outlook(data: bytes, name: str, budget: _Budget) -> Iterator[Packed]:
    from wellread.read.outlook import outlook_attachments

    return _attached(outlook_attachments(data, name), budget)


def _attached(found: Iterator[tuple[str, bytes]], budget: _Budget) -> Iterator[Packed]:
    names = MemberNames()
    for raw, content in found:
        shown = names.take(raw)
        if shown is None:
            continue
        budget.count()
        budget.spend(len(content))
        yield Packed(shown, content) if len(content) <= budget.limits.file_bytes else budget.too_large(shown, len(content))


_UNPACKERS: dict[str, Callable[[bytes, str, _Budget], Iterator[Packed]]] = {
    media.ZIP: _zip,
    media.TAR: _tar,
    media.GZIP: _gzip,
    media.BZIP2: _bzip2,
    media.XZ: _xz,
    media.EML: _mail,
    media.MSG: _outlook,
}
