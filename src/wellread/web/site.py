"""From an address to documents: a page brings itself, a site map brings the pages it lists. Links are not followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from wellread.types import Progress, silent
from wellread.web.address import Address, parse_address, same_site
from wellread.web.charset import marked
from wellread.web.door import Door
from wellread.web.limits import DEFAULT_LIMITS, WebLimits
from wellread.web.listing import list_pages
from wellread.web.missed import SILENT, Failure, Missed, missed
from wellread.web.name import file_name, media_type, parameter
from wellread.web.network import DEFAULT_NETWORK, Network
from wellread.web.visit import Visit, Visitor


@dataclass(frozen=True, slots=True)
class Seen:
    """A page that is held already, and what its server said to know this version by; without either it is fetched anew."""

    url: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is known of a page, under the address it was asked for by.

    "new" brings `data`, which may still be what is held: not every server can tell. "unchanged" and "gone" bring none and are said of
    pages in `seen` only. `name` is a file name whose suffix fits `media_type`; `etag` and `modified` are for the next `Seen`.
    """

    url: str
    status: Literal["new", "unchanged", "gone"]
    data: bytes = b""
    name: str = ""
    media_type: str = ""
    etag: str | None = None
    modified: str | None = None


def fetch_site(
    root: str,
    seen: Mapping[str, Seen],
    *,
    limits: WebLimits = DEFAULT_LIMITS,
    allow_private: bool = False,
    progress: Progress = silent,
    network: Network = DEFAULT_NETWORK,
) -> Iterator[Fetched | Missed]:
    """Fetch the page at `root`, or the pages of the site that it lists if it is a site map (XML, gzipped, text, or a robots.txt).

    `seen` has what is held of `root`, by canonical address. Pages of it that a map no longer lists are asked for too: only a server's
    404 or 410 makes a page "gone". What is neither fetched nor gone, or not mentioned at all, should be kept. Everything that is left
    out is said in a `Missed`. `allow_private` admits addresses that are not of the public internet. Raises `UsageError` at once for a
    `root` that is not an http or https address.
    """
    return _fetch(parse_address(root), seen, limits, allow_private, progress, network)


def _fetch(
    root: Address, seen: Mapping[str, Seen], limits: WebLimits, allow_private: bool, progress: Progress, network: Network
) -> Iterator[Fetched | Missed]:
    with Door(network, limits.seconds, allow_private=allow_private) as door:
        visitor = Visitor(door, limits, network)
        held = seen.get(str(root))
        try:
            visit = visitor.visit(root, _conditions(held), lambda address: True)
            listing = list_pages(visitor, root, visit, limits) if visit.reply.status == 200 else None
        except Failure as failure:
            yield _failed(root, held, failure)
            return
        if listing is None:
            yield _fetched(root, held, visit)
            return
        if held is not None:
            yield Fetched(str(root), "gone")  # what was a page is a map now
        yield from listing.missed
        pages = [page for page in dict.fromkeys([*listing.pages, *map(parse_address, seen)]) if page != root]
        if len(pages) > limits.pages:
            yield missed(str(root), "too_many_pages", f"pages known from earlier that were not looked at: {len(pages) - limits.pages:,}")
        yield from _fetch_pages(visitor, root, pages[: limits.pages], seen, limits, progress)


def _fetch_pages(
    visitor: Visitor, root: Address, pages: list[Address], seen: Mapping[str, Seen], limits: WebLimits, progress: Progress
) -> Iterator[Fetched | Missed]:
    """Page after page, until too many in a row cannot be reached."""
    silent = 0
    for done, page in enumerate(pages):
        progress("pages", done, len(pages))
        held = seen.get(str(page))
        try:
            visit = visitor.visit(page, _conditions(held), lambda address: same_site(root, address))
        except Failure as failure:
            yield _failed(page, held, failure)
            silent = silent + 1 if failure.reason in SILENT else 0
        else:
            yield _fetched(page, held, visit)
            silent = 0
        if silent == limits.patience and done + 1 < len(pages):
            detail = f"{silent} pages in a row were not to be had, and the {len(pages) - done - 1:,} after them were not tried"
            yield missed(str(root), "unreachable", detail)
            return


def _conditions(held: Seen | None) -> dict[str, str]:
    """The headers that ask for a page only if it is not the one that is held (RFC 9110, section 13)."""
    found = {"If-None-Match": held.etag, "If-Modified-Since": held.modified} if held else {}
    return {name: value for name, value in found.items() if value}


def _fetched(page: Address, held: Seen | None, visit: Visit) -> Fetched:
    headers = visit.reply.headers
    etag, modified = headers.get("etag"), headers.get("last-modified")
    if visit.reply.status == 304 and held is not None:
        return Fetched(str(page), "unchanged", etag=etag or held.etag, modified=modified or held.modified)
    kind = media_type(headers)
    data = marked(visit.reply.body, kind, parameter(headers.get("content-type", ""), "charset"))
    return Fetched(str(page), "new", data, file_name(visit.address, headers), kind, etag, modified)


def _failed(page: Address, held: Seen | None, failure: Failure) -> Fetched | Missed:
    if failure.reason == "missing" and held is not None:
        return Fetched(str(page), "gone")
    return missed(str(page), failure.reason, failure.detail)
