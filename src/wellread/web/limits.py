"""How much the web may cost, and how much we may cost it."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What fetching may take.

    `page_bytes` holds for a page as sent and as unpacked, `map_bytes` for a site map that is a gzip file. `pages` of a site are asked
    for, as listed in at most `maps` site maps beside the first, which may lie `depth` deep in one another. A request may last
    `seconds`, from the look-up of the name to the last byte; a redirect, of which `redirects` are followed, is another request.
    Requests to one host are `delay` seconds apart, or as many as its robots.txt asks for up to `longest_delay`, which is also the
    longest that a busy server is waited for. After `patience` pages in a row that cannot be reached, a site is given up.
    """

    page_bytes: int = 20 * MEGABYTE
    map_bytes: int = 50 * MEGABYTE
    pages: int = 500
    maps: int = 50
    depth: int = 3
    seconds: float = 60.0
    redirects: int = 5
    delay: float = 0.2
    longest_delay: float = 10.0
    patience: int = 5


DEFAULT_LIMITS = WebLimits()
