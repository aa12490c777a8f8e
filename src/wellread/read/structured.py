"""JSON, JSON Lines, YAML and TOML: the file is the canonical text. None of them is parsed, so nothing in them can be built up."""

from __future__ import annotations

import re
from json import dumps

from wellread.read.content import Content
from wellread.read.decode import clean, decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.types import Region

_ESCAPE = re.compile(r"((?:\\u[0-9a-fA-F]{4})+)|\\.", re.DOTALL)
_YAML_KEY = re.compile(
    r"""^(?P<name>[^\s#\-?:,\[\]{}&*!|>'"%@`][^\n:#]{0,100}|"[^"\n]+"|'[^'\n]+'):(?=[ \t\n]|\Z)[^\n]*""",
    re.MULTILINE,
)
_TOML_TABLE = re.compile(r"""^[ \t]*\[{1,2}[ \t]*(?P<name>[\w.:/@*"' -]{1,100}?)[ \t]*\]{1,2}[ \t]*(?:#[^\n]*)?$""", re.MULTILINE)
_INDENTED = re.compile(r"\n(?:[ \t]*(?:#[^\n]*)?\n)*(?:[ \t]+\S|- |-\n)")


def read_json(data: bytes, name: str, limits: Limits) -> Content:
    """The file with letters for the escapes that stand for letters ("\\u4e2d"), cut at lines only."""
    return _in_lines(data, "code", json=True)


def read_json_lines(data: bytes, name: str, limits: Limits) -> Content:
    """The file as a table with a record a line, with letters for the escapes that stand for letters."""
    return _in_lines(data, "table", json=True)


def read_yaml(data: bytes, name: str, limits: Limits) -> Content:
    """The file, with a section for each key of the outermost mapping that holds more than one line. Anchors are not followed."""
    content = _in_lines(data, "code")
    return _with_headings(content, _yaml_headings(content.text))


def read_toml(data: bytes, name: str, limits: Limits) -> Content:
    """The file, with a section for each table: "[tool.ruff.lint]" lies in "[tool.ruff]". INI files are of the same shape."""
    content = _in_lines(data, "code")
    found = [Heading(min(one["name"].count(".") + 1, 6), one["name"], one.start()) for one in _TOML_TABLE.finditer(content.text)]
    return _with_headings(content, found)


def _in_lines(data: bytes, kind: str, *, json: bool = False) -> Content:
    text, warning = decode(data)
    if json and "\\u" in text:
        text = clean(_ESCAPE.sub(_letters, text))
    return Content(text=text, regions=(Region(0, len(text), kind),), warnings=(warning,) if warning else ())


def _with_headings(content: Content, headings: list[Heading]) -> Content:
    return Content(text=content.text, headings=tuple(headings), warnings=content.warnings, regions=content.regions)


def _letters(match: re.Match[str]) -> str:
    """Escapes as the characters they stand for, but for those that JSON must escape or that cannot be seen."""
    if match[1] is None:
        return match.group()
    units = bytes.fromhex(match[1].replace("\\u", ""))
    try:
        letters = units.decode("utf-16-be")
    except UnicodeDecodeError:  # half a pair
        return match.group()
    return "".join(letter if letter.isprintable() and letter not in '"\\' else dumps(letter)[1:-1] for letter in letters)


def _yaml_headings(text: str) -> list[Heading]:
    """Keys at the left margin that hold a block, and the first of the plain ones behind a block, which do not belong to it."""
    headings: list[Heading] = []
    in_block = False
    for match in _YAML_KEY.finditer(text):
        holds = _INDENTED.match(text, match.end()) is not None
        if holds or in_block:
            headings.append(Heading(level=1, title=match["name"].strip("\"'"), start=match.start()))
        in_block = holds
    return headings
