"""Site maps are read without a tree and without faith."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.web.inflate import collect, gunzip, inflated
from wellread.web.missed import Failure
from wellread.web.sitemap import SiteMap, read_site_map

SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def test_only_a_map_s_own_locations_count() -> None:
    text = f"""<?xml version="1.0" encoding="UTF-8"?><!-- made -->
<urlset xmlns="{SPACE}" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc> http://a.test/1?a=1&amp;b=2 </loc><lastmod>2020-01-01</lastmod><image:image><image:loc>http://a.test/i.png</image:loc></image:image>
<image:loc>http://a.test/j.png</image:loc></url>
<loc>http://a.test/stray</loc><url><x><loc>http://a.test/deep</loc></x><loc><![CDATA[http://a.test/2]]></loc></url></urlset>"""
    found = SiteMap(False, ("http://a.test/1?a=1&b=2", "http://a.test/2"))
    assert read_site_map(text.encode(), plain=False) == found
    assert read_site_map(text.replace("UTF-8", "UTF-16").encode("utf-16"), plain=False) == found
    bare = "<sitemapindex><sitemap><loc>a</loc></sitemap></sitemapindex>"
    assert read_site_map(bare.encode(), plain=False) == SiteMap(True, ("a",))


def test_a_map_cut_short_gives_what_it_has_and_says_so() -> None:
    found = read_site_map(b"<urlset><url><loc>http://a.test/1</loc></url><url><loc>http://a.t", plain=False)
    assert found is not None
    assert found.locations == ("http://a.test/1",)
    assert found.fault


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.4",
        b"<html><urlset/></html>",
        b"<rss><channel/></rss>",
        b"<?xml version='1.0' encoding='no-such'?><urlset/>",
        b'<!DOCTYPE urlset [<!ENTITY a "b">]><urlset><url><loc>&a;</loc></url></urlset>',
        b'<!DOCTYPE urlset [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>',
        b'<!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
    ],
)
def test_what_is_no_map(data: bytes) -> None:
    assert read_site_map(data, plain=True) is None


def test_a_plain_list_is_a_map_only_where_one_is_meant() -> None:
    data = b"\xef\xbb\xbfhttp://a.test/1\r\n\r\nhttps://a.test/2\n"
    assert read_site_map(data, plain=True) == SiteMap(False, ("http://a.test/1", "https://a.test/2"))
    assert read_site_map(data, plain=False) is None
    assert read_site_map(data + b"and words\n", plain=True) is None


def test_an_endless_location_is_not_kept() -> None:
    found = read_site_map(b"<urlset><url><loc>" + b"x&#65;" * 500_000 + b"</loc></url></urlset>", plain=False)
    assert found is not None
    assert len(found.locations[0]) < 100_000


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.integers(1, 50), st.binary(max_size=3))
def test_gzip_in_any_pieces(members: list[bytes], piece: int, padding: bytes) -> None:
    data = b"".join(map(gzip.compress, members)) + b"\0" + padding
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert collect(inflated(pieces), 1000) == b"".join(members)
    with pytest.raises(Failure, match="ends early"):
        collect(inflated([gzip.compress(members[0])[:-1]]), 1000)


def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(30_000_000))
    taken = 0
    with pytest.raises(Failure, match="too_large"):
        collect((block for block in inflated([bomb]) if (taken := taken + len(block))), 1_000_000)
    assert taken < 1_100_000
    with pytest.raises(Failure, match="too_large"):
        gunzip(bomb, 1_000_000)
    assert gunzip(b"plain", 3) == b"plain"
