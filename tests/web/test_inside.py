"""No address of the inside is connected to, whatever leads there: as typed, as a name says, in a redirect, at the second look-up."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from wellread.errors import UsageError
from wellread.web.site import Fetched, Seen

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PUBLIC = "93.184.216.34"
INSIDE = [
    *"127.0.0.1 0.0.0.0 169.254.169.254 10.0.0.1 192.168.1.1 100.64.0.1".split(),
    *"::1 :: ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: fe80::1 fd00::1".split(),
]


def refused(found: list[Any]) -> None:
    (one,) = found
    assert one.reason == "forbidden", one
    assert "is not an address of the public internet" in one.message


def host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


@pytest.mark.parametrize("ip", INSIDE)
def test_as_typed(internet: Any, ip: str) -> None:
    for url in f"http://{host(ip)}/", f"https://{host(ip)}:8080/":
        refused(internet.fetch(url))
    assert (internet.dialled, internet.asked) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://127.1/",
        "http://a@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://127。0。0。1@x/",
    ],
)
def test_in_disguise(internet: Any, url: str) -> None:
    with pytest.raises(UsageError):
        internet.fetch(url)
    assert internet.dialled == []


@pytest.mark.parametrize("ip", [*INSIDE, "fe80::1%eth0"])
def test_by_name(internet: Any, ip: str) -> None:
    internet.names["inside.test"] = [[ip]]
    refused(internet.fetch("http://inside.test/"))
    internet.names["both.test"] = [[PUBLIC, ip]]
    refused(internet.fetch("http://both.test/"))
    assert internet.dialled == []


@pytest.mark.parametrize("ip", INSIDE)
def test_by_redirect(internet: Any, server: Any, ip: str) -> None:
    server.move("/", f"http://{host(ip)}/latest/meta-data/")
    refused(internet.fetch("http://site.test/"))
    assert internet.dialled == [(PUBLIC, 80)]


def test_by_redirect_to_a_name_and_by_a_later_hop(internet: Any, server: Any) -> None:
    internet.names["inside.test"] = [["127.0.0.1"]]
    server.move("/", "/again")
    server.move("/again", "//inside.test/admin")
    refused(internet.fetch("http://site.test/"))
    server.move("/", "file:///etc/passwd")
    (missed,) = internet.fetch("http://site.test/")
    assert missed.reason == "address"
    server.move("/", "http://x@127.0.0.1/")
    (missed,) = internet.fetch("http://site.test/")
    assert missed.reason == "address"
    assert {ip for ip, _ in internet.dialled} == {PUBLIC}


def test_by_robots_txt(internet: Any, server: Any) -> None:
    server.move("/robots.txt", "http://127.0.0.1/admin")
    refused(internet.fetch("http://site.test/"))
    assert server.asked == ["/robots.txt"]


def test_by_a_site_map(internet: Any, server: Any) -> None:
    internet.names["inside.site.test"] = [["10.0.0.1"]]
    server.list("/sitemap.xml", "http://inside.site.test/a", "http://127.0.0.1/", "http://169.254.169.254/latest/")
    found = internet.fetch("http://site.test/sitemap.xml", [Seen("http://10.0.0.1/")])
    assert sorted(each.reason for each in found) == ["elsewhere", "forbidden", "forbidden"]
    assert {ip for ip, _ in internet.dialled} == {PUBLIC}


def test_a_name_is_looked_up_once_for_a_connection(internet: Any, server: Any) -> None:
    """A name server that tells the truth only the first time gets nobody in: what was checked is what is connected to."""
    server.say("/")
    internet.names["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    (found,) = internet.fetch("http://rebind.test/")
    assert isinstance(found, Fetched)
    assert (internet.asked, internet.dialled) == (["rebind.test"], [(PUBLIC, 80)])


def test_each_connection_is_checked_anew(internet: Any, server: Any) -> None:
    internet.names["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    server.say("/robots.txt", "", "text/plain", headers={"Connection": "close"})
    server.say("/")
    refused(internet.fetch("http://rebind.test/"))
    assert internet.dialled == [(PUBLIC, 80)]


def test_proxies_of_the_environment_are_not_used(server: Any) -> None:
    server.say("/")
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    code = "import sys; from wellread.web.site import fetch_site; print(*fetch_site(sys.argv[1], {}, allow_private=True))"
    done = subprocess.run(
        [sys.executable, "-c", code, server.url], env={**os.environ, **proxies}, capture_output=True, text=True, check=True
    )
    assert "status='new'" in done.stdout


def test_the_address_rule_is_all_that_can_be_lifted(internet: Any, server: Any) -> None:
    internet.names["inside.test"] = [["127.0.0.1"]]
    server.say("/robots.txt", "User-agent: *\nDisallow: /b", "text/plain")
    server.say("/a")
    assert internet.fetch("http://inside.test/a", allow_private=True)[0].status == "new"
    assert internet.fetch("http://inside.test/b", allow_private=True)[0].reason == "robots"
