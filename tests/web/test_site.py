"""Pages and site maps from real servers on this machine."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import wellread
from wellread.errors import UsageError
from wellread.web.address import canonical
from wellread.web.missed import REASONS, Missed
from wellread.web.network import Network, look_up
from wellread.web.site import Fetched, Seen, fetch_site

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

SITE = "http://site.test"


def urls(found: list[Any], status: str) -> list[str]:
    """The paths of the pages with a status, or that were missed for a reason."""
    return [each.url.removeprefix(SITE) for each in found if (each.reason if isinstance(each, Missed) else each.status) == status]


def only(found: list[Any]) -> Any:
    (one,) = found
    return one


def miss(found: list[Any], reason: str, *words: str) -> None:
    """Check for a single page that was missed, in a sentence with these words and a hint."""
    one = only(found)
    assert isinstance(one, Missed), one
    assert one.reason == reason, one
    assert one.reason in REASONS
    assert one.message.endswith(".")
    assert one.hint
    for word in (one.url, *words):
        assert word in one.message, one


# --- a page


def test_a_page_brings_itself_and_no_link_is_followed(internet: Any, server: Any) -> None:
    server.say("/a?b", '<!DOCTYPE html><a href="/c">', headers={"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
    found = only(internet.fetch("HTTP://Site.test:80/a?b#c"))
    assert found == Fetched(
        f"{SITE}/a?b", "new", b'<!DOCTYPE html><a href="/c">', "a.html", "text/html", '"1"', "Thu, 01 Jan 2026 00:00:00 GMT"
    )
    assert server.asked == ["/robots.txt", "/a?b"]
    assert server.heard[1]["host"] == "site.test"
    assert server.heard[1]["user-agent"] == f"wellread/{wellread.__version__} (+https://pypi.org/project/wellread)"
    assert "cookie" not in server.heard[1]


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_what_did_not_change_is_not_sent_again(internet: Any, server: Any, header: str) -> None:
    server.say("/", headers={header: "x"})
    first = only(internet.fetch(SITE))
    held = Seen(first.url, first.etag, first.modified)
    assert only(internet.fetch(SITE, [held])) == Fetched(f"{SITE}/", "unchanged", etag=first.etag, modified=first.modified)
    assert only(internet.fetch(SITE, [Seen(first.url)])).status == "new"
    server.answers.clear()
    server.say("/", "other", headers={header: "y"})
    changed = only(internet.fetch(SITE, [held]))
    assert (changed.status, changed.data) == ("new", b"other")
    server.answers.clear()
    server.say("/", status=304)
    assert only(internet.fetch(SITE, [held])) == Fetched(f"{SITE}/", "unchanged", etag=held.etag, modified=held.modified)


@pytest.mark.parametrize("status", [404, 410])
def test_gone_is_what_was_held_and_a_server_says_is_not_there(internet: Any, server: Any, status: int) -> None:
    server.say("/", status=status)
    miss(internet.fetch(SITE), "missing", str(status))
    assert internet.fetch(SITE, [Seen(f"{SITE}/", '"1"')]) == [Fetched(f"{SITE}/", "gone")]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "refused"), (403, "refused"), (451, "refused"), (418, "unreachable"), (500, "unreachable"), (304, "unreachable")],
)
def test_no_other_failure_says_that_a_page_is_gone(internet: Any, server: Any, status: int, reason: str) -> None:
    server.say("/", status=status)
    held = [] if status == 304 else [Seen(f"{SITE}/", '"1"')]
    miss(internet.fetch(SITE, held), reason, str(status))


def test_a_busy_server_is_asked_once_more(internet: Any, server: Any) -> None:
    server.say("/", status=503, headers={"Retry-After": "7"})
    server.say("/", "there")
    assert only(internet.fetch(SITE)).data == b"there"
    assert internet.slept == [7.0]
    server.answers["/"] = []
    server.say("/", status=429, headers={"Retry-After": "3600"})
    miss(internet.fetch(SITE), "unreachable", "429")
    assert internet.slept == [7.0]


def test_a_cut_is_seen_and_tried_once_more(internet: Any, server: Any) -> None:
    server.say("/", "whole page", cut=5)
    server.say("/", "whole page")
    assert only(internet.fetch(SITE)).data == b"whole page"
    server.say("/", "whole page", cut=5)
    server.answers["/"].pop(0)
    miss(internet.fetch(SITE), "broken", "site.test")


def test_who_is_not_there(internet: Any) -> None:
    miss(internet.fetch("http://nowhere.test/"), "unreachable", "nowhere.test", "not known")
    internet.names["silent.test"] = [["93.184.216.35"]]
    miss(internet.fetch("http://silent.test:1/"), "unreachable", "does not answer")
    internet.names["empty.test"] = [[]]
    miss(internet.fetch("http://empty.test/"), "unreachable", "no address")


def test_an_empty_page_is_no_page(internet: Any, server: Any) -> None:
    server.say("/", b"")
    miss(internet.fetch(SITE), "empty")


def test_not_an_address_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="not the address of a web page"):
        fetch_site("ftp://site.test/", {})


def test_a_local_server_is_read_when_that_is_allowed(server: Any) -> None:
    server.say("/")
    found = list(fetch_site(server.url, {}, allow_private=True))
    assert only(found).url == f"{server.url}/"
    (refused,) = fetch_site(server.url, {})
    assert isinstance(refused, Missed)
    assert refused.reason == "forbidden"


def test_the_second_of_two_addresses_is_tried(internet: Any, server: Any) -> None:
    server.say("/")
    internet.names["site.test"] = [["2606:4700::1111", "93.184.216.34"]]
    internet.dead = {"2606:4700::1111"}
    assert only(internet.fetch(SITE)).status == "new"
    assert internet.dialled == [("2606:4700::1111", 80), ("93.184.216.34", 80)]


def test_names_are_looked_up_by_the_system_within_a_time() -> None:
    assert look_up("127.0.0.1", 80, 5) == ["127.0.0.1"]
    with pytest.raises(OSError):
        look_up("a" * 70 + ".test", 80, 5)


# --- redirects


def test_redirects_are_followed_and_the_page_keeps_its_address(internet: Any, server: Any) -> None:
    for at, status in enumerate((301, 302, 303, 307, 308)):
        server.move(f"/{at}", f"{at + 1}", status)
    server.say("/5", headers={"ETag": '"5"'})
    found = only(internet.fetch(f"{SITE}/0"))
    assert (found.url, found.status, found.name) == (f"{SITE}/0", "new", "5.html")
    assert only(internet.fetch(f"{SITE}/0", [Seen(f"{SITE}/0", '"5"')])).status == "unchanged"
    miss(internet.fetch(f"{SITE}/0", redirects=4), "redirects", "more than 4 times")


def test_redirects_that_lead_nowhere(internet: Any, server: Any) -> None:
    server.move("/round", "/round")
    miss(internet.fetch(f"{SITE}/round"), "redirects")
    server.say("/", status=302)
    miss(internet.fetch(SITE), "redirects", "no address")
    server.move("/mail", "mailto:a@b")
    miss(internet.fetch(f"{SITE}/mail"), "address", "mailto")


# --- limits


def test_a_page_that_is_too_large_is_not_read_to_its_end(internet: Any, server: Any) -> None:
    server.say("/", bytes(5000))
    miss(internet.fetch(SITE, page_bytes=4999), "too_large", "5,000")
    assert only(internet.fetch(SITE, page_bytes=5000)).status == "new"
    bomb = gzip.compress(b"a" * 1_000_000)
    assert len(bomb) < 2_000
    server.say("/bomb", bomb, headers={"Content-Encoding": "gzip"})
    miss(internet.fetch(f"{SITE}/bomb", page_bytes=10_000), "too_large", "more than 10,000")
    assert len(only(internet.fetch(f"{SITE}/bomb")).data) == 1_000_000


def test_an_endless_page_is_stopped(internet: Any, server: Any) -> None:
    server.say("/", b"a" * 2_000_000, headers={"Content-Length": "99999999"})
    miss(internet.fetch(SITE, page_bytes=1_000_000), "too_large", "99,999,999")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_an_encoding_nobody_asked_for_is_refused(internet: Any, server: Any, encoding: str) -> None:
    server.say("/", headers={"Content-Encoding": encoding})
    miss(internet.fetch(SITE), "damaged", encoding)
    assert server.heard[1]["accept-encoding"] == "gzip"


@pytest.mark.parametrize("cut", [0, -1, 20], ids=["none", "last", "middle"])
def test_broken_gzip_is_refused(internet: Any, server: Any, cut: int) -> None:
    server.say("/", gzip.compress(b"text" * 99)[:cut] or b"no gzip", headers={"Content-Encoding": "gzip"})
    miss(internet.fetch(SITE), "damaged", "gzip")


def test_a_page_that_trickles_is_stopped_in_time(internet: Any, server: Any) -> None:
    server.say("/", b"a" * 100, piece=1, pause=0.05)
    began = time.monotonic()
    miss(internet.fetch(SITE, seconds=0.3), "timeout")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(("first", "then"), [(b"HTTP/1.1 200 OK\r\nX: ", b"y"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")])
def test_headers_that_never_end_are_stopped_in_time(internet: Any, first: bytes, then: bytes) -> None:
    mine, theirs = socket.socketpair()

    def drip() -> None:
        with contextlib.suppress(OSError):
            theirs.sendall(first)
            while True:
                theirs.sendall(then)
                time.sleep(0.01)

    thread = threading.Thread(target=drip)
    thread.start()
    internet.dial = lambda ip, port, seconds: mine
    miss(internet.fetch(SITE, seconds=0.2), "timeout")
    thread.join(5)
    assert not thread.is_alive()  # the connection was closed
    theirs.close()


# --- robots.txt


def test_robots_are_honoured_under_our_own_name(internet: Any, server: Any) -> None:
    server.say("/robots.txt", "User-agent: *\nDisallow: /\nUser-agent: wellread\nDisallow: /a*c$\nCrawl-delay: 60", "text/plain")
    server.say("/ab")
    server.move("/to", "/abc")
    assert only(internet.fetch(f"{SITE}/ab")).status == "new"
    miss(internet.fetch(f"{SITE}/abc"), "robots", "robots.txt of site.test")
    miss(internet.fetch(f"{SITE}/to"), "robots", "/abc")
    assert "/abc" not in server.asked
    assert internet.slept == []


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (429, False), (500, False), (503, False)])
def test_robots_that_cannot_be_had(internet: Any, server: Any, status: int, allowed: bool) -> None:
    server.say("/robots.txt", status=status)
    server.list("/sitemap.xml", "/a", "/b")
    server.say("/a")
    if allowed:
        assert urls(internet.fetch(f"{SITE}/a"), "new") == ["/a"]
    else:
        miss(internet.fetch(f"{SITE}/sitemap.xml"), "unreachable", "robots.txt", str(status))
    assert server.pages == ["/a"] * allowed


def test_robots_are_redirected_and_cut(internet: Any, server: Any) -> None:
    server.move("/robots.txt", "/r")
    server.say("/r", "User-agent: *\nDisallow: /a\n" + "#" * 600_000 + "\nDisallow: /b", "text/plain")
    server.list("/sitemap.xml", "/a", "/b")
    server.say("/b")
    found = internet.fetch(f"{SITE}/sitemap.xml")
    assert (urls(found, "new"), urls(found, "robots")) == (["/b"], ["/a"])
    assert server.asked.count("/r") == 1


def test_requests_keep_the_distance_a_site_asks_for(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", "/a", "/b")
    for path in "/a", "/b":
        server.say(path)
    assert urls(internet.fetch(f"{SITE}/sitemap.xml", clock=lambda: 5.0), "new") == ["/a", "/b"]
    assert internet.slept == pytest.approx([0.2, 0.2])
    server.say("/robots.txt", "User-agent: *\nCrawl-delay: 3", "text/plain")
    internet.fetch(f"{SITE}/sitemap.xml", clock=lambda: 5.0)
    internet.fetch(f"{SITE}/sitemap.xml", clock=lambda: 5.0, longest_delay=2.0)
    assert internet.slept[2:] == pytest.approx([3.0, 3.0, 2.0, 2.0])


# --- site maps


def test_a_map_brings_its_pages_in_order(internet: Any, server: Any) -> None:
    server.list(
        "/sitemap.xml", "/a", f"{SITE}/b", "http://docs.site.test/c", f"{SITE}/a#top", "http://other.test/", "ftp://site.test/d", "/e"
    )
    internet.names["docs.site.test"] = [["93.184.216.34"]]
    for path in "/a", "/b", "/c":
        server.say(path, path)
    found = internet.fetch(f"{SITE}/sitemap.xml")
    assert urls(found, "new") == ["/a", "/b", "http://docs.site.test/c"]
    assert [each.data for each in found if isinstance(each, Fetched)] == [b"/a", b"/b", b"/c"]
    assert urls(found, "missing") == ["/e"]
    told = [each.message for each in found if isinstance(each, Missed)]
    assert any("not on site.test: 1." in each for each in told)
    assert any("no addresses of pages: 1." in each for each in told)
    assert internet.asked == ["site.test", "docs.site.test"]


def test_maps_in_maps(internet: Any, server: Any) -> None:
    server.list("/index.xml", "/1.xml.gz", "/sub.xml", "/index.xml", "/broken.xml", "/no", kind="sitemapindex")
    server.list("/1", "/a", "/b")
    server.say("/1.xml.gz", gzip.compress(server.answers["/1"][0].body), "application/gzip")
    server.list("/sub.xml", "/2.xml", "/index.xml", kind="sitemapindex")
    server.say("/2.xml", f"{SITE}/c\n{SITE}/a\n", "text/plain")
    server.say("/broken.xml", "<urlset><url><loc>/d</loc></url>")
    server.say("/no")
    for page in "abcd":
        server.say(f"/{page}")
    found = internet.fetch(f"{SITE}/index.xml")
    assert urls(found, "new") == ["/a", "/b", "/d", "/c"]
    assert urls(found, "damaged") == ["/broken.xml", "/no"]
    assert server.asked.count("/index.xml") == 1
    shallow = internet.fetch(f"{SITE}/index.xml", depth=2)
    assert (urls(shallow, "new"), urls(shallow, "too_many_pages")) == (["/a", "/b", "/d"], ["/index.xml"])
    few = internet.fetch(f"{SITE}/index.xml", maps=1)
    assert (urls(few, "new"), urls(few, "too_many_pages")) == (["/a", "/b"], ["/index.xml"])


@pytest.mark.parametrize("root", ["/sitemap.xml.gz", "/sitemap.txt", "/robots.txt"])
def test_every_kind_of_root(internet: Any, server: Any, root: str) -> None:
    server.list("/sitemap.xml", "/a")
    server.say("/sitemap.xml.gz", gzip.compress(server.answers["/sitemap.xml"][0].body), "application/x-gzip")
    server.say("/sitemap.txt", f"{SITE}/a\n", "text/plain")
    server.say("/robots.txt", "Sitemap: /sitemap.xml\n", "text/plain")
    server.say("/a")
    assert urls(internet.fetch(SITE + root), "new") == ["/a"]


def test_a_map_s_gzip_bomb_is_not_unpacked(internet: Any, server: Any) -> None:
    server.say("/sitemap.xml.gz", gzip.compress(b"<urlset>" + b" " * 3_000_000), "application/gzip")
    miss(internet.fetch(f"{SITE}/sitemap.xml.gz", map_bytes=1_000_000), "too_large", "1,000,000")


def test_held_pages_are_asked_for_even_where_the_map_forgot_them(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", "/a", "/new")
    server.say("/a", headers={"ETag": '"a"'})
    server.say("/new")
    server.say("/unlisted", headers={"ETag": '"u"'})
    held = [Seen(f"{SITE}/{path}", f'"{path[0]}"') for path in ("unlisted", "gone", "a")]
    found = internet.fetch(f"{SITE}/sitemap.xml", held)
    assert (urls(found, "new"), urls(found, "unchanged"), urls(found, "gone")) == (["/new"], ["/a", "/unlisted"], ["/gone"])


def test_no_more_pages_than_the_limit_and_the_rest_is_said(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", *(f"/{at}" for at in range(9)))
    for at in range(9):
        server.say(f"/{at}")
    held = [Seen(f"{SITE}/old")]
    found = internet.fetch(f"{SITE}/sitemap.xml", held, pages=3)
    assert urls(found, "new") == ["/0", "/1", "/2"]
    told = [each.message for each in found if isinstance(each, Missed)]
    assert len(told) == 2
    assert "after the first 3: 6." in told[0]
    assert "known from earlier that were not looked at: 1." in told[1]
    assert server.pages == ["/sitemap.xml", "/0", "/1", "/2"]


def test_a_map_that_fails_says_nothing_of_its_pages(internet: Any, server: Any) -> None:
    server.say("/sitemap.xml", status=404)
    miss(internet.fetch(f"{SITE}/sitemap.xml", [Seen(f"{SITE}/a")]), "missing")


def test_pages_that_moved_to_another_site_are_not_taken(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", "/a")
    server.move("/a", "http://other.test/login")
    miss(internet.fetch(f"{SITE}/sitemap.xml"), "elsewhere", "other.test")
    assert internet.asked == ["site.test"]


def test_a_site_that_falls_silent_is_given_up(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", *(f"/{at}" for at in range(9)))
    server.say("/1")
    for at in (0, *range(2, 9)):
        server.say(f"/{at}", status=500)
    found = internet.fetch(f"{SITE}/sitemap.xml", patience=3)
    assert urls(found, "unreachable") == ["/0", "/2", "/3", "/4", "/sitemap.xml"]
    assert "the 4 after them were not tried" in found[-1].message
    server.list("/index.xml", *(f"/{at}" for at in range(2, 9)), kind="sitemapindex")
    found = internet.fetch(f"{SITE}/index.xml", patience=3)
    assert urls(found, "unreachable") == ["/2", "/3", "/4"]
    assert "not read: 4." in found[-1].message


def test_progress_is_told(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", "/a", "/b")
    told: list[tuple[str, int, int]] = []
    network = Network(internet.resolve, internet.dial, internet.trust, sleep=internet.slept.append)
    list(fetch_site(f"{SITE}/sitemap.xml", {}, progress=lambda *each: told.append(each), network=network))
    assert told == [("pages", 0, 2), ("pages", 1, 2)]


def test_one_connection_serves_many_pages(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", *(f"/{at}" for at in range(5)))
    for at in range(5):
        server.say(f"/{at}")
    assert len(urls(internet.fetch(f"{SITE}/sitemap.xml"), "new")) == 5
    assert internet.dialled == [("93.184.216.34", 80)]


def test_a_consumer_that_stops_early_leaves_nothing_open(internet: Any, server: Any) -> None:
    server.list("/sitemap.xml", "/a", "/b")
    server.say("/a")
    network = Network(internet.resolve, internet.dial, internet.trust, sleep=internet.slept.append)
    pages = fetch_site(f"{SITE}/sitemap.xml", {}, network=network)
    assert isinstance(next(pages), Fetched)
    pages.close()  # type: ignore[attr-defined]
    assert server.pages == ["/sitemap.xml", "/a"]


# --- names and encodings


@pytest.mark.parametrize(
    ("path", "kind", "disposition", "name"),
    [
        ("/", "text/html; charset=utf-8", "", "site.test.html"),
        ("/docs/intro/", "text/html", "", "intro.html"),
        ("/v1.2", "TEXT/HTML", "", "v1.2.html"),
        ("/README.md", "text/plain", "", "README.md"),
        ("/LICENSE", "text/plain", "", "LICENSE.txt"),
        ("/README.md", "text/html", "", "README.md.html"),
        ("/a.PDF?x=/b.html", "application/pdf", "", "a.PDF"),
        ("/get.php?id=1", "application/pdf", "", "get.php.pdf"),
        ("/get", "application/octet-stream", 'attachment; filename="report 1.docx"', "report 1.docx"),
        ("/get", "application/octet-stream", "attachment; filename*=UTF-8''%e2%82%ac%20rates.csv", "_ rates.csv"),
        ("/get", "", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("/get", "", 'attachment; filename="C:\\\\x\\\\y.txt"', "y.txt"),
        ("/%2e%2e%2f..%00%0a", "", "", "_"),
        ("/%E4%BD%A0%E5%A5%BD.txt", "text/plain", "", "你好.txt"),
        ("/" + "a" * 300 + ".pdf", "application/pdf", "", "a" * 116 + ".pdf"),
    ],
)
def test_names_fit_what_the_server_says(internet: Any, server: Any, path: str, kind: str, disposition: str, name: str) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    server.say(canonical(SITE + path).removeprefix(SITE), "x", kind, headers=headers)
    assert only(internet.fetch(SITE + path)).name == name


def test_an_encoding_that_only_the_header_names_reaches_the_reader(internet: Any, server: Any) -> None:
    server.say("/", "<!DOCTYPE html><p>Привет".encode("koi8-r"), "text/html; charset=KOI8-R")
    found = only(internet.fetch(SITE))
    assert found.data.decode("utf-8-sig") == "<!DOCTYPE html><p>Привет"
    assert found.data.startswith(b"\xef\xbb\xbf")


# --- encrypted


def test_certificates_are_checked_against_the_name(internet: Any, serve: Callable[..., Any]) -> None:
    server = serve(tls=True)
    server.say("/", "secret")
    server.move("/down", "http://site.test/")
    internet.servers[443] = server
    internet.names["wrong.test"] = internet.names["site.test"]
    miss(internet.fetch("https://site.test/"), "untrusted", "site.test")
    assert server.asked == []
    internet.trusted = internet.certificate
    assert only(internet.fetch("https://site.test/")).data == b"secret"
    assert internet.dialled[-1] == ("93.184.216.34", 443)
    miss(internet.fetch("https://wrong.test/"), "untrusted", "wrong.test")
    miss(internet.fetch("https://site.test/down"), "insecure", "http://site.test/")
