"""TeX and LaTeX: the source is the canonical text; its headings become sections, its tables and listings regions."""

from __future__ import annotations

import re
import unicodedata

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.types import Region

_LEVELS = {"part": 1, "chapter": 2, "section": 3, "abstract": 3, "subsection": 4, "subsubsection": 5, "paragraph": 6}
_CODE = ("verbatim", "Verbatim", "lstlisting", "minted", "comment")
_TABLES = ("tabular", "tabular*", "tabularx", "longtable")
_PART = re.compile(
    r"\\(?P<command>title|part|chapter|(?:sub){0,2}section|paragraph)\*?\s{0,9}(?:\[[^\]\n]{0,300}\])?\s{0,9}\{"
    r"|\\begin\{(?P<area>" + "|".join(map(re.escape, (*_CODE, *_TABLES))) + r"|abstract)\}"
)
_ENDS = {area: re.compile(rf"\\end\{{{re.escape(area)}\}}") for area in (*_CODE, *_TABLES)}
_MACRO = re.compile(r"\\(?:def|(?:re)?newcommand\*?)\s{0,9}\{?\\([a-zA-Z]+)\}?\s{0,9}\{([^{}\n]{1,200})\}")
_ACCENT = re.compile(r"""\\(["'`^~])\s?\{?([a-zA-Z])\}?""")
_ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_UNREAD = re.compile(r"\\(?:label|footnote|thanks|cite|index|vspace|hspace)\*?\s?\{[^{}]*\}")
_BOTH = re.compile(r"\\texorpdfstring\s?\{[^{}]*\}\s?\{([^{}]*)\}")
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?[ \t]?")
_BRACE = re.compile(r"(?<!\\)[{}]")
_ARGUMENT_CHARS = 400


def read_tex(data: bytes, name: str, limits: Limits) -> Content:
    """The source with its outline. Nothing is typeset and nothing that it names (`\\input`) is read."""
    text, warning = decode(data)
    macros = {match[1]: match[2] for match in _MACRO.finditer(text)}
    title, found, regions, at = "", [], [], 0
    unclosed: set[str] = set()
    while match := _PART.search(text, at):
        at = match.end()
        if _commented(text, match.start()):
            continue
        if match["area"] in _ENDS:
            if match["area"] in unclosed:
                continue
            end = _ENDS[match["area"]].search(text, at)
            if end is None:
                unclosed.add(match["area"])
                continue
            regions.append(Region(match.start(), end.end(), "code" if match["area"] in _CODE else "table"))
            at = end.end()
        elif match["command"] == "title":
            title = title or _plain(_argument(text, at), macros)
        else:
            words = _plain(_argument(text, at), macros) if match["command"] else "Abstract"
            found.append(Heading(_LEVELS[match["command"] or "abstract"], words, match.start()))
    top = min((heading.level for heading in found), default=1) - 1
    headings = tuple(Heading(heading.level - top, heading.title, heading.start) for heading in found)
    return Content(text=text, title=title, headings=headings, regions=tuple(regions), warnings=(warning,) if warning else ())


def _commented(text: str, at: int) -> bool:
    line = text[max(text.rfind("\n", max(at - _ARGUMENT_CHARS, 0), at) + 1, at - _ARGUMENT_CHARS, 0) : at]
    return "%" in line.replace("\\%", "")


def _argument(text: str, at: int) -> str:
    """What stands between the brace before `at` and the one that closes it."""
    depth = 1
    for brace in _BRACE.finditer(text, at, min(at + _ARGUMENT_CHARS, len(text))):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[at : brace.start()]
    return ""


def _plain(source: str, macros: dict[str, str]) -> str:
    """The words of a heading, with the file's own short macros filled in."""
    source = _COMMAND.sub(lambda command: macros.get(command[1], command[0]), source)
    source = _BOTH.sub(r"\1", _UNREAD.sub("", source))
    source = _ACCENT.sub(lambda accent: unicodedata.normalize("NFC", accent[2] + _ACCENTS[accent[1]]), source)
    source = re.sub(r"\\([&%$#_])", r"\1", source.replace("\\\\", " ").replace("~", " "))
    return " ".join(re.sub(r"[{}]", "", _COMMAND.sub("", source)).split())
