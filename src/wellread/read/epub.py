"""Books (EPUB 2 and 3): the documents of the spine, in reading order, each a page that is called a chapter."""

from __future__ import annotations

import html.entities
import posixpath
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from wellread.read.archive import open_zip
from wellread.read.blocks import Blocks, text_of
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import decode
from wellread.read.html import declared, pruned, tree
from wellread.read.limits import Limits
from wellread.read.refuse import refusal
from wellread.read.sections import Heading
from wellread.types import Page, Region

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_DOCUMENTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_NCX = "application/x-dtbncx+xml"
_FONT_MASKS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # these hide fonts only
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_XML_ENTITIES = ("amp", "lt", "gt", "quot", "apos")


@dataclass(frozen=True, slots=True)
class _Book:
    """What the package document says: the title and the date, the files to read in their order, and the table of contents."""

    title: str
    date: str | None
    spine: Sequence[str]
    contents: Mapping[str, Sequence[tuple[int, str]]]  # path -> (level, title) in order
    missing: int = 0


def read_epub(data: bytes, name: str, limits: Limits) -> Content:
    """Every document of the spine that holds text as a page "chapter N"; what the spine calls not linear comes last.

    A chapter without headings takes those that the table of contents gives it. Raises `ReadError` "encrypted" for a book whose
    documents are under rights management; masked fonts do no harm.
    """
    try:
        with open_zip(data, name, limits) as archive:
            book = _book(archive, name)
            chapters = [chapter for path in book.spine if (chapter := _chapter(archive, path, book, name)).text]
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, NotImplementedError, SyntaxError) as error:
        raise refusal("damaged", name, "it is not a whole EPUB book") from error
    if len(chapters) > limits.pages:
        raise refusal("too_many_pages", name, f"{len(chapters):,} chapters, and the limit is {limits.pages:,}")
    pages: list[Page] = []
    headings: list[Heading] = []
    regions: list[Region] = []
    at = 0
    for index, chapter in enumerate(chapters):
        pages.append(Page(index, f"chapter {index + 1}", at, at + len(chapter.text)))
        headings += [replace(heading, start=heading.start + at) for heading in chapter.headings]
        regions += [replace(region, start=region.start + at, end=region.end + at) for region in chapter.regions]
        at += len(chapter.text) + 1
    return Content(
        text="\f".join(chapter.text for chapter in chapters),
        title=book.title or (headings[0].title if headings else ""),
        pages=tuple(pages),
        headings=tuple(headings),
        warnings=(f"{book.missing} parts that the book names are not in it",) if book.missing else (),
        regions=tuple(regions),
        date=book.date,
    )


def _book(archive: zipfile.ZipFile, name: str) -> _Book:
    names = {entry.filename for entry in archive.infolist()}
    package_path = _package_path(archive, names)
    locked = _locked(archive, names)
    if package_path in locked:
        raise refusal("encrypted", name)
    package = _xml(archive.read(package_path))
    items: dict[str, tuple[str, str, str]] = {}
    for item in _all(package, "item"):
        path = _resolved(package_path, item.get("href", ""))
        items[item.get("id", "")] = (path, item.get("media-type", "").lower(), item.get("properties", ""))
    linear: list[str] = []
    after: list[str] = []
    for reference in _all(package, "itemref"):
        path, kind, _ = items.get(reference.get("idref", ""), ("", "", ""))
        if kind in _DOCUMENTS or path.lower().endswith((".xhtml", ".html", ".htm")) or not path:
            (after if reference.get("linear") == "no" else linear).append(path)
    spine = list(dict.fromkeys(linear + after))
    if any(path in locked for path in spine):
        raise refusal("encrypted", name)
    title = next((" ".join("".join(found.itertext()).split()) for found in _all(package, "title")), "")
    date = day(*(found.text for found in _all(package, "date")))
    present = [path for path in spine if path in names]
    return _Book(title, date, present, _contents(archive, names, items), len(spine) - len(present))


def _package_path(archive: zipfile.ZipFile, names: set[str]) -> str:
    """Where the package document is: the container says so, or the only file of that kind is taken."""
    if _CONTAINER in names:
        for rootfile in _all(_xml(archive.read(_CONTAINER)), "rootfile"):
            path = _resolved("", rootfile.get("full-path", ""))
            if path in names:
                return path
    found = [path for path in names if path.lower().endswith(".opf")]
    return min(found, key=lambda path: (len(path), path))


def _locked(archive: zipfile.ZipFile, names: set[str]) -> set[str]:
    """The paths that are encrypted, but for fonts that are only masked."""
    if _ENCRYPTION not in names:
        return set()
    locked: set[str] = set()
    for encrypted in _all(_xml(archive.read(_ENCRYPTION)), "EncryptedData"):
        methods = [method.get("Algorithm", "") for method in encrypted if _local(method) == "EncryptionMethod"]
        if not any(method in _FONT_MASKS for method in methods):
            locked.update(_resolved("", reference.get("URI", "")) for reference in _all(encrypted, "CipherReference"))
    return locked


def _contents(
    archive: zipfile.ZipFile, names: set[str], items: Mapping[str, tuple[str, str, str]]
) -> Mapping[str, Sequence[tuple[int, str]]]:
    """The titles that the navigation document, or the older NCX, gives to each file."""
    navigation = [path for path, _, properties in items.values() if "nav" in properties.split() and path in names]
    ncx = [path for path, kind, _ in items.values() if kind == _NCX and path in names]
    found: dict[str, list[tuple[int, str]]] = {}
    for path in (navigation + ncx)[:2]:
        root = _markup(archive.read(path))
        if root is None:
            continue
        for link in _links(root, path in navigation):
            target = _resolved(path, link[0])
            found.setdefault(target, []).append(link[1:])
        if found:
            break
    return found


def _links(root: Any, navigation: bool) -> list[tuple[str, int, str]]:
    """(href, level, title) of each entry of a table of contents."""
    links = []
    if navigation:
        for nav in _all(root, "nav"):
            kind = next((value for key, value in nav.attrib.items() if key.endswith("type")), "toc")
            if kind != "toc":
                continue
            for link in _all(nav, "a"):
                level = sum(_local(parent) == "ol" for parent in link.iterancestors())
                links.append((link.get("href", ""), max(1, level), _said(link)))
        return links
    for content in _all(root, "content"):
        point = content.getparent()
        label = next((child for child in point if _local(child) in ("navLabel", "navlabel")), None)
        level = sum(_local(parent) in ("navPoint", "navpoint") for parent in content.iterancestors())
        if label is not None and level:
            links.append((content.get("src", ""), level, _said(label)))
    return links


def _chapter(archive: zipfile.ZipFile, path: str, book: _Book, name: str) -> Blocks:
    data = archive.read(path)
    root = _markup(data)
    if root is None:
        root = tree(decode(data, declared(data))[0], name)
    if root is None:
        return Blocks("")
    pruned(root)
    blocks = text_of(root)
    return blocks if blocks.headings else replace(blocks, headings=_headings(blocks.text, book.contents.get(path, ())))


def _headings(text: str, entries: Sequence[tuple[int, str]]) -> tuple[Heading, ...]:
    """The titles of the table of contents where they stand in the text; the first at its beginning, if it stands nowhere."""
    found: list[Heading] = []
    at = 0
    for level, title in entries:
        words = title.split()
        match = re.compile(r"(?:^|(?<=\n))" + r"\s+".join(map(re.escape, words)), re.IGNORECASE).search(text, at) if words else None
        if match is not None:
            found.append(Heading(level, title, match.start()))
            at = match.end()
        elif words and not found:
            found.append(Heading(level, title, 0))
    return tuple(found)


def _markup(data: bytes) -> Any:
    """The tree of an XHTML document, its names without their namespace, or None where it is no well-formed XML.

    Nothing is fetched, no entity but HTML's own is resolved.
    """
    from lxml import etree
    from lxml.html import XHTMLParser

    source = _ENTITY.sub(_character, decode(data, declared(data))[0])
    source = re.sub(r"^\s*<\?xml[^>]*\?>", "", source)
    parser = XHTMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(source.encode("utf-8"), parser=parser)
    except etree.XMLSyntaxError:
        return None
    etree.strip_elements(root, etree.Entity, with_tail=False)  # what is left of them is not HTML's
    for element in root.iter(etree.Element):
        element.tag = etree.QName(element).localname
    return root


def _character(entity: re.Match[str]) -> str:
    name = entity[1]
    return entity[0] if name in _XML_ENTITIES else html.entities.html5.get(f"{name};", entity[0])


def _xml(data: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(data, parser=etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True))


def _all(root: Any, local: str) -> list[Any]:
    """Elements by their name, whatever its namespace."""
    return list(root.iter("{*}" + local))


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _said(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _resolved(base: str, href: str) -> str:
    """A path inside the archive, or "" for one that leads out of it."""
    path = unquote(href.partition("#")[0])
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(base), path.lstrip("/"))) if path else ""
    return "" if whole.startswith("..") else whole
