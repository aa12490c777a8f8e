"""What a file is: told by its content first, by its name only where content is silent."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

from wellread.read.decode import byte_order_mark, wide
from wellread.read.refuse import refusal

PDF = "application/pdf"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ENCRYPTED_OFFICE = "application/vnd.ms-office.encrypted"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_MAGIC = (
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
)
_OFFICE_PARTS = (("word/document.xml", DOCX), ("xl/workbook.xml", XLSX), ("xl/workbook.bin", XLSX), ("ppt/presentation.xml", PPTX))
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_HTML_START = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL)

_BINARY_SUFFIXES = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".xlsx": XLSX,
    ".pptx": PPTX,
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".msg": "application/vnd.ms-outlook",
    ".epub": "application/epub+zip",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".zip": "application/zip",
}
_TEXT_SUFFIXES = {
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".eml": "message/rfc822",
    ".mht": "multipart/related",
    ".mhtml": "multipart/related",
    ".ipynb": "application/x-ipynb+json",
    ".rtf": "application/rtf",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".rst": "text/x-rst",
    ".org": "text/org",
    ".tex": "text/x-tex",
    ".py": "text/x-python",
    ".pyi": "text/x-python",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".jsx": "text/javascript",
    ".ts": "text/x-typescript",
    ".tsx": "text/x-typescript",
    ".java": "text/x-java",
    ".kt": "text/x-kotlin",
    ".scala": "text/x-scala",
    ".c": "text/x-c",
    ".h": "text/x-c",
    ".cc": "text/x-c++",
    ".cpp": "text/x-c++",
    ".hpp": "text/x-c++",
    ".cs": "text/x-csharp",
    ".go": "text/x-go",
    ".rs": "text/x-rust",
    ".rb": "text/x-ruby",
    ".php": "text/x-php",
    ".pl": "text/x-perl",
    ".r": "text/x-r",
    ".lua": "text/x-lua",
    ".swift": "text/x-swift",
    ".sh": "text/x-shellscript",
    ".bash": "text/x-shellscript",
    ".ps1": "text/x-powershell",
    ".sql": "text/x-sql",
    ".css": "text/css",
}


def sniff(data: bytes, name: str) -> str:
    """The media type of a file, from its bytes and then from its name's suffix.

    Raises `ReadError` with reason "empty" for a file without bytes, and "unknown_type" for binary content of no known kind.
    """
    if not data:
        raise refusal("empty", name)
    suffix = PurePath(name).suffix.lower()
    found = _by_magic(data, suffix)
    if found is not None:
        return found
    if _is_text(data):
        if _HTML_START.match(_ascii_head(data)):
            return HTML
        return _TEXT_SUFFIXES.get(suffix, PLAIN)
    if suffix in _BINARY_SUFFIXES:
        return _BINARY_SUFFIXES[suffix]
    raise refusal("unknown_type", name)


def _by_magic(data: bytes, suffix: str) -> str | None:
    if b"%PDF-" in data[:1024] and not _HTML_START.match(data[:1024]) and suffix not in _TEXT_SUFFIXES:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _zip_kind(data, suffix)
    if data.startswith(_OLE):
        if _ENCRYPTED_STREAM in data:
            return ENCRYPTED_OFFICE
        return _BINARY_SUFFIXES.get(suffix, "application/x-ole-storage")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, media_type in _MAGIC:
        if data.startswith(magic) and (len(magic) > 2 or not _is_text(data)):
            return media_type
    return None


def _zip_kind(data: bytes, suffix: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            for part, media_type in _OFFICE_PARTS:
                if part in names:
                    return media_type
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return archive.read("mimetype").decode("ascii", errors="replace").strip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return _BINARY_SUFFIXES.get(suffix, "application/zip")
    return "application/zip"


def _is_text(data: bytes) -> bool:
    if byte_order_mark(data) or wide(data):
        return True
    sample = data[:8192]
    if b"\x00" in sample:
        return False
    controls = sum(byte < 32 and byte not in (7, 8, 9, 10, 12, 13, 27) for byte in sample)
    return controls <= len(sample) // 50


def _ascii_head(data: bytes) -> bytes:
    head = data[:4096]
    encoding = byte_order_mark(head) or wide(head)
    if encoding is None:
        return head
    return head.decode(encoding, errors="ignore").encode("ascii", errors="ignore")
