"""The XML inside a Word file: what mammoth would lose is put in words that it knows, and what it leaves aside is read here.

Source: ECMA-376 part 1, WordprocessingML.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any

from wellread.read.ooxml import formula_text, is_formula, parse_xml, repacked

_BODIES = re.compile(r"word/(document\d*|footnotes|endnotes)\.xml")
_MARGINS = re.compile(r"word/(header|footer)\d*\.xml")
_WORDS = ("http://schemas.openxmlformats.org/wordprocessingml/2006/main", "http://purl.oclc.org/ooxml/wordprocessingml/main")
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_WRAPPERS = ("fldSimple", "dir", "bdo", "ruby", "rubyBase")
_PAGE_LINE = 40  # a line of fewer characters with a page number in it says nothing else


def mended(archive: zipfile.ZipFile, data: bytes) -> tuple[bytes, int]:
    """The file `data`, open as `archive`, with its formulas, text boxes and fields as plain text where they stand.

    Hidden text is taken out, and the number of hidden runs is the second value. Raises what `parse_xml` and `zipfile` raise.
    """
    changed: dict[str, bytes] = {}
    hidden = 0
    for part in filter(_BODIES.fullmatch, archive.namelist()):
        root = parse_xml(archive.read(part))
        vanished = _take_out_hidden(root)
        if any([_choose(root), _open_boxes(root), _write_formulas(root), _unwrap(root), vanished]):
            changed[part] = _bytes(root)
        hidden += vanished
    return (repacked(archive, changed, without=("word/media/",)) if changed else data), hidden


def comments(archive: zipfile.ZipFile) -> list[str]:
    """The comments in the margin, as "Author: words"."""
    if "word/comments.xml" not in archive.namelist():
        return []
    found = []
    for comment in _all(parse_xml(archive.read("word/comments.xml")), "comment"):
        author = next((value for key, value in comment.attrib.items() if key.endswith("}author")), "").strip()
        text = " ".join(_paragraphs(comment))
        found.append(f"{author}: {text}" if author and text else text)
    return [text for text in found if text]


def margins(archive: zipfile.ZipFile) -> list[str]:
    """The lines at the head and foot of pages, each once, without those that only number the pages."""
    lines: dict[str, None] = {}
    for part in sorted(filter(_MARGINS.fullmatch, archive.namelist())):
        root = parse_xml(archive.read(part))
        counted = (
            any("PAGE" in (code.text or "") for code in _all(root, "instrText")) or next(_all(root, "pgNum", "fldSimple"), None) is not None
        )
        lines |= dict.fromkeys(line for line in _paragraphs(root) if not counted or len(line) > _PAGE_LINE)
    return list(lines)


def pictured(archive: zipfile.ZipFile) -> list[str]:
    """Warnings of what is drawn and not read."""
    kinds = {"charts": r"word/charts/chart\d*\.xml", "diagrams": r"word/diagrams/data\d*\.xml"}
    counts = {kind: sum(bool(re.fullmatch(pattern, part)) for part in archive.namelist()) for kind, pattern in kinds.items()}
    return [f"{kind} were left out ({count})" for kind, count in counts.items() if count]


def _all(root: Any, *kinds: str) -> Iterator[Any]:
    """The elements of these kinds below `root`, in either spelling of the namespace."""
    found: Iterator[Any] = root.iter(*(f"{{{space}}}{kind}" for space in _WORDS for kind in kinds))
    return found


def _is(element: Any, *kinds: str) -> bool:
    space, _, local = element.tag[1:].partition("}") if isinstance(element.tag, str) else ("", "", "")
    return local in kinds and space in _WORDS


def _word(near: Any, kind: str) -> Any:
    """A new element in the namespace that the file of `near` uses."""
    space = next((space for space in _WORDS if space in near.nsmap.values()), _WORDS[0])
    return near.makeelement(f"{{{space}}}{kind}")


def _replace(element: Any, *others: Any) -> None:
    for other in others:
        element.addprevious(other)
    element.getparent().remove(element)


def _take_out_hidden(root: Any) -> int:
    count = 0
    for mark in list(_all(root, "vanish")):
        off = any(value in ("0", "false", "off") for value in mark.attrib.values())
        run = mark.getparent().getparent()
        if not off and run is not None and _is(run, "r") and run.getparent() is not None:
            count += _has_text(run)
            run.getparent().remove(run)
    return count


def _choose(root: Any) -> bool:
    """Where the alternative for old programs holds no text, as pictures of text boxes do, the one for new programs takes its place."""
    changed = False
    for alternatives in list(root.iter(_COMPATIBLE + "AlternateContent")):
        fallback = alternatives.find(_COMPATIBLE + "Fallback")
        choice = alternatives.find(_COMPATIBLE + "Choice")
        if choice is not None and (
            fallback is None or (next(_all(fallback, "t"), None) is None and next(_all(choice, "t"), None) is not None)
        ):
            _replace(alternatives, *choice)
            changed = True
    return changed


def _has_text(element: Any) -> bool:
    return next(_all(element, "t"), None) is not None


def _open_boxes(root: Any) -> bool:
    """A text box in a drawing becomes one in an old picture, which is read."""
    changed = False
    for drawing in list(_all(root, "drawing")):
        boxes = [box for box in _all(drawing, "txbxContent") if not any(_is(above, "txbxContent") for above in _up_to(box, drawing))]
        if boxes and next(drawing.iterancestors(_COMPATIBLE + "AlternateContent"), None) is None and drawing.getparent() is not None:
            picture = _word(drawing, "pict")
            picture.extend(boxes)
            _replace(drawing, picture)
            changed = True
    return changed


def _up_to(element: Any, top: Any) -> Iterator[Any]:
    for above in element.iterancestors():
        if above is top:
            return
        yield above


def _write_formulas(root: Any) -> bool:
    formulas = [element for element in root.iter() if is_formula(element.tag)]
    for formula in formulas:
        run = _word(formula, "r")
        run.append(_word(formula, "t"))
        run[0].text = formula_text(formula)
        parent = formula.getparent()
        if parent is not None:
            (parent if parent.tag.endswith("}oMathPara") else formula).addprevious(run)
    return bool(formulas)


def _unwrap(root: Any) -> bool:
    wrappers = list(_all(root, *_WRAPPERS))
    for wrapper in wrappers:
        kept = [child for child in wrapper if not _is(child, "rt", "rubyPr", "fldData")]
        if wrapper.getparent() is not None:
            _replace(wrapper, *kept)
    return bool(wrappers)


def _paragraphs(root: Any) -> list[str]:
    texts = []
    for paragraph in _all(root, "p"):
        pieces = []
        for piece in _all(paragraph, "t", "tab", "br", "cr"):
            above = list(_up_to(piece, paragraph))
            if not any(_is(one, "p", "del", "pPr", "moveFrom") or one.tag == _COMPATIBLE + "Fallback" for one in above):
                pieces.append((piece.text or "") if _is(piece, "t") else " ")
        texts.append(" ".join("".join(pieces).split()))
    return [text for text in texts if text]


def _bytes(root: Any) -> bytes:
    from lxml import etree

    data: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return data
