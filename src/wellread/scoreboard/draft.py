"""A question about a document, with the words that answer it, before it is known whether it is a good one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """`question` is answered by `answer`, which stands in the document's text from `start` to `end` (white space aside).

    `kind` says what is asked for ("number", "date", "name", ...), `subject` which words of the question say what it is about: those
    are swapped to make a question without an answer. `language` is "en" or "zh".
    """

    question: str
    answer: str
    kind: str
    subject: str
    start: int
    end: int
    language: str
