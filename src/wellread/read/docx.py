"""Word documents, by way of HTML. They have no pages: Word lays them out anew on every machine."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from wellread.read import word_xml
from wellread.read.archive import open_zip
from wellread.read.blocks import Blocks, text_of
from wellread.read.content import Content
from wellread.read.html import tree
from wellread.read.limits import Limits
from wellread.read.ooxml import core_date, core_title, refuse_entities
from wellread.read.sections import Heading
from wellread.read.whole import whole

_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def read_docx(data: bytes, name: str, limits: Limits) -> Content:
    """Paragraphs, lists, tables, formulas, notes and text boxes in their order, then what stands in the margins: the lines at the
    head and foot of pages, once, and comments. Deleted and hidden text is not read, and pictures are left out.
    """
    import mammoth

    with whole(name, "Word document"):
        with open_zip(data, name, limits) as archive:
            refuse_entities(archive, name)
            title, date = core_title(archive), core_date(archive)
            appendix = [("Headers and footers", word_xml.margins(archive)), ("Comments", word_xml.comments(archive))]
            mended, hidden = word_xml.mended(archive, data)
            warnings = word_xml.pictured(archive)
        html = mammoth.convert_to_html(io.BytesIO(mended), style_map=_STYLES, convert_image=_no_image).value
    if hidden:
        warnings.append(f"hidden text was left out ({hidden})")
    root = tree(html or "<p></p>", name)
    body = Blocks(text="") if root is None else text_of(_with(root, appendix))
    own = body.headings[: len(body.headings) - sum(bool(paragraphs) for _, paragraphs in appendix)]
    title = title or (own[0].title if own else "")
    return Content(text=body.text, title=title, headings=_fit(body.headings), warnings=tuple(warnings), regions=body.regions, date=date)


def _with(root: Any, appendix: Sequence[tuple[str, Sequence[str]]]) -> Any:
    from lxml.html import Element

    for heading, paragraphs in appendix:
        for number, text in enumerate((heading, *paragraphs) if paragraphs else ()):
            element = Element("p" if number else "h1")
            element.text = text
            root.append(element)
    return root


def _fit(headings: tuple[Heading, ...]) -> tuple[Heading, ...]:
    """Headings are paragraphs of a few lines at most; a whole page styled as one is not."""
    return tuple(heading for heading in headings if len(heading.title) <= 300)


def _no_image(image: Any) -> list[Any]:
    return []
