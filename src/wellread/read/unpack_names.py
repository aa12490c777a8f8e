"""The names of what lies in archives and mails: made readable, harmless and unique. Nothing is ever written under them."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from pathlib import PurePosixPath

from wellread.read.discover import is_skipped

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)  # bidi marks make "exe.pdf" of "fdp.exe"
_DRIVE = re.compile(r"^(?:[A-Za-z]:)+")
_KANA = re.compile("[\u3041-\u30ff]")
_LONGEST_PART = 200
_MOST_PARTS = 32
_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP: the name in UTF-8


class MemberNames:
    """Gives each member of one archive its name: a relative path with "/" that no other member has."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, raw: str) -> str | None:
        """The name to show for `raw`, or None for what is left out in folders too: hidden files, caches, the forks of macOS."""
        name = safe_path(raw)
        if any(is_skipped(part) or part == "__MACOSX" for part in name.split("/")):
            return None
        path, unique = PurePosixPath(name), name
        while unique in self._taken:
            self._taken[name] += 1
            unique = str(path.with_name(f"{path.stem} ({self._taken[name]}){path.suffix}"))
        self._taken[unique] = 1
        return unique


def safe_path(raw: str) -> str:
    """A path that leads nowhere outside: no root, no drive, no "..", nothing that cannot be seen, and not too long."""
    path = _DRIVE.sub("", _UNSEEN.sub("\ufffd", raw).replace("\\", "/"))
    parts = [_DRIVE.sub("", part.strip()) for part in path.split("/")]
    kept = [_shortened(part) for part in parts if part not in ("", ".", "..")]
    return "/".join(kept[-_MOST_PARTS:]) or "unnamed"


def _shortened(part: str) -> str:
    if len(part) <= _LONGEST_PART:
        return part
    suffix = PurePosixPath(part).suffix[:20]
    return part[: _LONGEST_PART - len(suffix)] + suffix


def zip_name(entry: zipfile.ZipInfo) -> str:
    """The name of a zip entry. Without the UTF-8 flag its encoding is not told, and is judged by the bytes."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.filename
    try:
        raw = entry.filename.encode("cp437")
    except UnicodeEncodeError:  # already taken from the extra field
        return entry.filename
    return _unicode_path(entry.extra, raw) or bytes_name(raw)


def bytes_name(raw: bytes) -> str:
    """A name of unknown encoding: UTF-8, Chinese or Japanese where the bytes make good sense in it, and cp437 otherwise."""
    for encoding, plausible in (("utf-8", _any), ("gbk", _is_common_chinese), ("cp932", _has_kana)):
        try:
            name = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if plausible(name):
            return name
    return raw.decode("cp437")


def _any(name: str) -> bool:
    return True


def _has_kana(name: str) -> bool:
    return _KANA.search(name) is not None


def _is_common_chinese(name: str) -> bool:
    """True where most characters are of GB 2312: its bytes are line drawings in cp437, which no name has."""
    foreign = [char for char in name if char > "\x7f"]
    common = sum(("\u4e00" <= char <= "\u9fff" and _is_gb2312(char)) or char in "《》（），。、：；“”‘’—…·【】！？" for char in foreign)
    return common * 2 > len(foreign)


def _is_gb2312(char: str) -> bool:
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _unicode_path(extra: bytes, raw: bytes) -> str:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + size]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1 and struct.unpack_from("<I", field, 1)[0] == zlib.crc32(raw):
            return field[5:].decode("utf-8", errors="replace")
        at += 4 + size
    return ""
