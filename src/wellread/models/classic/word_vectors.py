"""An embedder made of word vectors: word2vec (Mikolov et al. 2013, arXiv:1301.3781) or GloVe (Pennington et al. 2014), from a file.

A text is the weighted mean of its words' vectors, less what all texts share: smooth inverse frequency of Arora et al. 2017, "A Simple
but Tough-to-Beat Baseline for Sentence Embeddings". That paper takes word frequencies, and what is shared, from a corpus. An embedder must
not depend on the library, so both come from the file: its words stand in the order of their frequency, as word2vec and GloVe write
them, and the frequency of the n-th is taken from Zipf's law; what is shared is the first principal direction of the frequent words
(Mu and Viswanath 2018, arXiv:1702.01417).

A file is read here. Training is the work of gensim, whose licence is LGPL-2.1, so that Wellread does not bring it: `pip install
"wellread[classic]"`. Only the formats of word2vec and GloVe are read and written, never gensim's own, which is a pickle.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wellread.errors import ModelError, ModelMissing
from wellread.words import words

_RECIPE = 1
_SMOOTHING = 1e-3
"""The `a` of a / (a + frequency), which Arora et al. found best."""
_FREQUENT = 5000
"""Words from which the shared direction is taken."""
_HEADER = re.compile(rb"\d+ \d+\s*")
_LONGEST_LINE = 1 << 16
_MOST = 2_000_000
"""Words that are read of a file at most: the frequent ones."""


class WordVectors:
    """The `Embedder` of a file of word vectors."""

    def __init__(self, name: str, path: Path) -> None:
        """Load the file; it takes 4 bytes a number. Raises `ModelMissing` when it is not there and `ModelError` for another file."""
        known, vectors = read(path)
        self.name = name
        self.revision = f"{_RECIPE}-{digest(path)}"
        self.dimensions = int(vectors.shape[1])
        self.unrelated = 0.0
        self._places: dict[str, int] = {}
        for at, word in enumerate(known):
            self._places.setdefault(word.casefold(), at)  # the first is the most frequent
        ranks = np.arange(1, len(vectors) + 1)
        frequencies = 1 / (ranks * (np.log(len(vectors)) + np.euler_gamma))
        weights = (_SMOOTHING / (_SMOOTHING + frequencies)).astype(np.float32)
        self._vectors = vectors * weights[:, None]
        frequent = self._vectors[:_FREQUENT]
        self._shared = np.linalg.eigh(frequent.T @ frequent)[1][:, -1].astype(np.float32)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Vectors of shape [len(texts), dimensions], float32, of length 1; a text without a known word points along the first axis."""
        found = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(found, texts, strict=True):
            places = [self._places[word] for word in words(text) if word in self._places]
            if places:
                mean = self._vectors[places].mean(axis=0)
                row[:] = mean - self._shared * (mean @ self._shared)
        return unit(found)


def train_word2vec(texts: Sequence[str], out: Path, *, dimensions: int = 200, epochs: int = 10) -> None:
    """Learn word vectors from texts (skip-gram, negative sampling) and write them as word2vec's text format.

    One thread and a fixed seed: the same texts give the same file on the same machine. Raises `ModelMissing` without gensim.
    """
    word2vec = gensim("models.word2vec")
    model = word2vec.Word2Vec(
        [words(text) for text in texts], vector_size=dimensions, window=5, min_count=2, sg=1, negative=10, sample=1e-4,
        epochs=epochs, workers=1, seed=1,
    )  # fmt: skip
    model.wv.save_word2vec_format(str(out), binary=False)


def gensim(module: str) -> Any:
    """A module of gensim. Raises `ModelMissing` when it is not installed."""
    import importlib

    try:
        return importlib.import_module(f"gensim.{module}")
    except ImportError as error:
        raise ModelMissing("to train word vectors needs gensim, which is not installed.", hint='pip install "wellread[classic]"') from error


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1; a row of zeros becomes the first axis, for no vector of a library may be without length."""
    vectors[~vectors.any(axis=1), 0] = 1
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def digest(path: Path) -> str:
    """The beginning of the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """The words of a file and their vectors, float32 [words, d], in their order; of a very long file the first two million.

    Raises `ModelMissing` when it is not there and `ModelError` for a file of another kind.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
            header = _HEADER.fullmatch(first) is not None
            second = file.readline(_LONGEST_LINE)
            dimensions = int(first.split()[1]) if header else len(first.split()) - 1
            binary = header and not _is_text(second, dimensions)
            file.seek(len(first) if header else 0)
            pairs = islice(_binary(file, int(first.split()[0]), dimensions) if binary else _lines(file, dimensions), _MOST)
            known, rows = zip(*pairs, strict=True)
        vectors = np.stack(rows)
        if not (dimensions and np.isfinite(vectors).all()):
            raise ValueError("its numbers are no vectors")
        return list(known), vectors
    except FileNotFoundError as error:
        raise ModelMissing(f"there is no file {path}.", hint="check the path after the colon of --embedder") from error
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(
            f"{path.name} is no file of word vectors ({error}).",
            hint="give one in word2vec's text or binary format, or in GloVe's: a word and its numbers on each line",
        ) from error


def _lines(file: BinaryIO, dimensions: int) -> Iterator[tuple[str, np.ndarray]]:
    for line in file:
        fields = line.split()
        if fields:  # a word may itself hold spaces, as in GloVe's largest file
            yield b" ".join(fields[:-dimensions]).decode(errors="replace"), np.array(fields[-dimensions:]).astype(np.float32)


def _binary(file: BinaryIO, count: int, dimensions: int) -> Iterator[tuple[str, np.ndarray]]:
    for _ in range(count):
        word = bytearray()
        while (letter := file.read(1)) != b" ":
            if not letter or len(word) > _LONGEST_LINE:
                raise ValueError("it ends in the middle of a word")
            word += letter
        vector = np.frombuffer(file.read(4 * dimensions), "<f4")
        if len(vector) != dimensions:
            raise ValueError("it ends in the middle of a vector")
        yield bytes(word).strip().decode(errors="replace"), vector


def _is_text(line: bytes, dimensions: int) -> bool:
    """Whether a line is a word and so many numbers."""
    try:
        fields = line.split()[-dimensions:]
        return len(fields) == dimensions and all(np.isfinite(float(field)) for field in fields)
    except ValueError:
        return False
