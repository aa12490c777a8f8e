"""Where the members of an archive wait to be read: on disk, in a file without a name, so that nothing is left behind."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class Spooled:
    """Bytes that were put away: where they begin and how many they are."""

    start: int
    size: int


class Spool:
    """Bytes put away by one thread and taken by others. The disk space is free again after `close`, or when the process dies."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._end = 0

    def put(self, data: bytes) -> Spooled:
        """Put bytes away. Raises `OSError` when the disk is full."""
        with self._lock:
            if self._file is None:  # most files are no archives
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
            self._file.seek(self._end)
            self._file.write(data)
            spooled = Spooled(self._end, len(data))
            self._end += len(data)
        return spooled

    def take(self, spooled: Spooled) -> bytes:
        """The bytes that `put` put away."""
        with self._lock:
            assert self._file is not None
            self._file.seek(spooled.start)
            return self._file.read(spooled.size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
