"""Outlook messages, in compound files that are written here byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read import media
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.mail import read_mail
from wellread.read.outlook import read_outlook, unpacked_rtf
from wellread.read.unpack import unpack

Tree = Mapping[str, Union[bytes, "Tree"]]

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
# the example of MS-OXRTFCP, section 4.1
PACKED = bytes.fromhex("2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0")


def compound(tree: Tree) -> bytes:
    """A compound file (MS-CFB) of 512-byte sectors; every stream is filled up with zeros to the size that needs no mini stream."""
    entries: list[list[object]] = []
    streams: list[tuple[int, bytes]] = []

    def add(name: str, value: bytes | Tree, kind: int) -> int:
        at = len(entries)
        entries.append([name, kind, _FREE, _FREE, 0, 0])  # name, kind, right sibling, child, first sector, size
        if isinstance(value, bytes):
            streams.append((at, value.ljust(4096, b"\0")))
        else:
            kids = [add(key, inner, 2 if isinstance(inner, bytes) else 1) for key, inner in value.items()]
            entries[at][3] = kids[0] if kids else _FREE
            for left, right in pairwise(kids):
                entries[left][2] = right
        return at

    add("Root Entry", tree, 5)
    body, chain = b"", []
    for at, data in streams:
        count = -(-len(data) // 512)
        entries[at][4], entries[at][5] = len(chain), len(data)
        chain += [*range(len(chain) + 1, len(chain) + count), _END]
        body += data.ljust(count * 512, b"\0")
    directory = b"".join(_entry(*entry) for entry in entries)
    count = -(-len(directory) // 512)
    first = len(chain)
    chain += [*range(first + 1, first + count), _END]
    body += directory.ljust(count * 512, b"\0")
    fats = next(n for n in range(1, 110) if n * 128 >= len(chain) + n)
    where = list(range(len(chain), len(chain) + fats))
    chain += [_FAT] * fats
    table = b"".join(struct.pack("<I", sector) for sector in chain).ljust(fats * 512, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, fats, first, 0, 4096, _END, 0, _END, 0)
    head += b"".join(struct.pack("<I", sector) for sector in where).ljust(436, b"\xff")
    return head + body + table


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    return (
        raw.ljust(64, b"\0") + struct.pack("<HBB3I", len(raw), kind, 1, _FREE, right, child) + bytes(36) + struct.pack("<IQ", start, size)
    )


def text(tag: int, value: str) -> dict[str, bytes]:
    return {f"__substg1.0_{tag:04X}001F": value.encode("utf-16-le")}


def fixed(header: int, values: Mapping[int, int]) -> dict[str, bytes]:
    rows = b"".join(struct.pack("<HHIQ", 3, tag, 6, value) for tag, value in values.items())
    return {"__properties_version1.0": bytes(header) + rows}


SENT = {0x0039: 133_722_596_960_000_000}  # 100 ns since 1601: 1 October 2024, 12:34:56
LINES = {**text(0x0037, "季度报告"), **text(0x0C1A, "Ann"), **text(0x5D01, "ann@example.com"), **text(0x0E04, "Bob"), **fixed(32, SENT)}


def read(tree: Tree) -> Content:
    data = compound(tree)
    assert media.sniff(data, "x.msg") == media.MSG
    return read_outlook(data, "x.msg", Limits())


def test_a_message_reads_as_a_mail_does() -> None:
    content = read({**LINES, **text(0x1000, "Elks eat.\r\nMoss grows.")})
    assert content.text == (
        "Subject: 季度报告\nFrom: Ann <ann@example.com>\nTo: Bob\nDate: Tue, 01 Oct 2024 12:34:56 +0000\n\nElks eat.\nMoss grows."
    )
    assert content.title == "季度报告"


def test_the_headers_it_was_sent_with_go_first() -> None:
    sent = "Received: x\r\nFrom: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>\r\nTo: a@example.com\r\nDate: today\r\n\r\n"
    content = read({**LINES, **text(0x007D, sent), **text(0x1000, "x")})
    assert content.text == "Subject: 季度报告\nFrom: Jürgen <j@example.com>\nTo: a@example.com\nDate: today\n\nx"


def test_html_is_read_where_the_plain_text_says_nothing() -> None:
    page = "<html><body><h1>麋鹿</h1><p>吃树叶</p></body></html>".encode("gbk")
    content = read({**text(0x1000, " "), "__substg1.0_10130102": page, **fixed(32, {0x3FDE: 936})})
    assert content.text == "麋鹿\n\n吃树叶"
    assert [heading.title for heading in content.headings] == ["麋鹿"]


def test_rich_text_is_read_where_there_is_nothing_else() -> None:
    assert unpacked_rtf(PACKED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    raw = rb"{\rtf1\ansi plain words}"
    assert unpacked_rtf(struct.pack("<IIII", len(raw) + 12, len(raw), 0x414C454D, 0) + raw) == raw
    assert read({"__substg1.0_10090102": PACKED}).text == "hello world"


def test_texts_in_a_code_page() -> None:
    content = read(
        {"__substg1.0_0037001E": "季度报告".encode("gbk"), "__substg1.0_1000001E": "麋鹿".encode("gbk"), **fixed(32, {0x3FFD: 936})}
    )
    assert content.text == "Subject: 季度报告\n\n麋鹿"


def test_attachments_and_messages_inside() -> None:
    payload = bytes(range(256)) * 20
    inner: Tree = {
        **text(0x0037, "On moss"),
        **text(0x1000, "Moss grows."),
        **fixed(24, SENT),
        "__attach_version1.0_#00000000": {**text(0x3707, "deep.bin"), "__substg1.0_37010102": payload, **fixed(8, {})},
    }
    data = compound(
        {
            **LINES,
            **text(0x1000, "x"),
            "__attach_version1.0_#00000001": {**text(0x3001, "On moss"), "__substg1.0_3701000D": inner, **fixed(8, {0x3705: 5})},
            "__attach_version1.0_#00000000": {**text(0x3707, "C:\\tmp\\季度.csv"), "__substg1.0_37010102": payload, **fixed(8, {})},
        }
    )
    assert "\nAttachments: 季度.csv, On moss.eml\n\nx" in read_outlook(data, "x.msg", Limits()).text
    first, second = unpack(data, "x.msg", media.MSG, Limits())
    assert (first.name, first.data) == ("季度.csv", payload)
    assert second.name == "On moss.eml"
    content = read_mail(second.data, second.name, Limits())
    assert content.text == "Subject: On moss\nDate: Tue, 01 Oct 2024 12:34:56 +0000\nAttachments: deep.bin\n\nMoss grows."
    assert [(member.name, member.data) for member in unpack(second.data, second.name, media.EML, Limits())] == [("deep.bin", payload)]


def test_a_stream_that_goes_in_circles_is_refused() -> None:
    data = bytearray(compound({**LINES, **text(0x1000, "x")}))
    at = data.index("__substg1.0_1000001F".encode("utf-16-le"))
    struct.pack_into("<Q", data, at + 120, 1 << 31)
    with pytest.raises(ReadError) as caught:
        read_outlook(bytes(data), "x.msg", Limits())
    assert caught.value.reason == "damaged"


_WHOLE = compound({**LINES, **text(0x1000, "x"), "__attach_version1.0_#00000000": {**text(0x3707, "a.txt"), **fixed(8, {})}})


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(_WHOLE)))
@settings(max_examples=150, deadline=None)
def test_broken_messages_are_read_or_refused(changes: list[tuple[int, int]], cut: int) -> None:
    raw = bytearray(_WHOLE)
    for at, byte in changes:
        raw[at] = byte
    for data in (bytes(raw), bytes(raw[:cut])):
        try:
            read_outlook(data, "x.msg", Limits())
            list(unpack(data, "x.msg", media.MSG, Limits()))
        except ReadError as error:
            assert error.reason in ("damaged", "too_large")
