"""The encoding a server names reaches the reader in the bytes themselves, since a file has no headers."""

from __future__ import annotations

import codecs
import re

_META = re.compile(
    rb"""<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*["']?\s*([a-zA-Z0-9_:.-]{2,40})""",
    re.IGNORECASE,
)
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The encodings of https://encoding.spec.whatwg.org, as Python names them, and what browsers take some of them for.
_KNOWN = frozenset(
    "utf-8 utf-16-le utf-16-be gb18030 big5 euc_jp cp932 iso2022_jp cp949 koi8-r koi8-u mac-roman cp866 cp874"
    " cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7"
    " iso8859-8 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16".split()
)
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
}


def marked(data: bytes, media_type: str, charset: str | None) -> bytes:
    """The bytes of a text as UTF-8 with a byte order mark where only the server's header tells their encoding.

    They stay as they are, and so does the digest they are known by, where a reader will find their encoding without help: they carry
    a mark, they say the same as the header, or they are valid UTF-8 and say nothing else; and where the header cannot be true.
    """
    page = media_type in ("text/html", "application/xhtml+xml")
    encoding = _codec(charset) if charset else None
    if encoding is None or data.startswith(_MARKS) or not (page or media_type.startswith("text/")) or media_type == "text/xml":
        return data
    told = _META.search(data[:4096]) if page else None
    told_as = _codec(told[1].decode("ascii")) if told else None
    for tried in ("utf-8", encoding):  # what is valid UTF-8 and not ASCII is no other encoding, whatever a server's settings say
        try:
            text = data.decode(tried).encode("utf-8")
        except UnicodeError:
            continue
        if text != data or not data.isascii():
            return data if told_as == tried or (told is None and text == data) else codecs.BOM_UTF8 + text
    return data


def _codec(name: str) -> str | None:
    """The encoding of that name; only those that pages have, for Python knows some that cost a lot."""
    try:
        found = codecs.lookup(name.strip().strip("'\"")).name
    except (LookupError, ValueError):
        return None
    meant = _MEANT.get(found, found)
    return meant if meant in _KNOWN else None
