"""Bytes to Document: the table of formats, and what is the same for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import PurePath

from wellread.read import media
from wellread.read.content import Content
from wellread.read.decode import clean
from wellread.read.docx import read_docx
from wellread.read.html import read_html
from wellread.read.limits import Limits
from wellread.read.markdown import read_markdown
from wellread.read.pdf import read_pdf
from wellread.read.refuse import refusal
from wellread.read.sections import nest
from wellread.read.text import read_text
from wellread.types import Document

Reader = Callable[[bytes, str, Limits], Content]

READERS: Mapping[str, Reader] = {
    media.PDF: read_pdf,
    media.HTML: read_html,
    media.MARKDOWN: read_markdown,
    media.DOCX: read_docx,
}
"""Who reads what. Any other `text/` type, and the few below, are read as plain text."""

_TEXT_TYPES = ("application/json", "application/jsonl", "application/xml", "application/yaml", "application/toml")
_KNOWN = {
    "application/msword": "an old Word document (.doc)",
    "application/vnd.ms-excel": "an old Excel workbook (.xls)",
    "application/vnd.ms-powerpoint": "an old PowerPoint presentation (.ppt)",
    "application/vnd.ms-outlook": "an Outlook message",
    "application/x-ole-storage": "an old Office file",
    media.XLSX: "an Excel workbook",
    media.PPTX: "a PowerPoint presentation",
    "application/epub+zip": "an EPUB book",
    "application/rtf": "an RTF document",
    "application/zip": "a zip archive",
    "application/gzip": "a gzip archive",
    "message/rfc822": "an e-mail",
    "multipart/related": "a saved web archive",
    "application/x-ipynb+json": "a Jupyter notebook",
}


def parse(data: bytes, name: str, source: str, limits: Limits) -> Document:
    """The document in `data`, in this process. `name` is the file's name, `source` where the document says it comes from.

    Raises `ReadError` with one of the reasons in `wellread.read.refuse`.
    """
    if len(data) > limits.file_bytes:
        raise refusal("too_large", name, f"{len(data):,} bytes, and the limit is {limits.file_bytes:,}")
    media_type = media.sniff(data, name)
    content = _reader(media_type, name)(data, name, limits)
    if len(content.text) > limits.text_chars:
        raise refusal("too_large", name, f"{len(content.text):,} characters of text, and the limit is {limits.text_chars:,}")
    if not content.text.strip():
        raise refusal("no_text", name)
    return Document(
        id=hashlib.sha256(data).hexdigest(),
        source=source,
        title=" ".join(content.title.split()) or clean(PurePath(name).name),
        media_type=media_type,
        text=content.text,
        pages=content.pages,
        sections=nest(content.headings, len(content.text)),
        warnings=content.warnings,
    )


def _reader(media_type: str, name: str) -> Reader:
    if media_type in READERS:
        return READERS[media_type]
    if media_type == media.ENCRYPTED_OFFICE:
        raise refusal("encrypted", name)
    if media_type in _KNOWN or not media_type.startswith("text/"):
        if media_type in _TEXT_TYPES:
            return read_text
        raise refusal("unsupported", name, _KNOWN.get(media_type, f"of type {media_type}"))
    return read_text
