"""The canonical text of recognised lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wellread.read.decode import clean
from wellread.read.pdf_hyphens import joint, word_counts

_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]$")


def ocr_text(lines: Sequence[str], opens: Sequence[bool], at: int = 0) -> tuple[str, list[tuple[int, int]]]:
    """The text of lines of a page in reading order, and the span of each when the text begins at offset `at`.

    `opens` says for each line whether a paragraph begins with it. Words that were hyphenated at the end of a line are whole again.
    """
    lines = [clean(line).replace("\f", " ").replace("\n", " ") for line in lines]
    counts = word_counts(lines) if any(_HYPHENATED.search(line) for line in lines) else None
    pieces: list[str] = []
    spans = []
    for index, line in enumerate(lines):
        after = lines[index + 1] if index + 1 < len(lines) else None
        separator = "" if after is None else "\n\n" if opens[index + 1] else "\n"
        if counts is not None and separator == "\n" and after and after[0].islower() and _HYPHENATED.search(line):
            line = line[:-1] + joint(line[:-1], after, counts)
            separator = ""
        pieces += (line, separator)
        spans.append((at, at + len(line)))
        at += len(line) + len(separator)
    return "".join(pieces), spans
