"""Where sentences begin and end, in English and in Chinese, as spans of the text they stand in."""

from __future__ import annotations

import re

# A full stop after one of these ends an abbreviation far more often than a sentence.
_ABBREVIATIONS = frozenset(
    "al approx art cf ch co corp dept dr ed eds eq eqs fig figs gen inc jr ltd mr mrs ms no nos op p pp prof ref refs rev sec sr st tab"
    " vol vs e.g i.e a.k.a u.s u.k ph.d".split()
)
_CLOSING = "\"'”’)]}»」』）】》〉"
_END = re.compile(
    rf"(?P<cjk>[。！？；…]+[{re.escape(_CLOSING)}]*)"
    rf"|(?P<latin>[.!?]+[{re.escape(_CLOSING)}]*)(?=\s|$)"
    r"|(?P<block>(?<![ \t])[ \t]*\n(?=[ \t]*(?:[-*+•‣◦▪]\s|\d{1,3}[.)]\s|\|))|(?<![ \t])[ \t]*(?:\n[ \t]*){2,}|\f)"
)
_SOLID = re.compile(r"\S")
_WORD_BEFORE = re.compile(r"[^\s(\[“\"']+$")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """The sentences of `text[start:end]` as half-open spans of `text`, without the white space around them.

    A sentence ends at . ! ? before white space, at the CJK marks 。！？；…, at a blank line, at a page break, and before a list item
    or table row. Abbreviations, initials and list numbers do not end one.
    """
    end = len(text) if end is None else end
    spans: list[tuple[int, int]] = []
    at = start
    for match in _END.finditer(text, start, end):
        if match["latin"] and not _ends_sentence(text, at, match.start(), match.end(), end):
            continue
        _append(spans, text, at, match.end())
        at = match.end()
    _append(spans, text, at, end)
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _ends_sentence(text: str, sentence: int, stop: int, after: int, end: int) -> bool:
    """Whether the marks at `text[stop:after]` end the sentence that begins at `sentence`."""
    if text[stop] != ".":
        return True
    found = _WORD_BEFORE.search(text, max(sentence, stop - 24), stop)
    word = found.group().lower().strip("([“\"'") if found else ""
    if word in _ABBREVIATIONS:
        return False
    if len(word) == 1 and word.isalpha() and text[stop - 1].isupper():  # an initial: "J. Smith"
        return False
    if word.isdigit() and not text[sentence : stop - len(word)].strip():  # a list number: "1. First"
        return False
    following = _SOLID.search(text, after, end)
    return following is None or not following.group().islower()
