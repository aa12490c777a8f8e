"""Files at addresses of their own: https, or http where the bytes are known beforehand or the server is this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from wellread.errors import UsageError
from wellread.models.catalog import Address
from wellread.models.download import Network, SourceFailed, connect, download, read_page, shown
from wellread.types import Bytes, Progress

_PART = "address.part"
_HERE = ("localhost", "127.0.0.1", "::1")
_FRAGMENT = re.compile(r"sha256[=:]([0-9a-f]{64})", re.IGNORECASE)


def parse_address(text: str) -> tuple[Address, str, str | None]:
    """An address as a person gave it: the address, the name of the file, and its sha256 where that stands behind it ("#sha256=...").

    Raises `UsageError` for one that is none, and for plain http without a digest: anyone on the way could change such a file.
    """
    url, _, fragment = text.partition("#")
    parts = urlsplit(url)
    digest = _FRAGMENT.fullmatch(fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or (fragment and not digest):
        raise UsageError(
            f"{text} is not the address of a file.", hint="it looks like https://host/model.gguf or https://host/model.gguf#sha256=..."
        )
    if parts.scheme == "http" and not digest and parts.hostname not in _HERE:
        raise UsageError(f"{shown(url)} is not encrypted.", hint="use https, or say which bytes are meant: http://...#sha256=DIGEST")
    name = unquote(PurePosixPath(parts.path).name) or "model"
    return Address(url, shown(url)), re.sub(r"[^\w. -]", "_", name)[:120], digest[1].lower() if digest else None


def candidates(source: Address, size: int, folder: Path, environ: Mapping[str, str], progress: Progress) -> Iterator[Path]:
    """The file, downloaded into `folder`; the caller checks its digest. `size` is in bytes (0: unknown). Raises `SourceFailed`."""
    part = folder / _PART
    label = source.label.rpartition("/")[2]
    with connect(_network(environ)) as client:
        download(client, source.url, part, lambda done, total: progress(label, Bytes(done), Bytes(total)), size=size or None)
    yield part


def arrived(source: Address, folder: Path, environ: Mapping[str, str], progress: Progress) -> Path:
    """The file of an address that nobody published a digest of, whole. Raises `SourceFailed`.

    A download that was begun goes on only where the server says that the file is the same (a strong ETag, RFC 9110, section 8.8.3).
    """
    part, mark = folder / _PART, folder / "address.etag"
    with connect(_network(environ)) as client:
        page = read_page(client, source.url, {"Accept-Encoding": "identity"}, method="HEAD")
        if urlsplit(source.url).scheme == "https" and urlsplit(page.url).scheme != "https":
            raise SourceFailed(f"{source.label} leads to {shown(page.url)}, which is not encrypted")
        etag = page.headers.get("etag", "")
        if part.exists() and (not etag.startswith('"') or not mark.exists() or mark.read_text("utf-8") != etag):
            part.unlink()
        mark.write_text(etag, "utf-8")
        label, length = source.label.rpartition("/")[2], page.headers.get("content-length", "")
        size = int(length) if length.isdigit() else None
        download(client, source.url, part, lambda done, total: progress(label, Bytes(done), Bytes(total)), size=size)
    return part


def _network(environ: Mapping[str, str]) -> Network:
    return Network(cert=environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None)
