"""A visit to an address: asks leave of robots.txt, keeps its distance, follows redirects, and tries once more where that helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wellread.errors import UsageError
from wellread.web.address import Address, join
from wellread.web.door import NAME, Door, Reply
from wellread.web.limits import WebLimits
from wellread.web.missed import Failure
from wellread.web.network import Network
from wellread.web.robots import BYTES, Robots, read_robots

Within = Callable[[Address], bool]
"""Whether a redirect may lead to an address."""

_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (429, 503)
_PAUSE = 1.0  # seconds before a second attempt


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a visit ended and what was answered there: a status of 200 or 304."""

    address: Address
    reply: Reply


class Visitor:
    """One run of visits, which remembers what each site asked for and when it was last troubled."""

    def __init__(self, door: Door, limits: WebLimits, network: Network) -> None:
        self._door = door
        self._limits = limits
        self._network = network
        self._robots: dict[str, Robots | Failure] = {}
        self._last: dict[str, float] = {}

    def visit(self, address: Address, conditions: Mapping[str, str], within: Within) -> Visit:
        """What is at an address, or where it redirects to. Raises `Failure`, with reason "missing" for a status of 404 or 410.

        `conditions` are headers such as If-None-Match.
        """
        at = address
        for _ in range(self._limits.redirects + 1):
            if not self.robots(at).allows(at.target):
                raise Failure("robots", f"the robots.txt of {at.place} asks programs not to read {_there(at, address)}")
            reply = self._get(at, conditions)
            if reply.status not in _REDIRECTS:
                _judge(reply, bool(conditions))
                return Visit(at, reply)
            at = _next(at, reply, within)
        raise Failure("redirects", f"it was sent on more than {self._limits.redirects} times")

    def robots(self, address: Address) -> Robots:
        """What the site of an address asks for; each is asked once. Raises `Failure` when it cannot be known."""
        found = self._robots.get(address.origin)
        if found is None:
            try:
                found = self._ask_robots(address)
            except Failure as failure:
                found = failure
            self._robots[address.origin] = found
        if isinstance(found, Failure):
            raise Failure(found.reason, found.detail)
        return found

    def _ask_robots(self, address: Address) -> Robots:
        """RFC 9309, section 2.3.1: without a robots.txt all is allowed, and while there may be one that cannot be had nothing is."""
        at = Address(address.scheme, address.host, address.port, "/robots.txt")
        for _ in range(self._limits.redirects + 1):
            reply = self._insist(at, {}, BYTES, cut=True)
            if reply.status == 200:
                return read_robots(reply.body, NAME)
            if reply.status not in _REDIRECTS:
                break
            at = _next(at, reply, _anywhere)
        if reply.status == 429 or reply.status >= 500:
            raise Failure("unreachable", f"the robots.txt of {address.place} was answered with {reply.status}")
        return Robots()

    def _get(self, at: Address, headers: Mapping[str, str]) -> Reply:
        """One request for a page, at the distance from the last one that its site wishes."""
        delay = max(self._limits.delay, min(self.robots(at).delay or 0.0, self._limits.longest_delay))
        wait = self._last.get(at.host, -math.inf) + delay - self._network.clock()
        if wait > 0:
            self._network.sleep(wait)
        self._last[at.host] = self._network.clock()
        return self._insist(at, headers, self._limits.page_bytes)

    def _insist(self, at: Address, headers: Mapping[str, str], most: int, *, cut: bool = False, again: bool = True) -> Reply:
        """One request, and another one after a broken connection or the short wait that a busy server asks for."""
        try:
            reply = self._door.get(at, headers, most, cut=cut)
        except Failure as failure:
            if not again or failure.reason != "broken":
                raise
            wait = _PAUSE
        else:
            after = reply.headers.get("retry-after", "")
            wait = float(after) if after.isascii() and after.isdecimal() else _PAUSE
            if not again or reply.status not in _BUSY or wait > self._limits.longest_delay:
                return reply
        self._network.sleep(wait)
        return self._insist(at, headers, most, cut=cut, again=False)


def _anywhere(address: Address) -> bool:
    return True


def _there(at: Address, address: Address) -> str:
    return "it" if at == address else f"{at}, where it leads"


def _next(at: Address, reply: Reply, within: Within) -> Address:
    """Where a redirect leads. Raises `Failure` for a place where nobody should be led."""
    location = reply.headers.get("location")
    if not location:
        raise Failure("redirects", f"it is redirected ({reply.status}) to no address")
    try:
        found = join(at, location.encode("latin-1").decode("utf-8", errors="replace"))
    except UsageError as error:
        raise Failure("address", error.message.rstrip(".")) from None
    if at.scheme == "https" and found.scheme == "http":
        raise Failure("insecure", f"it leads from https to {found}, which anybody on the way can change")
    if not within(found):
        raise Failure("elsewhere", f"it was moved to {found}")
    return found


def _judge(reply: Reply, conditional: bool) -> None:
    """Raise `Failure` for an answer that brings nothing."""
    status = reply.status
    if status == 200 and not reply.body:
        raise Failure("empty")
    if status == 200 or (status == 304 and conditional):
        return
    if status in (401, 403, 407, 451):
        raise Failure("refused", f"it asks for a login or does not serve programs ({status})")
    if status in (404, 410):
        raise Failure("missing", f"its server answered {status}")
    raise Failure("unreachable", f"its server answered {status}")
