"""Rows of data out of the files that benchmarks come in: JSON, JSON lines, CSV and TSV, also gzipped."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wellread.errors import UsageError

Rows = list[dict[str, Any]]

ENDINGS = (".jsonl", ".json", ".csv", ".tsv")


def read_rows(path: Path, *, columns: Sequence[str] | None = None, quoted: bool = True) -> Rows:
    """The rows of a file, told apart by its ending. `columns` names those of a table without a header line; `quoted` is False for
    tables in which a quotation mark is a sign like any other (those of GLUE).

    Raises `UsageError` for a file that cannot be read or holds something else, with the line where there is one.
    """
    text = _text(path)
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if kind == ".jsonl":
        return _lines(path, text)
    if kind == ".json":
        return _json(path, text)
    if kind not in (".csv", ".tsv"):
        raise UsageError(
            f"{path.name} is in no format that is read here.", hint=f"it should end in {', '.join(ENDINGS)}, or one of these and .gz"
        )
    reader = csv.DictReader(
        io.StringIO(text, newline=""),
        fieldnames=columns,
        delimiter="\t" if kind == ".tsv" else ",",
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    return [{name: value for name, value in row.items() if name is not None} for row in reader]


def find_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first file in a folder, or up to two folders down, that is called one of `names` with any ending that is read."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}.", hint="check the path")
    held = sorted(path for pattern in ("*", "*/*", "*/*/*") for path in folder.glob(pattern) if path.is_file())
    for name in names:
        for path in held:
            if path.name.removesuffix(".gz") in {name + ending for ending in ENDINGS}:
                return path
    return None


def data_digest(rows: Iterable[object]) -> str:
    """The sha256 (hex) of rows, whatever file they were in."""
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return found.hexdigest()


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", hint="convert it to UTF-8") from error


def _lines(path: Path, text: str) -> Rows:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: JSON may hold a bare U+2028
        if line.strip():
            rows.append(_object(f"{path}, line {number}", line))
    return rows


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where} is not JSON: {error}.", hint="every line holds one object in braces") from error
    if not isinstance(row, dict):
        raise UsageError(f"{where} holds no object.", hint="every line holds one object in braces")
    return row


def _json(path: Path, text: str) -> Rows:
    """The rows of a JSON file: a list, or the list that an object holds as "data" or "examples"."""
    if text.count("\n{") and text.lstrip().startswith("{"):  # JSON lines under another name, as benchmarks like to ship them
        try:
            return _lines(path, text)
        except UsageError:
            pass
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.", hint="is the file whole?") from error
    if isinstance(found, dict):
        found = found.get("data", found.get("examples"))
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UsageError(f"{path} holds no list of objects.", hint='a list, or an object with such a list as "data" or "examples"')
    return found
