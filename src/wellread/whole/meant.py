"""Which documents a question about whole documents means: those it names by title or file name, or those that are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from wellread.index.rows import Listed
from wellread.whole.kinds import Kind, means_several, operands, subject, topic
from wellread.words import content_words

MOST_DOCUMENTS = 20
"""Documents that are read for one answer; with more, those that come first by title."""

_QUOTED = re.compile(r"[“\"《「『](?P<name>[^”\"》」』]{2,120})[”\"》」』]")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Meant:
    """The documents to read, by title, the words of what is asked about them (none: all of it), and how many more were meant."""

    documents: tuple[Listed, ...]
    topic: tuple[str, ...]
    left_out: int = 0


def documents_meant(question: str, kind: Kind, listed: Sequence[Listed], *, filtered: bool) -> Meant | None:
    """The documents that a question of a kind is about, among those that a filter lets through; None when it does not say which.

    A comparison means at least two. What is to be listed or counted, and of no document in particular, is so in all of a small library.
    """
    named = _named(question, kind, listed)
    least = 2 if kind == "compare" else 1
    if len(named) < least:
        everything = kind in ("list", "count") and len(listed) <= MOST_DOCUMENTS
        whole = filtered or everything or means_several(question) or len(listed) == 1
        named = list(listed) if whole else []
    if len(named) < least:
        return None
    names = {word for one in named for word in (*_names(one), *content_words(" ".join(_files(one)).replace(".", " ")))}
    left = tuple(word for word in topic(question).split() if word not in names)
    return Meant(tuple(named[:MOST_DOCUMENTS]), left, max(0, len(named) - MOST_DOCUMENTS))


def _named(question: str, kind: Kind, listed: Sequence[Listed]) -> list[Listed]:
    """The documents whose title or file name a question holds, in quotation marks, whole, or as a part that no other one has."""
    quoted = [match["name"].casefold() for match in _QUOTED.finditer(question)]
    found = [one for one in listed if any(name in one.title.casefold() or name in _files(one) for name in quoted)]
    if found:
        return found
    asked = set(content_words(question))
    whole = [one for one in listed if any(_is_telling(name) and set(name) <= asked for name in _each_name(one))]
    parts = operands(question) if kind in ("compare", "summarize") else [subject(question)]
    by_part = [holders for part in parts if len(holders := [one for one in listed if set(part) <= _names(one)]) == 1]
    return [one for one in listed if one in whole or any(one in holders for holders in by_part)]


def _is_telling(name: Sequence[str]) -> bool:
    return any(len(word) > 3 or not word.isascii() for word in name if not _NUMBER.fullmatch(word))


def _names(one: Listed) -> set[str]:
    return {word for name in _each_name(one) for word in name}


def _each_name(one: Listed) -> list[list[str]]:
    """The words of its title and of its files' names."""
    return [content_words(one.title), *(content_words(PurePath(source).stem.replace("_", " ")) for source in one.sources)]


def _files(one: Listed) -> list[str]:
    return [PurePath(source).name.casefold() for source in one.sources]
