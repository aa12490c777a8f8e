"""Pages of the web in a library: fetched once, asked after politely, and kept when the network is not there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wellread.errors import UsageError
from wellread.library import Library

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Site:
    """Pages by path; each is served with an ETag. `sent` holds the paths whose text was sent."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.sent: list[str] = []
        self.url = ""

    def list(self, *paths: str) -> str:
        entries = "".join(f"<url><loc>{self.url}{path}</loc></url>" for path in paths)
        self.pages["/sitemap.xml"] = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
        return f"{self.url}/sitemap.xml"


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            page = found.pages.get(self.path)
            tag = f'"{hashlib.sha256((page or "").encode()).hexdigest()[:12]}"'
            if page is None:
                self.send_error(404)
            elif self.headers.get("If-None-Match") == tag:
                self.send_response(304)
                self.end_headers()
            else:
                found.sent.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "application/xml" if self.path.endswith(".xml") else "text/html; charset=utf-8")
                self.send_header("ETag", tag)
                self.end_headers()
                self.wfile.write(page.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def page(title: str, text: str) -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><p>{text}</p></body></html>"


def test_a_page_is_read_and_asked_after(site: Site, open_library: Callable[..., Library], check_library: Callable[[Library], None]) -> None:
    site.pages["/tea"] = page("Tea", "Green tea is steeped at eighty degrees.")
    library = open_library(private_addresses=True)
    assert library.add(f"{site.url}/tea#top").added == 1
    (listed,) = library.documents()
    assert (listed.title, listed.sources) == ("Tea", (f"{site.url}/tea",))
    assert library.search("green tea")[0].source == f"{site.url}/tea"
    report = library.sync()
    assert (report.unchanged, report.changed) == (1, False)
    assert site.sent.count("/tea") == 1
    site.pages["/tea"] = page("Tea", "Green tea is steeped at seventy degrees.")
    assert library.sync().updated == 1
    assert "seventy" in library.search("green tea")[0].chunk.text
    check_library(library)
    assert library.remove(f"{site.url}/tea") == 1
    assert library.store.roots() == []


@pytest.mark.slow
def test_a_site_map_brings_its_pages(site: Site, open_library: Callable[..., Library], check_library: Callable[[Library], None]) -> None:
    for name in ("a", "b", "c"):
        site.pages[f"/{name}"] = page(name, f"This is the page {name}.")
    library = open_library(private_addresses=True)
    report = library.add(site.list("/a", "/b", "/c", "/never"))
    assert (report.added, [failure.reason for failure in report.failed]) == (3, ["missing"])
    del site.pages["/c"]
    site.pages["/d"] = page("d", "This is the page d.")
    site.list("/a", "/d")
    report = library.sync()
    assert (report.added, report.unchanged, report.removed) == (1, 2, 1)  # /b is not listed any more, and still there
    assert sorted(listed.title for listed in library.documents()) == ["a", "b", "d"]
    check_library(library)
    assert library.remove(f"{site.url}/sitemap.xml") == 3


def test_what_cannot_be_reached_stays(site: Site, open_library: Callable[..., Library]) -> None:
    site.pages["/a"] = page("a", "This is the page a.")
    library = open_library(private_addresses=True)
    library.add(f"{site.url}/a")
    site.pages["/a"] = ""
    report = library.sync()
    assert not report.changed
    assert [failure.path for failure in report.failed] == [f"{site.url}/a"]
    assert len(library.documents()) == 1
    library.close()
    assert not open_library(private_addresses=True, offline=True).sync().failed  # offline nobody is asked


def test_pages_of_this_machine_are_not_fetched_unless_allowed(site: Site, open_library: Callable[..., Library]) -> None:
    site.pages["/a"] = page("a", "This is the page a.")
    library = open_library()
    (failure,) = library.add(f"{site.url}/a").failed
    assert failure.reason == "forbidden"
    assert site.sent == []
    with pytest.raises(UsageError, match="not the address of a web page"):
        library.add("file:///etc/passwd")
    with pytest.raises(UsageError, match="offline"):
        open_library("other", offline=True).add(f"{site.url}/a")
