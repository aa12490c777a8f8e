"""An address has one spelling, and what could be read in two ways is not read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.web.address import canonical, is_address, join, parse_address, same_site


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://Example.COM", "http://example.com/"),
        (" HTTPS://example.com:443/a#top ", "https://example.com/a"),
        ("http://example.com:80?q=1", "http://example.com/?q=1"),
        ("http://example.com:8080/a//b/", "http://example.com:8080/a//b/"),
        ("http://example.com./a/./b/../c/..", "http://example.com/a/"),
        ("http://example.com/%7euser/%2e%2e/a%2fb%c3%a9é c", "http://example.com/a%2Fb%C3%A9%C3%A9%20c"),
        ("http://example.com/a?x=%41&y=é|'", "http://example.com/a?x=A&y=%C3%A9%7C'"),
        ("https://bücher.example/über", "https://xn--bcher-kva.example/%C3%BCber"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("http://例え.テスト/", "http://xn--r8jz45g.xn--zckzah/"),
        ("http://１.１.１.１/", "http://1.1.1.1/"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/"),
    ],
)
def test_one_spelling(written: str, meant: str) -> None:
    assert canonical(written) == canonical(meant) == meant


@pytest.mark.parametrize(
    "written",
    [
        *"""file:///etc/passwd gopher://example.com/ ftp://example.com/a javascript://x data://x mailto:a@example.com //example.com
    /etc/passwd http: http:// http:///path http:/example.com http://a@b http://user:password@example.com/ http://example.com@127.0.0.1/
    http://@example.com/ http://2130706433/ http://0x7f000001/ http://0x7f.1/ http://0177.0.0.1/ http://127.1/ http://1.2.3/
    http://256.1.1.1/ http://1.2.3.4.5/ http://[::1 http://[fe80::1%25eth0]/ http://[::1]x/ http://example.com:0/ http://example.com:99999/
    http://example.com:x/ http://exa%6dple.com/ http://a_b..c/ http://.com/ http://exa\\mple.com/ http://example.com\\@127.0.0.1/
    http://ex\u2100mple.com/ http://a\u2024\u2024b/ http://[v1.x]/ http://*.example.com/ http://127。0。0。０x1/ http://%31%32%37.0.0.1/""".split(),
        "http://example.com/a\nb",
        "http://exam ple.com/",
        "http://a/" + "x" * 5000,
        "http://" + "a." * 130 + "com/",
        "http://\ud800/",
        "http://a/\ud800",
    ],
)
def test_what_is_no_plain_address_is_refused(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        canonical(written)
    assert caught.value.hint
    assert caught.value.message.isprintable()


@settings(max_examples=60)
@given(
    st.from_regex(r"(?i)https?://[a-z0-9.:\[\]@é-]{1,12}(/[ -~é%.]{0,12}){0,3}(\?[ -~é%]{0,8})?(#x)?", fullmatch=True)
    | st.text(max_size=20)
)
def test_the_one_spelling_is_its_own(written: str) -> None:
    try:
        found = canonical(written)
    except UsageError:
        return
    assert canonical(found) == found
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("c", "http://a.test/x/c"),
        ("/c?d", "http://a.test/c?d"),
        ("//b.test/c", "http://b.test/c"),
        ("../../../c", "http://a.test/c"),
        ("?q", "http://a.test/x/y?q"),
        ("", "http://a.test/x/y"),
    ],
)
def test_links_are_joined(location: str, leads: str) -> None:
    assert str(join(parse_address("http://a.test/x/y"), location)) == leads


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:alert(1)", "http://[", "//u@b/", "http://127.1/", "\\\\evil.test/"])
def test_links_to_what_is_no_address_are_refused(location: str) -> None:
    with pytest.raises(UsageError):
        join(parse_address("http://a.test/x/y"), location)


def test_a_source_is_an_address_or_a_path() -> None:
    assert all(map(is_address, ["http://a", "HTTPS://a/b", " ftp://a", "file:///a", "s3://bucket"]))
    assert not any(map(is_address, ["a", "./http", "C:\\a", "c://a", "http:a", "a:b", "", "/a/http://b"]))


@pytest.mark.parametrize(
    ("root", "page", "same"),
    [
        ("https://a.test/", "https://a.test/b", True),
        ("https://a.test/", "http://docs.a.test/", True),
        ("https://www.a.test/", "https://a.test/", True),
        ("http://a.test:8000/", "http://a.test:8000/", True),
        ("http://a.test/", "http://a.test:8000/", False),
        ("https://a.test/", "https://ba.test/", False),
        ("https://docs.a.test/", "https://a.test/", False),
        ("http://1.2.3.4/", "http://9.1.2.3.4.test/", False),
        ("http://[2606::1]/", "http://[2606::1]/a", True),
    ],
)
def test_a_site_is_a_host_and_what_is_under_it(root: str, page: str, same: bool) -> None:
    assert same_site(parse_address(root), parse_address(page)) is same
