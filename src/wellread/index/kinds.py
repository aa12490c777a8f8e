"""The names of types: `pdf`, `code`, `image` in a filter, and the media types that each means."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wellread.errors import UsageError, suggest

WEB = "web"
"""Not a media type: whatever was read from an address."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_CODE = {
    "text/x-python": "py pyi python",
    "text/javascript": "js mjs cjs jsx javascript",
    "text/x-typescript": "ts tsx mts cts typescript",
    "text/x-java": "java",
    "text/x-kotlin": "kt kts kotlin",
    "text/x-scala": "scala",
    "text/x-c": "c h",
    "text/x-c++": "cc cpp cxx hh hpp hxx c++",
    "text/x-csharp": "cs csharp c#",
    "text/x-go": "go",
    "text/x-rust": "rs rust",
    "text/x-ruby": "rb ruby",
    "text/x-php": "php",
    "text/x-perl": "pl pm perl",
    "text/x-r": "r",
    "text/x-lua": "lua",
    "text/x-swift": "swift",
    "text/x-shellscript": "sh bash zsh shell",
    "text/x-powershell": "ps1 psm1 powershell",
    "text/x-sql": "sql",
    "text/css": "css",
}
_NAMED = {
    "application/pdf": "pdf",
    "text/html": "html htm xhtml",
    "multipart/related": "mhtml mht",
    "text/markdown": "md markdown mdown",
    "text/plain": "txt text",
    _OFFICE + "wordprocessingml.document": "docx word",
    _OFFICE + "spreadsheetml.sheet": "xlsx excel spreadsheet",
    _OFFICE + "presentationml.presentation": "pptx powerpoint presentation",
    "application/vnd.ms-excel": "xls excel spreadsheet",
    _OPEN + "text": "odt",
    _OPEN + "spreadsheet": "ods spreadsheet",
    _OPEN + "presentation": "odp presentation",
    "application/rtf": "rtf",
    "application/epub+zip": "epub book",
    "message/rfc822": "eml mail email",
    "application/vnd.ms-outlook": "msg mail email",
    "application/x-ipynb+json": "ipynb notebook",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/jsonl": "jsonl ndjson",
    "application/xml": "xml dbk tei dita fb2",
    "application/yaml": "yaml yml",
    "application/toml": "toml ini cfg conf",
    "text/x-rst": "rst",
    "text/org": "org",
    "text/x-tex": "tex latex",
    "application/x-subrip": "srt subtitles",
    "text/vtt": "vtt subtitles",
    "image/png": "png image",
    "image/jpeg": "jpg jpeg image",
    "image/gif": "gif image",
    "image/tiff": "tif tiff image",
    "image/bmp": "bmp image",
    "image/webp": "webp image",
    **{media_type: f"{names} code" for media_type, names in _CODE.items()},
}
_MEDIA_TYPE = re.compile(r"[\w.+-]+/(?:[\w.+-]+|\*)")


def _by_name() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for media_type, names in _NAMED.items():
        for name in names.split():
            found.setdefault(name, []).append(media_type)
    return {name: tuple(held) for name, held in found.items()}


KINDS = _by_name()
"""The media types that each name means: the ending of a file's name, what people call it, or a group ("code", "image")."""


def media_types(name: str) -> tuple[str, ...]:
    """The media types that a name, in lower case, means; a media type means itself, and "image/*" all that begin so. None for "web".

    Raises `UsageError` for a name that means none.
    """
    name = name.removeprefix(".")
    if name == WEB:
        return ()
    if _MEDIA_TYPE.fullmatch(name):
        return (name,)
    if name not in KINDS:
        raise UsageError(
            f'there is no type "{name}".',
            hint=suggest(name, [*KINDS, WEB]) or "write type:pdf, type:docx, type:code, type:web, or a media type as in: type:text/html",
        )
    return KINDS[name]


def short_name(media_type: str) -> str:
    """What a filter calls a media type: its first name, or itself."""
    return _NAMED.get(media_type, media_type).split()[0]
