"""Names that come from outside and become names of files here: checked, never mended in silence."""

from __future__ import annotations

import re
import unicodedata

from wellread.places import SUFFIX
from wellread.read.discover import is_skipped
from wellread.server.errors import Refused, wrong

_MOST_BYTES = 200
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]')
"""What separates paths or is no name on some system, controls, and marks that turn the direction of writing ("fdp.exe")."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_LIBRARY = re.compile(r"\w[\w .-]*")


def file_name(name: str, param: str | None = None) -> str:
    """The name of a file to be kept, in Unicode's composed form (NFC). Raises `Refused` for what is a path, or no name at all."""
    composed = unicodedata.normalize("NFC", name)
    if not composed.strip(" .") or composed != composed.strip() or composed.endswith("."):
        raise _refused(param, "is empty, or begins or ends with a space, or ends with a dot")
    if _FORBIDDEN.search(composed) or any(unicodedata.category(each) == "Cs" for each in composed):
        raise _refused(param, "holds a character that no file name may have here")
    if len(composed.encode()) > _MOST_BYTES:
        raise _refused(param, f"is longer than {_MOST_BYTES} bytes")
    if _DEVICES.fullmatch(composed) or is_skipped(composed):
        raise _refused(param, "is one that is never read as a document")
    return composed


def library_name(name: str) -> str:
    """The name of a new library: letters, digits, "_", "-", "." and spaces inside. Raises `Refused`."""
    composed = file_name(name, "name")
    if not _LIBRARY.fullmatch(composed) or composed.endswith(SUFFIX) or len(composed) > 100:
        raise wrong("name", "a library's name has letters, digits, _ - . and spaces, and at most 100 of them")
    return composed


def _refused(param: str | None, why: str) -> Refused:
    return wrong(param, f"the file name {why}" if param is None else f'"{param}" {why}', code="invalid_name")
