"""A retrieval collection as benchmarks publish it: documents, questions, and what people judged to answer them.

In a folder lie `corpus.jsonl` ({"id", "title", "text"} a line), `queries.jsonl` ({"id", "text"}), both also with `.gz`, and `qrels.tsv`
with a line of headings and then query, document and grade, separated by tabs. BEIR's "_id" is read as "id".
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wellread.errors import UsageError

_SEED = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of a collection; `title` may be empty."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question of a collection."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """`qrels` holds the judgements of each question, in the order of `queries`: the grade of each judged document, 0 for irrelevant."""

    name: str
    documents: tuple[Entry, ...]
    queries: tuple[Query, ...]
    qrels: Mapping[str, Mapping[str, int]]


def read_collection(folder: Path) -> Collection:
    """The collection in a folder. Questions for which nothing is judged relevant are left out: no ranking could fail at them.

    Raises `UsageError` for a file that is missing or is not as described above.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}.", hint="name a folder with corpus.jsonl, queries.jsonl and qrels.tsv")
    documents = tuple(Entry(row["id"], row["title"], row["text"]) for row in _rows(folder, "corpus.jsonl"))
    queries = tuple(Query(row["id"], row["text"]) for row in _rows(folder, "queries.jsonl"))
    judged = _judgements(folder)
    asked = tuple(query for query in queries if any(grade > 0 for grade in judged.get(query.id, {}).values()))
    if not documents or not asked:
        raise UsageError(
            f"{folder} has no {'judged questions' if documents else 'documents'}.",
            hint="see whether the ids in qrels.tsv fit the rest",
        )
    return Collection(folder.name, documents, asked, {query.id: judged[query.id] for query in asked})


def sample(collection: Collection, count: int) -> Collection:
    """The collection with at most `count` of its questions, drawn by chance but always the same ones; all documents stay."""
    total = len(collection.queries)
    if total <= count:
        return collection
    drawn = sorted(np.random.default_rng(_SEED).choice(total, count, replace=False).tolist())
    queries = tuple(collection.queries[at] for at in drawn)
    return replace(collection, queries=queries, qrels={query.id: collection.qrels[query.id] for query in queries})


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file that are not empty, each with its place for a complaint."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"line {number} of {path}", line
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} cannot be read: {error}.", hint="it must be UTF-8 text, or such text packed by gzip") from error


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise UsageError(f"there is no {name} in {folder}.", hint="a collection has corpus.jsonl, queries.jsonl and qrels.tsv")


def _rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The objects of a JSONL file: id, title (empty where there is none) and text."""
    seen: set[str] = set()
    for place, line in _lines(_file(folder, name)):
        try:
            row = json.loads(line)
            found = {"id": str(row["id"] if "id" in row else row["_id"]), "title": row.get("title") or "", "text": row["text"]}
            if not isinstance(found["text"], str) or not isinstance(found["title"], str):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f'{place} is not {{"id": ..., "text": ...}}.', hint="write one JSON object a line") from error
        if found["id"] in seen:
            raise UsageError(f'{place} has the id "{found["id"]}" of an earlier line.', hint="give each its own id")
        seen.add(found["id"])
        yield found


def _judgements(folder: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for number, (place, line) in enumerate(_lines(_file(folder, "qrels.tsv"))):
        cells = line.rstrip("\r\n").split("\t")
        try:
            query, document, grade = cells
            if number:
                judged.setdefault(query, {})[document] = int(grade)
            elif grade.lstrip("-").isdigit():
                raise UsageError(f"{place} is a judgement, not a heading.", hint="put the line query-id, corpus-id, score before it")
        except ValueError as error:
            raise UsageError(f"{place} is not a query, a document and a whole number.", hint="separate them by tabs") from error
    return judged
