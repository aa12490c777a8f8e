"""`bench retrieval`: what it reads, what it measures, what it shows, and what it keeps between runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellread.bench.collection import Collection, read_collection, sample
from wellread.bench.retrieval import METHODS, METRICS, document, measure
from wellread.bench.retrieval_plot import draw
from wellread.bench.retrieval_report import as_json, compare, read_json, table
from wellread.errors import UsageError
from wellread.evaluate.bootstrap import estimate
from wellread.models.fake import HashEmbedder
from wellread.split import split

FRUITS = "apple pear plum cherry quince medlar fig grape peach lemon".split()


class Counting(HashEmbedder):
    """Counts the passages it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.passages = 0

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        self.passages += 0 if query else len(texts)
        return super().embed(texts, query=query)


def write(folder: Path, *, packed: bool = False, **files: Any) -> Path:
    """A collection about fruit, of which files can be replaced by others."""
    rows: Mapping[str, Any] = {
        "corpus": [{"id": fruit, "title": f"The {fruit}", "text": f"How to grow a {fruit} tree. " * 40} for fruit in FRUITS],
        "queries": [{"id": str(at), "text": f"Where does the {fruit} grow?"} for at, fruit in enumerate(FRUITS)],
    } | files
    folder.mkdir(exist_ok=True)
    for name in ("corpus", "queries"):
        text = rows[name] if isinstance(rows[name], str) else "".join(json.dumps(row) + "\n" for row in rows[name])
        path = folder / f"{name}.jsonl{'.gz' * packed}"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    judged = "query-id\tcorpus-id\tscore\n" + "".join(f"{at}\t{fruit}\t2\n" for at, fruit in enumerate(FRUITS[:-1]))
    (folder / "qrels.tsv").write_text(files.get("qrels", judged + "9\tlemon\t0\n"))
    return folder


# --- collections


@pytest.mark.parametrize("packed", [False, True])
def test_a_collection_is_read_and_questions_without_an_answer_are_left_out(tmp_path: Path, packed: bool) -> None:
    found = read_collection(write(tmp_path / "fruit", packed=packed))
    assert (found.name, len(found.documents), len(found.queries)) == ("fruit", 10, 9)
    assert found.documents[3].title == "The cherry"
    assert found.qrels["3"] == {"cherry": 2}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"corpus": "{'id': 1}\n"}, "line 1 of"),
        ({"corpus": '{"id": "1", "text": 5}\n'}, "line 1 of"),
        ({"queries": '{"id": "1", "text": "a"}\n\n{"id": "1", "text": "b"}\n'}, "line 3 of"),
        ({"qrels": "0\tapple\t1\n"}, "not a heading"),
        ({"qrels": "q\td\ts\n0\tapple\tgood\n"}, "line 2 of"),
        ({"qrels": "q\td\ts\n77\tapple\t1\n"}, "no judged questions"),
        ({"corpus": ""}, "no documents"),
    ],
)
def test_a_collection_that_is_not_one_is_refused_by_line(tmp_path: Path, files: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_collection(write(tmp_path / "fruit", **files))
    assert told in refused.value.message and refused.value.hint


def test_a_missing_or_torn_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "fruit", packed=True)
    (folder / "corpus.jsonl.gz").write_bytes((folder / "corpus.jsonl.gz").read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"corpus.jsonl.gz cannot be read"):
        read_collection(folder)
    (folder / "qrels.tsv").unlink()
    (folder / "corpus.jsonl.gz").unlink()
    with pytest.raises(UsageError, match=r"there is no corpus.jsonl in"):
        read_collection(folder)


def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    whole = read_collection(write(tmp_path / "fruit"))
    some = sample(whole, 4)
    assert len(some.queries) == len(some.qrels) == 4
    assert some == sample(whole, 4)
    assert some.documents == whole.documents
    assert sample(whole, 9) is whole


def test_an_entry_is_a_document_with_its_title_as_heading(tmp_path: Path) -> None:
    made = document(read_collection(write(tmp_path / "fruit")).documents[0])
    assert made.text.startswith("The apple\n\nHow to grow")
    assert len(split(made)) > 1
    assert {span.section for span in split(made)} == {0}


# --- measuring


def run(collection: Collection, cache: Path, embedder: HashEmbedder | None = None) -> Any:
    return measure(collection, embedder or HashEmbedder(), cache, METHODS, lambda what, done, total: None)


def test_every_method_finds_what_shares_its_words_and_a_second_run_embeds_nothing(tmp_path: Path) -> None:
    collection, embedder = read_collection(write(tmp_path / "fruit")), Counting()
    found = run(collection, tmp_path / "cache", embedder)
    assert found.chunks == embedder.passages > len(FRUITS)
    for method in METHODS:
        assert np.mean(found.scores[method]["nDCG@10"]) > 0.9
        assert list(found.scores[method]["recall@100"]) == [1.0] * 9
        assert set(found.scores[method]) == set(METRICS)
    assert set(found.cpu_ms) == {"embed", "keyword", "dense", "rest", "all"}
    assert found.cpu_ms["all"] > 0
    again = run(collection, tmp_path / "cache", embedder)
    assert embedder.passages == found.chunks
    for method in METHODS:
        for metric in METRICS:
            assert list(again.scores[method][metric]) == list(found.scores[method][metric])


def test_another_text_is_another_library(tmp_path: Path) -> None:
    embedder = Counting()
    first = run(read_collection(write(tmp_path / "fruit")), tmp_path / "cache", embedder)
    changed = [{"id": fruit, "title": "", "text": f"Jam of {fruit}."} for fruit in FRUITS]
    second = run(read_collection(write(tmp_path / "fruit", corpus=changed)), tmp_path / "cache", embedder)
    assert second.chunks == len(FRUITS)
    assert embedder.passages == first.chunks + second.chunks


# --- what is shown


def test_json_holds_everything_and_two_runs_can_be_compared(tmp_path: Path) -> None:
    found = run(read_collection(write(tmp_path / "fruit")), tmp_path / "cache")
    (tmp_path / "a.json").write_text(json.dumps(as_json([found])))
    (read,) = read_json(tmp_path / "a.json")
    assert read.queries == found.queries
    assert table(read) == table(found)
    worse = dict(found.scores) | {"dense": {metric: values * 0 for metric, values in found.scores["dense"].items()}}
    (tmp_path / "b.json").write_text(json.dumps(as_json([replace(found, scores=worse)])))
    rows = {(row["method"], row["metric"]): row for row in compare(read_json(tmp_path / "a.json"), read_json(tmp_path / "b.json"))}
    assert len(rows) == len(METHODS) * len(METRICS)
    assert rows["hybrid", "nDCG@10"]["difference"].mean == 0
    assert rows["dense", "recall@100"]["difference"].mean == -1
    assert rows["dense", "recall@100"]["difference"].significant


def test_runs_on_other_questions_cannot_be_compared(tmp_path: Path) -> None:
    whole = read_collection(write(tmp_path / "fruit"))
    one, other = (run(sample(whole, count), tmp_path / "cache") for count in (4, 5))
    with pytest.raises(UsageError, match="other questions of fruit"):
        compare([one], [other])


def test_a_table_fits_on_a_screen(tmp_path: Path) -> None:
    found = run(read_collection(write(tmp_path / "fruit")), tmp_path / "cache")
    assert all(len(line) <= 120 for line in table(found).splitlines())
    assert "hybrid against keyword" in table(found)


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = {name: {"ours": estimate(np.array([0.4, 0.6])), "theirs": estimate(np.array([0.3, 0.5]))} for name in ("one", "two")}
    draw(rows, "nDCG@10", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().count("<!-- ours -->") == 1  # a label of the legend
    with pytest.raises(UsageError, match=r"a.xyz is in no format"):
        draw(rows, "nDCG@10", tmp_path / "a.xyz")


# --- the command


def test_what_is_asked_wrongly_is_told(command: Any, tmp_path: Path) -> None:
    write(tmp_path / "fruit")
    command.here("bench", "retrieval", "fruit", "--by", "hybird").refuses(2, 'did you mean "hybrid"?')
    command.here("bench", "retrieval", "fruits").refuses(2, "fruits", "corpus.jsonl")
    command.here("bench", "retrieval", "fruit", "./fruit", "--queries", "2").refuses(2, "two collections are called fruit")
    command.here("bench", "embeddings", "fruit", "--queries", "0").refuses(2, "--queries")
    command.here("bench", "peers", "fruit", "--peers-root", tmp_path).refuses(2, "bin/python")
    (tmp_path / "a.json").write_text("{}")
    command.here("bench", "compare", "a.json", "a.json").refuses(2, "bench retrieval")


def test_without_matplotlib_a_picture_is_refused_with_what_to_install(command: Any, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    write(tmp_path / "fruit")
    path = f"{tmp_path}:{command.environ['PYTHONPATH']}"
    ran = command("bench", "retrieval", "fruit", "--plot", "a.png", environ={"PYTHONPATH": path})
    ran.refuses(1, 'pip install "wellread[bench]"')
