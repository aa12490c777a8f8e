"""Documents, errors and members of archives on the wire between a reading child and its parent: length-prefixed, never pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.types import Document, Page, Region, Section

_LENGTH = struct.Struct(">Q")
_LONGEST_HEAD = 1 << 20
_LONGEST_REPLY = 1 << 31
_RESULT, _MEMBER = b"R", b"M"


@dataclass(frozen=True, slots=True)
class Task:
    """What a child is asked to parse. `unpack` is False where archives lie too deeply in one another."""

    data: bytes
    name: str
    source: str
    limits: Limits
    unpack: bool = True


@dataclass(frozen=True, slots=True)
class Packed:
    """A file inside an archive or a mail: its path there and its bytes, or why it cannot be had."""

    name: str
    data: bytes
    error: ReadError | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a task: the document, the error, or None for an archive, which has no text of its own."""

    outcome: Document | ReadError | None
    container: bool = False


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


def send_task(stream: IO[bytes], task: Task) -> None:
    """Ask a child to parse something."""
    head = {"name": task.name, "source": task.source, "limits": asdict(task.limits), "unpack": task.unpack}
    send(stream, json.dumps(head).encode("ascii"), task.data)


def receive_task(stream: IO[bytes]) -> Task | None:
    """What the parent asks for next, or None when it has gone."""
    head = receive(stream, _LONGEST_HEAD)
    data = receive(stream) if head is not None else None
    if head is None or data is None:
        return None
    told = json.loads(head)
    return Task(data, told["name"], told["source"], Limits(**told["limits"]), told["unpack"])


def pack(reply: Result | Packed) -> bytes:
    """A reply as a frame. Lone surrogates, as odd file names have, survive."""
    if isinstance(reply, Packed):
        head = _json({"name": reply.name, "error": _told_error(reply.error)})
        return _MEMBER + _LENGTH.pack(len(head)) + head + reply.data
    told: dict[str, Any] = {"container": reply.container}
    if isinstance(reply.outcome, ReadError):
        told["error"] = _told_error(reply.outcome)
    elif reply.outcome is not None:
        told["document"] = _told_document(reply.outcome)
    return _RESULT + _json(told)


def unpack(frame: bytes) -> Result | Packed:
    """The reply in a frame. Raises `ValueError`, `KeyError` or `TypeError` for a frame that `pack` did not make."""
    kind, rest = frame[:1], memoryview(frame)[1:]
    if kind == _MEMBER:
        if len(rest) < _LENGTH.size:
            raise ValueError("a member without a name")
        (length,) = _LENGTH.unpack(rest[: _LENGTH.size])
        head = _parsed(rest[_LENGTH.size : _LENGTH.size + length])
        return Packed(head["name"], bytes(rest[_LENGTH.size + length :]), _error(head["error"]))
    if kind != _RESULT:
        raise ValueError("neither a result nor a member")
    told = _parsed(rest)
    if "error" in told:
        return Result(_error(told["error"]), told["container"])
    return Result(_document(told["document"]) if "document" in told else None, told["container"])


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogatepass")


def _parsed(data: memoryview) -> Mapping[str, Any]:
    told = json.loads(str(data, "utf-8", "surrogatepass"))
    if not isinstance(told, dict):
        raise ValueError("not an object")
    return told


def _told_error(error: ReadError | None) -> Mapping[str, Any] | None:
    return None if error is None else {"message": error.message, "reason": error.reason, "hint": error.hint}


def _error(told: Mapping[str, Any] | None) -> ReadError | None:
    return None if told is None else ReadError(told["message"], reason=told["reason"], hint=told["hint"])


def _told_document(document: Document) -> Mapping[str, Any]:
    return {
        "id": document.id,
        "source": document.source,
        "title": document.title,
        "media_type": document.media_type,
        "text": document.text,
        "pages": [(page.index, page.label, page.start, page.end, page.size) for page in document.pages],
        "sections": [(section.level, section.title, section.start, section.end) for section in document.sections],
        "warnings": document.warnings,
        "regions": [(region.start, region.end, region.kind, region.box) for region in document.regions],
        "date": document.date,
    }


def _document(told: Mapping[str, Any]) -> Document:
    return Document(
        id=told["id"],
        source=told["source"],
        title=told["title"],
        media_type=told["media_type"],
        text=told["text"],
        pages=tuple(Page(index, label, start, end, tuple(size) if size else None) for index, label, start, end, size in told["pages"]),
        sections=tuple(Section(level, title, start, end) for level, title, start, end in told["sections"]),
        warnings=tuple(told["warnings"]),
        regions=tuple(Region(start, end, kind, tuple(box) if box else None) for start, end, kind, box in told["regions"]),
        date=told["date"],
    )
