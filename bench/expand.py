"""Does it help to search for more than the question? Each method of `retrieve.expand`, and feedback, against the question alone.

    python bench/expand.py WORK COLLECTION... [--limit N] [--model NAME] [--vectors FOLDER] [--replies FILE] [--recorded] [--feedback]

COLLECTION is a folder with corpus.jsonl, queries.jsonl and qrels.tsv; its library is kept in the folder WORK. What the model wrote is
kept in `--replies`, one JSON object a line, so that other ways of joining the lists cost no generation; `--recorded` asks exactly the
questions whose replies to every method are there, and no model. `--vectors` takes chunk vectors from FOLDER/NAME.EMBEDDER.npz (array
"v", in the order of the corpus) instead of embedding. `--feedback` needs no model: the question's vector is moved towards the mean of
the first three passages found (Rocchio 1971), and the search made again.

Differences are paired, with a bootstrap interval of 95 %. A document ranks where its best chunk does.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from wellread import Parts
from wellread.bench.collection import Collection, read_collection, sample
from wellread.bench.retrieval import document, is_chinese
from wellread.config import load
from wellread.errors import ModelError
from wellread.evaluate.bootstrap import difference
from wellread.evaluate.ranking import ndcg, recall
from wellread.index.index import Index, open_index
from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.models.base import ChatModel, Embedder
from wellread.retrieve.expand import METHODS, Query, combine, expand
from wellread.retrieve.search import retrieve
from wellread.split import contexts, split
from wellread.types import Delta, Hit, Message, ModelRef, Sampling

CHUNKS = 50
"""Chunks that each query contributes."""

FEEDBACK = ((3, 0.1), (3, 0.3))
"""Passages believed, and how far the question moves towards their mean."""

Found = list[tuple[Query, list[Hit]]]
Joined = Callable[[Found], list[Hit]]


class Replies:
    """A chat model whose replies are kept in a file, with what they cost; without a model, only those can be had."""

    def __init__(self, path: Path | None, model: ChatModel | None, name: str) -> None:
        self.name, self.context_window = name, model.context_window if model else 1 << 20
        self._path, self._model = path, model
        self._kept: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
            self._kept = {row["key"]: row for row in rows}
        self.used: list[dict[str, Any]] = []

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        key = "\x1e".join(f"{one.role}\x1f{one.content}" for one in messages) + f"|{sampling.max_tokens}|{sampling.stop}"
        if key not in self._kept:
            yield from self._recorded(key, messages, sampling)
            return
        kept = self._kept[key]
        self.used.append(kept)
        yield from (Delta(piece) for piece in kept["pieces"])
        if kept["finish"]:
            yield Delta(finish=kept["finish"])

    def _recorded(self, key: str, messages: Sequence[Message], sampling: Sampling) -> Iterator[Delta]:
        if self._model is None:
            raise LookupError("no reply was kept")
        pieces: list[str] = []
        finish, before = None, _cpu_seconds()
        try:
            for delta in self._model.stream(messages, sampling=sampling):
                pieces.append(delta.text)
                finish = delta.finish
                yield delta
        finally:  # also where enough was written
            kept = {"key": key, "pieces": [piece for piece in pieces if piece], "finish": finish, "cpu": _cpu_seconds() - before}
            self._kept[key] = kept
            self.used.append(kept)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(kept, ensure_ascii=False) + "\n")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages) if self._model else 0

    def ref(self) -> ModelRef:
        return ModelRef(self.name)

    def close(self) -> None:
        pass


class Given:
    """An embedder that gives one vector, whatever it is asked."""

    def __init__(self, embedder: Embedder, vector: np.ndarray) -> None:
        self.name, self.revision = embedder.name, embedder.revision
        self.dimensions, self.unrelated = embedder.dimensions, embedder.unrelated
        self._vector = vector

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        return np.repeat(self._vector[None], len(texts), axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--model")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--feedback", action="store_true")
    arguments = parser.parse_args()
    settings = load().settings
    if arguments.model:
        settings = dataclasses.replace(settings, model=arguments.model)
    with Parts(settings) as parts:
        writer = None if arguments.recorded or arguments.feedback else parts.writer()
        chat = Replies(arguments.replies, writer.model if writer else None, settings.model)
        for folder in arguments.collections:
            collection = read_collection(folder)
            embedder = parts.embedder(parts.embedder_for(chinese=is_chinese(collection)))
            index = library(collection, embedder, arguments.work, arguments.vectors)
            if arguments.feedback:
                print_feedback(sample(collection, arguments.limit), index, embedder)
            else:
                print_methods(collection, index, embedder, chat, arguments.limit)
            index.store.close()


def print_methods(collection: Collection, index: Index, embedder: Embedder, chat: Replies, limit: int) -> None:
    """One line for each method and way of joining, on the questions of a fixed sample, or those whose replies are kept."""
    asked = list(collection.queries)
    random.Random(0).shuffle(asked)
    asked = [query for query in asked if chat.context_window < 1 << 20 or is_kept(query.text, chat)][:limit]
    if not asked:
        print(f"{collection.name}: no replies were kept")
        return
    plain = [found_by(Query(query.text), index, embedder) for query in asked]
    judged = [collection.qrels[query.id] for query in asked]
    base = scores(plain, index, judged)
    print(f"{collection.name}: {len(asked)} questions, alone nDCG@10 {base[:, 0].mean():.3f}, recall@10 {base[:, 1].mean():.3f}")
    for method in METHODS[1:]:
        chat.used.clear()
        founds: list[Found] = []
        for query, alone in zip(asked, plain, strict=True):
            _, *others = expand(query.text, chat, method).queries
            founds.append([(Query(query.text), alone), *((other, found_by(other, index, embedder)) for other in others)])
        useful = sum(len(found) > 1 for found in founds) / len(founds)
        tokens = sum(len(kept["pieces"]) for kept in chat.used) / len(asked)
        seconds = sum(kept["cpu"] for kept in chat.used) / len(asked)
        print(f"  {method}: other queries for {useful:.0%}, {tokens:.0f} tokens and {seconds:.1f} CPU s a question")
        for name, join in joins(method).items():
            print(f"    {name:20}{told(scores([join(found) for found in founds], index, judged), base)}")


def joins(method: str) -> dict[str, Joined]:
    """The ways in which what was found is joined."""
    ways: dict[str, Joined] = {"as shipped": lambda found: combine(found, CHUNKS)}
    ways |= {f"scores, share {share}": weighted(share) for share in (0.25, 0.5, 1.0)}
    ways |= {f"ranks, share {share}": by_rank(share) for share in (0.25, 0.5, 1.0)}
    if method != "decompose":
        ways["in place of it"] = lambda found: found[-1][1]
    return ways


def weighted(share: float) -> Joined:
    """`combine`, with this weight for all other queries together, and no turns for parts."""

    def join(found: Found) -> list[Hit]:
        first, *others = found
        lists = [(Query(query.text, "variant", share / len(others)), hits) for query, hits in others]
        return combine([first, *lists], CHUNKS)

    return join


def by_rank(share: float) -> Joined:
    """The weighted sum of reciprocal ranks. Source: Cormack, Clarke and Büttcher 2009, Reciprocal Rank Fusion."""

    def join(found: Found) -> list[Hit]:
        total: dict[int, float] = {}
        hits = {hit.chunk.id: hit for _, listed in found for hit in listed}
        for number, (_, listed) in enumerate(found):
            weight = share / (len(found) - 1) if number else 1.0
            for rank, hit in enumerate(listed, start=1):
                total[hit.chunk.id] = total.get(hit.chunk.id, 0.0) + weight / (60 + rank)
        return [hits[chunk] for chunk in sorted(total, key=lambda chunk: (-total[chunk], chunk))]

    return join


def print_feedback(collection: Collection, index: Index, embedder: Embedder) -> None:
    """Feedback on all questions, against none."""
    judged = [collection.qrels[query.id] for query in collection.queries]
    plain = [found_by(Query(query.text), index, embedder) for query in collection.queries]
    base = scores(plain, index, judged)
    print(f"{collection.name}: {len(plain)} questions, alone nDCG@10 {base[:, 0].mean():.3f}, recall@10 {base[:, 1].mean():.3f}")
    for count, share in FEEDBACK:
        began = time.process_time()
        again = []
        for query, hits in zip(collection.queries, plain, strict=True):
            vector = embedder.embed([query.text], query=True)[0]
            believed = list(index.store.vectors([hit.chunk.id for hit in hits[:count]]).values())
            if believed:
                vector = vector + share * np.mean(believed, axis=0)
            again.append(retrieve(query.text, index, Given(embedder, vector / np.linalg.norm(vector)), limit=CHUNKS))
        seconds = (time.process_time() - began) / len(plain)
        print(f"    first {count}, {share:.1f}: {told(scores(again, index, judged), base)}  {seconds * 1000:.0f} ms a question", flush=True)


def is_kept(question: str, chat: Replies) -> bool:
    try:
        for method in METHODS:
            expand(question, chat, method)
    except (LookupError, ModelError):
        return False
    return True


def found_by(query: Query, index: Index, embedder: Embedder) -> list[Hit]:
    return retrieve(query.text, index, embedder, limit=CHUNKS, as_passage=query.as_passage)


def scores(found: Sequence[Sequence[Hit]], index: Index, judged: Sequence[Mapping[str, int]]) -> np.ndarray:
    """nDCG@10 and recall@10 of each question: float [n, 2]."""
    rows = []
    for hits, relevant in zip(found, judged, strict=True):
        ranked = list(dict.fromkeys(hit.chunk.document for hit in hits))
        rows.append((ndcg(ranked, relevant), recall(ranked, relevant, 10)))
    return np.array(rows)


def told(ours: np.ndarray, base: np.ndarray) -> str:
    by = [difference(ours[:, column], base[:, column]) for column in (0, 1)]
    return "  ".join(
        f"{name} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for name, one in zip(("nDCG@10", "recall@10"), by, strict=True)
    )


def library(collection: Collection, embedder: Embedder, work: Path, vectors: Path | None) -> Index:
    """The library of a collection, made where it is not there yet."""
    folder = work / f"{collection.name}.{embedder.name}"
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "library.db")
    given = np.load(vectors / f"{collection.name}.{embedder.name}.npz")["v"].astype(np.float32) if vectors else None
    if not store.chunk_count():
        at = 0
        with store.together():
            for entry in collection.documents:
                one = document(entry)
                spans = split(one)
                texts = [before + one.text[span.start : span.end] for before, span in zip(contexts(one, spans), spans, strict=True)]
                rows = embedder.embed(texts) if given is None else given[at : at + len(spans)]
                store.put(dataclasses.replace(one, id=entry.id), spans, rows, Source(entry.id, entry.id, 0, 0))
                at += len(spans)
        if given is not None and at != len(given):
            raise ValueError(f"{len(given)} vectors for {at} chunks")
    index = open_index(folder, store, embedder.dimensions)
    index.catch_up()
    return index


def _cpu_seconds() -> float:
    """What the model's process has used so far."""
    return sum(child.cpu_times().user + child.cpu_times().system for child in psutil.Process().children(recursive=True))


if __name__ == "__main__":
    main()
