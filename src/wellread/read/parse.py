"""Bytes to Document: the table of formats, and what is the same for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import PurePath

from wellread.read import media, plugins
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import clean
from wellread.read.limits import Limits
from wellread.read.ocr_installed import available
from wellread.read.plugins import Reader
from wellread.read.refuse import refusal
from wellread.read.sections import nest
from wellread.read.symbols import LANGUAGES
from wellread.read.text import read_text
from wellread.types import Document

VERSION = 2
"""Grows when a reader gives other text than before, or reads what it refused."""


def _later(module: str, function: str) -> Reader:
    """A reader whose module is imported when the first file for it comes: most runs need few of them, and the imports take a while."""

    def read(data: bytes, name: str, limits: Limits) -> Content:
        reader: Reader = getattr(import_module(f"wellread.read.{module}"), function)
        return reader(data, name, limits)

    return read


READERS: Mapping[str, Reader] = {
    media.PDF: _later("pdf", "read_pdf"),
    media.DOCX: _later("docx", "read_docx"),
    media.PPTX: _later("pptx", "read_pptx"),
    media.XLSX: _later("spreadsheet", "read_spreadsheet"),
    media.XLS: _later("spreadsheet", "read_spreadsheet"),
    media.ODT: _later("opendocument", "read_opendocument"),
    media.ODS: _later("opendocument", "read_opendocument"),
    media.ODP: _later("opendocument", "read_opendocument"),
    media.EPUB: _later("epub", "read_epub"),
    media.RTF: _later("rtf", "read_rtf"),
    media.HTML: _later("html", "read_html"),
    media.MHTML: _later("mhtml", "read_mhtml"),
    media.EML: _later("mail", "read_mail"),
    media.MSG: _later("outlook", "read_outlook"),
    media.MARKDOWN: _later("markdown", "read_markdown"),
    media.RST: _later("restructured", "read_restructured"),
    media.ORG: _later("org", "read_org"),
    media.TEX: _later("tex", "read_tex"),
    media.CSV: _later("delimited", "read_delimited"),
    media.TSV: _later("delimited", "read_delimited"),
    media.JSON: _later("structured", "read_json"),
    media.JSONL: _later("structured", "read_json_lines"),
    media.YAML: _later("structured", "read_yaml"),
    media.TOML: _later("structured", "read_toml"),
    media.XML: _later("xml", "read_xml"),
    media.NOTEBOOK: _later("notebook", "read_notebook"),
    media.SRT: _later("subtitles", "read_subtitles"),
    media.VTT: _later("subtitles", "read_subtitles"),
    **dict.fromkeys([*LANGUAGES, "text/css"], _later("code", "read_code")),
    **dict.fromkeys(media.IMAGES, _later("image", "read_image")),
}
"""Who reads what. Any other type in `text/` is read as plain text; what is in archives, by `wellread.read.unpack`."""

_REFUSED = {
    media.DOC: "an old Word document (.doc)",
    media.PPT: "an old PowerPoint presentation (.ppt)",
    media.OLE: "an old Office file",
}


def readers_version() -> str:
    """What reads here, as one text: files that failed are tried again when it is another."""
    return "+".join((str(VERSION), *(("ocr",) if available() else ()), *plugins.versions()))


def kind(data: bytes, name: str, limits: Limits) -> str:
    """The media type of a file. Raises `ReadError` for one that is too large, empty or unknown."""
    if len(data) > limits.file_bytes:
        raise refusal("too_large", name, f"{len(data):,} bytes, and the limit is {limits.file_bytes:,}")
    return plugins.media_type_of(name) or media.sniff(data, name)


def parse(data: bytes, name: str, source: str, limits: Limits) -> Document:
    """The document in `data`, in this process. `name` is the file's name, `source` where the document says it comes from.

    Raises `ReadError` with one of the reasons in `wellread.read.refuse`.
    """
    media_type = kind(data, name, limits)
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
        regions=content.regions,
        date=day(content.date),
    )


def _reader(media_type: str, name: str) -> Reader:
    added = plugins.reader_of(media_type, name)
    if added is not None:
        return added
    if media_type in READERS:
        return READERS[media_type]
    if media_type == media.ENCRYPTED_OFFICE:
        raise refusal("encrypted", name)
    if media_type.startswith("text/"):
        return read_text
    raise refusal("unsupported", name, _REFUSED.get(media_type, f"of type {media_type}"))
