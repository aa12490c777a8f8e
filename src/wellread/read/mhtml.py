"""Saved web pages in one file (MHTML, RFC 2557): the page itself, without its pictures, styles and frames."""

from __future__ import annotations

import codecs
from dataclasses import replace
from email.message import Message

from wellread.read.content import Content
from wellread.read.decode import decode
from wellread.read.html import read_html
from wellread.read.limits import Limits
from wellread.read.mail import content_bytes, parse_message
from wellread.read.mail_words import charset, header_text
from wellread.read.refuse import refusal
from wellread.read.text import read_text


def read_mhtml(data: bytes, name: str, limits: Limits) -> Content:
    """The text of the saved page, as `read_html` reads it. Raises `ReadError` "damaged" where no page is in it."""
    message = parse_message(data, name)
    page = _page(message)
    if page is None:
        raise refusal("damaged", name, "there is no page in it")
    raw = content_bytes(page)
    if page.get_content_type() == "text/plain":
        return read_text(raw, name, limits)
    declared = page.get_param("charset")
    encoding = charset(declared if isinstance(declared, str) else None, raw)
    if encoding is not None:  # what the part says goes before what the page says of itself
        text, warning = decode(raw, encoding)
        content = read_html(codecs.BOM_UTF8 + text.encode("utf-8"), name, limits)
        content = replace(content, warnings=(*content.warnings, warning)) if warning else content
    else:
        content = read_html(raw, name, limits)
    return content if content.title else replace(content, title=header_text(str(message.get("Subject", ""))))


def _page(message: Message) -> Message | None:
    """The root part: the one that the `start` parameter names, or the first that is HTML, or the first text."""
    parts = [part for part in message.walk() if part.get_content_type() in ("text/html", "application/xhtml+xml", "text/plain")]
    start = message.get_param("start")
    if isinstance(start, str):
        for part in parts:
            if str(part.get("Content-ID", "")).strip("<> ") == start.strip("<> "):
                return part
    pages = [part for part in parts if part.get_content_type() != "text/plain"]
    return next(iter(pages or parts), None)
