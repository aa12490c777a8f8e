"""What a file is, is told by its content."""

from __future__ import annotations

import io
import zipfile

import pytest

from wellread.errors import ReadError
from wellread.read.media import DOCX, ENCRYPTED_OFFICE, HTML, MARKDOWN, PDF, PLAIN, XLSX, sniff

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500


def zipped(*names: str, **contents: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
        for name, data in contents.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"%PDF-1.7\n\xe2\xe3", "a.txt.bak", PDF),
        (b"junk before\n%PDF-1.4\n\x00", "a", PDF),
        (b"<!DOCTYPE html><p>x", "report.pdf", HTML),
        (b"\xef\xbb\xbf  <!-- made by hand -->\n<HTML lang='en'>", "x", HTML),
        ("<html><p>wide".encode("utf-16"), "x.bin", HTML),
        (b'<?xml version="1.0"?><!doctype html><html>', "x.xml", HTML),
        (b"<p>a fragment", "x.html", HTML),
        (b"# Title", "x.MD", MARKDOWN),
        (b"import os", "x.py", "text/x-python"),
        (b'PAGE = "%PDF-1.4"', "x.py", "text/x-python"),
        (b"some words", "README", PLAIN),
        (b"some words", "x.unheardof", PLAIN),
        ("wörter".encode("cp1252"), "x.txt", PLAIN),
        ("wide words".encode("utf-16-le"), "x.txt", PLAIN),
        (b"BMW is a maker of cars", "x.txt", PLAIN),
        (b"a,b\n1,2", "x.csv", "text/csv"),
        (zipped("word/document.xml"), "x.pdf", DOCX),
        (zipped("xl/workbook.xml"), "x.docx", XLSX),
        (zipped("a.txt"), "x.zip", "application/zip"),
        (zipped(mimetype=b"application/epub+zip"), "x", "application/epub+zip"),
        (OLE, "x.doc", "application/msword"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "x.docx", ENCRYPTED_OFFICE),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "x.pdf", "image/png"),
        (b"\x00\x01\x02\x03" * 99, "x.pdf", PDF),
    ],
)
def test_content_first_then_suffix(data: bytes, name: str, expected: str) -> None:
    assert sniff(data, name) == expected


def test_binary_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ReadError) as caught:
        sniff(bytes(range(256)) * 4, "x.blob")
    assert caught.value.reason == "unknown_type"
    assert caught.value.hint


def test_nothing_is_empty() -> None:
    with pytest.raises(ReadError) as caught:
        sniff(b"", "x.txt")
    assert caught.value.reason == "empty"
