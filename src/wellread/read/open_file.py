"""A file's bytes, taken once and with care: only regular files are read."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.refuse import refusal

if sys.platform == "win32":
    _FLAGS = os.O_RDONLY | os.O_BINARY
else:
    _FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # opening a pipe would otherwise wait until someone writes to it


def file_bytes(path: Path, limits: Limits) -> bytes:
    """All bytes of a regular file.

    Raises `ReadError` "missing", "unreadable", "not_a_file", "empty" or "too_large".
    """
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError as error:
        raise refusal("missing", str(path)) from error
    except PermissionError as error:
        raise refusal("unreadable", str(path), error.strerror or "no permission") from error
    except (OSError, ValueError) as error:
        reason = "not_a_file" if path.exists() and not path.is_file() else "unreadable"
        raise refusal(reason, str(path), str(error)) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise refusal("not_a_file", str(path))
    with os.fdopen(handle, "rb") as file:
        if status.st_size > limits.file_bytes:
            raise _too_large(path, status.st_size, limits)
        try:
            data = file.read(limits.file_bytes + 1)
        except OSError as error:
            raise refusal("unreadable", str(path), error.strerror or "it cannot be read") from error
    if len(data) > limits.file_bytes:  # it grew, or the system does not tell sizes
        raise _too_large(path, len(data), limits)
    if not data:
        raise refusal("empty", path.name)
    return data


def _too_large(path: Path, size: int, limits: Limits) -> ReadError:
    return refusal("too_large", path.name, f"{size:,} bytes, and the limit is {limits.file_bytes:,}")
