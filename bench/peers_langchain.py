"""LangChain as its tutorials have it: the recursive splitter with its defaults, MiniLM, FAISS, similarity search."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

import peers_common


class Shared(Embeddings):
    def __init__(self, vectors: peers_common.Vectors | None) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert self.vectors is not None
        return self.vectors.encode(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def dense(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    pages = [Document(page_content=text, metadata={"source": name}) for name, text in documents]
    store = FAISS.from_documents(RecursiveCharacterTextSplitter().split_documents(pages), Shared(vectors))
    return lambda question: [one.metadata["source"] for one in store.similarity_search(question, k=peers_common.DEPTH)]


def ingest(ids: list[str], texts: list[str], vectors: Any, folder: Path) -> None:
    pairs = [(text, vector.tolist()) for text, vector in zip(texts, vectors, strict=True)]
    FAISS.from_embeddings(pairs, Shared(None), ids=ids).save_local(str(folder))


def opened(folder: Path) -> Callable[[Any, int], list[str]]:
    store = FAISS.load_local(str(folder), Shared(None), allow_dangerous_deserialization=True)
    return lambda vector, limit: [str(one.id) for one in store.similarity_search_by_vector(vector.tolist(), k=limit)]


TOKENS = 256
VARIANTS = {"langchain": dense}

if __name__ == "__main__":
    peers_common.run(sys.modules[__name__])
