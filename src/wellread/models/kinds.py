"""What a GGUF file is for, as it says itself."""

from __future__ import annotations

from wellread.models.catalog import Kind
from wellread.models.gguf import Gguf

_RANK = 4  # llama.cpp's LLAMA_POOLING_TYPE_RANK
_ENCODERS = frozenset(
    "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert t5encoder gemma-embedding".split()
)


def kind_of(gguf: Gguf) -> Kind:
    """An adapter says so; a model that pools its vectors ranks or embeds; any other one writes."""
    if gguf.metadata.get("general.type") == "adapter":
        return "adapter"
    pooling = gguf.metadata.get(f"{gguf.architecture}.pooling_type")
    if pooling == _RANK:
        return "rerank"
    if pooling or gguf.architecture in _ENCODERS:
        return "embed"
    return "chat"
