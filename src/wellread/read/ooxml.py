"""What Word, Excel and PowerPoint files have in common: parts in XML, a title in their properties, and formulas.

Source: ECMA-376, Office Open XML File Formats.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from wellread.read.day import day
from wellread.read.refuse import refusal

_DUBLIN_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_DUBLIN_TERMS = "{http://purl.org/dc/terms/}"
_MATH = ("{http://schemas.openxmlformats.org/officeDocument/2006/math}", "{http://purl.oclc.org/ooxml/officeDocument/math}")
_NO_TITLES = ("document", "untitled", "powerpoint presentation", "presentation", "powerpoint-präsentation", "workbook", "slide 1")
_FILE_ENDINGS = (".doc", ".docx", ".dot", ".dotx", ".ppt", ".pptx", ".pot", ".potx", ".xls", ".xlsx", ".odt", ".odp", ".ods")


def parse_xml(data: bytes) -> Any:
    """The root of an XML part. No entity is expanded, no DTD is loaded and nothing is fetched.

    Raises `lxml.etree.XMLSyntaxError` for XML that is broken, or nested more than 256 deep, and `ValueError` for one with a DTD.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    root = etree.fromstring(data, parser=parser)
    if root.getroottree().docinfo.doctype:
        raise ValueError("a part with a DTD")
    return root


def refuse_entities(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse a package that declares entities: the standard forbids DTDs, and a few lines of them can stand for gigabytes."""
    for entry in archive.infolist():
        if entry.filename.endswith((".xml", ".rels", ".vml")):
            data = archive.read(entry)
            if b"<!DOCTYPE" in data or "<!DOCTYPE".encode("utf-16-le") in data or "<!DOCTYPE".encode("utf-16-be") in data:
                raise refusal("damaged", name, "one of its parts declares entities, which such files may not do")


def repacked(archive: zipfile.ZipFile, changed: Mapping[str, bytes], without: tuple[str, ...] = ()) -> bytes:
    """The archive as a file, with some parts changed, and without those in the folders `without`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as copy:
        for part in archive.namelist():
            if not part.startswith(without):
                copy.writestr(part, changed[part] if part in changed else archive.read(part))
    return out.getvalue()


def core_title(archive: zipfile.ZipFile) -> str:
    """The title in the properties of the file, or "" where there is none or it is only a file's name or a program's default."""
    core = _core(archive)
    return "" if core is None else real_title(core.findtext(_DUBLIN_TITLE) or "")


def core_date(archive: zipfile.ZipFile) -> str | None:
    """The day on which the file was last changed or else made, as its properties say."""
    core = _core(archive)
    return None if core is None else day(core.findtext(_DUBLIN_TERMS + "modified"), core.findtext(_DUBLIN_TERMS + "created"))


def _core(archive: zipfile.ZipFile) -> Any:
    return parse_xml(archive.read("docProps/core.xml")) if "docProps/core.xml" in archive.namelist() else None


def real_title(title: str) -> str:
    """`title` in one line, or "" if it says nothing."""
    title = " ".join(title.split())
    return "" if len(title) <= 2 or title.lower().endswith(_FILE_ENDINGS) or title.lower() in _NO_TITLES else title


def is_formula(tag: object) -> bool:
    """Whether a tag is that of a formula, `m:oMath`."""
    return tag in (_MATH[0] + "oMath", _MATH[1] + "oMath")


def formula_text(formula: Any) -> str:
    """An `m:oMath` element in one line, much as Word's linear format has it: (a+b)/2, x^2, √(x), ∑_(i=1)^n."""
    return " ".join(_linear(formula).split())


def _linear(element: Any) -> str:
    kind = _local(element)
    if kind == "t":
        return element.text or ""
    if kind in _STRUCTURES:
        return _STRUCTURES[kind](element)
    if kind.endswith("Pr"):
        return ""
    return "".join(_linear(child) for child in element)


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _child(element: Any, kind: str) -> str:
    return "".join(_linear(child) for child in element if _local(child) == kind)


def _tight(text: str) -> str:
    """The text, in brackets if it is more than one thing."""
    text = text.strip()
    return text if text.isalnum() or len(text) <= 1 else f"({text})"


def _script(sign: str, text: str) -> str:
    return sign + _tight(text) if text.strip() else ""


def _setting(element: Any, properties: str, kind: str) -> str | None:
    """The value of a property: None if it is not set, "" if it is set to nothing."""
    for part in element:
        if _local(part) == properties:
            for child in part:
                if _local(child) == kind:
                    return next((value for key, value in child.attrib.items() if key.endswith("val")), "")
    return None


def _fraction(element: Any) -> str:
    return f"{_tight(_child(element, 'num'))}/{_tight(_child(element, 'den'))}"


def _root(element: Any) -> str:
    degree = _child(element, "deg").strip()
    return f"{'√' if not degree else f'root({degree})'}({_child(element, 'e')})"


def _scripts(element: Any) -> str:
    return _child(element, "e") + _script("_", _child(element, "sub")) + _script("^", _child(element, "sup"))


def _nary(element: Any) -> str:
    sign = _setting(element, "naryPr", "chr") or "∫"
    return f"{sign}{_script('_', _child(element, 'sub'))}{_script('^', _child(element, 'sup'))} {_child(element, 'e')}"


def _delimited(element: Any) -> str:
    left, right, between = (_setting(element, "dPr", kind) for kind in ("begChr", "endChr", "sepChr"))
    inner = ("|" if between is None else between).join(_linear(child) for child in element if _local(child) == "e")
    return ("(" if left is None else left) + inner + (")" if right is None else right)


def _limit(element: Any) -> str:
    return _child(element, "e") + _script("_" if _local(element) == "limLow" else "^", _child(element, "lim"))


def _matrix(element: Any) -> str:
    rows = (row for row in element if _local(row) == "mr")
    return "[" + "; ".join(", ".join(_linear(cell) for cell in row if _local(cell) == "e") for row in rows) + "]"


def _equations(element: Any) -> str:
    return "; ".join(_linear(child) for child in element if _local(child) == "e")


def _function(element: Any) -> str:
    return f"{_child(element, 'fName')} {_child(element, 'e')}"


def _accent(element: Any) -> str:
    return _child(element, "e") + (_setting(element, "accPr", "chr") or "\u0302")


_STRUCTURES = {
    "f": _fraction,
    "rad": _root,
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "sPre": _scripts,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "limLow": _limit,
    "limUpp": _limit,
    "m": _matrix,
    "eqArr": _equations,
    "acc": _accent,
}
