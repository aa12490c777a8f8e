"""What a site asks of programs: robots.txt (RFC 9309), with the misspellings that Google's parser forgives, and Crawl-delay.

Hostile files are read here too: what is kept of one, and the time to match an address against it, grow with its length and no faster.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wellread.web.address import escaped

BYTES = 512 * 1024  # RFC 9309 asks for 500 KiB at least; the rest is not read

_FIELDS = {
    **dict.fromkeys(("user-agent", "useragent", "user agent"), "agent"),
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"),
    **dict.fromkeys(("sitemap", "site-map"), "map"),
    **dict.fromkeys(("crawl-delay", "crawl delay"), "delay"),
    "allow": "allow",
}
_LINE_END = re.compile(r"[\r\n]+")
_TOKEN = re.compile(r"[a-z_-]+|\*")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern as its pieces between the stars; `whole` says that nothing may follow the last one."""

    allows: bool
    length: int
    pieces: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Robots:
    """What holds for one program: `rules` with the longest first, seconds between requests if asked for, and the site's maps."""

    rules: tuple[_Rule, ...] = ()
    delay: float | None = None
    maps: tuple[str, ...] = ()

    def allows(self, target: str) -> bool:
        """Whether the page with this path and query, escaped as in an `Address`, may be fetched."""
        return target == "/robots.txt" or next((rule.allows for rule in self.rules if _matches(rule, target)), True)


def read_robots(data: bytes, name: str) -> Robots:
    """What a robots.txt asks of the program `name` (lower case): the groups that name it count, or else those for all."""
    records = list(_records(data, name))
    group = name if any(name in agents for agents, _, _ in records) else "*"
    held = [(field, value) for agents, field, value in records if group in agents]
    rules = {_rule(value, field == "allow") for field, value in held if field in ("allow", "disallow") and value}
    delays = [seconds for field, value in held if field == "delay" and (seconds := _seconds(value)) is not None]
    return Robots(
        rules=tuple(sorted(rules, key=lambda rule: (-rule.length, not rule.allows))),
        delay=max(delays, default=None),
        maps=tuple(value for _, field, value in records if field == "map"),
    )


def _records(data: bytes, name: str) -> Iterator[tuple[frozenset[str], str, str]]:
    """Every line as (those of `name` and "*" whom it concerns, field, value)."""
    agents: frozenset[str] = frozenset()
    naming = False
    for line in _LINE_END.split(data.decode("utf-8-sig", errors="replace")):
        before, _, value = line.partition("#")[0].partition(":")
        field, value = _FIELDS.get(before.strip().lower()), value.strip()
        if field == "agent":
            token = _TOKEN.match(value.lower())
            agents = (agents if naming else frozenset()) | ({token[0]} & {name, "*"} if token else set())
        if field is not None:
            naming = field == "agent" or (naming and field == "map")  # maps belong to no group
            yield agents, field, value


def _rule(pattern: str, allows: bool) -> _Rule:
    text = escaped(pattern)
    whole = text.endswith("$")
    return _Rule(allows, len(text), tuple(re.sub(r"\*+", "*", text.removesuffix("$")).split("*")), whole)


def _matches(rule: _Rule, target: str) -> bool:
    """Whether a pattern fits the beginning of `target`. Each piece takes the first place it finds, so nothing is tried twice."""
    first, *middle = rule.pieces
    if not target.startswith(first):
        return False
    if not middle:
        return not rule.whole or target == first
    at, last = len(first), middle.pop()
    for piece in middle:
        at = target.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return target.endswith(last) and len(target) - len(last) >= at if rule.whole else target.find(last, at) >= 0


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
