"""What to call a file from the web: its name must not hide what the server says it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

from wellread.web.address import Address

# The suffixes a file of a type may have; the first is given to one that has none of them.
_SUFFIXES = {
    "text/html": ".html .htm .xhtml",
    "application/xhtml+xml": ".xhtml .html .htm",
    "application/pdf": ".pdf",
    "text/markdown": ".md .markdown .mdown",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json .ipynb .jsonl .ndjson",
    "application/x-ndjson": ".jsonl .ndjson",
    "application/jsonl": ".jsonl .ndjson",
    "application/x-ipynb+json": ".ipynb",
    "application/yaml": ".yaml .yml",
    "application/toml": ".toml",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "message/rfc822": ".eml .mht .mhtml",
    "text/vtt": ".vtt",
    "application/x-subrip": ".srt",
    "text/x-rst": ".rst",
    "image/png": ".png",
    "image/jpeg": ".jpg .jpeg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/tiff": ".tif .tiff",
}
_UNFIT = re.compile(r"[^\w .()+,@=&~-]+")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")
_LONGEST = 120


def media_type(headers: Mapping[str, str]) -> str:
    """The type a server gives a page, in lower case and without parameters; "" when it gives none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def parameter(header: str, name: str) -> str | None:
    """A parameter of a header such as `text/html; charset=utf-8`, in any of the forms of RFC 2231."""
    message = Message()
    message["Content-Disposition"] = header
    try:
        found = message.get_param(name, header="Content-Disposition")
        return collapse_rfc2231_value(found) if found else None
    except (LookupError, ValueError):
        return None


def file_name(address: Address, headers: Mapping[str, str]) -> str:
    """A name for the file, without folders: what the server calls it, or the end of its address, with a suffix that fits its type."""
    path = address.target.partition("?")[0].rstrip("/")
    called = parameter(headers.get("content-disposition", ""), "filename") or unquote(path.rpartition("/")[2]) or address.host
    name = _UNFIT.sub("_", re.split(r"[/\\]", called)[-1]).strip(" .")[-_LONGEST:] or "page"
    kind = media_type(headers)
    fitting = _SUFFIXES.get(kind, "").split()
    if fitting and not name.lower().endswith(tuple(fitting)):
        return name + fitting[0]
    return name + ".txt" if kind == "text/plain" and not _SUFFIX.search(name) else name
