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
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
PPT = "application/vnd.ms-powerpoint"
MSG = "application/vnd.ms-outlook"
OLE = "application/x-ole-storage"
ENCRYPTED_OFFICE = "application/vnd.ms-office.encrypted"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
EPUB = "application/epub+zip"
RTF = "application/rtf"
EML = "message/rfc822"
MHTML = "multipart/related"
ZIP = "application/zip"
TAR = "application/x-tar"
GZIP = "application/gzip"
BZIP2 = "application/x-bzip2"
XZ = "application/x-xz"
NOTEBOOK = "application/x-ipynb+json"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
JSONL = "application/jsonl"
XML = "application/xml"
YAML = "application/yaml"
TOML = "application/toml"
RST = "text/x-rst"
ORG = "text/org"
TEX = "text/x-tex"
SRT = "application/x-subrip"
VTT = "text/vtt"
PNG, JPEG, GIF, TIFF, BMP, WEBP = "image/png", "image/jpeg", "image/gif", "image/tiff", "image/bmp", "image/webp"
IMAGES = (PNG, JPEG, GIF, TIFF, BMP, WEBP)

_MAGIC = (
    (b"{\\rtf", RTF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF8", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"BM", BMP),
    (b"\x1f\x8b", GZIP),
    (b"BZh", BZIP2),
    (b"\xfd7zXZ\x00", XZ),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"WEBVTT", VTT),
    (b"\xef\xbb\xbfWEBVTT", VTT),
)
_ZIP_ENTRY = b"PK\x01\x02"
_MANY_ENTRIES = 100_000
_OFFICE_PARTS = (
    ("word/document.xml", DOCX),
    ("xl/workbook.xml", XLSX),
    ("xl/workbook.bin", XLSX),
    ("ppt/presentation.xml", PPTX),
    ("META-INF/container.xml", EPUB),
)
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (  # the names of streams, as the directory of the file spells them
    ("EncryptedPackage", ENCRYPTED_OFFICE),
    ("__properties_version1.0", MSG),
    ("WordDocument", DOC),
    ("PowerPoint Document", PPT),
    ("Workbook", XLS),
)
_HTML_START = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL)
_MHTML_HEAD = re.compile(rb"^content-type:\s*multipart/related", re.IGNORECASE | re.MULTILINE)

_BINARY_SUFFIXES = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".xlsx": XLSX,
    ".pptx": PPTX,
    ".doc": DOC,
    ".xls": XLS,
    ".ppt": PPT,
    ".msg": MSG,
    ".epub": EPUB,
    ".odt": ODT,
    ".ods": ODS,
    ".odp": ODP,
    ".zip": ZIP,
    ".tar": TAR,
    ".gz": GZIP,
    ".tgz": GZIP,
    ".bz2": BZIP2,
    ".xz": XZ,
}
_TEXT_SUFFIXES = {
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".eml": EML,
    ".mht": MHTML,
    ".mhtml": MHTML,
    ".ipynb": NOTEBOOK,
    ".rtf": RTF,
    ".csv": CSV,
    ".tsv": TSV,
    ".json": JSON,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".xml": XML,
    ".yaml": YAML,
    ".yml": YAML,
    ".toml": TOML,
    ".rst": RST,
    ".org": ORG,
    ".tex": TEX,
    ".srt": SRT,
    ".vtt": VTT,
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
    ".pm": "text/x-perl",
    ".cjs": "text/javascript",
    ".mts": "text/x-typescript",
    ".cts": "text/x-typescript",
    ".kts": "text/x-kotlin",
    ".cxx": "text/x-c++",
    ".hh": "text/x-c++",
    ".hxx": "text/x-c++",
    ".zsh": "text/x-shellscript",
    ".psm1": "text/x-powershell",
    ".ini": TOML,
    ".cfg": TOML,
    ".conf": TOML,
    ".dbk": XML,
    ".tei": XML,
    ".dita": XML,
    ".fb2": XML,
    ".latex": TEX,
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
        if suffix == ".pdf" and b" obj" in data[:1024]:  # its first line is missing
            return PDF
        kind = _TEXT_SUFFIXES.get(suffix, PLAIN)
        return MHTML if kind == EML and _MHTML_HEAD.search(data[:4096]) and b"Snapshot-Content-Location" in data[:4096] else kind
    if suffix in _BINARY_SUFFIXES:
        return _BINARY_SUFFIXES[suffix]
    raise refusal("unknown_type", name)


def _by_magic(data: bytes, suffix: str) -> str | None:
    if b"%PDF-" in data[:1024] and not _HTML_START.match(data[:1024]) and suffix not in _TEXT_SUFFIXES:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _zip_kind(data, suffix)
    if data.startswith(_OLE_MAGIC):
        held = (kind for stream, kind in _OLE_STREAMS if stream.encode("utf-16-le") in data)
        return next(held, _BINARY_SUFFIXES.get(suffix, OLE))
    if data[257:262] == b"ustar":
        return TAR
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, media_type in _MAGIC:
        if data.startswith(magic) and (len(magic) > 2 or not _is_text(data)):
            return media_type
    return None


def _zip_kind(data: bytes, suffix: str) -> str:
    if data.count(_ZIP_ENTRY) > _MANY_ENTRIES:  # no document has so many, and to list them takes long
        return _BINARY_SUFFIXES.get(suffix, ZIP)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            for part, media_type in _OFFICE_PARTS:
                if part in names:
                    return media_type
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return archive.read("mimetype").decode("ascii", errors="replace").strip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return _BINARY_SUFFIXES.get(suffix, ZIP)
    return ZIP


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
