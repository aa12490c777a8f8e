"""The pages of a site, as its site maps list them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from wellread.errors import UsageError
from wellread.web.address import Address, join, same_site
from wellread.web.door import NAME
from wellread.web.inflate import gunzip
from wellread.web.limits import WebLimits
from wellread.web.missed import SILENT, Failure, Missed, missed
from wellread.web.robots import read_robots
from wellread.web.sitemap import SiteMap, read_site_map
from wellread.web.visit import Visit, Visitor


@dataclass(frozen=True, slots=True)
class Listing:
    """The pages that a map and the maps in it list, in their order, and an account of all that was left out."""

    pages: Sequence[Address]
    missed: Sequence[Missed]


def list_pages(visitor: Visitor, root: Address, visit: Visit, limits: WebLimits) -> Listing | None:
    """What the map that was found at `root` lists, or None when that is no site map but a page.

    Raises `Failure` "too_large" or "damaged" for a map that cannot be unpacked.
    """
    name = visit.address.target.partition("?")[0].rpartition("/")[2].lower()
    first = _read(visit, limits, sure="sitemap" in name and name.endswith((".xml", ".txt", ".gz")))
    if first is None:
        return None
    tally = _Tally(root, limits)
    waiting = deque(tally.take(first, visit.address, 1))
    known = {root, visit.address}
    asked = silent = 0
    while waiting:
        address, depth = waiting.popleft()
        if address in known:
            continue
        known.add(address)
        if tally.full or asked == limits.maps or silent == limits.patience:
            tally.unread_maps += 1
            continue
        asked += 1
        try:
            inner = visitor.visit(address, {}, tally.within)
            found = _read(inner, limits, sure=True)
            if found is None:
                raise Failure("damaged", f"it is no site map, although {root} says so")
        except Failure as failure:
            tally.missed.append(missed(str(address), failure.reason, failure.detail))
            silent = silent + 1 if failure.reason in SILENT else 0
        else:
            silent = 0
            waiting.extend(tally.take(found, inner.address, depth + 1))
    return tally.listing()


def _read(visit: Visit, limits: WebLimits, *, sure: bool) -> SiteMap | None:
    """The map that was fetched, if it is one. Only where that is `sure` to be meant is a gzip file opened, and plain text a list."""
    if visit.address.target == "/robots.txt":
        return SiteMap(True, read_robots(visit.reply.body, NAME).maps)
    return read_site_map(gunzip(visit.reply.body, limits.map_bytes) if sure else visit.reply.body, plain=sure)


@dataclass(slots=True)
class _Tally:
    """What has been found so far. `pages` is a dict for its order; no more are kept than may be fetched."""

    root: Address
    limits: WebLimits
    pages: dict[Address, None] = field(default_factory=dict)
    missed: list[Missed] = field(default_factory=list)
    surplus: int = 0
    elsewhere: int = 0
    unfit: int = 0
    unread_maps: int = 0

    @property
    def full(self) -> bool:
        return len(self.pages) >= self.limits.pages

    def within(self, address: Address) -> bool:
        return same_site(self.root, address)

    def take(self, found: SiteMap, at: Address, depth: int) -> list[tuple[Address, int]]:
        """Note what the map at `at` lists; returns the maps in it, with its depth."""
        if found.fault is not None:
            self.missed.append(
                missed(str(at), "damaged", f"what follows its first {len(found.locations):,} entries is broken ({found.fault})")
            )
        inner: dict[Address, None] = {}
        for count, location in enumerate(found.locations):
            room = self.limits.maps - len(inner) if found.index else self.limits.pages - len(self.pages)
            if room <= 0:
                left = len(found.locations) - count
                self.unread_maps += left if found.index else 0
                self.surplus += 0 if found.index else left
                break
            try:
                address = join(at, location)
            except UsageError:
                self.unfit += 1
                continue
            if not self.within(address):
                self.elsewhere += 1
            elif found.index:
                inner[address] = None
            else:
                self.pages[address] = None
        if inner and depth >= self.limits.depth:
            self.unread_maps += len(inner)
            return []
        return [(address, depth) for address in inner]

    def listing(self) -> Listing:
        """All of it, with one account for each kind of thing that was left out."""
        left_out = (
            (self.surplus, "too_many_pages", f"entries left out after the first {self.limits.pages:,}"),
            (self.unread_maps, "too_many_pages", "site maps that were not read"),
            (self.elsewhere, "elsewhere", f"entries left out that are not on {self.root.place}"),
            (self.unfit, "address", "entries that are no addresses of pages"),
        )
        told = [missed(str(self.root), reason, f"{what}: {count:,}") for count, reason, what in left_out if count]
        return Listing(tuple(self.pages), (*self.missed, *told))
