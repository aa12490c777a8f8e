"""Chroma with its defaults: whole documents in a collection (an HNSW index, l2), `collection.query`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings

import peers_common

_BATCH = 1000


def dense(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    collection = chromadb.EphemeralClient(settings=Settings(anonymized_telemetry=False)).create_collection(
        "documents", embedding_function=None
    )
    ids, texts = [name for name, _ in documents], [text for _, text in documents]
    _add(collection, ids, texts, vectors.encode(texts))
    depth = min(peers_common.DEPTH, len(ids))
    return lambda question: list(collection.query(query_embeddings=vectors.encode([question]), n_results=depth)["ids"][0])


def ingest(ids: list[str], texts: list[str], vectors: Any, folder: Path) -> None:
    _add(_client(folder).create_collection("documents", embedding_function=None), ids, texts, vectors)


def opened(folder: Path) -> Callable[[Any, int], list[str]]:
    collection = _client(folder).get_collection("documents", embedding_function=None)
    return lambda vector, limit: list(collection.query(query_embeddings=[vector], n_results=limit)["ids"][0])


def _client(folder: Path) -> Any:
    return chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))


def _add(collection: Any, ids: list[str], texts: list[str], vectors: Any) -> None:
    for at in range(0, len(ids), _BATCH):
        part = slice(at, at + _BATCH)
        collection.add(ids=ids[part], documents=texts[part], embeddings=vectors[part])


TOKENS = 256
VARIANTS = {"chroma": dense}

if __name__ == "__main__":
    peers_common.run(sys.modules[__name__])
