"""Bytes are touched only where a reader would otherwise take them for something else."""

from __future__ import annotations

import codecs

import pytest

from wellread.read.decode import decode
from wellread.read.html import read_html
from wellread.read.limits import Limits
from wellread.web.charset import marked

RUSSIAN = "Съешь же ещё этих мягких французских булок"
PAGE = f"<!DOCTYPE html><title>Т</title><p>{RUSSIAN}"


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", ' "Windows-1251" '),
        (RUSSIAN, "utf-16-le", "utf-16le"),
        (RUSSIAN, "utf-8", "utf-8"),
        (RUSSIAN, "utf-8", "iso-8859-1"),
        ("“naïve” €", "cp1252", "iso-8859-1"),
        ("汉字", "gbk", "GB2312"),
        ("漢字かな", "shift_jis", "Shift_JIS"),
        ("漢字かな", "iso2022_jp", "iso-2022-jp"),
        ("plain", "utf-16-be", "utf-16be"),
    ],
)
def test_the_header_s_encoding_is_read(text: str, encoding: str, charset: str) -> None:
    assert decode(marked(text.encode(encoding), "text/plain", charset)) == (text, None)
    page = f"<!DOCTYPE html><p>{text}"
    assert read_html(marked(page.encode(encoding), "text/html", charset), "a.html", Limits()).text == text


def test_the_header_wins_over_the_page() -> None:
    page = f"<!DOCTYPE html><meta charset=koi8-r><p>{RUSSIAN}"
    for encoding in ("cp1251", "utf-8"):
        assert read_html(marked(page.encode(encoding), "text/html", encoding), "a.html", Limits()).text == RUSSIAN


@pytest.mark.parametrize(
    ("data", "media_type", "charset"),
    [
        (PAGE.encode(), "text/html", "utf-8"),
        (PAGE.encode(), "text/html", None),
        (b"<p>ascii", "text/html", "koi8-r"),
        (codecs.BOM_UTF8 + PAGE.encode(), "text/html", "koi8-r"),
        (f"<meta charset='koi8-r'>{PAGE}".encode("koi8-r"), "text/html", "koi8-r"),
        (f"<?xml version='1.0' encoding='koi8-r'?>{PAGE}".encode("koi8-r"), "text/xml", "utf-8"),
        (PAGE.encode("koi8-r"), "text/html", "utf-8"),
        (PAGE.encode("koi8-r"), "text/html", "no-such"),
        (b"\x89PNG", "image/png", "koi8-r"),
        (RUSSIAN.encode("cp1251"), "text/plain", "punycode"),
        (b"\\u0041\xff", "text/plain", "unicode_escape"),
    ],
)
def test_what_needs_no_help_stays_as_it_is(data: bytes, media_type: str, charset: str | None) -> None:
    assert marked(data, media_type, charset) is data
