"""Word documents, by way of HTML. They have no pages: Word lays them out anew on every machine."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any
from xml.parsers.expat import ExpatError

from wellread.read.archive import open_zip
from wellread.read.blocks import text_of
from wellread.read.content import Content
from wellread.read.decode import clean
from wellread.read.html import tree
from wellread.read.limits import Limits
from wellread.read.refuse import refusal
from wellread.read.sections import Heading

_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
_DUBLIN_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def read_docx(data: bytes, name: str, limits: Limits) -> Content:
    """Paragraphs, lists, tables, notes and text boxes in their order; pictures are left out, comments are counted."""
    import mammoth

    try:
        with open_zip(data, name, limits) as archive:
            title = _core_title(archive)
            comments = _comments(archive)
        html = mammoth.convert_to_html(io.BytesIO(data), style_map=_STYLES, convert_image=_no_image).value
    except (zipfile.BadZipFile, zlib.error, ExpatError, KeyError, ValueError, EOFError, SyntaxError, OSError) as error:
        raise refusal("damaged", name, "it is not a whole Word document") from error
    root = tree(html, name) if html else None
    text, headings = ("", []) if root is None else text_of(root)
    if not _looks_like_title(title):
        title = headings[0].title if headings else ""
    return Content(text=clean(text), title=title, headings=tuple(_fit(headings, text)), warnings=comments)


def _fit(headings: list[Heading], text: str) -> list[Heading]:
    """Headings are paragraphs of a few lines at most; a whole page styled as one is not."""
    return [heading for heading in headings if len(heading.title) <= 300]


def _no_image(image: Any) -> list[Any]:
    return []


def _core_title(archive: zipfile.ZipFile) -> str:
    from lxml import etree

    if "docProps/core.xml" not in archive.namelist():
        return ""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(archive.read("docProps/core.xml"), parser=parser)
    return " ".join((root.findtext(_DUBLIN_TITLE) or "").split())


def _looks_like_title(title: str) -> bool:
    return (
        len(title) > 2 and not title.lower().endswith((".doc", ".docx", ".dot", ".dotx")) and title.lower() not in ("document", "untitled")
    )


def _comments(archive: zipfile.ZipFile) -> tuple[str, ...]:
    if "word/comments.xml" not in archive.namelist():
        return ()
    count = archive.read("word/comments.xml").count(b"<w:comment ")
    return (f"comments in the margin were left out ({count})",) if count else ()
