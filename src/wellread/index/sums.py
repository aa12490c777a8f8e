"""Notes about index files: small JSON files that say what larger ones must hold, so that a flipped bit in either is seen.

CRC-32 (the one of zlib and gzip) finds every damage that lies within 32 bits and all but one in four thousand million of the rest. It is
no protection against someone who means to deceive.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PIECE = 1 << 22


def file_sum(path: Path) -> tuple[int, int]:
    """Size in bytes and CRC-32 of a file. Raises `OSError` when it cannot be read."""
    size = total = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            total = zlib.crc32(piece, total)
    return size, total


def write_note(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` (what JSON can hold) under their own sum. Killed at any moment, the old file or the new one is there."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**values, "sum": _sum(values)}), encoding="utf-8")
    temporary.replace(path)


def read_note(path: Path) -> dict[str, Any] | None:
    """The values of a note, or None when there is none that can be believed."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return values if values.pop("sum") == _sum(values) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sum(values: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())
