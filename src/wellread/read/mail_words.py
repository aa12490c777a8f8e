"""What mail headers say: encoded words (RFC 2047), raw bytes that should not be there, and charsets as mail programs name them."""

from __future__ import annotations

import binascii
import quopri
import re

from wellread.read.decode import clean, decode

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_CHARSET = re.compile(r"(?:utf|iso|windows|cp|ibm|koi8|gb|big5|euc|shift|sjis|ks|us|ascii|latin|mac|hz|tis|x-)[a-z0-9_:.-]{0,30}")
_MEANT = {  # the larger set that programs use under the name of the smaller one
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
}
_SINGLE = ("iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii", "windows-1252", "cp1252", "utf-8", "utf8")


def charset(declared: str | None, data: bytes) -> str | None:
    """The encoding to try first for `data`, or None where what was declared is unknown, no text encoding, or cannot be true."""
    name = (declared or "").strip().strip("\"'").lower()
    if not _CHARSET.fullmatch(name):
        return None
    if name in _SINGLE:
        return "utf-8" if _is_utf8(data) else "cp1252" if name not in ("utf-8", "utf8", "us-ascii", "ascii") else None
    if name.startswith(("utf-16", "utf16", "utf-32", "utf32")) and b"\x00" not in data:
        return None
    return _MEANT.get(name, name)


def header_text(raw: str) -> str:
    """A header's value as people read it: unfolded and decoded. Raw bytes may be in it as surrogates (PEP 383)."""
    if any("\udc80" <= char <= "\udcff" for char in raw):
        raw = decode(raw.encode("utf-8", errors="surrogateescape"))[0]
    pieces: list[str] = []
    pending, pending_charset, at = b"", "", 0
    for word in _WORD.finditer(raw):
        between = raw[at : word.start()]
        data = _word_bytes(word[2], word[3])
        if data is None:
            continue
        name = word[1].partition("*")[0].lower()
        adjacent = at > 0 and not between.strip()
        if not adjacent or name != pending_charset:  # a character may be cut between two words
            pieces.append(_decoded(pending, pending_charset))
            pending = b""
        if not adjacent:
            pieces.append(between)
        pending, pending_charset, at = pending + data, name, word.end()
    pieces += [_decoded(pending, pending_charset), raw[at:]]
    return " ".join(clean("".join(pieces)).split())


def _word_bytes(encoding: str, text: str) -> bytes | None:
    raw = text.encode("utf-8", errors="surrogateescape")
    if encoding in "qQ":
        return quopri.decodestring(raw.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return None


def _decoded(data: bytes, name: str) -> str:
    return decode(data, charset(name, data))[0] if data else ""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
