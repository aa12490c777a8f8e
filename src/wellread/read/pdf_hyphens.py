"""Words that a line end cut in two are joined; the hyphen stays only where the document itself writes one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+(?:[-‐][^\W_]+)*")
_TAIL = re.compile(r"[^\W_]+(?:[-‐][^\W_]+)*$")
_HEAD = re.compile(r"[^\W_]+(?:[-‐][^\W_]+)*")


def word_counts(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in the document, lower-cased; a hyphenated word counts whole and by its parts."""
    counts: Counter[str] = Counter()
    for text in texts:
        words = _WORD.findall(text.lower())
        counts.update(words)
        counts.update(part for word in words if "-" in word for part in word.split("-"))
    return counts


def joint(before: str, after: str, counts: Counter[str]) -> str:
    """What joins a line that ended in a hyphen to the next: "" or "-".

    Where the document writes the word both ways, the more frequent one wins. Where it writes neither, the hyphen stays if both
    halves are words of their own there, or if what follows begins with a capital or a digit, or if the word has a hyphen already.
    """
    tail, head = _TAIL.search(before), _HEAD.match(after)
    if tail is None or head is None:
        return "-"
    left, right = tail.group().lower(), head.group().lower()
    joined, hyphenated = counts[left + right], counts[f"{left}-{right}"]
    if joined or hyphenated:
        return "" if joined >= hyphenated else "-"
    if not head.group()[0].islower() or "-" in left:
        return "-"
    # each half was counted once where the line broke
    return "-" if len(left) > 2 and len(right) > 2 and counts[left] > 1 and counts[right] > 1 else ""
