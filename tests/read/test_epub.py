"""Books."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.epub import read_epub
from wellread.read.limits import Limits

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body>{}</body></html>'
)


def package(spine: str, manifest: str, title: str = "On elks", head: str = "") -> str:
    return (
        f'{head}<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></metadata><manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    )


def item(key: str, path: str, properties: str = "") -> str:
    kind = "application/x-dtbncx+xml" if path.endswith(".ncx") else "application/xhtml+xml"
    return f'<item id="{key}" href="{path}" media-type="{kind}" properties="{properties}"/>'


def book(parts: Mapping[str, str], opf: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf, **parts}.items():
            archive.writestr(name, text)
    return held.getvalue()


def simple(*bodies: str, extra: Mapping[str, str] | None = None, manifest: str = "", title: str = "On elks", head: str = "") -> bytes:
    parts = {f"OEBPS/text/{n}.xhtml": XHTML.format(body) for n, body in enumerate(bodies)}
    listed = "".join(item(f"c{n}", f"text/{n}.xhtml") for n in range(len(bodies))) + manifest
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(bodies)))
    return book({**parts, **(extra or {})}, package(spine, listed, title, head))


def read(data: bytes, limits: Limits | None = None) -> Content:
    return read_epub(data, "x.epub", limits or Limits())


def test_chapters_are_pages_and_those_without_text_are_not_counted() -> None:
    content = read(simple("<h1>Elks</h1><p>They eat&nbsp;leaves.</p>", '<img src="a.png"/>', "<h1>Moss</h1><p>It grows.</p>"))
    assert content.text == "Elks\n\nThey eat\u00a0leaves.\fMoss\n\nIt grows."
    assert [(page.label, content.text[page.start : page.end][:4]) for page in content.pages] == [
        ("chapter 1", "Elks"),
        ("chapter 2", "Moss"),
    ]
    assert [(heading.title, content.text[heading.start :][:4]) for heading in content.headings] == [("Elks", "Elks"), ("Moss", "Moss")]
    assert content.title == "On elks"


def test_tables_keep_their_places() -> None:
    table = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"
    content = read(simple("<p>one</p>", f"<p>two</p>{table}"))
    assert [content.text[region.start : region.end] for region in content.regions] == ["a | b\nc | d"]


def test_what_is_not_linear_comes_last() -> None:
    parts = {f"OEBPS/{key}.xhtml": XHTML.format(f"<p>{key}</p>") for key in ("notes", "one", "two")}
    manifest = "".join(item(key, f"{key}.xhtml") for key in ("notes", "one", "two"))
    opf = package('<itemref idref="notes" linear="no"/><itemref idref="one"/><itemref idref="two"/>', manifest)
    assert read(book(parts, opf)).text == "one\ftwo\fnotes"


NAV = XHTML.format(
    '<nav epub:type="toc" xmlns:epub="http://www.idpf.org/2007/ops"><ol><li><a href="text/0.xhtml#a">The  Start</a><ol>'
    '<li><a href="text/0.xhtml#b">Of Moss</a></li></ol></li><li><a href="text/1.xhtml">Silent Title</a></li></ol></nav>'
    '<nav epub:type="landmarks" xmlns:epub="http://www.idpf.org/2007/ops"><ol><li><a href="text/0.xhtml">wrong</a></li></ol></nav>'
)
NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>The Start</text></navLabel>'
    '<content src="text/0.xhtml#a"/>'
    '<navPoint><navLabel><text>Of Moss</text></navLabel><content src="text/0.xhtml#b"/></navPoint></navPoint>'
    '<navPoint><navLabel><text>Silent Title</text></navLabel><content src="text/1.xhtml"/></navPoint></navMap></ncx>'
)


@pytest.mark.parametrize(("path", "contents"), [("nav.xhtml", NAV), ("toc.ncx", NCX)])
def test_chapters_without_headings_take_those_of_the_contents(path: str, contents: str) -> None:
    bodies = ("<p>Of moss is told in The Start.</p><p>The\nStart</p><p>x</p><p>Of Moss</p>", "<p>No title here.</p>", "<h2>Own</h2>")
    listed = item("toc", path, "nav" if path == "nav.xhtml" else "")
    content = read(simple(*bodies, extra={f"OEBPS/{path}": contents}, manifest=listed))
    found = [(heading.level, heading.title, content.text[heading.start :].split("\n\n")[0].split("\f")[0]) for heading in content.headings]
    assert found == [(1, "The Start", "The Start"), (2, "Of Moss", "Of Moss"), (1, "Silent Title", "No title here."), (2, "Own", "Own")]


def encryption(algorithm: str, path: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
        f'<EncryptionMethod Algorithm="{algorithm}"/><CipherData><CipherReference URI="{path}"/></CipherData></EncryptedData></encryption>'
    )


def test_locked_chapters_are_refused_and_masked_fonts_are_not() -> None:
    locked = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/text/0.xhtml")
    with pytest.raises(ReadError) as caught:
        read(simple("<p>x</p>", extra={"META-INF/encryption.xml": locked}))
    assert caught.value.reason == "encrypted"
    masked = encryption("http://www.idpf.org/2008/embedding", "OEBPS/font.otf")
    assert read(simple("<p>x</p>", extra={"META-INF/encryption.xml": masked})).text == "x"


def test_hidden_text_and_scripts_are_not_read() -> None:
    body = '<p>seen</p><p hidden="hidden">no</p><p style="display: none">no</p><script type="text/javascript">no</script><p>too</p>'
    assert read(simple(body)).text == "seen\n\ntoo"


def test_empty_elements_of_xhtml_do_not_swallow_what_follows() -> None:
    assert read(simple('<p><a id="x"/>one</p><div/><p>two</p>')).text == "one\n\ntwo"


def test_a_chapter_that_is_no_xml_is_read_as_html() -> None:
    assert read(simple("<p>one<br>two &copy; <b>three</p>")).text == "one\ntwo © three"


def test_parts_that_are_missing_are_told() -> None:
    parts = {"OEBPS/one.xhtml": XHTML.format("<p>one</p>")}
    manifest = item("one", "one.xhtml") + item("gone", "gone.xhtml") + item("out", "../../../etc/passwd.html")
    content = read(book(parts, package("".join(f'<itemref idref="{key}"/>' for key in ("one", "gone", "out")), manifest)))
    assert content.text == "one"
    assert content.warnings == ("2 parts that the book names are not in it",)


def test_names_in_the_package_may_be_escaped() -> None:
    parts = {"OEBPS/第 1.xhtml": XHTML.format("<p>一</p>")}
    assert read(book(parts, package('<itemref idref="c"/>', item("c", "%E7%AC%AC%201.xhtml#top")))).text == "一"


def entity_bomb(root: str) -> str:
    declared = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    return f'<!DOCTYPE {root} [<!ENTITY a "aaaaaaaaaa">{declared}]>'


def test_external_entities_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    doctype = '<!DOCTYPE {} [<!ENTITY leak SYSTEM "{}">]>'
    content = read(simple("<p>x</p>", title="&leak;On elks", head=doctype.format("package", secret.as_uri())))
    assert content.text == "x"
    assert "secret" not in content.title
    chapter = doctype.format("html", secret.as_uri()) + "<html><body><p>x &leak; y</p></body></html>"
    assert "secret" not in read(book({"OEBPS/c.xhtml": chapter}, package('<itemref idref="c"/>', item("c", "c.xhtml")))).text


def test_entity_bombs_do_not_go_off() -> None:
    with pytest.raises(ReadError) as caught:
        read(simple("<p>x</p>", title="&i;", head=entity_bomb("package")))
    assert caught.value.reason == "damaged"
    chapter = entity_bomb("html") + "<html><body><p>x &i; y</p></body></html>"
    assert len(read(book({"OEBPS/c.xhtml": chapter}, package('<itemref idref="c"/>', item("c", "c.xhtml")))).text) < 1000


def test_a_bomb_and_a_cut_are_refused() -> None:
    with pytest.raises(ReadError) as caught:
        read(simple("<p>x</p>" + " " * 20_000_000))
    assert caught.value.reason == "too_large"
    whole = simple("<p>x</p>")
    for length in range(10, len(whole) - 1, 97):
        with pytest.raises(ReadError) as caught:
            read(whole[:length])
        assert caught.value.reason == "damaged"


def test_a_zip_that_is_no_book_is_damaged() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
    with pytest.raises(ReadError) as caught:
        read(held.getvalue())
    assert caught.value.reason == "damaged"
