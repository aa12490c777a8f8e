"""Source code: the file is the canonical text; classes, functions and the like become its sections.

Python is parsed. For other languages the lines that begin a symbol are known by a table of patterns and their depth by how far they
are indented: a parser for each would be ten more packages, and a symbol that is missed costs only a heading.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePath

from wellread.read import media
from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.limits import Limits
from wellread.read.sections import Heading
from wellread.read.symbols import LANGUAGES, Language
from wellread.types import Region

_PARSED_CHARS = 2_000_000  # a syntax tree takes about fifty times the memory of its source
_LINE_CHARS = 300
_LOOK_AHEAD = 12  # lines between the name of a function and the brace that opens its body
_DEEPEST = 6
_CLOSING = re.compile(r"(?:[})\]]|end\b|fi\b|esac\b|done\b)")
_TYPE_ONLY = re.compile(r"[A-Za-z_][\w \t*&:<>]{0,80}(?<!:)")
_GENERIC = re.compile(r"<.*")


@dataclass(frozen=True, slots=True)
class _Symbol:
    """A symbol as found: `line` and `end` count lines from 0; `end` is behind the last one, or 0 where that is not known."""

    line: int
    end: int
    depth: int
    kind: str
    name: str


def read_code(data: bytes, name: str, limits: Limits) -> Content:
    """The file as it is, with its symbols as nested sections ("class Store", "def Store.put"). A symbol begins where the comments and
    decorators above it do. What follows one and is in none is headed by what surrounds it.
    """
    text, warning = decode(data)
    media_type = media.sniff(data, name) if data else media.PLAIN
    language = LANGUAGES.get(media_type)
    headings: list[Heading] = []
    if language is not None:
        lines = text.split("\n")
        symbols = _parsed(text) if media_type == "text/x-python" else None
        headings = _headings(lines, _scanned(lines, language) if symbols is None else symbols, language, PurePath(name).name)
    return Content(
        text=text,
        headings=tuple(headings),
        regions=(Region(0, len(text), "code"),),
        warnings=(warning,) if warning else (),
    )


def _headings(lines: list[str], symbols: list[_Symbol], language: Language, outermost: str) -> list[Heading]:
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    headings: list[Heading] = []
    around: list[_Symbol] = []
    free = 0  # the first line that belongs to nothing yet
    for position, symbol in enumerate(symbols):
        del around[symbol.depth - 1 :]
        names = [_owner(one.name) for one in around] + [symbol.name]
        line = _with_comments(lines, symbol.line, free, language)
        headings.append(Heading(min(symbol.depth, _DEEPEST), _title(symbol.kind, language.joined.join(names)), starts[line]))
        around.append(symbol)
        free = symbol.line + 1
        following = symbols[position + 1] if position + 1 < len(symbols) else None
        if not symbol.end or (following is not None and following.line < symbol.end):
            continue
        free = max(free, symbol.end)
        stop = _with_comments(lines, following.line, free, language) if following is not None else len(lines)
        rest = _first_code(lines, free, stop, language)
        if rest is not None:
            while around and around[-1].end and around[-1].end <= rest:
                around.pop()
            title = (
                _title(around[-1].kind, language.joined.join([*(_owner(one.name) for one in around[:-1]), around[-1].name]))
                if around
                else outermost
            )
            headings.append(Heading(max(min(len(around), _DEEPEST), 1), title, starts[rest]))
    return headings


def _owner(name: str) -> str:
    """A symbol's name before that of one in it: "fmt::Display for Store<T>" owns "Store::fmt"."""
    return _GENERIC.sub("", name.rpartition(" for ")[2])


def _title(kind: str, name: str) -> str:
    return f"{kind} {name}" if kind else name


def _with_comments(lines: list[str], at: int, free: int, language: Language) -> int:
    """The first of the lines of comments and decorators (in C, of the type) that stand directly above a symbol."""
    if language.bodied and at > free and _TYPE_ONLY.fullmatch(lines[at - 1]):
        at -= 1
    while at > free and lines[at - 1].lstrip()[:2].startswith(language.comments):
        at -= 1
    return at


def _first_code(lines: list[str], at: int, stop: int, language: Language) -> int | None:
    """The first line that holds code, comments and closing brackets aside."""
    in_comment = False
    for line in range(at, stop):
        words = lines[line].strip()
        if in_comment or words.startswith("/*"):
            in_comment = "/*" in language.comments and "*/" not in words
        elif words and not words.startswith(language.comments) and not _CLOSING.match(words):
            return line
    return None


# --- Python


def _parsed(text: str) -> list[_Symbol] | None:
    """The symbols of a Python file, or None where it cannot be parsed: it may be of another version, or too large."""
    if len(text) > _PARSED_CHARS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the code that is read
            tree = ast.parse(text.replace("\f", " "))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return list(_defined(tree.body, 1))


def _defined(body: list[ast.stmt], depth: int) -> Iterator[_Symbol]:
    """Classes, their methods and the functions of a module; what is defined inside a function is left in it."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "def"
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield _Symbol(first - 1, node.end_lineno or 0, depth, kind, node.name)
            if isinstance(node, ast.ClassDef) and depth < _DEEPEST:
                yield from _defined(node.body, depth + 1)
        elif isinstance(node, ast.If | ast.Try):
            yield from _defined(node.body, depth)


# --- other languages


def _scanned(lines: list[str], language: Language) -> list[_Symbol]:
    """The symbols that patterns find. A symbol lies in the nearest one above it that is indented less."""
    found: list[_Symbol] = []
    open_symbols: list[tuple[int, int]] = []  # (indentation, position in `found`)
    in_comment = False
    for at, line in enumerate(lines):
        words = line[:_LINE_CHARS].lstrip()
        indent = min(len(line) - len(line.lstrip()), _LINE_CHARS)
        if in_comment or words.startswith("/*"):
            in_comment = "/*" in language.comments and "*/" not in line
            continue
        if not words or words.startswith(language.comments[:1]):
            continue
        if _CLOSING.match(words):
            _close(found, open_symbols, indent, at + 1)
            continue
        match = _symbol(lines, at, words, indent, language, inside=bool(open_symbols) and indent > open_symbols[0][0])
        if match is None:
            continue
        _close(found, open_symbols, indent, at)
        name = match["name"].strip()
        owner = match.groupdict().get("owner")
        depth = len(open_symbols) + 1
        if depth > _DEEPEST or (open_symbols and _is_function(found[open_symbols[-1][1]])):
            continue
        found.append(_Symbol(at, 0, depth, " ".join((match.groupdict().get("kind") or "").split()), f"{owner}.{name}" if owner else name))
        open_symbols.append((indent, len(found) - 1))
    return found


def _is_function(symbol: _Symbol) -> bool:
    return symbol.kind in ("", "def", "func", "fn", "fun", "function", "sub", "init")


def _close(found: list[_Symbol], open_symbols: list[tuple[int, int]], indent: int, end: int) -> None:
    """End the symbols that a line at this indentation does not lie in."""
    while open_symbols and open_symbols[-1][0] >= indent:
        at = open_symbols.pop()[1]
        one = found[at]
        found[at] = _Symbol(one.line, end, one.depth, one.kind, one.name)


def _symbol(lines: list[str], at: int, words: str, indent: int, language: Language, *, inside: bool) -> re.Match[str] | None:
    for pattern in language.patterns:
        if match := pattern.match(words):
            return match
    candidates = (language.bodied if not inside or indent == 0 else language.bodied[:1]) + (language.inner if inside else ())
    for pattern in candidates:
        if (match := pattern.match(words)) and _has_body(lines, at, len(lines[at]) - len(lines[at].lstrip()) + match.end()):
            return match
    return None


def _has_body(lines: list[str], at: int, column: int) -> bool:
    """Whether a brace opens before a statement ends."""
    for line in range(at, min(at + _LOOK_AHEAD, len(lines))):
        rest = lines[line][column if line == at else 0 :][:_LINE_CHARS]
        brace, stop = rest.find("{"), rest.find(";")
        if brace >= 0 or stop >= 0:
            return brace >= 0 and (stop < 0 or brace < stop)
    return False
