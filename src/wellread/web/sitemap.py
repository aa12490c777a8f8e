"""Site maps (https://www.sitemaps.org/protocol.html): an index of maps, a list of pages, and plain text with an address a line.

They are read as a stream of events, without a tree, and nothing in them is expanded: one that declares entities is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from wellread.web.address import is_address

_KINDS = {"urlset": "url", "sitemapindex": "sitemap"}
_LONGEST = 4096  # characters of an address
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class SiteMap:
    """What a map lists: other maps if `index` is set, or else pages. `fault` says why it could not be read to its end."""

    index: bool
    locations: tuple[str, ...]
    fault: str | None = None


def read_site_map(data: bytes, *, plain: bool) -> SiteMap | None:
    """The map in `data`, or None when that is another kind of file. Text in which every line is an address is one if `plain` is set."""
    found = _read_xml(data)
    return found if found is not None or not plain else _read_lines(data)


def _read_lines(data: bytes) -> SiteMap | None:
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return None
    return SiteMap(False, tuple(lines)) if lines and all(is_address(line) for line in lines) else None


class _Stop(Exception):
    """There is no point in reading on."""


@dataclass(slots=True)
class _Events:
    """Where in a map the parser is, and what it has found. `space` is the namespace of the root, which its own elements share."""

    kind: str = ""
    space: str = ""
    path: list[str] = field(default_factory=list)
    text: list[str] | None = None
    length: int = 0
    found: list[str] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self.path:
            if local not in _KINDS:
                raise _Stop
            self.kind, self.space = local, space
        self.path.append(local if space == self.space else name)
        if self.path[1:] == [_KINDS[self.kind], "loc"]:
            self.text, self.length = [], 0

    def data(self, text: str) -> None:
        if self.text is not None and self.length <= _LONGEST:
            self.text.append(text)
            self.length += len(text)

    def end(self, name: str) -> None:
        if self.text is not None and len(self.path) == 3:
            self.found.append("".join(self.text).strip())
            self.text = None
        self.path.pop()

    def entity(self, *declared: object) -> None:
        raise _Stop


def _read_xml(data: bytes) -> SiteMap | None:
    events = _Events()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = events.start
    parser.EndElementHandler = events.end
    parser.CharacterDataHandler = events.data
    parser.EntityDeclHandler = events.entity
    fault = None
    try:
        for at in range(0, len(data), _BLOCK):
            parser.Parse(data[at : at + _BLOCK], False)
        parser.Parse(b"", True)
    except _Stop:
        return None
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last two for encodings that Python cannot give expat
        fault = str(error)
    return SiteMap(events.kind == "sitemapindex", tuple(events.found), fault) if events.kind else None
