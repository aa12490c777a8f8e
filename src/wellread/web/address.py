"""Addresses of pages: which are understood, and the one spelling under which each is known (RFC 3986, section 6.2.2).

An address that programs read in different ways is refused: what was checked must be what is connected to.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from wellread.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters or more: "c:" is a disk
_NETLOC = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:]*)(?::[0-9]*)?")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_KEPT = "%/:@!$&'()*+,;=?~[]-._"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Address:
    """A page's address in parts: `host` is ASCII in lower case, `target` the percent-encoded path and query. `str()` joins them."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def place(self) -> str:
        """The host as it is written in an address, with its port where that is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what has one robots.txt."""
        return f"{self.scheme}://{self.place}"

    def __str__(self) -> str:
        return self.origin + self.target


def is_address(source: str) -> bool:
    """Whether `source` is meant as an address and not as a path: it begins with a scheme and two slashes."""
    return _SCHEME.match(source.strip()) is not None


def canonical(url: str) -> str:
    """The one spelling of an address: no fragment, host in lower case and ASCII, no default port, "/" for an empty path.

    Raises `UsageError` for what is not an address of a page.
    """
    return str(parse_address(url))


def parse_address(url: str) -> Address:
    """The parts of an http or https address. Raises `UsageError` for any other, and for one that can be read in two ways."""
    text = url.strip()
    shown = text if text.isprintable() and len(text) <= 200 else ascii(text)[:200]
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{shown} is not a valid address: {error}.", hint="check the spelling") from None
    if parts.scheme not in _PORTS:
        hint = "give the path of the file itself" if parts.scheme == "file" else "only http:// and https:// are read"
        raise UsageError(f"{shown} is not the address of a web page.", hint=hint)
    fault = _fault(text, parts, port)
    if fault:
        raise UsageError(f"{shown} is not an address that is read: {fault[0]}.", hint=fault[1])
    try:
        host = _host(parts.hostname or "")
        target = _path(parts.path) + (f"?{escaped(parts.query)}" if parts.query else "")
    except ValueError as error:
        raise UsageError(f"{shown} is not an address that is read: {error}.", hint="check the spelling") from None
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], target)


def join(base: Address, location: str) -> Address:
    """Where a redirect or a link leads that was found at `base`. Raises `UsageError` as `parse_address` does."""
    try:
        return parse_address(urljoin(str(base), location.strip()))
    except ValueError as error:
        raise UsageError(f"{ascii(location)[:200]} is not a valid address: {error}.", hint="check the spelling") from None


def same_site(address: Address, other: Address) -> bool:
    """Whether `other` belongs to the site of `address`: its host or one under it, on its port or its scheme's own ("www." is no host)."""
    if other.port not in (address.port, _PORTS[other.scheme]):
        return False
    home = address.host.removeprefix("www.")
    return other.host == home or (not _is_number(home) and other.host.endswith("." + home))


def _fault(text: str, parts: SplitResult, port: int | None) -> tuple[str, str] | None:
    """Why an address is not taken although it can be split, and what to do."""
    if len(text) > _LONGEST:
        return f"it has more than {_LONGEST:,} characters", "check the spelling"
    if any(ord(char) < 32 or ord(char) == 127 or char == "\\" for char in text):
        return "it holds a backslash or a control character", "check the spelling"
    if "@" in parts.netloc:
        return "it holds a user name", "leave out what stands before the @; a page that needs a login can be saved and added as a file"
    if not _NETLOC.fullmatch(parts.netloc):
        return f"{ascii(parts.netloc)[:200]} is not a host and a port", "check the spelling"
    if not parts.hostname:
        return "it names no host", "such as https://example.com/page"
    if port == 0:
        return "no server has port 0", "check the spelling"
    return None


def _host(host: str) -> str:
    """A host in its one spelling. Raises `ValueError`."""
    if ":" in host:
        if "%" in host:
            raise ValueError("it names a network interface")
        return ipaddress.IPv6Address(host).compressed
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True, transitional=False).decode("ascii")
        except idna.IDNAError:
            raise ValueError(f"{host!a} is not the name of a host") from None
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError(f"{host[:253]} is not the name of a host")
    if not _is_number(host):
        return host
    # "2130706433", "0x7f.1" and "0177.0.0.1" are 127.0.0.1 to some programs and not to others
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError(f"{host} is an unusual way to write an IP address") from None


def _is_number(host: str) -> bool:
    """Whether a host is an IP address in any notation (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""
    return ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def escaped(text: str) -> str:
    """A path or query with escapes in upper case where they must be and nowhere else."""

    def rewrite(match: re.Match[str]) -> str:
        char = unquote(match[0], "latin-1")
        return char if _UNRESERVED.fullmatch(char) else match[0].upper()

    return quote(_ESCAPE.sub(rewrite, text), safe=_KEPT)


def _path(path: str) -> str:
    """A path without "." and ".." (RFC 3986, section 5.2.4)."""
    steps: list[str] = []
    pieces = escaped(path).split("/")[1:]
    for piece in pieces:
        if piece == "..":
            del steps[-1:]
        elif piece != ".":
            steps.append(piece)
    if pieces and pieces[-1] in (".", ".."):
        steps.append("")
    return "/" + "/".join(steps)
