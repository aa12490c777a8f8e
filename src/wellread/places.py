"""Paths as people name them: libraries, and the files and folders to read."""

from __future__ import annotations

from pathlib import Path

from wellread.errors import UsageError, suggest

SUFFIX = ".wellread"


def folder_of(path: str | Path) -> Path:
    """The folder of the library called `path`."""
    folder = expanded(path)
    if folder.name in ("", ".."):
        raise UsageError(f'"{path}" does not name a library.', hint="give it a name, as in: --library papers")
    return folder if folder.suffix == SUFFIX else folder.with_name(folder.name + SUFFIX)


def check_source(source: str | Path) -> None:
    """Raise `UsageError` for what cannot be added: nothing is there, or it is neither a file nor a folder."""
    path = source_path(source)
    if not path.exists():
        raise UsageError(f"there is no file or folder {source}.", hint=_near(path) or "check the spelling")
    if not (path.is_file() or path.is_dir()):
        raise UsageError(f"{source} is neither a file nor a folder.", hint="pipes and devices are not read")


def _near(path: Path) -> str | None:
    """A suggestion for a path that is not there."""
    return suggest(path.name, [each.name for each in path.parent.iterdir()]) if path.parent.is_dir() else None


def source_path(source: str | Path) -> Path:
    """The absolute path of a file or folder as a person named it. Raises `UsageError` for a name that is not text."""
    path = expanded(source).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise UsageError(f"the name of {shown} is not valid text.", hint="rename it") from None
    return path


def expanded(path: str | Path) -> Path:
    """A path with "~" and "~name" filled in. One that only looks like that ("~$report.docx") stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user
        return Path(path)
