"""Made-up libraries have the statistics that they promise, and the bench of growth measures a library that works."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from wellread.bench.scale import PARTS, ScalePoint, as_json, measure
from wellread.bench.scale_plot import draw
from wellread.bench.synthetic import Synthetic
from wellread.words import STOP_WORDS, words


@pytest.fixture(scope="module")
def made() -> Synthetic:
    return Synthetic()


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[ScalePoint]:
    return measure([300, 60], tmp_path_factory.mktemp("scale"), queries=12)


def test_made_up_documents_depend_on_their_number_and_the_seed_alone(made: Synthetic) -> None:
    seventh = made.document(7)
    again, other = Synthetic(), Synthetic(seed=2)
    assert again.document(7).document == seventh.document
    assert np.array_equal(again.document(7).vectors, seventh.vectors)
    assert again.question(3, 50).text == made.question(3, 50).text
    assert other.document(7).document.text != seventh.document.text
    assert made.document(8).document.id != seventh.document.id
    assert seventh.source.path == made.path(7)


def test_made_up_texts_and_vectors_are_like_real_ones(made: Synthetic) -> None:
    documents = [made.document(number) for number in range(60)]
    assert all(20 <= len(one.spans) <= 40 and len(one.vectors) == len(one.spans) for one in documents)
    passages = [one.document.text[span.start : span.end] for one in documents for span in one.spans]
    assert all(passage.strip() == passage and passage.endswith(".") for passage in passages)
    assert 260 < np.mean([len(passage) for passage in passages]) < 320
    counts = Counter(word for passage in passages for word in words(passage))
    ranked = [count / counts.total() for _, count in counts.most_common(300)]
    assert 0.03 < ranked[0] < 0.08  # "the" has .075 of the words of squad
    assert 0.0002 < ranked[-1] < 0.0008  # real: .0004
    assert sum(word in STOP_WORDS for word, _ in counts.most_common(20)) > 10
    vectors = np.concatenate([one.vectors for one in documents])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert abs(np.mean(cosines)) < 0.15
    assert 0.65 < np.median(cosines.max(axis=1)) < 0.85  # the nearest other passage; real: .70 to .88


def test_a_question_is_nearest_to_its_passage_and_shares_its_words(made: Synthetic) -> None:
    asked = [made.question(number, 40) for number in range(40)]
    documents = [made.document(number) for number in range(40)]
    vectors = np.concatenate([one.vectors for one in documents])
    first = np.cumsum([0, *(len(one.spans) for one in documents)])
    best = [int(np.argmax(vectors @ one.vector)) for one in asked]
    assert np.mean([place == first[one.document] + one.passage for place, one in zip(best, asked, strict=True)]) > 0.8
    for one in asked:
        span = documents[one.document].spans[one.passage]
        held = set(words(documents[one.document].document.text[span.start : span.end]))
        assert len(held & set(words(one.text))) >= 2
        assert 5 <= len(one.text.split()) <= 14
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-4)


def test_a_library_is_measured_at_each_size(points: list[ScalePoint]) -> None:
    small, large = points
    assert 60 <= small.chunks < 120
    assert 300 <= large.chunks < 360
    for point in points:
        assert point.recall_at_10 == 1.0
        assert point.removal.documents == 1
        assert point.removal.chunks >= 20
        assert point.removal.still_found == 0
        assert set(point.ingest_cpu_s) == set(point.one_change_ms) == set(point.disk_mb) == set(PARTS)
        assert all(value > 0 for each in (point.ingest_cpu_s, point.disk_mb) for value in each.values())
        for latency in (point.keyword, point.vector, point.hybrid, point.filtered):
            assert 0 < latency.p50_ms <= latency.p95_ms
        assert point.keyword.p50_ms < point.hybrid.p50_ms
        assert 0 < point.open_s < point.start_s
        assert 10 < point.rss_mb <= point.peak_mb < 1000
    assert large.disk_mb["store"] > small.disk_mb["store"]


def test_points_are_json(points: list[ScalePoint]) -> None:
    kept = json.loads(json.dumps(as_json(points)))
    assert [point["chunks"] for point in kept] == [point.chunks for point in points]
    assert kept[0]["hybrid"]["p95_ms"] == points[0].hybrid.p95_ms


def test_growth_is_drawn_beside_other_systems(points: list[ScalePoint], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    peers = [
        {"name": "slow", "chunks": 1_000, "p50_ms": 12.0, "p95_ms": 20.0, "rss_mb": 800.0, "open_s": 2.0},
        {"name": "slow", "chunks": 10_000, "p50_ms": 120.0, "rss_mb": float("nan"), "open_s": None},
    ]
    draw(points, peers, tmp_path / "with.svg")
    draw(points, [], tmp_path / "without.svg")
    both = [(tmp_path / name).read_text() for name in ("with.svg", "without.svg")]
    assert "<!-- slow -->" in both[0]
    assert "<!-- slow -->" not in both[1]
