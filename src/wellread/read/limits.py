"""How much one file may cost."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may cost before it is refused.

    `cpu_seconds` is processor time and stops a reader that loops; `wall_seconds` is only a backstop for one that sleeps.
    `memory_bytes` is the address space of the reading process. The `unpacked` limits hold for formats that are zip archives and are
    checked before anything is unpacked; `unpacked_ratio`, bytes out per byte in, does not count below a megabyte; `unpacked_depth` is
    how deeply archives and mails may lie in one another. Of a scan, `ocr_pages` pages are recognised at `ocr_seconds` each, and
    pictures of more than `ocr_pixels` are made smaller first.
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
    unpacked_depth: int = 3
    ocr_pages: int = 100
    ocr_seconds: int = 30
    ocr_pixels: int = 20 * MEGABYTE
