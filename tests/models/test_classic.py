"""The embedders without neural networks: what they find, what a vector depends on, and which files they take."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.config import Settings
from wellread.errors import ModelError, ModelMissing, UsageError
from wellread.models.base import Embedder
from wellread.models.classic.doc2vec import Doc2Vec, train_doc2vec
from wellread.models.classic.hashing import ngram_hash, tfidf
from wellread.models.classic.names import classic_name, open_classic
from wellread.models.classic.word_vectors import WordVectors, train_word2vec
from wellread.parts import Parts

_TOPICS = {
    "tea": "kettle leaves steep green cup pour brew pot hot drink".split(),
    "sea": "ship sail harbour wave anchor deck captain storm mast tide".split(),
    "law": "court judge appeal verdict statute clause witness oath jury plea".split(),
}


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    """900 short texts, each on one of three topics."""
    rng = np.random.default_rng(5)
    return [" ".join(["the", *rng.choice(_TOPICS[topic], 8), "and", topic]) for topic in _TOPICS for _ in range(300)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, corpus: list[str]) -> dict[str, Path]:
    pytest.importorskip("gensim", reason="the tests need gensim")
    folder = tmp_path_factory.mktemp("vectors")
    train_word2vec(corpus, folder / "words.txt", dimensions=24, epochs=20)
    train_doc2vec(corpus[::5], folder / "documents.npz", dimensions=24, epochs=60)
    return {"word2vec": folder / "words.txt", "doc2vec": folder / "documents.npz"}


@pytest.mark.parametrize("make", [tfidf, ngram_hash])
@given(texts=st.lists(st.text(max_size=60), max_size=5))
def test_every_vector_is_of_length_one_and_depends_on_its_text_only(make: type[Embedder], texts: list[str]) -> None:
    embedder = make()
    together = embedder.embed(texts)
    assert together.dtype == np.float32
    assert together.shape == (len(texts), embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        assert make().embed([text], query=True)[0].tobytes() == vector.tobytes()


@pytest.mark.parametrize("make", [tfidf, ngram_hash])
def test_texts_that_share_words_are_near(make: type[Embedder]) -> None:
    texts = ["The cats were sleeping on a mat.", "A cat sleeps on mats.", "Interest rates rose in March.", "太阳能电池的效率", "电池效率"]
    near = make().embed(texts)
    near = near @ near.T
    assert near[0, 1] > 0.3 > near[0, 2] + 0.2
    assert near[3, 4] > 0.4 > near[3, 2] + 0.2


def test_parts_of_words_find_a_misspelt_one() -> None:
    texts = ["photosynthesis", "photosinthesis", "parliamentary"]
    parts, stems = (embedder.embed(texts) for embedder in (ngram_hash(), tfidf()))
    assert parts[0] @ parts[1] > 0.3 > parts[0] @ parts[2] + 0.2
    assert abs(stems[0] @ stems[1]) < 0.01


def test_the_vectors_of_a_revision_never_change() -> None:
    """Libraries hold them: whoever changes the numbers here has to change `revision` too."""
    for embedder, places in ((tfidf(), [343, 370, 391]), (ngram_hash(), [0, 33, 117, 128, 220, 229, 241, 301])):
        assert embedder.revision == "1"
        assert np.flatnonzero(embedder.embed(["Solar panels 太阳"])[0])[:8].tolist() == places


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["word2vec", "doc2vec"])
def test_texts_on_one_topic_are_near_even_without_a_word_in_common(trained: dict[str, Path], kind: str) -> None:
    embedder = open_classic(f"{kind}:{trained[kind]}")
    texts = [
        "kettle leaves steep green cup",
        "pour brew pot hot drink",
        "judge appeal verdict statute",
        "no word of this is known: 太阳",
        "",
    ]
    vectors = embedder.embed(texts)
    assert vectors.shape == (5, 24)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[3].tolist() == vectors[4].tolist() == [1] + [0] * 23
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert alone.tobytes() == vectors.tobytes()


@pytest.mark.slow
def test_training_again_gives_the_same_file(trained: dict[str, Path], corpus: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, json; from pathlib import Path\n"
        "from wellread.models.classic.doc2vec import train_doc2vec\n"
        "from wellread.models.classic.word_vectors import train_word2vec\n"
        "texts = sys.stdin.read().split('\\n')\n"
        f"train_word2vec(texts, Path({str(tmp_path)!r}) / 'words.txt', dimensions=24, epochs=20)\n"
        f"train_doc2vec(texts[::5], Path({str(tmp_path)!r}) / 'documents.npz', dimensions=24, epochs=60)\n"
    )
    subprocess.run([sys.executable, "-c", code], input="\n".join(corpus), text=True, check=True)
    for path in trained.values():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_files_of_all_three_formats_give_the_same_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table = {word: np.float32(rng.normal(size=4).round(3)) for word in ["Harbour", "sea", "太阳", "harbour"]}
    lines = "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in table.items())
    (tmp_path / "text").write_text(f"4 4\n{lines}", encoding="utf-8")
    (tmp_path / "glove").write_text(lines, encoding="utf-8")
    binary = b"".join(word.encode() + b" " + struct.pack("<4f", *vector) + b"\n" for word, vector in table.items())
    (tmp_path / "binary").write_bytes(b"4 4\n" + binary)
    texts = ["A harbour by the sea", "太阳", "HARBOUR"]
    found = [WordVectors("w", tmp_path / name).embed(texts) for name in ("text", "glove", "binary")]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    assert np.linalg.norm(found[0][0] - found[0][1]) > 0.1
    revisions = {WordVectors("w", tmp_path / name).revision for name in ("text", "glove", "binary")}
    assert len(revisions) == 3


def test_files_that_are_missing_or_something_else(tmp_path: Path) -> None:
    for open_file in (WordVectors, Doc2Vec):
        with pytest.raises(ModelMissing, match="there is no file"):
            open_file("x", tmp_path / "gone")
    for number, data in enumerate((b"", b"\x80\x04K\x01.", b"hello\nworld wide\n", b"2 3\nword 1 2\n", b"PK\x03\x04")):
        path = tmp_path / str(number)
        path.write_bytes(data)
        for open_file in (WordVectors, Doc2Vec):
            with pytest.raises(ModelError, match=f"{number} is no") as caught:
                open_file("x", path)
            assert caught.value.hint


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, words=np.array([{"a": 1}], dtype=object), outputs=np.zeros((1, 2)), counts=np.ones(1))
    with pytest.raises(ModelError, match="allow_pickle"):
        Doc2Vec("x", path)


def test_names(tmp_path: Path) -> None:
    assert classic_name("TFIDF") == "tfidf"
    assert classic_name("word2vec:a.txt") == f"word2vec:{Path.cwd() / 'a.txt'}"
    assert classic_name("all-minilm") is classic_name("tfidf:latest") is classic_name("smollm2:135m") is None
    for name in ("word2vec", "glove:", "doc2vec"):
        with pytest.raises(UsageError, match="needs a file of vectors"):
            classic_name(name)
    parts = Parts(Settings(embedder="ngram-hash", home=tmp_path))
    assert parts.embedder(parts.embedder_for(chinese=True)).dimensions == 1024
    with pytest.raises(UsageError) as caught:
        Parts(Settings(embedder="tfidff", home=tmp_path)).embedder_for(chinese=False)
    assert caught.value.hint == 'did you mean "tfidf"?'
