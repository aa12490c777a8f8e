"""One request, one answer: bounded in time, in bytes sent and in bytes unpacked."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING

from wellread.web.address import Address
from wellread.web.inflate import collect, inflated
from wellread.web.missed import Failure
from wellread.web.network import Network

if TYPE_CHECKING:
    import httpcore

NAME = "wellread"
_SHORT = 64 * 1024
_ASKED = {
    "Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: header names are in lower case, and `body` is empty unless the status is 200."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Door:
    """The way out to servers; connections are kept while it is open. No cookies, no logins, no proxies."""

    def __init__(self, network: Network, seconds: float, *, allow_private: bool) -> None:
        import httpcore

        from wellread.web.connect import Dialler

        self._agent = f"{NAME}/{_version()} (+https://pypi.org/project/wellread)"
        self._clock = network.clock
        self._seconds = seconds
        self._dialler = Dialler(network, allow_private=allow_private)
        self._pool = httpcore.ConnectionPool(ssl_context=network.trust(), keepalive_expiry=30.0, network_backend=self._dialler)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()

    def get(self, address: Address, headers: Mapping[str, str], most: int, *, cut: bool = False) -> Reply:
        """What a server answers, of which at most `most` bytes are taken; `cut` leaves the rest instead of refusing it.

        Raises `Failure` "forbidden", "unreachable", "broken", "untrusted", "timeout", "too_large" or "damaged".
        """
        import httpcore

        self._dialler.until = self._clock() + self._seconds
        url = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        sent = {"Host": address.place, "User-Agent": self._agent, **_ASKED, **headers}
        asked = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in sent.items()]
        try:
            with self._pool.stream("GET", url, headers=asked) as response:
                return _read(response, most, cut)
        except TimeoutError:
            raise Failure("timeout", f"it took more than {self._seconds:g} seconds") from None
        except ssl.SSLCertVerificationError as error:
            raise Failure("untrusted", f"the certificate of {address.host} is not trusted ({error.verify_message})") from error
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            raise Failure("broken", f"the connection to {address.host} broke ({detail})") from error


def _version() -> str:
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "0"  # run from its sources, without being installed


def _read(response: httpcore.Response, most: int, cut: bool) -> Reply:
    headers: dict[str, str] = {}
    for raw, value in response.headers:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    length = int(headers["content-length"]) if headers.get("content-length", "").isdecimal() else None
    if response.status != 200:
        if length is not None and length <= _SHORT:
            for _ in response.iter_stream():  # a connection whose answer was read can be used again
                pass
        return Reply(response.status, headers, b"")
    if length is not None and length > most and not cut:
        raise Failure("too_large", f"it has {length:,} bytes, and the limit is {most:,}")
    return Reply(200, headers, collect(_unpacked(response, headers), most, cut=cut))


def _unpacked(response: httpcore.Response, headers: Mapping[str, str]) -> Iterable[bytes]:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        return inflated(response.iter_stream())
    if encoding not in ("", "identity"):
        raise Failure("damaged", f"it comes packed as {ascii(encoding)[:40]}, which was not asked for")
    return response.iter_stream()
