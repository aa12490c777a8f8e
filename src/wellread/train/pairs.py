"""Questions with the passage that answers each and passages that look as if they did, to teach a reranker from.

The passages are cut as a library cuts documents, and the wrong ones are those that a search among all of them brings up: a reranker
must order what a search finds. Whatever also stands in an evaluation set, as a question or as twenty words in a row, is left out.
"""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.models.base import Embedder
from wellread.split import split
from wellread.types import Document
from wellread.words import content_words, words

EVALUATION = (
    "squad_retrieval",
    "scifact",
    "cranfield",
    "cacm",
    "hotpot_train500_retrieval",
    "python_faq_retrieval",
    "xquad_zh2en_retrieval",
    "xquad_en2zh_retrieval",
    "xquad_zh_retrieval",
    "cmrc2018_trial_retrieval",
    "drcd_dev_retrieval",
    "grounded_qa/dev.jsonl",
    "squad_v2/dev.jsonl",
)
"""Where, under the folder of data, lies what nothing may be learned from."""

_SHINGLE = 20  # words in a row that two texts share only when one is a copy
_DEPTH = 40  # passages found for a question that are kept
_HELD = 20  # of a thousand articles


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the paragraph that answers it; `gold` is None when none of `paragraphs` does. `article` is a title."""

    text: str
    article: str
    paragraphs: tuple[str, ...]
    gold: int | None
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A question, by number the passage that answers it (None: none does), and what a search found, best first, with its scores."""

    question: str
    gold: int | None
    found: tuple[int, ...]
    scores: tuple[float, ...]
    held: bool


@dataclass(frozen=True, slots=True)
class Lesson:
    """All passages (each with the title of its article, or "") and the groups that point into them."""

    passages: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]

    def text(self, passage: int) -> str:
        """A passage as the index knows it: below its title."""
        title, text = self.passages[passage]
        return f"{title}\n{text}" if title else text


def write_lesson(lesson: Lesson, path: Path) -> None:
    """Keep a lesson as JSON."""
    path.write_text(json.dumps({"passages": lesson.passages, "groups": [asdict(group) for group in lesson.groups]}), "utf-8")


def read_lesson(path: Path) -> Lesson:
    """What `write_lesson` kept."""
    stored = json.loads(path.read_text("utf-8"))
    groups = (Group(**{**each, "found": tuple(each["found"]), "scores": tuple(each["scores"])}) for each in stored["groups"])
    return Lesson(tuple((title, text) for title, text in stored["passages"]), tuple(groups))


def read_questions(data: Path) -> list[Question]:
    """The training questions under a folder laid out as `grounded_qa/train.jsonl` (sources, one of them right) and
    `halueval_qa/data.jsonl` (one context)."""
    found = []
    for item in _records(data / "grounded_qa/train.jsonl"):
        gold = item["gold_source"]
        texts = tuple(source["text"] for source in item["sources"])
        title = item["title"].replace("_", " ")
        found.append(Question(item["question"], title, texts, gold - 1 if gold else None, tuple(item["answers"])))
    for item in _records(data / "halueval_qa/data.jsonl"):
        found.append(Question(item["question"], "", (item["context"],), 0, (item["right_answer"],)))
    return found


def without_evaluation(
    questions: Sequence[Question], data: Path, sets: Iterable[str] = EVALUATION
) -> tuple[list[Question], dict[str, int]]:
    """The questions that share nothing with the evaluation sets, and how many were dropped for their question and for a paragraph."""
    asked: set[str] = set()
    shingles: set[int] = set()
    for question, text in _evaluation(data, sets):
        asked.add(_plain(question))
        shingles.update(_shingles(text))
    kept, dropped = [], {"question": 0, "paragraph": 0}
    known: dict[str, bool] = {}
    for each in questions:
        for text in each.paragraphs:
            if text not in known:
                known[text] = not shingles.isdisjoint(_shingles(text))
        if _plain(each.text) in asked:
            dropped["question"] += 1
        elif any(known[text] for text in each.paragraphs):
            dropped["paragraph"] += 1
        else:
            kept.append(each)
    return kept, dropped


def make_lesson(questions: Sequence[Question], embedder: Embedder) -> Lesson:
    """Cut the paragraphs into passages and look for each question among all of them. A minute for a few thousand passages."""
    passages: list[tuple[str, str]] = []
    numbers: dict[str, list[int]] = {}
    for each in questions:
        for paragraph in each.paragraphs:
            if paragraph not in numbers:
                cut = [(each.article, paragraph[start:end]) for start, end in spans_of(paragraph)]
                numbers[paragraph] = list(range(len(passages), len(passages) + len(cut)))
                passages.extend(cut)
    search = _Search([f"{title}\n{text}" if title else text for title, text in passages], embedder)
    groups = []
    for each, (found, scores) in zip(questions, search.all([each.text for each in questions], _DEPTH), strict=True):
        gold = None if each.gold is None else _answering(each, numbers[each.paragraphs[each.gold]], passages)
        if each.gold is not None and gold is None:
            continue
        right = set() if each.gold is None else set(numbers[each.paragraphs[each.gold]])
        # Another part of the right paragraph, or a passage with the answer in it, may be right too: neither is called wrong.
        kept = [
            at for at, number in enumerate(found) if number == gold or not (number in right or _holds(passages[number][1], each.answers))
        ]
        groups.append(
            Group(each.text, gold, tuple(found[at] for at in kept), tuple(round(scores[at], 4) for at in kept), held_out(each.article))
        )
    return Lesson(tuple(passages), tuple(groups))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    packed = path.with_name(path.name + ".gz")
    with gzip.open(packed, "rt", encoding="utf-8") if packed.exists() else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _evaluation(data: Path, sets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every question and every text of the evaluation sets, as pairs of which one may be empty."""
    for name in sets:
        if name.endswith(".jsonl"):
            for item in _records(data / name):
                yield item["question"], item.get("context", "")
                yield from (("", source["text"]) for source in item.get("sources", ()))
        else:
            yield from ((item["text"], "") for item in _records(data / name / "queries.jsonl"))
            yield from (("", item["text"]) for item in _records(data / name / "corpus.jsonl"))


def _plain(text: str) -> str:
    """Letters and digits only, so that spelling of marks and spaces does not hide a copy."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def _shingles(text: str) -> set[int]:
    found = words(text)
    if not found:
        return set()
    return {hash(" ".join(found[at : at + _SHINGLE])) for at in range(max(1, len(found) - _SHINGLE + 1))}


def held_out(article: str) -> bool:
    """Whether an article is held out: decided by its title, so that no passage stands on both sides."""
    return bool(article) and sum(article.encode()) % 1000 < _HELD


def _holds(text: str, answers: Sequence[str]) -> bool:
    return any(answer.casefold() in text.casefold() for answer in answers if len(answer) > 3)


def _answering(question: Question, numbers: Sequence[int], passages: Sequence[tuple[str, str]]) -> int | None:
    """Of the parts of the right paragraph the one that holds an answer and the most words of the question."""
    wanted = set(content_words(question.text))
    holding = [number for number in numbers if any(answer.casefold() in passages[number][1].casefold() for answer in question.answers)]
    return max(holding, key=lambda number: len(wanted & set(content_words(passages[number][1]))), default=None)


def spans_of(text: str) -> list[tuple[int, int]]:
    """Where a library would cut a paragraph: (start, end) of its passages."""
    return [(span.start, span.end) for span in split(_document(text))]


def _document(text: str) -> Document:
    return Document(id="0", source="0", title="", media_type="text/plain", text=text)


class _Search:
    """Keyword (BM25) and embedding scores of a question against all passages, in memory, added as z-scores."""

    def __init__(self, texts: Sequence[str], embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors = np.concatenate([embedder.embed(texts[at : at + 256]) for at in range(0, len(texts), 256)])
        postings: dict[str, dict[int, int]] = {}
        lengths = np.zeros(len(texts), np.float32)
        for number, text in enumerate(texts):
            for word in content_words(text):
                counts = postings.setdefault(word, {})
                counts[number] = counts.get(number, 0) + 1
                lengths[number] += 1
        self._postings = {word: _weights(counts, lengths) for word, counts in postings.items()}

    def all(self, questions: Sequence[str], depth: int) -> Iterator[tuple[list[int], list[float]]]:
        """For each question the best passages by number, and their scores."""
        for at in range(0, len(questions), 256):
            part = questions[at : at + 256]
            near = self._embedder.embed(part, query=True) @ self._vectors.T
            for question, cosines in zip(part, near, strict=True):
                yield self._one(question, cosines, depth)

    def _one(self, question: str, cosines: NDArray[np.float32], depth: int) -> tuple[list[int], list[float]]:
        matches = np.zeros(len(cosines), np.float32)
        for word in set(content_words(question)) & self._postings.keys():
            numbers, weights = self._postings[word]
            matches[numbers] += weights
        best = min(100, len(cosines))
        either = np.union1d(np.argpartition(-cosines, best - 1)[:best], np.argpartition(-matches, best - 1)[:best])
        fused = _z(cosines[either]) + _z(matches[either])
        order = np.argsort(-fused, kind="stable")[:depth]
        return either[order].tolist(), fused[order].tolist()


def _weights(counts: dict[int, int], lengths: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """BM25 (Robertson and Zaragoza 2009, k1 1.2, b 0.75) of one word in the passages that hold it."""
    numbers = np.fromiter(counts, np.int64, len(counts))
    times = np.fromiter(counts.values(), np.float32, len(counts))
    rarity = np.log1p((len(lengths) - len(counts) + 0.5) / (len(counts) + 0.5))
    bound = 1.2 * (0.25 + 0.75 * lengths[numbers] / lengths.mean())
    return numbers, (rarity * times * 2.2 / (times + bound)).astype(np.float32)


def _z(values: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = float(values.std())
    return np.asarray((values - values.mean()) / (spread or 1.0), np.float32)
