"""From a URL to a file: resumable, bounded, and plain about why it failed.

A download is a file that grows. It goes on from the bytes that are there (RFC 9110, section 14: Range and Content-Range), starts
over when the server will not, and is handed on only when it is whole; whether the bytes are the right ones is for the caller's
digest to say. Redirects are followed over http and https only.
"""

from __future__ import annotations

import errno
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from wellread.errors import DiskFull
from wellread.web.public import is_public

if TYPE_CHECKING:
    import httpx

Report = Callable[[int, int], None]
"""Told how far a download is: (bytes done, bytes in all or 0)."""

T = TypeVar("T")

_ROUNDS = 4  # attempts that bring nothing new before a server is given up
_PAUSE = 0.25  # seconds before the second attempt; doubled for each one after
_BLIND = 4 << 30  # the most bytes taken from a server that does not say how many are coming
_PAGE = 64 << 20  # the most bytes of a page that is read into memory
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class SourceFailed(Exception):
    """A source did not deliver. `refused` says that it was credentials or a certificate that it did not like."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class NoRanges(SourceFailed):
    """The server does not serve a part of this file by itself."""


class _Cut(Exception):
    """The transfer ended early; another attempt may go on from there."""


@dataclass(frozen=True, slots=True)
class Network:
    """How to reach servers: `timeout` in seconds of silence, a CA bundle, a proxy, and hosts whose certificate is not checked."""

    timeout: float = 30.0
    cert: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()


DEFAULT_NETWORK = Network()


@dataclass(frozen=True, slots=True)
class Page:
    """A small answer, whole: where it came from in the end, its headers (names in lower case) and its body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def connect(network: Network) -> Iterator[httpx.Client]:
    """An HTTP client that trusts what the person's machine trusts; proxies come from `network` or else from the environment."""
    import ssl

    import certifi
    import httpx

    try:
        if network.cert is None:
            # A company's own authority is in the system's store; a Python without a system store still has certifi's.
            context = ssl.create_default_context()
            context.load_verify_locations(certifi.where())
        elif Path(network.cert).is_dir():
            context = ssl.create_default_context(capath=network.cert)
        else:
            context = ssl.create_default_context(cafile=network.cert)
    except OSError as error:
        raise SourceFailed(f"the certificates in {network.cert} cannot be read", refused=True) from error
    loose = {f"all://{host}": httpx.HTTPTransport(verify=False, proxy=network.proxy) for host in network.trusted_hosts}
    with httpx.Client(
        verify=context,
        proxy=network.proxy,
        mounts=loose,
        timeout=network.timeout,
        follow_redirects=True,
        max_redirects=10,
        event_hooks={"response": [_stay_outside]},
    ) as client:
        yield client


def _stay_outside(response: httpx.Response) -> None:
    """Refuse to be led from a public server to this machine or its network: a model's source has no business there (CVE-2026-5530)."""
    if response.has_redirect_location and response.next_request is not None:
        here, there = response.url.host, response.next_request.url.host
        if here != there and _is_outside(here) and not _is_outside(there):
            raise SourceFailed(f"{shown(str(response.url))} leads to {there}, which is inside your own network")


def _is_outside(host: str) -> bool:
    """Whether a host is on the internet, as far as can be told: a name that cannot be looked up here is for a proxy to find."""
    try:
        found = {str(row[4][0]) for row in socket.getaddrinfo(host, None)}
    except OSError:
        return True
    return all(is_public(ip) for ip in found)


def shown(url: str) -> str:
    """A URL fit for a message: without user name, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def length(path: Path) -> int:
    """How many bytes a file has; 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def require_space(folder: Path, needed: int) -> None:
    """Raise `DiskFull` when fewer than `needed` bytes are free where `folder` is: better than to find out at the last byte."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"There is no room for the model: it needs {needed / 1e6:.1f} MB more and {free / 1e6:.1f} MB are free in {folder}.",
            hint="free some space, or set WELLREAD_HOME to a folder on a larger disk",
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around writes to `path`: a full disk becomes `DiskFull`, and the file goes, because its room is needed for other things."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        path.unlink(missing_ok=True)
        raise DiskFull(
            f"The disk became full while {path.parent} was written to.",
            hint="free some space and try again, or set WELLREAD_HOME to a folder on a larger disk",
        ) from error


def read_page(client: httpx.Client, url: str, headers: Mapping[str, str], *, method: str = "GET", redirects: bool = True) -> Page:
    """One small answer. Raises `NoRanges` when a range was asked for and all of it came, `SourceFailed` for any other failure."""

    def attempt() -> Page:
        with _answer(client, method, url, headers, redirects) as response:
            if "Range" in headers and response.status_code != 206:
                raise NoRanges(f"{shown(url)} is not served in parts")
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _PAGE:
                    raise SourceFailed(f"{shown(url)} sends more than {_PAGE >> 20} MB where a page was expected")
            return Page(str(response.url), response.status_code, dict(response.headers), bytes(body))

    return _insist(attempt, lambda: 0)


def download(
    client: httpx.Client,
    url: str,
    part: Path,
    report: Report,
    *,
    size: int | None = None,
    span: tuple[int, int] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Make `part` hold what is at `url`, or its half-open byte range `span`, going on from the bytes `part` has.

    `size` is how many bytes there should be, where known. Raises `NoRanges` when `span` is asked of a server that has no ranges,
    `SourceFailed` when the server is given up, `DiskFull`. Whatever arrived before a failure stays in `part`.
    """
    wanted = span[1] - span[0] if span else size
    if wanted is not None and length(part) > wanted:
        part.unlink()

    def attempt() -> None:
        _receive(client, url, part, report, wanted, span, headers or {})

    _insist(attempt, lambda: length(part))


def _insist(attempt: Callable[[], T], measure: Callable[[], int]) -> T:
    """Attempt again after a cut, as long as attempts bring something new."""
    idle, most = 0, measure()
    while True:
        try:
            return attempt()
        except _Cut as cut:
            idle = 0 if measure() > most else idle + 1
            most = max(most, measure())
            if idle >= _ROUNDS:
                raise SourceFailed(str(cut)) from cut
            time.sleep(_PAUSE * 2**idle)


def _receive(
    client: httpx.Client,
    url: str,
    part: Path,
    report: Report,
    wanted: int | None,
    span: tuple[int, int] | None,
    headers: Mapping[str, str],
) -> None:
    """One request: append to `part` what the server sends; `_Cut` when it ends early."""
    have = length(part)
    if wanted is not None and have == wanted and wanted > 0:
        report(have, wanted)
        return
    start = (span[0] if span else 0) + have
    asked = {"Accept-Encoding": "identity", **headers}
    if span or have:
        asked["Range"] = f"bytes={start}-{span[1] - 1 if span else ''}"
    with _answer(client, "GET", url, asked, True) as response:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise SourceFailed(f"{shown(url)} comes in an encoding that was not asked for")
        if "Range" in asked and response.status_code == 206:
            _same_place(response, start, part, url)
        elif span:
            raise NoRanges(f"{shown(url)} is not served in parts")
        elif response.status_code == 416:
            if _total(response) == have:
                return
            part.unlink(missing_ok=True)
            raise _Cut(f"{shown(url)} is not what was begun earlier")
        else:
            have = 0
        coming = int(response.headers.get("content-length", 0))
        total = wanted if wanted is not None else (have + coming if coming else None)
        require_space(part.parent, (total or have) - have)
        have = _append(response, part, have, total, report, url)
    if total is not None and have < total:
        raise _Cut(f"{shown(url)} ended after {have} of {total} bytes")


def _append(response: httpx.Response, part: Path, have: int, total: int | None, report: Report, url: str) -> int:
    """Write a body behind the first `have` bytes of `part`; how many bytes it has then."""
    with writing(part), part.open("ab" if have else "wb", buffering=0) as file:
        for piece in response.iter_raw():
            have += len(piece)
            if have > (_BLIND if total is None else total):
                raise SourceFailed(f"{shown(url)} sends more than the {total or _BLIND} bytes it should have")
            file.write(piece)
            report(have, total or 0)
    return have


def _total(response: httpx.Response) -> int | None:
    """The size of the whole file, from a Content-Range header."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(match[3]) if match and match[3] != "*" else None


def _same_place(response: httpx.Response, start: int, part: Path, url: str) -> None:
    """A part of a file must begin where it was asked to; if not, nothing here can be trusted and the download begins anew."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if not match or match[1] is None or int(match[1]) != start:
        part.unlink(missing_ok=True)
        raise _Cut(f"{shown(url)} answered with another part than was asked for")


@contextmanager
def _answer(client: httpx.Client, method: str, url: str, headers: Mapping[str, str], redirects: bool) -> Iterator[httpx.Response]:
    """An open response worth reading: every failure becomes `_Cut` (try again) or `SourceFailed` (do not)."""
    import httpx

    try:
        auth = None if "Authorization" in headers else _login(url)
        with client.stream(
            method, url, headers=dict(headers), follow_redirects=redirects, auth=auth or httpx.USE_CLIENT_DEFAULT
        ) as response:
            if redirects or not response.has_redirect_location:
                _judge(response, url)
            yield response
    except httpx.TimeoutException as error:
        raise _Cut(f"{shown(url)} does not answer in time") from error
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL, httpx.DecodingError) as error:
        raise SourceFailed(f"{shown(url)} leads nowhere: {_first_line(error)}") from error
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise SourceFailed(f"the certificate of {urlsplit(url).hostname} is not trusted here", refused=True) from error
        reason = f"{urlsplit(url).hostname} cannot be reached: {_first_line(error)}"
        # In the middle of a file a lost network may come back; at its beginning there mostly is none.
        raise (_Cut(reason) if "Range" in headers else SourceFailed(reason)) from error
    except httpx.HTTPError as error:
        raise _Cut(f"the connection to {urlsplit(url).hostname} broke: {_first_line(error)}") from error


def _judge(response: httpx.Response, url: str) -> None:
    """Raise for a status that brings no content."""
    status = response.status_code
    if status in (200, 206, 416):
        return
    if status in (401, 403, 407):
        raise SourceFailed(f"{shown(url)} is not allowed ({status})", refused=True)
    if status in (404, 410):
        raise SourceFailed(f"{shown(url)} is not there ({status})")
    if status in (408, 425, 429) or status >= 500:
        raise _Cut(f"{shown(url)} answered {status}")
    raise SourceFailed(f"{shown(url)} answered {status}")


def _login(url: str) -> httpx.Auth | None:
    """What the netrc file knows about a host; a name and password in the URL itself go first (the client reads those)."""
    import netrc
    import os

    import httpx

    parts = urlsplit(url)
    if parts.username or not parts.hostname:
        return None
    try:
        entry = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname)
    except (OSError, ValueError, netrc.NetrcParseError):
        return None  # no such file, or one that only other programs understand: most indexes need no login
    return httpx.BasicAuth(entry[0], entry[2] or "") if entry else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
