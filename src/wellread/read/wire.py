"""Documents and errors on the wire between a reading child and its parent: length-prefixed JSON, never pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.types import Document, Page, Section

_LENGTH = struct.Struct(">Q")
_LONGEST_HEAD = 1 << 20
_LONGEST_REPLY = 1 << 31


def send(stream: IO[bytes], *frames: bytes) -> None:
    """Write frames, each after its length in eight bytes."""
    for frame in frames:
        stream.write(_LENGTH.pack(len(frame)))
        stream.write(frame)
    stream.flush()


def receive(stream: IO[bytes], longest: int = _LONGEST_REPLY) -> bytes | None:
    """The next frame, or None where the stream ends or holds none that could be meant."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > longest:
        return None
    frame = stream.read(length)
    return frame if len(frame) == length else None


def send_task(stream: IO[bytes], data: bytes, name: str, source: str, limits: Limits) -> None:
    """Ask a child to parse `data`."""
    head = {"name": name, "source": source, "limits": asdict(limits)}
    send(stream, json.dumps(head).encode("ascii"), data)


def receive_task(stream: IO[bytes]) -> tuple[bytes, str, str, Limits] | None:
    """What the parent asks for next, or None when it has gone."""
    head = receive(stream, _LONGEST_HEAD)
    data = receive(stream) if head is not None else None
    if head is None or data is None:
        return None
    told = json.loads(head)
    return data, told["name"], told["source"], Limits(**told["limits"])


def pack(result: Document | ReadError) -> bytes:
    """A result as a frame. Lone surrogates, as odd file names have, survive."""
    if isinstance(result, ReadError):
        told: dict[str, Any] = {"error": {"message": result.message, "reason": result.reason, "hint": result.hint}}
    else:
        told = {
            "id": result.id,
            "source": result.source,
            "title": result.title,
            "media_type": result.media_type,
            "text": result.text,
            "pages": [(page.index, page.label, page.start, page.end, page.size) for page in result.pages],
            "sections": [(section.level, section.title, section.start, section.end) for section in result.sections],
            "warnings": result.warnings,
        }
    return json.dumps(told, ensure_ascii=False).encode("utf-8", errors="surrogatepass")


def unpack(frame: bytes) -> Document | ReadError:
    """The result in a frame. Raises `ValueError`, `KeyError` or `TypeError` for a frame that `pack` did not make."""
    told: Mapping[str, Any] = json.loads(frame.decode("utf-8", errors="surrogatepass"))
    if "error" in told:
        error = told["error"]
        return ReadError(error["message"], reason=error["reason"], hint=error["hint"])
    return Document(
        id=told["id"],
        source=told["source"],
        title=told["title"],
        media_type=told["media_type"],
        text=told["text"],
        pages=tuple(Page(index, label, start, end, tuple(size) if size else None) for index, label, start, end, size in told["pages"]),
        sections=tuple(Section(level, title, start, end) for level, title, start, end in told["sections"]),
        warnings=tuple(told["warnings"]),
    )
