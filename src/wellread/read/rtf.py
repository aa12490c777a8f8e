"""Rich text (RTF 1.9.1): a walk over groups and control words that keeps what a reader sees. Pictures and objects are passed over."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from wellread.read.code_pages import code_page
from wellread.read.content import Content
from wellread.read.decode import clean
from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.refuse import refusal

_TOKEN = re.compile(
    r"\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?"  # a control word and its number
    r"|\\'([0-9A-Fa-f]{2})"  # a byte
    r"|\\([^A-Za-z])"  # a control symbol
    r"|([{}])"
    r"|([^\\{}\r\n\x00]+)",
    re.DOTALL,
)
_BRACE = re.compile(r"[{}\\]")
_BINARY = re.compile(r"bin([0-9]{1,10}) ?")
_SKIPPED = frozenset(
    """
    author buptim category colortbl comment company creatim doccomm datafield datastore do falt filetbl fldinst fontemb fontfile
    formfield ftncn ftnsep ftnsepc aftncn aftnsep aftnsepc generator hlinkbase keywords listtable listoverridetable mailmerge manager
    nonesttables nonshppict objalias objclass objdata objname objsect objtime operator pict pgptbl printim private propname revtbl
    revtim rsidtbl shppict shprslt sn sp staticval subject sv tc tcn template themedata txe userprops xe xform xmlnstbl
    """.split()
)
_DESTINATIONS = {
    "fonttbl": "fonts", "stylesheet": "styles", "info": "info", "title": "title", "footnote": "note", "annotation": "comment",
    "listtext": "label", "pntext": "label", "htmltag": "tag", "header": "margin", "headerl": "margin", "headerr": "margin",
    "headerf": "margin", "footer": "margin", "footerl": "margin", "footerr": "margin", "footerf": "margin",
}  # fmt: skip
_STARRED = ("shpinst", "nesttableprops")  # may be ignored by their star, and yet hold text or rows
_SYMBOLS = {
    "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "tab": "\t",
    "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005", "line": "\n", "softline": "\n", "lbr": "\n", "zwj": "\u200d",
    "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f",
}  # fmt: skip
_SIGNS = {"~": "\u00a0", "_": "\u2011", "\t": "\t"}
_CHARSETS = {  # \fcharset, as the LOGFONT constants name them; 1 is the default of the file
    0: 1252, 2: 42, 77: 10000, 78: 932, 79: 949, 80: 936, 81: 950, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253,
    162: 1254, 163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850,
}  # fmt: skip
_EAST_ASIAN = (932, 936, 949, 950)
_SYMBOL_FONT = 42
_BULLETS = str.maketrans(dict.fromkeys("\xb7\xa7\xd8\xfc", "•"))
_PRIVATE_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8\uf0fc", "•"))
_HEADING_STYLE = re.compile(r"\s*(?:heading|überschrift|titre|标题|標題)\s*([1-9])\s*;?\s*$", re.IGNORECASE)
_BLOCK_TAG = re.compile(r"\s*</?(?:p|div|br|li|tr|table|h[1-6]|ul|ol|blockquote|pre)\b", re.IGNORECASE)
_DEEPEST = 2_000


@dataclass(slots=True)
class _State:
    """What a group inherits, and what is as before at its end. `to` is where its text goes, "" for nowhere."""

    to: str = "body"
    page: int = 1252
    fallback: int = 1  # how many characters stand in for a \\u
    hidden: bool = False
    deleted: bool = False
    shadow: bool = False  # RTF that only accompanies encapsulated HTML (MS-OXRTFEX, \\htmlrtf)
    style: int = 0
    level: int = 0
    in_table: bool = False
    font: int = 0


@dataclass(slots=True)
class _Walk:
    """A walk over one file: its position, the open groups, and what was collected."""

    source: str
    draft: Draft
    at: int
    state: _State = field(default_factory=_State)
    stack: list[_State] = field(default_factory=list)
    opened: bool = False  # nothing but \\* came since the brace
    starred: bool = False
    skip: int = 0  # characters still to come that stand in for a \\u
    raw: bytearray = field(default_factory=bytearray)
    units: list[int] = field(default_factory=list)  # UTF-16, as \\u gives it
    texts: dict[str, list[str]] = field(default_factory=dict)
    ansi: int = 1252
    default_font: int = 0
    fonts: dict[int, int] = field(default_factory=dict)
    styles: dict[int, int] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    nested_cells: list[str] = field(default_factory=list)
    nested_rows: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    comments: int = 0
    left_out: set[str] = field(default_factory=set)


def read_rtf(data: bytes, name: str, limits: Limits) -> Content:
    """The text as it is shown: a table's row is a line, footnotes come at the end.

    Hidden and deleted text, comments, and page headers and footers are left out, and that is told in the warnings.
    """
    source = data.decode("latin-1")
    begin = source.find("{\\rtf")
    if begin < 0:
        raise refusal("damaged", name, "it does not begin as RTF does")
    walk = _Walk(source, Draft(name, limits), begin)
    _run(walk, name)
    walk.state.in_table = False
    _end_paragraph(walk)
    _row(walk)
    _end_table(walk)
    for note in walk.notes:
        walk.draft.block(note)
    title = " ".join("".join(walk.texts.get("title", ())).split())
    if len(title) < 3 or title.lower().endswith((".rtf", ".doc", ".docx", ".dot")):
        title = walk.draft.first_heading
    return walk.draft.content(title, _warnings(walk))


def _warnings(walk: _Walk) -> list[str]:
    said = [f"{what} was left out" for what in sorted(walk.left_out)]
    if walk.comments:
        said.append(f"comments in the margin were left out ({walk.comments})")
    if walk.stack:
        said.append("the file is cut short or broken: a group in it has no end")
    return said


def _run(walk: _Walk, name: str) -> None:
    while (token := _TOKEN.search(walk.source, walk.at)) is not None:
        walk.at = token.end()
        word, number, byte, sign, brace, text = token.groups()
        if brace == "{":
            if len(walk.stack) >= _DEEPEST:
                raise refusal("damaged", name, "it is nested too deeply")
            _open(walk)
        elif brace == "}":
            if _close(walk):
                break
        elif word is not None:
            _word(walk, word, None if number is None else int(number))
        elif byte is not None:
            _bytes(walk, bytes((int(byte, 16),)))
        elif sign is not None:
            _sign(walk, sign)
        else:
            _bytes(walk, text.encode("latin-1"))
    _flush(walk)


def _open(walk: _Walk) -> None:
    _flush(walk)
    walk.stack.append(replace(walk.state))
    walk.opened, walk.starred, walk.skip = True, False, 0


def _close(walk: _Walk) -> bool:
    """End a group; True when it was the outermost."""
    _flush(walk)
    ended, walk.state = walk.state, walk.stack.pop()
    walk.opened, walk.skip = False, 0
    if ended.to != walk.state.to:
        _end_destination(walk, ended)
    return not walk.stack


def _end_destination(walk: _Walk, ended: _State) -> None:
    to = ended.to
    if to in ("body", "title"):
        return
    text = "".join(walk.texts.pop(to, ()))
    if to == "note" and text.strip():
        walk.notes.append(text)
    elif to == "margin" and text.strip():
        walk.left_out.add("the text of page headers and footers")
    elif to == "label" and text.strip():
        label = text.translate(_BULLETS).translate(_PRIVATE_BULLETS).strip()
        _say(walk, f"{label} " if any(map(str.isalnum, label)) else "- ")
    elif to == "style" and (found := _HEADING_STYLE.match(text)) is not None:
        walk.styles.setdefault(ended.style, int(found[1]))
    elif to == "fonts":
        walk.state.page = walk.fonts.get(walk.default_font, walk.ansi)
    elif to == "tag":
        if _BLOCK_TAG.match(text):
            _end_paragraph(walk)
        elif text.lstrip().startswith("&"):
            _say(walk, html.unescape(text))


def _word(walk: _Walk, word: str, number: int | None) -> None:
    opened, walk.opened = walk.opened, False
    if word == "bin":
        walk.at += max(0, number or 0)
    elif word == "u" and number is not None:
        _unicode(walk, number)
    elif walk.skip:
        walk.skip -= 1
    else:
        _flush(walk)
        if opened and _destination(walk, word):
            return
        if word in _SYMBOLS:
            _say(walk, _SYMBOLS[word])
        elif word in _WORDS:
            _WORDS[word](walk, number)


def _destination(walk: _Walk, word: str) -> bool:
    """True when `word` begins a group whose text goes elsewhere, or nowhere."""
    starred, walk.starred = walk.starred, False
    state = walk.state
    if word in _DESTINATIONS:
        state.to = _DESTINATIONS[word]
        walk.comments += word == "annotation"
        return True
    if word in _SKIPPED or (starred and word not in _STARRED):
        state.to = ""
        _leap(walk)
        return True
    if state.to == "styles":  # an entry: {\s1 ... heading 1;}
        state.to, state.style = "style", 0
    return False


def _leap(walk: _Walk) -> None:
    """Go to the end of a group that says nothing, at once: the digits of pictures need no look."""
    depth, at = 0, walk.at
    while (found := _BRACE.search(walk.source, at)) is not None:
        sign, at = found[0], found.end()
        if sign == "\\":
            binary = _BINARY.match(walk.source, at)
            at = at + 1 if binary is None else binary.end() + int(binary[1])
        elif sign == "{":
            depth += 1
        elif depth:
            depth -= 1
        else:
            walk.at = found.start()
            return
    walk.at = len(walk.source)


def _bytes(walk: _Walk, data: bytes) -> None:
    walk.opened = False
    dropped = min(walk.skip, len(data))
    walk.skip -= dropped
    if dropped < len(data):
        if walk.units:
            _flush(walk)
        walk.raw += data[dropped:]


def _unicode(walk: _Walk, number: int) -> None:
    if walk.raw:
        _flush(walk)
    walk.units.append(number & 0xFFFF)
    walk.skip = walk.state.fallback


def _sign(walk: _Walk, sign: str) -> None:
    if sign == "*":
        walk.starred = walk.opened
        return
    walk.opened = False
    if sign in "\\{}":  # may be the second byte of a character
        _bytes(walk, sign.encode("latin-1"))
    elif walk.skip:
        walk.skip -= 1
    else:
        _flush(walk)
        if sign in "\r\n":
            _paragraph(walk, None)
        else:
            _say(walk, _SIGNS.get(sign, ""))


def _flush(walk: _Walk) -> None:
    """Decode what has come in UTF-16 units or in bytes."""
    if walk.units:
        units = b"".join(unit.to_bytes(2, "little") for unit in walk.units)
        walk.units.clear()
        _say(walk, units.decode("utf-16-le", errors="replace").translate(_PRIVATE_BULLETS))
    if walk.raw:
        data = bytes(walk.raw)
        walk.raw.clear()
        _say(walk, _decoded(data, walk.state.page, walk.ansi))


def _decoded(data: bytes, page: int, ansi: int) -> str:
    if page == _SYMBOL_FONT:
        return data.decode("latin-1").translate(_BULLETS)
    if data.isascii():
        return data.decode("ascii")
    pages = (ansi, page) if page == 1252 and ansi in _EAST_ASIAN else (page, ansi)  # writers call East Asian fonts Western
    for number in pages:
        encoding = code_page(number)
        try:
            if encoding is not None:
                return data.decode(encoding)
        except UnicodeError:
            continue
    return data.decode("cp1252", errors="replace")


def _say(walk: _Walk, text: str) -> None:
    state = walk.state
    if not text or not state.to or state.shadow:
        return
    if state.to in ("body", "note") and (state.hidden or state.deleted):
        if text.strip():
            walk.left_out.add("hidden text" if state.hidden else "text marked as deleted")
        return
    walk.texts.setdefault(state.to, []).append(text)


def _paragraph(walk: _Walk, number: int | None) -> None:
    if walk.state.to != "body":
        _say(walk, "\n")
    elif not walk.state.shadow:
        _end_paragraph(walk)


def _end_paragraph(walk: _Walk) -> None:
    """End a paragraph of the body; in a cell it is only a space."""
    if walk.state.in_table:
        walk.texts.setdefault("body", []).append(" ")
        return
    text = clean("".join(walk.texts.pop("body", ())))
    if text.strip():
        _row(walk)
        _end_table(walk)
        walk.draft.block(text, walk.state.level or walk.styles.get(walk.state.style, 0))


def _cell(walk: _Walk, number: int | None) -> None:
    if walk.state.to == "body":
        walk.cells.append(" ".join([*walk.nested_rows, *walk.texts.pop("body", ())]))
        walk.nested_rows.clear()


def _row(walk: _Walk, number: int | None = None) -> None:
    if walk.cells:
        if any(cell.strip() for cell in walk.cells):
            walk.rows.append(walk.cells)
        walk.cells = []


def _nested_cell(walk: _Walk, number: int | None) -> None:
    if walk.state.to == "body":
        walk.nested_cells.append("".join(walk.texts.pop("body", ())).strip())


def _nested_row(walk: _Walk, number: int | None) -> None:
    if walk.nested_cells:
        walk.nested_rows.append(" | ".join(walk.nested_cells))
        walk.nested_cells.clear()


def _end_table(walk: _Walk) -> None:
    if walk.rows:
        walk.draft.table(walk.rows)
        walk.rows.clear()


def _font(walk: _Walk, number: int | None) -> None:
    walk.state.font = number or 0
    walk.state.page = walk.fonts.get(walk.state.font, walk.ansi)


def _plain(walk: _Walk, number: int | None) -> None:
    walk.state.hidden = walk.state.deleted = False
    _font(walk, walk.default_font)


def _charset(walk: _Walk, number: int | None) -> None:
    if walk.state.to == "fonts":
        walk.fonts[walk.state.font] = walk.state.page = _CHARSETS.get(number or 0, walk.ansi)


def _font_page(walk: _Walk, number: int | None) -> None:
    if walk.state.to == "fonts" and number:
        walk.fonts[walk.state.font] = number


def _pard(walk: _Walk, number: int | None) -> None:
    walk.state.style = walk.state.level = 0
    walk.state.in_table = False


def _outline(walk: _Walk, number: int | None) -> None:
    level = (number or 0) + 1
    if walk.state.to == "style":
        if 1 <= level <= 9:
            walk.styles[walk.state.style] = level
    else:
        walk.state.level = level if 1 <= level <= 9 else 0


def _ansi(page: int | None) -> Callable[[_Walk, int | None], None]:
    def choose(walk: _Walk, number: int | None) -> None:
        walk.ansi = walk.state.page = page or number or 1252

    return choose


def _sets(name: str, default: int | bool) -> Callable[[_Walk, int | None], None]:
    def change(walk: _Walk, number: int | None) -> None:
        value = default if number is None else number
        setattr(walk.state, name, bool(value) if isinstance(default, bool) else max(0, value))

    return change


def _default_font(walk: _Walk, number: int | None) -> None:
    walk.default_font = number or 0


_WORDS: Mapping[str, Callable[[_Walk, int | None], None]] = {
    "par": _paragraph,
    "sect": _paragraph,
    "page": _paragraph,
    "column": _paragraph,
    "cell": _cell,
    "row": _row,
    "nestcell": _nested_cell,
    "nestrow": _nested_row,
    "pard": _pard,
    "plain": _plain,
    "f": _font,
    "fcharset": _charset,
    "cpg": _font_page,
    "deff": _default_font,
    "ansicpg": _ansi(None),
    "mac": _ansi(10000),
    "pc": _ansi(437),
    "pca": _ansi(850),
    "outlinelevel": _outline,
    "s": _sets("style", 0),
    "uc": _sets("fallback", 1),
    "intbl": _sets("in_table", True),
    "v": _sets("hidden", True),
    "deleted": _sets("deleted", True),
    "htmlrtf": _sets("shadow", True),
}
