"""Outlook messages (MSG): a tree of properties in a compound file (MS-OXMSG), read as an e-mail is."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from wellread.read.blocks import Blocks
from wellread.read.code_pages import code_page
from wellread.read.content import Content
from wellread.read.decode import clean, decode
from wellread.read.limits import Limits
from wellread.read.mail import Letter, html_blocks, is_stub, letter_content, plain_blocks
from wellread.read.mail_words import header_text
from wellread.read.refuse import refusal
from wellread.read.rtf import read_rtf

_SUBJECT, _BODY, _HTML, _RTF, _HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
_SENDER, _SENDER_SMTP, _SENDER_ADDRESS, _SENT_FOR = 0x0C1A, 0x5D01, 0x0C1F, 0x0042
_TO, _CC, _SUBMITTED, _DELIVERED = 0x0E04, 0x0E03, 0x0039, 0x0E06
_INTERNET_PAGE, _MESSAGE_PAGE = 0x3FDE, 0x3FFD
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _DATA = 0x3707, 0x3704, 0x3001, 0x3701
_ATTACHMENT = "__attach_version1.0_"
_FIXED = "__properties_version1.0"
_EMBEDDED = f"__substg1.0_{_DATA:04X}000D"
_STORAGE = 1  # the kind of an entry in the directory, MS-CFB 2.6.1
_DEEPEST = 5
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ODD = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError)
_RTF_START = (  # MS-OXRTFCP 2.1.2.1: what the dictionary holds at first
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArial"
    rb"Times New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


@dataclass(slots=True)
class _Folder:
    """A storage of the compound file: its streams and storages by name. Streams are read when asked for."""

    path: tuple[str, ...]
    ole: Any
    streams: dict[str, str] = field(default_factory=dict)  # by the name in capitals
    folders: dict[str, _Folder] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        found = self.streams.get(name.upper())
        return b"" if found is None else bytes(self.ole.openstream([*self.path, found]).read())

    def data(self, tag: int) -> bytes:
        """A property that is bytes."""
        return self.read(f"__substg1.0_{tag:04X}0102")

    def text(self, tag: int) -> str:
        """A property that is text, in UTF-16 or in the code page of the message."""
        wide = self.read(f"__substg1.0_{tag:04X}001F")
        if wide:
            return clean(wide.decode("utf-16-le", errors="replace").rstrip("\x00"))
        raw = self.read(f"__substg1.0_{tag:04X}001E").rstrip(b"\x00")
        return decode(raw, self.encoding(_MESSAGE_PAGE, _INTERNET_PAGE))[0] if raw else ""

    def encoding(self, *tags: int) -> str | None:
        """The encoding that the first known of these properties gives."""
        for tag in tags:
            number = int.from_bytes(self.fixed(tag)[:4], "little")
            if number and (name := code_page(number)):
                return name
        return None

    def fixed(self, tag: int) -> bytes:
        """The eight bytes of a property that has no stream of its own, or none."""
        table = self.read(_FIXED)
        header = 32 if not self.path else 8 if self.path[-1].startswith(_ATTACHMENT) else 24
        for at in range(header, len(table) - 15, 16):
            if struct.unpack_from("<H", table, at + 2)[0] == tag:
                return table[at + 8 : at + 16]
        return b""


def read_outlook(data: bytes, name: str, limits: Limits) -> Content:
    """The same text as of an e-mail: the header lines, then the plain body, or the HTML or RTF where there is none."""
    with _opened(data, name) as message:
        warnings: list[str] = []
        bodies = _bodies(message, name, limits, warnings)
        attached = [_name(folder) for folder in _attachments(message)]
        return letter_content(Letter(_headers(message), bodies, attached, tuple(warnings)))


def outlook_attachments(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """The files attached to a message, as (name, bytes); a message in it becomes an e-mail (.eml). Raises `ReadError` "damaged"."""
    with _opened(data, name) as message:
        for folder in _attachments(message):
            yield _name(folder), _content(folder, 0)


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[_Folder]:
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            yield _tree(ole, len(data))
    except RecursionError as error:
        raise refusal("damaged", name, "it is nested too deeply") from error
    except _ODD as error:
        raise refusal("damaged", name, "it is not a whole Outlook message") from error


def _tree(ole: Any, longest: int) -> _Folder:
    root = _Folder((), ole)
    waiting = [(ole.root, root)]
    while waiting:
        entry, folder = waiting.pop()
        for kid in entry.kids:
            if kid.entry_type == _STORAGE:
                folder.folders[kid.name] = inner = _Folder((*folder.path, kid.name), ole)
                waiting.append((kid, inner))
            elif kid.size > longest:  # its sectors can only lead in circles
                raise ValueError("a stream that is longer than the file")
            else:
                folder.streams[kid.name.upper()] = kid.name
    return root


def _headers(message: _Folder) -> list[tuple[str, str]]:
    """The lines of the message as it went over the net, where they were kept, or else what Outlook noted."""
    sent = message_from_string(message.text(_HEADERS).lstrip())
    sender, address = message.text(_SENDER), message.text(_SENDER_SMTP) or message.text(_SENDER_ADDRESS)
    noted = f"{sender} <{address}>" if sender and "@" in address and sender != address else sender or address
    told = {"From": noted or message.text(_SENT_FOR), "To": message.text(_TO), "Cc": message.text(_CC), "Date": _date(message)}
    lines = [(key, header_text(str(sent.get(key, ""))) or value) for key, value in told.items()]
    return [("Subject", message.text(_SUBJECT)), *lines]


def _date(message: _Folder) -> str:
    for tag in (_SUBMITTED, _DELIVERED):
        ticks = int.from_bytes(message.fixed(tag), "little")
        if 0 < ticks < 3 * 10**18:
            return format_datetime(_EPOCH + timedelta(microseconds=ticks // 10))
    return ""


def _bodies(message: _Folder, name: str, limits: Limits, warnings: list[str]) -> list[Blocks]:
    plain = plain_blocks(message.text(_BODY))
    markup = message.data(_HTML)
    rich = Blocks("")
    if markup:
        rich = html_blocks(markup, message.encoding(_INTERNET_PAGE, _MESSAGE_PAGE), name, warnings)
    elif text := message.text(_HTML):
        rich = html_blocks(text.encode("utf-8"), "utf-8", name, warnings)
    elif not plain.text.strip() and (packed := message.data(_RTF)):
        content = read_rtf(unpacked_rtf(packed), name, limits)
        rich = Blocks(content.text, content.headings, content.regions)
        warnings += content.warnings
    return [rich] if rich.text.strip() and is_stub(plain, rich) else [plain]


def _attachments(message: _Folder) -> list[_Folder]:
    return [folder for key, folder in sorted(message.folders.items()) if key.startswith(_ATTACHMENT)]


def _name(folder: _Folder) -> str:
    told = folder.text(_LONG_NAME) or folder.text(_SHORT_NAME) or folder.text(_SHOWN_NAME)
    shown = " ".join(told.replace("\\", "/").rpartition("/")[2].split()) or f"attachment {int(folder.path[-1][-8:], 16) + 1}"
    return f"{shown}.eml" if _EMBEDDED in folder.folders and not shown.lower().endswith(".eml") else shown


def _content(folder: _Folder, depth: int) -> bytes:
    inner = folder.folders.get(_EMBEDDED)
    return folder.data(_DATA) if inner is None else _as_mail(inner, depth + 1)


def _as_mail(message: _Folder, depth: int) -> bytes:
    """A message inside another, which is no file of its own, as an e-mail with the same lines, bodies and attachments."""
    lines = [f"{key}: {Header(' '.join(value.split()), 'utf-8').encode()}\n" for key, value in _headers(message) if value]
    mail = EmailMessage()
    mail.set_content(clean(message.text(_BODY)))
    markup = message.data(_HTML)
    text = decode(markup, message.encoding(_INTERNET_PAGE, _MESSAGE_PAGE))[0] if markup else message.text(_HTML)
    if text:
        mail.add_alternative(text, subtype="html")
    for folder in _attachments(message) if depth < _DEEPEST else ():
        mail.add_attachment(_content(folder, depth), maintype="application", subtype="octet-stream", filename=_name(folder))
    return "".join(lines).encode("ascii") + mail.as_bytes()


def unpacked_rtf(data: bytes) -> bytes:
    """Compressed RTF undone (MS-OXRTFCP): copies from a ring of 4,096 bytes. What is cut short gives what came before the cut."""
    if len(data) < 16:
        return b""
    packed, _, kind = struct.unpack_from("<III", data)
    end = min(len(data), packed + 4)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16:end]
    ring = bytearray(_RTF_START.ljust(4096, b"\x00"))
    write, at, out = len(_RTF_START), 16, bytearray()
    while at < end:
        flags, at = data[at], at + 1
        for bit in range(8):
            if flags >> bit & 1:
                if at + 2 > end:
                    return bytes(out)
                code, at = data[at] << 8 | data[at + 1], at + 2
                offset, length = code >> 4, (code & 15) + 2
                if offset == write:
                    return bytes(out)
                copied = (offset, length)
            elif at < end:
                ring[write], copied, at = data[at], (write, 1), at + 1
            else:
                return bytes(out)
            for step in range(copied[1]):
                byte = ring[(copied[0] + step) % 4096]
                ring[write] = byte
                out.append(byte)
                write = (write + 1) % 4096
    return bytes(out)
