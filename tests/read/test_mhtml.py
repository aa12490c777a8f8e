"""Saved web pages."""

from __future__ import annotations

import base64

import pytest

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.mhtml import read_mhtml

HEAD = b"Snapshot-Content-Location: https://example.com/\nSubject: =?utf-8?Q?Elks=20=E2=9C=93?=\nMIME-Version: 1.0\n"


def part(kind: str, body: bytes, more: str = "") -> bytes:
    lines = base64.encodebytes(body)
    return f"--b\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n{more}\n".encode() + lines


def saved(*parts: bytes, start: str = "") -> bytes:
    return (
        HEAD + b'Content-Type: multipart/related; type="text/html"; boundary="b"' + start.encode() + b"\n\n" + b"".join(parts) + b"--b--\n"
    )


def test_the_page_is_read_and_nothing_else() -> None:
    page = "<html><head><title>Über Elche</title></head><body><h1>Elche</h1><p>äsen</p><img src='cid:1'></body></html>".encode("latin-1")
    data = saved(
        part("text/css", b"p {color: red}"),
        part("text/html; charset=iso-8859-1", page),
        part("image/png", b"\x89PNG", "Content-ID: <1>\n"),
        part("text/html", b"<p>a frame</p>"),
    )
    content = read_mhtml(data, "x.mhtml", Limits())
    assert (content.title, content.text) == ("Über Elche", "Elche\n\näsen")
    assert [(heading.title, heading.start) for heading in content.headings] == [("Elche", 0)]


def test_the_start_and_the_page_itself_say_what_counts() -> None:
    page = '<meta charset="gbk"><p>麋鹿</p>'.encode("gbk")
    data = saved(part("text/html", b"<p>frame</p>"), part("text/html", page, "Content-ID: <root>\n"), start='; start="<root>"')
    content = read_mhtml(data, "x.mhtml", Limits())
    assert (content.title, content.text) == ("Elks ✓", "麋鹿")


def test_an_archive_without_a_page_is_damaged() -> None:
    with pytest.raises(ReadError) as caught:
        read_mhtml(saved(part("image/png", b"\x89PNG")), "x.mhtml", Limits())
    assert caught.value.reason == "damaged"
