"""An answer's text with its citations, as protocols have them: where each stands in the text, and what it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.types import Answer, Citation, place


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation and the sentence that rests on it: `start` to `end` in the marked text, markers included."""

    citation: Citation
    start: int
    end: int


def marked(answer: Answer) -> tuple[str, list[Cited]]:
    """The text of `types.marked_text`, and where in it each citation is used, in code points."""
    known = {citation.marker: citation for citation in answer.citations}
    text, at, found = "", 0, []
    for sentence in answer.sentences:
        text += answer.text[at : sentence.start]
        start = len(text)
        text += answer.text[sentence.start : sentence.end]
        if sentence.citations:
            text += " " + "".join(f"[{marker}]" for marker in sentence.citations)
        elif sentence.status == "unsupported":
            text += " [no support found]"
        at = sentence.end
        found += [Cited(known[marker], start, len(text)) for marker in sentence.citations]
    return text + answer.text[at:], found


def address(source: str) -> str:
    """Where a source is, as a URL."""
    return source if "://" in source else Path(source).as_uri() if Path(source).is_absolute() else source


def url_citation(cited: Cited, answer: Answer) -> dict[str, Any]:
    """An annotation of OpenAI's chat messages. The quote is an addition."""
    inner = {
        "start_index": cited.start,
        "end_index": cited.end,
        "title": place(cited.citation, answer.citations),
        "url": address(cited.citation.source),
        "quote": cited.citation.quote,
    }
    return {"type": "url_citation", "url_citation": inner}


def annotation(cited: Cited, answer: Answer) -> dict[str, Any]:
    """An annotation of OpenAI's responses: of a web page a `url_citation`, of any other document a `file_citation`, whose `index` is
    where in the text it stands. The quote is an addition."""
    citation = cited.citation
    if citation.source.startswith(("http://", "https://")):
        own: dict[str, Any] = {"type": "url_citation", "url": citation.source, "title": place(citation, answer.citations)}
    else:
        filename = citation.source.rstrip("/").rpartition("/")[2]
        own = {"type": "file_citation", "file_id": citation.document, "filename": filename, "index": cited.end}
    return own | {"start_index": cited.start, "end_index": cited.end, "quote": citation.quote}
