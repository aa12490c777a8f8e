"""Web pages: the main text where there is one, the whole page where that would lose too much, and manuals always whole."""

from __future__ import annotations

import copy
import re
from typing import Any

from wellread.read.blocks import Blocks, text_of
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.refuse import refusal

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([a-zA-Z0-9_:.-]{2,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([a-zA-Z0-9_:.-]{2,40})["']""", re.IGNORECASE)
_MANUAL = re.compile(r"sphinx|docutils|mkdocs|docbook|doxygen|javadoc|asciidoctor|texinfo|makeinfo|pandoc|rustdoc", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_DATES = ("article:published_time", "date", "dc.date", "dcterms.date", "citation_publication_date")
_SHORT = 1000  # a page of fewer characters has no main text to look for
_MAIN_SHARE = 0.25  # below this share of the page's text, the main text is not trusted


def read_html(data: bytes, name: str, limits: Limits) -> Content:
    """The text of a page: the canonical text is what was extracted, since the source's own offsets mean nothing to a reader."""
    source, warning = decode(data, declared(data))
    root = tree(source, name)
    if root is None:
        return Content(text="")
    title, date = _title(root), _date(root)
    pruned(root)
    page = text_of(_whole(root))
    if len(page.text) > _SHORT and not _is_manual(source, root):
        main = _main(root, name)
        if len(main.text) >= _MAIN_SHARE * len(page.text):
            page = main
    if not title:
        title = next((heading.title for heading in page.headings if heading.level == 1), "")
    warnings = (warning,) if warning else ()
    return Content(text=page.text, title=title, headings=page.headings, warnings=warnings, regions=page.regions, date=date)


def tree(source: str, name: str) -> Any:
    """The lxml tree of an HTML text without comments, or None when it holds nothing. Nothing is fetched and no entity is loaded.

    Raises `ReadError` "damaged" where elements are nested so deeply (about 2,000) that the parser gives up.
    """
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring

    parser = HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = document_fromstring(source.encode("utf-8"), parser=parser)
    except etree.ParserError:
        return None
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise refusal("damaged", name, "it is nested too deeply")
    return root


def declared(data: bytes) -> str | None:
    """The encoding that a page itself names, in its head or in its XML declaration."""
    found = _CHARSET.search(data[:4096]) or _XML_ENCODING.search(data[:300])
    if found is None:
        return None
    name = found.group(1).decode("ascii").lower()
    return "cp1252" if name in ("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii") else name  # what browsers do


def _title(root: Any) -> str:
    for element in root.iter("title"):
        parent = element.getparent()
        if parent is None or parent.tag != "svg":
            return " ".join((element.text or "").split())
    return ""


def _date(root: Any) -> str | None:
    """The day on which a page says it was published."""
    told: dict[str, str] = {}
    for meta in root.iter("meta"):
        told.setdefault((meta.get("property") or meta.get("name") or "").lower(), meta.get("content", ""))
    return day(*map(told.get, _DATES))


def pruned(root: Any) -> None:
    """Take out what a person would not see: hidden text is a way to smuggle instructions."""
    for element in list(root.iter()):
        if element is root or element.getparent() is None:
            continue
        hidden = element.get("hidden") is not None or _HIDDEN.search(element.get("style", "")) is not None
        permalink = element.tag == "a" and "headerlink" in element.get("class", "")
        if hidden or permalink or element.tag == "nav":
            element.drop_tree()


def _whole(root: Any) -> Any:
    """The page's body, or its main part where that is marked, without footers and asides."""
    body = root.find("body")
    body = copy.deepcopy(root if body is None else body)
    for element in list(body.iter("footer", "aside")):
        if element.getparent() is not None:
            element.drop_tree()
    for path in (".//main", ".//*[@role='main']"):
        found = body.find(path)
        if found is not None:
            return found
    return body


def _is_manual(source: str, root: Any) -> bool:
    generators = " ".join(meta.get("content", "") for meta in root.iter("meta") if meta.get("name", "").lower() == "generator")
    return bool(_MANUAL.search(generators)) or "documentation_options.js" in source


def _main(root: Any, name: str) -> Blocks:
    import trafilatura

    try:
        found = trafilatura.extract(
            copy.deepcopy(root),
            output_format="html",
            fast=True,
            include_comments=False,
            include_tables=True,
            include_formatting=True,
        )
    except RecursionError:  # deep pages are read whole
        found = None
    extracted = tree(found, name) if found else None
    return Blocks(text="") if extracted is None else text_of(extracted)
