"""Haystack with its defaults: the in-memory store, its embedding retriever, and that joined with its BM25 by reciprocal ranks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import peers_common

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore


def dense(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    near = _near(_store(documents, vectors), vectors)
    return lambda question: [one.id for one in near(question)]


def both(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    store = _store(documents, vectors)
    near, words = _near(store, vectors), InMemoryBM25Retriever(store)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")

    def search(question: str) -> list[str]:
        by_words = words.run(query=question, top_k=peers_common.DEPTH)["documents"]
        return [one.id for one in joiner.run(documents=[near(question), by_words])["documents"]]

    return search


def _store(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> InMemoryDocumentStore:
    store = InMemoryDocumentStore()
    embedded = vectors.encode([text for _, text in documents]).tolist()
    store.write_documents([Document(id=name, content=text, embedding=one) for (name, text), one in zip(documents, embedded, strict=True)])
    return store


def _near(store: InMemoryDocumentStore, vectors: peers_common.Vectors) -> Callable[[str], list[Document]]:
    retriever = InMemoryEmbeddingRetriever(store)

    def search(question: str) -> list[Document]:
        vector = vectors.encode([question])[0].tolist()
        return list(retriever.run(query_embedding=vector, top_k=peers_common.DEPTH)["documents"])

    return search


TOKENS = 256
VARIANTS = {"haystack": dense, "haystack hybrid": both}

if __name__ == "__main__":
    peers_common.run(sys.modules[__name__])
