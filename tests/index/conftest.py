"""A store, and documents put into it from plain text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.models.fake import HashEmbedder
from wellread.split import split
from wellread.types import Document, Page, Section

Put = Callable[..., Document]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "library.db")
    yield opened
    opened.close()


@pytest.fixture
def put() -> Put:
    """Puts a text into a store as a document found at a path, split and embedded."""
    return _put


def _put(
    store: Store,
    path: str,
    text: str,
    *,
    title: str = "",
    pages: tuple[Page, ...] = (),
    sections: tuple[Section, ...] = (),
    chunk_chars: int = 500,
    dimensions: int = 64,
) -> Document:
    name = hashlib.sha256(text.encode()).hexdigest()
    document = Document(name, path, title or path, "text/plain", text, pages, sections)
    spans = split(document, chunk_chars=chunk_chars)
    vectors = HashEmbedder(dimensions).embed([text[span.start : span.end] for span in spans])
    store.put(document, spans, vectors, Source(path, name, len(text), 1))
    return document
