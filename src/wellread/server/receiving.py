"""Files that a request brings: streamed to a folder of their own, within limits, and all of them or none.

As multipart/form-data (RFC 7578), or one file as the body, whose name is in a header.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from starlette.requests import Request

from wellread.server.errors import Refused, wrong
from wellread.server.names import file_name
from wellread.server.runtime import Bounds

NAME_HEADER = "x-file-name"
"""Holds the name of a file that is the whole body, percent-encoded UTF-8."""

_PIECE = 1 << 20
_ROOM = 64 << 20
"""Bytes that stay free on a disk."""


async def receive(request: Request, bounds: Bounds, folder: Path, largest: int) -> list[str]:
    """Write the files of a request into `folder`, which is made, and return their names. None of them may have more than `largest` bytes.

    Raises `Refused` for what is too large, has a bad name or does not arrive; then the folder is gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    _check_declared(request, bounds, folder)
    files = _Files(folder, largest)
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True)
        if kind == "multipart/form-data":
            parts = _Parts(request.headers["content-type"], files)
            async for piece in _pieces(request, bounds):
                await asyncio.to_thread(parts.add, piece)
            await asyncio.to_thread(parts.end)
        elif request.headers.get(NAME_HEADER):
            files.begin(_decoded(request.headers[NAME_HEADER]))
            async for piece in _pieces(request, bounds):
                await asyncio.to_thread(files.add, piece)
            await asyncio.to_thread(files.end)
        else:
            raise Refused(415, "unsupported_media_type", "no file came", hint=f"send multipart/form-data, or a body and {NAME_HEADER}")
        if not files.names:
            raise wrong(None, "no file came", hint="as in: curl -F file=@report.pdf")
    except BaseException as error:
        with suppress(OSError):  # what could not be written is no reason to leave the rest
            files.close()
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, True))
        if isinstance(error, OSError):
            raise Refused(507, "disk_full", f"the files cannot be written: {error.strerror}") from None
        raise
    return files.names


def _check_declared(request: Request, bounds: Bounds, folder: Path) -> None:
    """Raise `Refused` for a body that is said to be too large before any of it is read."""
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 1 << 62
    if size > bounds.upload_bytes:
        raise _too_large(bounds)
    there = next(parent for parent in folder.parents if parent.exists())
    if shutil.disk_usage(there).free < size + _ROOM:
        raise Refused(507, "disk_full", "there is no room left on the server's disk")


def _too_large(bounds: Bounds) -> Refused:
    return Refused(
        413, "request_too_large", f"the request is larger than {bounds.upload_bytes >> 20} MiB", hint="send fewer files at a time"
    )


async def _pieces(request: Request, bounds: Bounds) -> AsyncIterator[bytes]:
    """The body, in pieces of some size; each must come within the time that a whole small request may take."""
    stream = request.stream()
    kept: list[bytes] = []
    size = held = 0
    while True:
        try:
            async with asyncio.timeout(bounds.body_s):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Refused(408, "timeout", f"nothing came for {bounds.body_s:.0f} seconds") from None
        if piece is None:
            break
        size += len(piece)
        held += len(piece)
        if size > bounds.upload_bytes:
            raise _too_large(bounds)
        kept.append(piece)
        if held >= _PIECE:
            yield b"".join(kept)
            kept, held = [], 0
    if kept:
        yield b"".join(kept)


def _decoded(name: str) -> str:
    """A percent-encoded name, decoded once."""
    try:
        return urllib.parse.unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise wrong(None, f"{NAME_HEADER} is not percent-encoded UTF-8", code="invalid_name") from None


class _Files:
    """Files being written to a folder, one at a time."""

    def __init__(self, folder: Path, largest: int) -> None:
        self.names: list[str] = []
        self._folder = folder
        self._largest = largest
        self._file: BinaryIO | None = None
        self._size = 0

    def begin(self, name: str) -> None:
        checked = file_name(name)
        if checked.casefold() in {each.casefold() for each in self.names}:
            raise wrong(None, "two files have the same name", code="invalid_name")
        if len(self.names) >= _MOST_FILES:
            raise Refused(413, "request_too_large", f"more than {_MOST_FILES} files came", hint="send fewer at a time")
        self.names.append(checked)
        self._size = 0
        handle = os.open(self._folder / checked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")

    def add(self, data: bytes) -> None:
        assert self._file is not None  # one was begun
        self._size += len(data)
        if self._size > self._largest:
            raise Refused(
                413, "file_too_large", f"a file is larger than {self._largest / 1e6:.0f} MB", hint="set --max-file-mb on the server"
            )
        self._file.write(data)

    def end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


_MOST_FILES = 1_000


@dataclass
class _Parts:
    """The parts of a multipart body as its bytes come in: each with a file name is a file, any other must be empty of meaning: none is
    known."""

    content_type: str
    files: _Files
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _disposition: bytes = b""
    _ended: bool = False

    def __post_init__(self) -> None:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        boundary = parse_options_header(self.content_type)[1].get(b"boundary")
        if not boundary:
            raise wrong(None, "the multipart request names no boundary", code="invalid_multipart")
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._name,
            "on_part_data": lambda data, start, end: self.files.add(data[start:end]),
            "on_part_end": self.files.end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise _broken() from None

    def add(self, piece: bytes) -> None:
        from python_multipart.exceptions import FormParserError

        try:
            self._parser.write(piece)
        except FormParserError:
            raise _broken() from None

    def end(self) -> None:
        """All bytes are here. Raises `Refused` where the last boundary is not among them."""
        if not self._ended:
            raise _broken()

    def _begin(self) -> None:
        self._disposition = b""

    def _header_end(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            self._disposition = bytes(value)
        name.clear()
        value.clear()

    def _name(self) -> None:
        from python_multipart.multipart import parse_options_header

        given = parse_options_header(self._disposition.decode("latin-1"))[1].get(b"filename")
        if given is None:
            raise wrong(None, "a part of the request is no file", hint="as in: curl -F file=@report.pdf", code="invalid_multipart")
        try:
            self.files.begin(given.decode())
        except UnicodeDecodeError:
            raise wrong(None, "a file name is not UTF-8", code="invalid_name") from None

    def _end(self) -> None:
        self._ended = True


def _broken() -> Refused:
    return wrong(None, "the request is not valid multipart/form-data", code="invalid_multipart")
