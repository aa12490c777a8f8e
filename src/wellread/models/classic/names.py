"""The names under which classic embedders are chosen: "tfidf", "ngram-hash", and "word2vec:PATH", "glove:PATH", "doc2vec:PATH"."""

from __future__ import annotations

from pathlib import Path

from wellread.errors import UsageError
from wellread.models.base import Embedder
from wellread.places import expanded

WITHOUT_FILE = ("tfidf", "ngram-hash")
WITH_FILE = ("word2vec", "glove", "doc2vec")
SHOWN = (*WITHOUT_FILE, *(f"{kind}:PATH" for kind in WITH_FILE))
"""As they are shown to people."""


def classic_name(name: str) -> str | None:
    """The full name of a classic embedder, its path absolute; None for the name of anything else. Raises `UsageError` without a path."""
    kind, colon, path = name.partition(":")
    kind = kind.lower()
    if kind in WITHOUT_FILE and not colon:
        return kind
    if kind not in WITH_FILE:
        return None
    if not path:
        raise UsageError(f"{kind} needs a file of vectors.", hint=f"name it after a colon, as in: --embedder {kind}:vectors.txt")
    return f"{kind}:{Path(expanded(path)).absolute()}"


def open_classic(name: str) -> Embedder:
    """Load the embedder of a name that `classic_name` gave. Raises `ModelMissing` or `ModelError`."""
    from wellread.models.classic.doc2vec import Doc2Vec
    from wellread.models.classic.hashing import ngram_hash, tfidf
    from wellread.models.classic.word_vectors import WordVectors

    kind, _, path = name.partition(":")
    if kind == "tfidf":
        return tfidf()
    if kind == "ngram-hash":
        return ngram_hash()
    return Doc2Vec(name, Path(path)) if kind == "doc2vec" else WordVectors(name, Path(path))
