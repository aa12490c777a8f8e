"""Plain text and source code: the decoded file is the canonical text, so spans are positions in the file."""

from __future__ import annotations

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits


def read_text(data: bytes, name: str, limits: Limits) -> Content:
    """The file as it is, with newlines normalised."""
    text, warning = decode(data)
    return Content(text=text, warnings=(warning,) if warning else ())
