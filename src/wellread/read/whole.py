"""Broken files: whatever they make a parser raise, the refusal is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wellread.errors import ReadError
from wellread.read.refuse import refusal


@contextmanager
def whole(name: str, what: str) -> Iterator[None]:
    """Read a file within this: the parsers of packaged formats meet a broken one with whatever error comes first, and each becomes
    `ReadError` "damaged". Refusals and the want of memory pass.
    """
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception as error:
        raise refusal("damaged", name, f"it is not a whole {what}") from error
