"""Bytes become canonical text: one encoding rule and one set of forbidden characters for every format."""

from __future__ import annotations

import codecs
import re

_MARKS = (  # the four-byte marks first: UTF-32-LE begins with the mark of UTF-16-LE
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_SAMPLE = 256 * 1024


def clean(text: str) -> str:
    """Text as a Document may hold it: newlines are "\\n"; NUL and lone surrogates became U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("\ufffd", text)


def byte_order_mark(data: bytes) -> str | None:
    """The encoding that a byte order mark announces."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    return None


def wide(data: bytes) -> str | None:
    """UTF-16 without a mark, known by the zero bytes that Latin text has in every second place."""
    sample = data[:4096]
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    even, odd = sample[0::2], sample[1::2]
    even_zeros, odd_zeros = even.count(0) / len(even), odd.count(0) / len(odd)
    if odd_zeros > 0.4 and even_zeros < 0.05:
        encoding = "utf-16-le"
    elif even_zeros > 0.4 and odd_zeros < 0.05:
        encoding = "utf-16-be"
    else:
        return None
    controls = sum(char < " " and char not in "\t\n\f\r" for char in sample.decode(encoding, errors="replace"))
    return encoding if controls <= len(sample) // 100 else None


def decode(data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """The text of `data`, and a warning when some bytes had to be replaced.

    A byte order mark wins, then the declared encoding, then UTF-8, then the best guess of charset-normalizer.
    """
    mark = byte_order_mark(data)
    for encoding in (mark,) if mark else (declared, wide(data), "utf-8"):
        if encoding is None:
            continue
        try:
            return clean(data.decode(encoding)), None
        except (UnicodeDecodeError, LookupError):
            continue
    encoding = mark or wide(data) or _guess(data)  # one bad sign in a file does not make all of it something else
    text = data.decode(encoding, errors="replace")
    lost = text.count("\ufffd")
    warning = f"{lost} characters could not be decoded (the encoding looks like {encoding})" if lost else None
    return clean(text), warning


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = _sample(data)
    guesses = list(from_bytes(sample))
    if not guesses:
        return "cp1252"
    level = [guess for guess in guesses if guess.chaos <= guesses[0].chaos + 0.01]
    unsure = len(str(guesses[0])) == len(sample) and not any(guess.coherence for guess in level)  # a byte a letter, no language seen
    # without evidence for another, the encoding that most such files have
    return "cp1252" if unsure or any(guess.encoding == "cp1252" for guess in level) else guesses[0].encoding


def _sample(data: bytes) -> bytes:
    """The stretch that shows the encoding: from the first byte that is not ASCII."""
    if len(data) <= _SAMPLE:
        return data
    first = next((at for at in range(0, len(data), 4096) if not data[at : at + 4096].isascii()), 0)
    return data[first : first + _SAMPLE]
