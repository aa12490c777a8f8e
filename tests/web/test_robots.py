"""robots.txt as RFC 9309 has it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.web.address import escaped
from wellread.web.robots import BYTES, Robots, read_robots


def robots(text: str) -> Robots:
    return read_robots(text.encode(), "wellread")


RULES = """
User-agent: *
Disallow: /private
Allow: /private/open
Disallow: /*.gif$
Disallow: /*/print
Disallow: /q?
Disallow: /same
Allow: /same
Disallow: /%7Ename/caf%c3%a9
Disallow:
Disallow: /exact$
"""


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/", True),
        ("/private", False),
        ("/private.html", False),
        ("/private/open/a", True),
        ("/Private", True),
        ("/a/b.gif", False),
        ("/a/b.gif?x", True),
        ("/a/print/b", False),
        ("/print", True),
        ("/q?a=1", False),
        ("/q", True),
        ("/same", True),
        ("/~name/caf%C3%A9", False),
        ("/exact", False),
        ("/exactly", True),
        ("/robots.txt", True),
    ],
)
def test_the_longest_rule_decides(target: str, allowed: bool) -> None:
    assert robots(RULES).allows(target) is allowed


def test_who_is_meant() -> None:
    text = (
        "\ufeffuser-AGENT : other # not us\nDisallow: /\n\nUser-agent: Other2\nUser-agent: WellRead/1.0\rDisallow: /a\r\nCrawl-Delay: 2.5\n"
    )
    found = robots(text + "User-agent: *\nDisallow: /\nSitemap: /map.xml\nUser-agent: wellread\nDisallow: /b\n")
    assert [found.allows(target) for target in ("/", "/a", "/b")] == [True, False, False]
    assert (found.delay, found.maps) == (2.5, ("/map.xml",))
    assert not robots("User-agent: a\nSitemap: x\nUser-agent: *\nDisallow: /").allows("/a")
    assert robots("User-agent: *\nDisallow: /\nUser-agent: wellread\n").allows("/a")
    assert robots("Disallow: /\nUser-agent: wellreader\nDisallow: /").allows("/a")
    assert robots("").allows("/a")
    assert read_robots(b"\x00\xff\xfe<html>: :\n:", "wellread") == Robots()


@pytest.mark.parametrize("delay", ["-1", "nan", "inf", "soon", ""])
def test_a_delay_that_is_none_is_not_kept(delay: str) -> None:
    assert robots(f"User-agent: *\nCrawl-delay: {delay}\n").delay is None


@given(st.text("/ab*$", max_size=8), st.text("/ab$", max_size=10))
def test_patterns_mean_what_they_mean_as_regular_expressions(pattern: str, path: str) -> None:
    pattern, path = "/" + pattern, "/" + path
    expected = re.match(".*".join(map(re.escape, pattern.removesuffix("$").split("*"))) + (r"\Z" if pattern.endswith("$") else ""), path)
    assert robots(f"User-agent: *\nDisallow: {pattern}").allows(escaped(path)) is (expected is None)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"User-agent: a{at}\n" for at in range(15_000)) + "Allow: /a\n" * 25_000,
        "User-agent: *\n" + "".join(f"Disallow: /*a*a*a*{at}*a*b$\n" for at in range(9_000)),
        "User-agent: *\nDisallow: /" + "*a" * 250_000 + "b",
    ],
    ids=["many agents", "many stars", "one long rule"],
)
def test_a_hostile_file_costs_little(text: str) -> None:
    data = text.encode()[:BYTES]
    began = time.process_time()
    found = read_robots(data, "wellread")
    for at in range(3):
        found.allows("/" + "a" * 4000 + str(at))
    assert time.process_time() - began < 1
