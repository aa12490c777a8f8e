"""XML: documents become their text, data stay as they are.

A manual or a book (DocBook, TEI, JATS, DITA: whatever has paragraphs) is quoted as people read it, without its markup. In any other
file the names of elements and attributes are half of what it says ("capital" beside "Ottawa"), so its source is the canonical text.
Entities are replaced only by short plain text that the file itself declares; nothing is fetched and no definition is expanded.
"""

from __future__ import annotations

import html
import re
from typing import Any

from wellread.read.blocks import text_of
from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.refuse import refusal
from wellread.types import Region

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([a-zA-Z0-9_:.-]{2,40})["']""")
_PARAGRAPH = re.compile(r"<(?:[\w.-]{1,40}:)?(?:p|para|simpara)[\s>]")
_ENTITY_CHARS = 200
_PLAIN = re.compile(r"(?:[^&<]|&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)+")
_TITLES = ("title", "head", "bridgehead", "article-title")
_CAPTIONED = (
    "table",
    "informaltable",
    "table-wrap",
    "figure",
    "fig",
    "example",
    "formalpara",
    "note",
    "tip",
    "warning",
    "important",
    "caution",
    "list",
    "itemizedlist",
    "variablelist",
    "caption",
    "bibl",
    "imprint",
    "element-citation",
    "mixed-citation",
)
_AS_HTML = {
    "para": "p", "simpara": "p", "listitem": "li", "item": "li", "list-item": "li", "itemizedlist": "ul", "simplelist": "ul", "list": "ul",
    "orderedlist": "ol", "variablelist": "dl", "term": "dt", "programlisting": "pre", "screen": "pre", "literallayout": "pre",
    "codeblock": "pre", "synopsis": "pre", "informaltable": "table", "row": "tr", "strow": "tr", "entry": "td", "cell": "td",
    "stentry": "td", "quote": "span", "lb": "br",
}  # fmt: skip
_KEPT = {"p", "li", "ul", "ol", "dl", "dt", "dd", "pre", "table", "tr", "td", "th", "br", "span"}


def read_xml(data: bytes, name: str, limits: Limits) -> Content:
    """The text of a document, with its titles as headings, or the source of anything else; see the top of this file."""
    declared = _ENCODING.match(data[:300])
    text, warning = decode(data, declared.group(1).decode("ascii") if declared else None)
    warnings: tuple[str, ...] = (warning,) if warning else ()
    if _PARAGRAPH.search(text):
        from lxml import etree

        try:
            return _document(text, name, limits, warnings)
        except etree.XMLSyntaxError as error:
            warnings += (f"it is not well-formed XML ({error.msg}) and is read as it stands",)
    return Content(text=text, regions=(Region(0, len(text), "code"),), warnings=warnings)


def _document(text: str, name: str, limits: Limits, warnings: tuple[str, ...]) -> Content:
    from lxml import etree

    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = etree.fromstring(text.encode("utf-8"), parser)
    _fill_entities(root, name, limits)
    _rename(root)
    found = text_of(root)
    title = next((heading.title for heading in found.headings), "")
    return Content(text=found.text, title=title, headings=found.headings, warnings=warnings, regions=found.regions)


def _fill_entities(root: Any, name: str, limits: Limits) -> None:
    """Put text in the place of entities: what the file declares where that is short and plain, else their own name."""
    from lxml import etree

    declared = {}
    dtd = root.getroottree().docinfo.internalDTD
    for entity in dtd.iterentities() if dtd is not None else ():
        content = entity.content or ""
        if len(content) <= _ENTITY_CHARS and _PLAIN.fullmatch(content):
            declared[entity.name] = html.unescape(content)
    budget = limits.text_chars
    for node in list(root.iter(etree.Entity)):
        span = etree.Element("span")
        span.text = declared.get(node.name, node.text)
        span.tail = node.tail
        budget -= len(span.text)
        if budget < 0:
            raise refusal("too_large", name, f"its entities stand for more than {limits.text_chars:,} characters")
        node.getparent().replace(node, span)


def _rename(root: Any) -> None:
    """Give elements the names that HTML has for them. Those of no known name are blocks where their parent holds no text itself."""
    names = {element: _local(element) for element in root.iter()}
    titled = {element.getparent() for element, name in names.items() if name in _TITLES}
    depth: dict[Any, int] = {}
    renamed = []
    for element, name in names.items():
        parent = element.getparent()
        depth[element] = depth.get(parent, 0) + (element in titled)
        if name in _TITLES and parent is not None and names[parent] not in _CAPTIONED and not _has_text(parent):
            tag = f"h{min(max(depth[parent], 1), 6)}"
        elif name in _TITLES:
            tag = "p"
        else:
            tag = _AS_HTML.get(name, name)
            if tag not in _KEPT:
                tag = "div" if parent is None or not _has_text(parent) else "span"
        renamed.append((element, tag))
    for element, tag in renamed:
        element.tag = tag


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _has_text(element: Any) -> bool:
    """Whether an element holds text among its children. Few children are looked at: the first ones tell."""
    if (element.text or "").strip():
        return True
    return any((child.tail or "").strip() for child, _ in zip(element, range(8), strict=False))
