"""Zip archives are measured before anything in them is unpacked."""

from __future__ import annotations

import io
import zipfile

from wellread.read.limits import MEGABYTE, Limits
from wellread.read.refuse import refusal


def open_zip(data: bytes, name: str, limits: Limits) -> zipfile.ZipFile:
    """The archive in `data`, once its own directory says that it stays within the limits.

    A directory that lies does no harm: no more is unpacked of an entry than it declares. Raises `ReadError` "damaged", "too_large"
    or "encrypted".
    """
    if data.count(b"PK\x01\x02") > 50 * limits.unpacked_entries:  # to list them would take long already
        raise refusal(
            "too_large", name, f"it holds more than {50 * limits.unpacked_entries:,} parts, and the limit is {limits.unpacked_entries:,}"
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise refusal("damaged", name, "its zip directory cannot be read, it may be cut short") from error
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > limits.unpacked_entries:
        raise refusal("too_large", name, f"it holds {len(entries):,} parts, and the limit is {limits.unpacked_entries:,}")
    if unpacked > limits.unpacked_bytes:
        raise refusal("too_large", name, f"it unpacks to {unpacked:,} bytes, and the limit is {limits.unpacked_bytes:,}")
    if unpacked > MEGABYTE and unpacked > limits.unpacked_ratio * len(data):
        raise refusal(
            "too_large", name, f"it unpacks to {unpacked // len(data):,} times its size, and the limit is {limits.unpacked_ratio}"
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise refusal("encrypted", name)
    return archive
