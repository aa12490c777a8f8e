"""One question searched for in several ways: a chat model writes other queries, and what they find is joined.

All of it is off by default: with the default model of 135M parameters no method finds more than the question alone does. On about 40
questions each of HotpotQA, the Python FAQ and SciFact the differences in nDCG@10 lie between -.034 (parts) and +.011 (step back), none of
the gains beyond chance, at 0.4 to 1.4 CPU seconds a question; searching for the model's text in place of the question loses up to .30
(`bench/expand.py`). With a larger model it is worth trying on one's own questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wellread.errors import ModelError, UsageError, suggest
from wellread.models.base import ChatModel
from wellread.prompts import expansion_prompt
from wellread.types import Hit, Sampling
from wellread.words import cjk_share, content_words, words

METHODS = ("none", "rewrite", "multi", "hyde", "decompose", "stepback")

_SHARE = 0.5
"""What all other wordings of a question count together, the question itself being 1."""

_CHINESE = 0.2
_QUERY_CHARS = 300
_PASSAGE_CHARS = 1000
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_LINE_BREAK = re.compile(r"\s*\n\s*|(?<=[?？.。!！])\s*(?=\d{1,2}[.)、]\s?\D)")
_NAMES = "(?:(?:search|rewritten|general|sub|step-?back)[ -]?)?(?:question|query|passage|q)|搜索|检索词|问题|子问题|段落"
_LABEL = re.compile(rf"^(?:[-*•–]\s+|\(?\d{{1,2}}(?:[.)、:：]\s+|[.)、：](?=\D))|(?:{_NAMES})\s*\d{{0,2}}\s*[:：]\s*)+", re.IGNORECASE)
_QUOTES = " \t\"'“”‘’「」`*_"
_NUMBER = re.compile(r"\d+")
_SENTENCE_END = re.compile(r".*[.!?。！？]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Query:
    """A text to search for. `kind` is "question", "rewrite", "variant", "hypothetical", "part" or "general"; `weight` counts what it
    finds against the question's 1.0; `as_passage` says that it is embedded as a passage is, for it is written like one.
    """

    text: str
    kind: str = "question"
    weight: float = 1.0
    as_passage: bool = False


@dataclass(frozen=True, slots=True)
class Expanded:
    """The queries to search for, the question itself first. `note` says why there are no others where some were asked for."""

    question: str
    queries: tuple[Query, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a method asks of the model: at most `lines` texts of a kind in so many tokens."""

    kind: str
    lines: int
    max_tokens: int


_RECIPES = {
    "rewrite": _Recipe("rewrite", 1, 32),
    "multi": _Recipe("variant", 3, 96),
    "hyde": _Recipe("hypothetical", 1, 80),
    "decompose": _Recipe("part", 4, 96),
    "stepback": _Recipe("general", 1, 32),
}


def expand(question: str, model: ChatModel, method: str) -> Expanded:
    """The queries of a method for a question: never fewer than the question itself, whatever the model does.

    The same model gives the same queries again (greedy, seed 0). What it writes is searched with and shown to nobody as a fact: a
    text that does not share a word with the question, brings in a number, runs in circles or answers instead of asking is left out.
    Raises `UsageError` for an unknown method.
    """
    if method not in METHODS:
        raise UsageError(f'there is no method "{method}".', hint=suggest(method, METHODS) or f"choose one of {', '.join(METHODS)}")
    alone = (Query(question),)
    if method == "none":
        return Expanded(question, alone)
    recipe = _RECIPES[method]
    try:
        reply, whole = _reply(question, model, method, recipe)
    except ModelError as error:
        return Expanded(question, alone, f"only the question itself was searched for: {error.message}")
    texts = _useful(_texts(reply, recipe, whole=whole), question, recipe)
    if not texts:
        return Expanded(question, alone, f"only the question itself was searched for: {model.name} gave no other query of use")
    weight = 1.0 if recipe.kind == "part" else _SHARE / len(texts)
    others = (Query(text, recipe.kind, weight, as_passage=recipe.kind == "hypothetical") for text in texts)
    return Expanded(question, alone + tuple(others))


def combine(lists: Sequence[tuple[Query, Sequence[Hit]]], limit: int) -> list[Hit]:
    """What several queries found, as one list of at most `limit` hits, best first; a chunk is in it once.

    The parts of a question take turns, so that each is represented (`score` is then one over the place). Otherwise `score` is the mean
    of the scores that the queries gave by their weights, where a chunk that a list lacks has the score of the list's last; measured,
    this loses less to bad queries than reciprocal ranks do. `why` is that of the first query that found the hit, and holds the hit's
    rank in the list of each query that did, from 1, as "query_0", "query_1"...
    """
    found: dict[int, Hit] = {}
    ranks: dict[int, dict[str, float]] = {}
    for number, (_, hits) in enumerate(lists):
        for rank, hit in enumerate(hits, start=1):
            found.setdefault(hit.chunk.id, hit)
            ranks.setdefault(hit.chunk.id, {})[f"query_{number}"] = float(rank)
    if any(query.kind == "part" for query, _ in lists):
        best = _in_turn([[hit.chunk.id for hit in hits] for _, hits in lists])
        score = {chunk: 1.0 / place for place, chunk in enumerate(best, start=1)}
    else:
        score = _means(lists, found)
        best = sorted(score, key=lambda chunk: (-score[chunk], chunk))
    return [replace(found[chunk], score=score[chunk], why={**found[chunk].why, **ranks[chunk]}) for chunk in best[:limit]]


def _means(lists: Sequence[tuple[Query, Sequence[Hit]]], chunks: Iterable[int]) -> dict[int, float]:
    total = dict.fromkeys(chunks, 0.0)
    weights = sum(query.weight for query, hits in lists if hits)
    for query, hits in lists:
        scores = {hit.chunk.id: hit.score for hit in hits}
        least = min(scores.values(), default=0.0)
        for chunk in total:
            total[chunk] += query.weight * scores.get(chunk, least) / weights
    return total


def _in_turn(lists: Sequence[Sequence[int]]) -> list[int]:
    """Each list in turn gives its best that none has given yet."""
    waiting = [list(reversed(one)) for one in lists]
    taken: dict[int, None] = {}
    while any(waiting):
        for one in waiting:
            while one and one[-1] in taken:
                one.pop()
            if one:
                taken[one.pop()] = None
    return list(taken)


def _reply(question: str, model: ChatModel, method: str, recipe: _Recipe) -> tuple[str, bool]:
    """What the model writes until it has written enough or repeats itself, and whether its last line is whole."""
    prompt = expansion_prompt(question, method, chinese=cjk_share(question) > _CHINESE)
    text = ""
    for delta in model.stream(prompt, sampling=Sampling(seed=0, max_tokens=recipe.max_tokens)):
        text += delta.text
        if delta.finish is not None:
            return text, delta.finish != "length"
        if "\n" in delta.text and _is_enough(_THOUGHT.sub("", text), recipe.lines):
            return text.rpartition("\n")[0], True  # nobody holds the iterator any more, which ends the generation
    return text, True


def _is_enough(text: str, lines: int) -> bool:
    """Whether the whole lines of a text are all that is wanted, or the last of them has been there before."""
    whole = [tuple(words(_LABEL.sub("", line))) for line in text.split("\n")[:-1] if line.strip() and not _announces(line)]
    return len(whole) >= lines or len(set(whole)) < len(whole)


def _texts(reply: str, recipe: _Recipe, *, whole: bool) -> list[str]:
    """The texts that a reply holds, without numbers, labels and quotes; a last one that was cut off is cut back or left out."""
    lines = [line for line in _LINE_BREAK.split(_THOUGHT.sub("", reply).strip()) if line]
    if lines and not whole:
        if recipe.kind == "hypothetical":
            ended = _SENTENCE_END.match(lines[-1])
            lines[-1] = ended.group() if ended else lines[-1]
        elif recipe.lines > 1:
            lines.pop()
    return [_LABEL.sub("", line.strip(_QUOTES)).strip(_QUOTES) for line in lines if not _announces(line)]


def _announces(line: str) -> bool:
    return line.rstrip().endswith((":", "："))


def _useful(texts: Sequence[str], question: str, recipe: _Recipe) -> list[str]:
    """Those of the texts that may find what the question does not, each once, at most as many as were asked for."""
    asked = set(content_words(question))
    seen = {tuple(words(question))}
    kept: list[str] = []
    for text in texts:
        key = tuple(words(text))
        if not key or key in seen or (asked and not asked & set(content_words(text))) or _runs_in_circles(key):
            continue
        if len(text) > _PASSAGE_CHARS if recipe.kind == "hypothetical" else not _asks(text, question, recipe.kind):
            continue
        seen.add(key)
        kept.append(text)
    return kept[: recipe.lines]


def _asks(text: str, question: str, kind: str) -> bool:
    """Whether a text looks like a query and not like an answer: no sentence that ends with a full stop, no number of its own."""
    if kind == "part" and not text.endswith(("?", "？")):
        return False
    invented = set(_NUMBER.findall(text)) - set(_NUMBER.findall(question))
    return len(text) <= _QUERY_CHARS and not text.endswith((".", "。")) and not invented


def _runs_in_circles(key: Sequence[str]) -> bool:
    return len(key) >= 8 and len(set(key)) * 2 < len(key)
