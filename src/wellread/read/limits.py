"""How much one file may cost."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may cost before it is refused.

    `cpu_seconds` is processor time and stops a reader that loops; `wall_seconds` is only a backstop for one that sleeps.
    `memory_bytes` is the address space of the reading process. The `unpacked` limits hold for formats that are zip archives and are
    checked before anything is unpacked; `unpacked_ratio`, bytes out per byte in, does not count below a megabyte.
    """

    file_bytes: int = 50 * MEGABYTE
    pages: int = 2_000
    text_chars: int = 20_000_000
    cpu_seconds: int = 60
    wall_seconds: float = 600.0
    memory_bytes: int = 2 * 1024**3
    unpacked_bytes: int = 200 * MEGABYTE
    unpacked_ratio: int = 100
    unpacked_entries: int = 2_000
