"""An embedder that is a doc2vec model: PV-DBOW of Le and Mikolov 2014 (arXiv:1405.4053), in which a text's vector predicts its words.

gensim trains it and is not needed afterwards: what inference needs is kept as plain arrays in an .npz file, without pickles. The vector
of a new text is found by gradient ascent on the same objective. Where gensim draws random words to be told from those of the text, the
mean over a fixed set of them is taken here, so that the same text always has the same vector. What a text of those words would have is
taken off, for all texts share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wellread.errors import ModelError, ModelMissing
from wellread.models.classic.word_vectors import digest, gensim, unit
from wellread.words import words

_RECIPE = 1
_STEPS = 30
_NOISE = 512
"""Words that stand for all others."""
_NEGATIVE = 5
"""Weight of the others beside each word of the text, as in training."""


class Doc2Vec:
    """The `Embedder` of a file that `train_doc2vec` wrote."""

    def __init__(self, name: str, path: Path) -> None:
        """Load the file. Raises `ModelMissing` when it is not there and `ModelError` for another file."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                known = stored["words"].tobytes().decode().split("\n")
                self._outputs = np.asarray(stored["outputs"], np.float32)
                counts = np.asarray(stored["counts"], np.float64)
            if self._outputs.ndim != 2 or len(known) != len(self._outputs) or len(counts) != len(known):
                raise ValueError("its arrays do not fit together")
        except FileNotFoundError as error:
            raise ModelMissing(f"there is no file {path}.", hint="check the path after the colon of --embedder") from error
        except Exception as error:  # a foreign file can fail anywhere
            raise ModelError(
                f"{path.name} is no doc2vec file of Wellread ({type(error).__name__}: {error}).",
                hint="make one with wellread.models.classic.doc2vec.train_doc2vec",
            ) from error
        self.name = name
        self.revision = f"{_RECIPE}-{digest(path)}"
        self.dimensions = int(self._outputs.shape[1])
        self.unrelated = 0.0
        self._places = {word: at for at, word in enumerate(known)}
        shares = np.cumsum(counts**0.75)
        self._noise = self._outputs[np.searchsorted(shares, (np.arange(_NOISE) + 0.5) / _NOISE * shares[-1])]
        self._shared = self._inferred(self._noise)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        """Vectors of shape [len(texts), dimensions], float32, of length 1; a text without a known word points along the first axis."""
        found = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(found, texts, strict=True):
            places = [self._places[word] for word in words(text) if word in self._places]
            if places:
                row[:] = self._inferred(self._outputs[places]) - self._shared
        return unit(found)

    def _inferred(self, outputs: np.ndarray) -> np.ndarray:
        """The vector that best tells these words (float32 [n, d]) from the noise: steps along the gradient, ever shorter."""
        vector = np.zeros(self.dimensions, np.float32)
        for step in range(_STEPS):
            near = (1 - _sigmoid(outputs @ vector)) @ outputs / len(outputs)
            far = _sigmoid(self._noise @ vector) @ self._noise * (_NEGATIVE / _NOISE)
            vector += (near - far) * np.float32(2 * (1 - step / _STEPS))
        return vector


def train_doc2vec(texts: Sequence[str], out: Path, *, dimensions: int = 200, epochs: int = 20) -> None:
    """Learn a model from texts and write what inference needs to `out` (.npz).

    One thread and a fixed seed: the same texts give the same file on the same machine. Raises `ModelMissing` without gensim.
    """
    doc2vec = gensim("models.doc2vec")
    tagged = [doc2vec.TaggedDocument(words(text), [at]) for at, text in enumerate(texts)]
    model = doc2vec.Doc2Vec(
        tagged, dm=0, vector_size=dimensions, min_count=2, negative=_NEGATIVE, sample=1e-4, epochs=epochs, workers=1, seed=1
    )
    known = model.wv.index_to_key
    with out.open("wb") as file:  # numpy would add an ending to a path without it
        np.savez(
            file,
            words=np.frombuffer("\n".join(known).encode(), np.uint8),
            outputs=model.syn1neg.astype(np.float32),
            counts=np.array([model.wv.get_vecattr(word, "count") for word in known]),
        )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    bounded: np.ndarray = 1 / (1 + np.exp(-np.clip(x, -30, 30)))
    return bounded
