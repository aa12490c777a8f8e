"""The numbers by which Windows names encodings, as RTF and Outlook use them."""

from __future__ import annotations

import codecs

_NAMES = {
    42: "cp1252",  # Symbol
    708: "iso8859-6",
    936: "gb18030",
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac-roman",
    10006: "mac-greek",
    10007: "mac-cyrillic",
    10029: "mac-latin2",
    10081: "mac-turkish",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc-jp",
    20936: "gb18030",
    21866: "koi8-u",
    50220: "iso2022-jp",
    50221: "iso2022-jp",
    50222: "iso2022-jp",
    50225: "iso2022-kr",
    51932: "euc-jp",
    51936: "gb18030",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


def code_page(number: int) -> str | None:
    """Python's name for a Windows code page, or None for one that it does not know."""
    name = _NAMES.get(number)
    if name is None:
        name = f"iso8859-{number - 28590}" if 28591 <= number <= 28605 else f"cp{number}"
    try:
        codecs.lookup(name)
    except LookupError:
        return None
    return name
