"""LlamaIndex with its defaults: `VectorStoreIndex.from_documents` (the sentence splitter at 1,024 tokens), its simple vector store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import QueryBundle, TextNode
from pydantic import PrivateAttr

import peers_common


class Shared(BaseEmbedding):
    _vectors: peers_common.Vectors = PrivateAttr()

    def __init__(self, vectors: peers_common.Vectors) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2", embed_batch_size=2048)
        self._vectors = vectors

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._vectors.encode(texts).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def dense(documents: list[tuple[str, str]], vectors: peers_common.Vectors) -> Callable[[str], list[str]]:
    pages = [Document(text=text, id_=name) for name, text in documents]
    retriever = VectorStoreIndex.from_documents(pages, embed_model=Shared(vectors)).as_retriever(similarity_top_k=peers_common.DEPTH)
    return lambda question: [str(one.node.ref_doc_id) for one in retriever.retrieve(question)]


def ingest(ids: list[str], texts: list[str], vectors: Any, folder: Path) -> None:
    nodes = [TextNode(id_=name, text=text, embedding=one.tolist()) for name, text, one in zip(ids, texts, vectors, strict=True)]
    VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=vectors.shape[1])).storage_context.persist(str(folder))


def opened(folder: Path) -> Callable[[Any, int], list[str]]:
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(folder)), embed_model=MockEmbedding(embed_dim=384))
    retrievers: dict[int, Any] = {}

    def search(vector: Any, limit: int) -> list[str]:
        retriever = retrievers.setdefault(limit, index.as_retriever(similarity_top_k=limit))
        return [one.node.node_id for one in retriever.retrieve(QueryBundle("", embedding=vector.tolist()))]

    return search


TOKENS = 256
VARIANTS = {"llamaindex": dense}

if __name__ == "__main__":
    peers_common.run(sys.modules[__name__])
