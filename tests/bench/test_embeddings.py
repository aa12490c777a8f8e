"""Embedders side by side, on a small collection, and the picture of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.bench.embeddings import EmbedderPoint, measure
from wellread.bench.embeddings_plot import draw, placed
from wellread.config import Settings
from wellread.errors import UsageError
from wellread.parts import Parts
from wellread.types import Progress, silent

_ANIMALS = "otter heron badger lynx marten stork weasel bittern".split()


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Eight documents, one on each animal; the question on each names it and nothing else, but for one that names nothing known."""
    folder = tmp_path / "animals"
    folder.mkdir()
    rows = [{"id": one, "title": "", "text": f"The {one} lives near a river. " * 3} for one in _ANIMALS]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [*({"id": one, "text": f"Where does the {one} live?"} for one in _ANIMALS), {"id": "none", "text": "Zzyzx?"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    judged = [f"{one}\t{one}\t1" for one in _ANIMALS] + [f"none\t{_ANIMALS[-1]}\t1"]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return folder


def test_quality_speed_and_size_are_measured(collection: Path, tmp_path: Path) -> None:
    told: list[Progress | str] = []
    parts = Parts(Settings(home=tmp_path))
    names = ["tfidf", "ngram-hash"]
    points = measure([collection], names, parts, lambda what, done, total: told.append(what))
    assert [point.name for point in points] == names
    assert told[0] == "tfidf: animals"
    exact = points[0]
    assert (exact.year, exact.dimensions, exact.megabytes) == (1988, 1024, 0.0)
    assert 8 / 9 <= exact.mean <= 8.4 / 9
    for point in points:
        assert point.speed > 1
        assert 0 <= point.ndcg["animals"] <= 1
    with pytest.raises(UsageError, match="no model"):
        measure([collection], ["nothing"], parts, silent)


@pytest.mark.slow
def test_models_are_trained_on_the_collection_itself(collection: Path, tmp_path: Path) -> None:
    pytest.importorskip("gensim", reason="the test needs gensim")
    points = measure([collection, collection], ["word2vec", "doc2vec"], Parts(Settings(home=tmp_path)), silent)
    assert [(point.name, point.year, point.dimensions) for point in points] == [("word2vec", 2013, 200), ("doc2vec", 2014, 200)]
    assert all(point.megabytes > 0 for point in points)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the test needs matplotlib")
    points = [
        EmbedderPoint("tfidf", 1988, {"a": 0.5, "b": 0.3}, 4000.0, 0.0, 1024),
        EmbedderPoint("glove:/some/where/big.txt", 2014, {"a": 0.5, "b": 0.31}, 4100.0, 120.0, 300),
        EmbedderPoint("mine", None, {"a": 0.8, "b": 0.7}, 90.0, 23.0, 384),
    ]
    draw(points, tmp_path / "three.svg")
    drawn = (tmp_path / "three.svg").read_text()
    for label in ("tfidf, 1988", "glove (big), 2014", "mine"):
        assert f"<!-- {label} -->" in drawn
    draw(points[:1], tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@given(st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)), min_size=1, max_size=6, unique=True))
def test_labels_lie_on_no_other(spots: list[tuple[float, float]]) -> None:
    labels = ["some-embedder, 2020"] * len(spots)
    found = placed(spots, labels)
    boxes = sorted((y, x) for x, y in found)
    for at, (y, x) in enumerate(boxes):
        for other_y, other_x in boxes[at + 1 :]:
            assert abs(other_y - y) >= 0.0499 or abs(other_x - x) >= 0.0105 * len(labels[0]) - 1e-9


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from wellread.bench.embeddings import EmbedderPoint\n"
        "from wellread.bench.embeddings_plot import draw\n"
        "from wellread.errors import WellreadError\n"
        "try:\n"
        "    draw([EmbedderPoint('x', None, {'a': 0.5}, 1.0, 0.0, 2)], Path(sys.argv[1]))\n"
        "except WellreadError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.png")], capture_output=True, text=True, check=True).stdout
    assert 'pip install "wellread[bench]"' in told
