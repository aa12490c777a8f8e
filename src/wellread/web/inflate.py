"""Gzip, unpacked in small pieces: a bomb costs no more than what its reader takes (RFC 1952)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from wellread.web.missed import Failure

_BLOCK = 64 * 1024
_MAGIC = b"\x1f\x8b"


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What gzip data holds, at most 64 KiB at a time. Raises `Failure` "damaged" for what is no gzip or is cut short."""
    decoder, members = None, 0
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if decoder is None:
                    if members and rest[:1] != _MAGIC[:1]:
                        return  # padding
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(rest, _BLOCK)
                rest = decoder.unconsumed_tail
                if decoder.eof:
                    rest, decoder, members = decoder.unused_data, None, members + 1
        while decoder is not None and not decoder.eof:
            block = decoder.decompress(b"", _BLOCK)
            if not block:
                raise Failure("damaged", "its gzip data ends early")
            yield block
    except zlib.error:
        raise Failure("damaged", "its gzip data is broken") from None


def collect(pieces: Iterable[bytes], most: int, *, cut: bool = False) -> bytes:
    """All pieces as one. Raises `Failure` "too_large" for more than `most` bytes, or leaves the rest unread where `cut` is set."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most:
            if cut:
                return bytes(body[:most])
            raise Failure("too_large", f"it has more than {most:,} bytes")
    return bytes(body)


def gunzip(data: bytes, most: int) -> bytes:
    """The content of a gzip file, or `data` itself if it is none. Raises `Failure` "too_large" beyond `most` bytes, or "damaged"."""
    if not data.startswith(_MAGIC):
        return data
    return collect(inflated(data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)), most)
