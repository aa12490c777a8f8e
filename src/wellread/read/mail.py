"""E-mails as files (RFC 5322 and MIME, RFC 2045 to 2049), read as they come: with wrong charsets, no boundaries and raw 8-bit headers."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message

from wellread.read.blocks import Blocks, text_of
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import byte_order_mark, clean, decode, wide
from wellread.read.html import declared, pruned, tree
from wellread.read.limits import Limits
from wellread.read.mail_words import charset, header_text
from wellread.read.refuse import refusal

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_CARRIERS = ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding")
_SIGNATURES = ("pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "pgp-encrypted")
_SEALED = ("pkcs7-mime", "x-pkcs7-mime")
_ODD = (ValueError, TypeError, LookupError, AttributeError, AssertionError)  # what the email package lets through on broken mails
_BOUNDARY = re.compile(r"^--(\S[^\n]{0,80}?)[ \t]*$", re.MULTILINE)
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} (\S[^\n]*)$", re.MULTILINE)
_UU_END = re.compile(r"^end[ \t]*$", re.MULTILINE)
_HTML_INSIDE = re.compile(r"\s*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE)
_STUB_SHARE = 0.2  # a plain text shorter than this share of the HTML only says that there is HTML
_STUB_CHARS = 300
_SUFFIXES = {"text/calendar": ".ics", "application/pdf": ".pdf", "application/zip": ".zip", "text/html": ".html", "text/csv": ".csv"}


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says of itself, however it is stored: its header lines, its body, and the names of what is attached."""

    headers: Sequence[tuple[str, str]]
    bodies: Sequence[Blocks]
    attached: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Body:
    blocks: Blocks
    plain: bool


def read_mail(data: bytes, name: str, limits: Limits) -> Content:
    """The lines Subject, From, To, Cc, Date and Attachments as the first paragraph, then the body; what is attached is not read here.

    Of a body in several forms the plain text is taken, and the HTML where the plain text is missing or a stub.
    """
    message = parse_message(data, name)
    try:
        warnings: list[str] = []
        bodies = _bodies(message, name, warnings, top=True)
        attached = [shown for shown, _ in _attachments(message)]
        headers = [(wanted, _header(message, wanted)) for wanted in _SHOWN]
    except RecursionError as error:
        raise refusal("damaged", name, "it is nested too deeply") from error
    except _ODD as error:
        raise refusal("damaged", name, "it is not a whole e-mail") from error
    return letter_content(Letter(headers, [body.blocks for body in bodies], attached, tuple(dict.fromkeys(warnings))))


def letter_content(letter: Letter) -> Content:
    """A mail as text, whatever kind of file it came from."""
    lines = [(key, " ".join(value.split())) for key, value in (*letter.headers, ("Attachments", ", ".join(letter.attached)))]
    pieces = ["\n".join(f"{key}: {value}" for key, value in lines if value)]
    headings, regions = [], []
    at = len(pieces[0])
    for blocks in letter.bodies:
        if not blocks.text.strip():
            continue
        at += 2 if at else 0
        pieces.append(blocks.text)
        headings += [replace(heading, start=heading.start + at) for heading in blocks.headings]
        regions += [replace(region, start=region.start + at, end=region.end + at) for region in blocks.regions]
        at += len(blocks.text)
    return Content(
        text=clean("\n\n".join(piece for piece in pieces if piece)),
        title=clean(dict(lines).get("Subject", "")),
        headings=tuple(headings),
        warnings=tuple(letter.warnings),
        regions=tuple(regions),
        date=day(dict(lines).get("Date")),
    )


def plain_blocks(text: str) -> Blocks:
    """Text as it was typed, without blank ends and page breaks."""
    lines = [line.rstrip() for line in clean(text).replace("\f", "\n").split("\n")]
    return Blocks("\n".join(lines).strip("\n"))


def html_blocks(data: bytes, named: str | None, name: str, warnings: list[str]) -> Blocks:
    """The text of an HTML body, without what a person would not see."""
    source, warning = decode(data, named or declared(data))
    if warning:
        warnings.append(warning)
    root = tree(source, name)
    if root is None:
        return Blocks("")
    pruned(root)
    return text_of(root)


def is_stub(plain: Blocks, rich: Blocks) -> bool:
    """True for a plain text that stands in for the HTML only: empty, or "your program cannot show HTML"."""
    length = len(plain.text.strip())
    return length == 0 or (length < _STUB_CHARS and length < _STUB_SHARE * len(rich.text))


def mail_attachments(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """The files attached to a mail, as (name, bytes), and the mails that are forwarded in it. Raises `ReadError` "damaged"."""
    message = parse_message(data, name)
    try:
        for shown, part in _attachments(message):
            yield shown, part if isinstance(part, bytes) else content_bytes(part)
    except RecursionError as error:
        raise refusal("damaged", name, "it is nested too deeply") from error
    except _ODD as error:
        raise refusal("damaged", name, "it is not a whole e-mail") from error


def parse_message(data: bytes, name: str) -> Message:
    """The parts of a mail or of a saved page. Raises `ReadError` "damaged", as where they are nested too deeply."""
    encoding = byte_order_mark(data) or wide(data)
    if encoding is not None:
        data = data.decode(encoding, errors="replace").encode("utf-8")
    try:
        message = message_from_bytes(data.lstrip(b"\r\n\t ") if data[:1] in (b"\r", b"\n") else data)
        for part in message.walk():
            _decode_carriers(part)
        return message
    except RecursionError as error:
        raise refusal("damaged", name, "it is nested too deeply") from error
    except _ODD as error:
        raise refusal("damaged", name, "it is not a whole e-mail") from error


def _decode_carriers(part: Message) -> None:
    """Headers that hold raw bytes, as some Chinese programs write file names, become text before their parameters are looked at."""
    for key, value in list(part.raw_items()):
        if key.title() in _CARRIERS and not str(value).isascii():
            part.replace_header(key, header_text(str(value)))


def _header(message: Message, wanted: str) -> str:
    values = [str(value) for key, value in message.raw_items() if key.lower() == wanted.lower()]
    return header_text(", ".join(values) if wanted in ("To", "Cc") else (values or [""])[0])


def _bodies(part: Message, name: str, warnings: list[str], top: bool = False) -> list[_Body]:
    """The text that a mail program would show of a part."""
    kind = part.get_content_type()
    if kind == "multipart/encrypted" or (kind.partition("/")[2] in _SEALED):
        warnings.append("the body is encrypted or sealed in a signature, and was not read")
        return []
    if part.is_multipart():
        if part.get_content_maintype() != "multipart":
            return []
        options = [_bodies(child, name, warnings) for child in _children(part)]
        return _best(options) if kind == "multipart/alternative" else [body for option in options for body in option]
    if part.get_content_maintype() == "multipart":
        return _bodies_without_boundary(part, name, warnings)
    if kind not in ("text/plain", "text/html") or (not top and _is_file(part)):
        return []
    return [_body(content_bytes(part), kind, part.get_param("charset"), name, warnings)]


def _body(data: bytes, kind: str, declared: object, name: str, warnings: list[str]) -> _Body:
    encoding = charset(declared if isinstance(declared, str) else None, data)
    if kind == "text/html":
        return _Body(html_blocks(data, encoding, name, warnings), plain=False)
    text, warning = decode(data, encoding)
    if warning:
        warnings.append(warning)
    if _HTML_INSIDE.match(text):
        return _Body(html_blocks(text.encode("utf-8"), "utf-8", name, warnings), plain=False)
    return _Body(plain_blocks(_without_uu(text)), plain=True)


def _best(options: Sequence[list[_Body]]) -> list[_Body]:
    plain = next((option for option in options if option and all(body.plain for body in option)), [])
    rich = next((option for option in reversed(options) if any(not body.plain for body in option)), [])
    if not plain or not rich:
        return plain or rich
    return rich if is_stub(_joined(plain), _joined(rich)) else plain


def _joined(bodies: Sequence[_Body]) -> Blocks:
    return Blocks("\n\n".join(body.blocks.text for body in bodies))


def _bodies_without_boundary(part: Message, name: str, warnings: list[str]) -> list[_Body]:
    """A multipart whose boundary is missing or wrong: the first line that looks like one is tried, or else it is read as it stands."""
    repaired = _repaired(part)
    if repaired is not None:
        return _bodies(repaired, name, warnings)
    return [_body(content_bytes(part), "text/plain", None, name, warnings)]


def _repaired(part: Message) -> Message | None:
    raw = content_bytes(part)
    found = _BOUNDARY.search(raw.decode("latin-1"))
    if found is None or '"' in found[1]:
        return None
    kind = part.get_content_type()
    boundary = found[1].removesuffix("--") or found[1]
    repaired = message_from_bytes(f'Content-Type: {kind}; boundary="{boundary}"\n\n'.encode("latin-1") + raw)
    return repaired if repaired.is_multipart() else None


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def content_bytes(part: Message) -> bytes:
    """The content of a part that is no multipart, with its transfer encoding undone; a forwarded mail as it stands."""
    if part.is_multipart():
        inner = _children(part)
        return inner[0].as_bytes(unixfrom=False) if inner else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _attachments(message: Message) -> Iterator[tuple[str, Message | bytes]]:
    """The parts that are files, and the files written into a plain text by uuencode."""
    waiting, number, first = [message], 0, True
    while waiting:
        part = waiting.pop()
        top, first = first, False
        kind, main = part.get_content_type(), part.get_content_maintype()
        if main == "multipart" and not part.is_multipart():
            repaired = _repaired(part)
            waiting.extend([repaired] if repaired is not None else [])
        elif main == "multipart":
            if kind != "multipart/encrypted":
                waiting.extend(reversed(_children(part)))
        elif kind == "message/rfc822" and part.is_multipart():
            number += 1
            inner = _children(part)
            subject = _header(inner[0], "Subject") if inner else ""
            yield (_filename(part) or f"{subject or f'message {number}'}.eml").replace("/", "-"), part
        elif (not top or main != "text") and _is_file(part):
            number += 1
            yield (_filename(part) or f"attachment {number}{_SUFFIXES.get(kind, '')}"), part
        elif kind == "text/plain":
            yield from _uu_files(decode(content_bytes(part))[0])


def _is_file(part: Message) -> bool:
    main, sub = part.get_content_maintype(), part.get_content_subtype()
    if sub in _SIGNATURES or sub in _SEALED or main in ("multipart", "message"):
        return False
    if part.get_content_disposition() == "attachment" or _filename(part):
        return True
    return main not in ("text", "image") or sub == "calendar"


def _filename(part: Message) -> str:
    try:
        told = header_text(part.get_filename() or "")
    except _ODD:
        return ""
    return re.split(r"[/\\]", told.strip())[-1].strip()


def _uu_stretches(text: str) -> Iterator[tuple[int, int, str, list[str]]]:
    """Files written into a text by uuencode: where each begins and ends, its name and its lines."""
    begins = list(_UU_BEGIN.finditer(text))
    at = 0
    for end in _UU_END.finditer(text) if begins else ():
        begin = None
        while at < len(begins) and begins[at].end() <= end.start():
            begin = begins[at]  # the last before the end: one that is left open begins nothing
            at += 1
        if begin is None:
            continue
        lines = text[begin.end() : end.start()].strip("\n").split("\n")
        if all(len(line) <= 80 and all(" " <= char <= "`" for char in line) for line in lines):
            yield begin.start(), end.end(), begin[1].strip(), lines


def _without_uu(text: str) -> str:
    pieces, at = [], 0
    for start, end, _, _ in _uu_stretches(text):
        pieces.append(text[at:start])
        at = end
    return "".join([*pieces, text[at:]])


def _uu_files(text: str) -> Iterator[tuple[str, bytes]]:
    for _, _, name, lines in _uu_stretches(text):
        try:
            yield re.split(r"[/\\]", name)[-1], b"".join(binascii.a2b_uu(line) for line in lines if line.strip("` "))
        except binascii.Error:
            continue
