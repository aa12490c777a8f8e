"""The text inside an OpenDocument file: paragraphs, lists, tables, notes and what is embedded, written down in order."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.ooxml import parse_xml
from wellread.read.refuse import refusal

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_SPACES = {
    **{prefix: f"{_OASIS}{prefix}:1.0" for prefix in ("office", "text", "table", "style", "presentation", "chart", "meta")},
    "draw": f"{_OASIS}drawing:1.0",
    "svg": f"{_OASIS}svg-compatible:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xlink": "http://www.w3.org/1999/xlink",
    "math": "http://www.w3.org/1998/Math/MathML",
}
_ROWS, _COLUMNS = 1_048_576, 16_384  # as many as a sheet of LibreOffice has


def q(name: str) -> str:
    """A prefixed name as lxml spells it: "text:p" -> "{urn:...text:1.0}p"."""
    prefix, _, local = name.partition(":")
    return f"{{{_SPACES[prefix]}}}{local}"


_PARAGRAPHS = (q("text:p"), q("text:h"))
_UNSEEN = {
    q(name)
    for name in (
        "text:tracked-changes office:annotation office:annotation-end office:forms text:variable-decls text:sequence-decls "
        "text:user-field-decls text:ruby-text text:note svg:title svg:desc table:shapes office:event-listeners text:note-citation "
        "text:hidden-text text:hidden-paragraph presentation:notes"
    ).split()
}
_SHAPES = {q(name) for name in "draw:frame draw:g draw:custom-shape draw:rect draw:ellipse draw:text-box draw:line draw:a".split()}


def body_kind(root: Any) -> tuple[str, Any]:
    """What a file holds ("text", "presentation", "spreadsheet" ...) and the element that holds it. Raises ValueError for none."""
    body = root.find(q("office:body"))
    for child in body if body is not None else ():
        if isinstance(child.tag, str):
            return child.tag.rpartition("}")[2], child
    raise ValueError("no body")


class Flow:
    """Writes the elements of one file to a draft. `root` is that of content.xml."""

    def __init__(self, archive: zipfile.ZipFile, draft: Draft, name: str, limits: Limits) -> None:
        self._archive = archive
        self._draft = draft
        self._name = name
        self._limits = limits
        self._after: list[Any] = []  # notes and shapes that hang on the open paragraph
        self.root = parse_xml(archive.read("content.xml"))
        trees = [self.root, *(parse_xml(archive.read(part)) for part in ("styles.xml",) if part in archive.namelist())]
        self.hidden_styles = {style for tree in trees for style in _hidden(tree)}
        self._titles = {"Title", *(style for tree in trees for style in _titles(tree))}
        self._numbered = {level for tree in trees for level in _numbered(tree)}

    def left_out(self) -> list[str]:
        """A warning of the comments, where they are not read."""
        count = sum(1 for _ in self.root.iter(q("office:annotation")))
        return [f"comments were left out ({count})"] if count else []

    def comments(self) -> None:
        """The comments in the margin, as a section of their own."""
        found = []
        for comment in self.root.iter(q("office:annotation")):
            author = " ".join((comment.findtext(q("dc:creator")) or "").split())
            text = " ".join(self.paragraphs(comment))
            found.append(f"{author}: {text}" if author and text else text)
        self._draft.block("Comments" if any(found) else "", level=1)
        for text in found:
            self._draft.block(text)

    def blocks(self, elements: Iterable[Any]) -> None:
        """Everything in `elements`, in its order."""
        for child in elements:
            if not isinstance(child.tag, str) or child.tag in _UNSEEN:
                continue
            if child.tag in _PARAGRAPHS:
                self._paragraph(child)
            elif child.tag == q("text:list"):
                self._list(child, child.get(q("text:style-name"), ""), 1)
            elif child.tag == q("table:table"):
                self._draft.table(self.rows(child))
            elif child.tag == q("draw:object"):
                self._draft.block(self._formula(child))
                self._chart(child)
            elif child.get(q("text:display")) != "none":  # of a section
                self.blocks(child)

    def paragraphs(self, element: Any) -> list[str]:
        """The texts of all paragraphs inside `element` that hold some."""
        texts = [self._text(paragraph) for paragraph in element.iter(*_PARAGRAPHS) if not _unseen(paragraph, element)]
        self._after.clear()
        return [text for text in texts if text]

    def rows(self, table: Any) -> Iterator[list[str]]:
        """The rows of a table as texts of cells. A row or cell that stands for many is repeated, one without text only where it matters."""
        for row in table.iter(q("table:table-row")):
            if next(row.iterancestors(q("table:table"))) is not table:
                continue
            cells = self._cells(row)
            for _ in range(_repeats(row, "table:number-rows-repeated", _ROWS) if any(cells) else 1):
                yield cells

    def _cells(self, row: Any) -> list[str]:
        cells: list[str] = []
        pending = length = 0
        for cell in row.iterchildren(q("table:table-cell"), q("table:covered-table-cell")):
            text = _value(cell) or " ".join(self.paragraphs(cell))
            repeats = _repeats(cell, "table:number-columns-repeated", _COLUMNS)
            if not text:
                pending = min(pending + repeats, _COLUMNS)
                continue
            length += len(text) * repeats
            if length > self._limits.text_chars or len(cells) > _COLUMNS:
                raise refusal("too_large", self._name, "one row of a table is longer than a text may be")
            cells += [""] * pending + [text] * repeats
            pending = 0
        return cells

    def _paragraph(self, paragraph: Any, mark: str = "") -> None:
        text = self._text(paragraph)
        after, self._after = self._after, []
        if paragraph.get(q("text:style-name")) in self._titles:
            self._draft.block(text, level=1)
        elif paragraph.tag == q("text:h"):
            level = paragraph.get(q("text:outline-level"), "1")
            self._draft.block(text, level=int(level) if level.isdecimal() and 0 < int(level) < 20 else 1)
        elif text:
            self._draft.block(mark + text)
        for element in after:
            if element.tag == q("text:note"):
                body = element.find(q("text:note-body"))
                self._draft.block(f"[{_citation(element)}] {' '.join(self.paragraphs(body))}" if body is not None else "")
            else:
                self.blocks(element)

    def _list(self, element: Any, style: str, depth: int) -> None:
        number = 0
        for item in element.iterchildren(q("text:list-item"), q("text:list-header")):
            first = item.tag == q("text:list-item")
            number += first
            for child in item:
                if child.tag == q("text:list"):
                    self._list(child, child.get(q("text:style-name"), style), depth + 1)
                elif child.tag in _PARAGRAPHS:
                    mark = f"{number}. " if (style, str(depth)) in self._numbered else "- "
                    self._paragraph(child, mark if first else "")
                    first = False

    def _text(self, element: Any) -> str:
        """The text of a paragraph. Notes leave their mark, shapes nothing; both are put aside in `_after`."""
        pieces: list[str] = []
        self._inline(element, pieces)
        return "\n".join(" ".join(line.split()) for line in "".join(pieces).split("\n")).strip()

    def _inline(self, element: Any, pieces: list[str]) -> None:
        if element.get(q("text:style-name")) in self.hidden_styles:
            return
        pieces.append(_spaced(element.text))
        for child in element:
            if child.tag == q("text:s") or child.tag == q("text:tab"):
                pieces.append(" ")
            elif child.tag == q("text:line-break"):
                pieces.append("\n")
            elif child.tag == q("text:note"):
                pieces.append(f"[{_citation(child)}]")
                self._after.append(child)
            elif child.tag in _SHAPES:
                formula = "".join(self._formula(held) for held in child.iter(q("draw:object")))
                pieces.append(formula)
                if not formula:
                    self._after.append(child)
            elif isinstance(child.tag, str) and child.tag not in _UNSEEN:
                self._inline(child, pieces)
            pieces.append(_spaced(child.tail))

    def _object(self, element: Any) -> Any:
        """The root of an embedded object's content, or None."""
        path = element.get(q("xlink:href"), "").removeprefix("./") + "/content.xml"
        return parse_xml(self._archive.read(path)) if path in self._archive.namelist() else element

    def _formula(self, element: Any) -> str:
        """A formula in the words it was written with, such as "E = m c^2"."""
        notes = self._object(element).iter(q("math:annotation"))
        return " ".join(" ".join((note.text or "").split()) for note in notes)

    def _chart(self, element: Any) -> None:
        """The numbers behind a chart."""
        for chart in self._object(element).iter(q("office:chart")):
            for table in chart.iter(q("table:table")):
                self._draft.table(self.rows(table))


def _spaced(text: str | None) -> str:
    """White space in ODF is one space, whatever it is; more is written as elements."""
    return re.sub(r"\s+", " ", text) if text else ""


def _unseen(paragraph: Any, top: Any) -> bool:
    for parent in paragraph.iterancestors():
        if parent is top:
            return False
        if parent.tag in _UNSEEN:
            return True
    return False


def _citation(note: Any) -> str:
    mark = note.find(q("text:note-citation"))
    return " ".join("".join(mark.itertext()).split()) if mark is not None else "*"


def _repeats(element: Any, name: str, most: int) -> int:
    text = element.get(q(name), "1")
    return min(int(text), most) if text.isdecimal() and len(text) < 20 else 1


def _value(cell: Any) -> str:
    """A date as ISO 8601; for everything else a cell's own words are best."""
    day: str = cell.get(q("office:date-value"), "") if cell.get(q("office:value-type")) == "date" else ""
    return day.removesuffix("T00:00:00").replace("T", " ")


def _hidden(tree: Any) -> Iterator[str]:
    """The names of styles that hide what has them: sheets, slides and text."""
    for style in tree.iter(q("style:style")):
        for properties in style:
            shown = (
                properties.get(q("table:display")) == "false"
                or properties.get(q("text:display")) == "none"
                or properties.get(q("presentation:visibility")) == "hidden"
            )
            if shown:
                yield style.get(q("style:name"), "")


def _titles(tree: Any) -> Iterator[str]:
    for style in tree.iter(q("style:style")):
        if style.get(q("style:parent-style-name")) == "Title":
            yield style.get(q("style:name"), "")


def _numbered(tree: Any) -> Iterator[tuple[str, str]]:
    """The lists and levels that are numbered."""
    for style in tree.iter(q("text:list-style")):
        for level in style.iterchildren(q("text:list-level-style-number")):
            if level.get(q("style:num-format"), ""):
                yield style.get(q("style:name"), ""), level.get(q("text:level"), "")
