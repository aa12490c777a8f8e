"""Bytes to Document: the table of formats, and what is the same for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePath

from wellread.read import media, plugins
from wellread.read.code import read_code
from wellread.read.content import Content
from wellread.read.day import day
from wellread.read.decode import clean
from wellread.read.delimited import read_delimited
from wellread.read.docx import read_docx
from wellread.read.epub import read_epub
from wellread.read.html import read_html
from wellread.read.limits import Limits
from wellread.read.mail import read_mail
from wellread.read.markdown import read_markdown
from wellread.read.mhtml import read_mhtml
from wellread.read.notebook import read_notebook
from wellread.read.ocr_installed import available
from wellread.read.opendocument import read_opendocument
from wellread.read.org import read_org
from wellread.read.outlook import read_outlook
from wellread.read.pdf import read_pdf
from wellread.read.plugins import Reader
from wellread.read.pptx import read_pptx
from wellread.read.refuse import refusal
from wellread.read.restructured import read_restructured
from wellread.read.rtf import read_rtf
from wellread.read.sections import nest
from wellread.read.spreadsheet import read_spreadsheet
from wellread.read.structured import read_json, read_json_lines, read_toml, read_yaml
from wellread.read.subtitles import read_subtitles
from wellread.read.symbols import LANGUAGES
from wellread.read.tex import read_tex
from wellread.read.text import read_text
from wellread.read.xml import read_xml
from wellread.types import Document

VERSION = 2
"""Grows when a reader gives other text than before, or reads what it refused."""


def _read_image(data: bytes, name: str, limits: Limits) -> Content:
    from wellread.read.image import read_image  # with numpy, which no other reader wants

    return read_image(data, name, limits)


READERS: Mapping[str, Reader] = {
    media.PDF: read_pdf,
    media.DOCX: read_docx,
    media.PPTX: read_pptx,
    media.XLSX: read_spreadsheet,
    media.XLS: read_spreadsheet,
    media.ODT: read_opendocument,
    media.ODS: read_opendocument,
    media.ODP: read_opendocument,
    media.EPUB: read_epub,
    media.RTF: read_rtf,
    media.HTML: read_html,
    media.MHTML: read_mhtml,
    media.EML: read_mail,
    media.MSG: read_outlook,
    media.MARKDOWN: read_markdown,
    media.RST: read_restructured,
    media.ORG: read_org,
    media.TEX: read_tex,
    media.CSV: read_delimited,
    media.TSV: read_delimited,
    media.JSON: read_json,
    media.JSONL: read_json_lines,
    media.YAML: read_yaml,
    media.TOML: read_toml,
    media.XML: read_xml,
    media.NOTEBOOK: read_notebook,
    media.SRT: read_subtitles,
    media.VTT: read_subtitles,
    **dict.fromkeys([*LANGUAGES, "text/css"], read_code),
    **dict.fromkeys(media.IMAGES, _read_image),
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
