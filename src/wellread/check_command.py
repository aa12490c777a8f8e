"""`wellread check`: a text held against a library, sentence by sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from wellread.checking import Checked
from wellread.errors import ReadError, UsageError
from wellread.library import Library, limits_of
from wellread.places import expanded
from wellread.read.limits import Limits
from wellread.read.pool import Given, ReaderPool
from wellread.recipe import Recipe
from wellread.record import citation_json, sentence_json
from wellread.terminal import Screen
from wellread.types import Document, one_line, place

SUPPORTED, NOT_SUPPORTED = 0, 1
"""Exit codes: every claim is supported, or one is not."""


def check(library: Library, name: str, filter: str | None, recipe: Recipe, screen: Screen, *, as_json: bool) -> int:
    """Check a file, or "-" for what is piped in, and print what was found; returns the exit code."""
    text = _text(name, limits_of(library.parts.settings))
    found = library.check(text, filter=filter, recipe=recipe, progress=screen.progress)
    print(json.dumps(_json(found), ensure_ascii="utf" not in (sys.stdout.encoding or "").lower(), indent=2) if as_json else _shown(found))
    return NOT_SUPPORTED if found.count("unsupported") else SUPPORTED


def _text(name: str, limits: Limits) -> Document:
    """The text to check, of any format that can be added to a library. Raises `ReadError`."""
    with ReaderPool(1, limits) as pool:
        if name != "-":
            return pool.read(expanded(name))
        data = sys.stdin.buffer.read()
        if not data.strip():
            raise UsageError("there is no text to check.", hint="pipe one in, or name a file")
        (reading,) = pool.read_all([Given("-", "stdin.txt", data)])
    if isinstance(reading.result, ReadError):
        raise reading.result
    assert reading.result is not None  # a text is no archive
    return reading.result


def _shown(found: Checked) -> str:
    """Each sentence on a line of its own with its marks, what they refer to, and the counts."""
    lines = []
    for sentence in found.sentences:
        marks = "".join(f"[{marker}]" for marker in sentence.citations)
        if sentence.status == "unsupported":
            marks = "[no support found]"
        lines.append(f"{one_line(sentence.text)} {marks}".rstrip())
    for at, citation in enumerate(found.citations):
        lines.append(("" if at else "\n") + f"  [{citation.marker}] {place(citation)}\n      “{one_line(citation.quote)}”")
    return "\n".join([*lines, f"\n{_summary(found)}"])


def _summary(found: Checked) -> str:
    total, nothing = len(found.sentences), found.count("uncited")
    parts = [f"{found.count('supported')} supported", f"{found.count('unsupported')} unsupported"]
    if nothing:
        parts.append(f"{nothing} claim{'s' * (nothing == 1)} nothing")
    return f"{total} sentence{'s' * (total != 1)}: {', '.join(parts)}"


def _json(found: Checked) -> Mapping[str, Any]:
    return {
        "source": found.document.source,
        "sentences": [sentence_json(sentence) for sentence in found.sentences],
        "citations": [citation_json(citation) for citation in found.citations],
        "supported": found.count("supported"),
        "unsupported": found.count("unsupported"),
        "uncited": found.count("uncited"),
    }
