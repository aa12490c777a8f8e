"""The tools that agents are given: search, ask, fetch, and lists. All of them only read.

`search` and `fetch` answer in the shapes that ChatGPT's connectors want: https://platform.openai.com/docs/mcp
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, unquote

from wellread.errors import suggest
from wellread.library import Library
from wellread.models.base import Writer
from wellread.record import sentence_json
from wellread.server.answering import count_answer
from wellread.server.asked import asked
from wellread.server.body import Fields
from wellread.server.cited import address
from wellread.server.errors import Refused, wrong
from wellread.server.exchange import Caller
from wellread.server.runtime import Runtime
from wellread.types import Answer, Citation, Document, Hit, marked_text, page_name, place

SCHEME = "wellread://"
"""What the addresses of documents begin with: wellread://LIBRARY/DOCUMENT."""

_MOST_CHARS = 50_000
"""Characters of a document that `fetch` gives at a time."""

_IDENT = re.compile(r"(?P<document>[0-9a-f]{64})(?::(?P<start>\d{1,12})-(?P<end>\d{1,12}))?")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who uses the tools, and what of the server they may see. `stop` ends the work. `fetches`: the default model is fetched when it is
    needed and not here, for whoever runs this on their own machine."""

    runtime: Runtime
    caller: Caller
    stop: threading.Event
    fetches: bool = False

    def libraries(self) -> list[str]:
        """The libraries that are there for this caller."""
        return [name for name in self.runtime.shelf.names() if self.caller.may_see(name)]

    def one(self, name: str | None) -> str:
        """The library of a name, or the only one there is. Raises `Refused`."""
        names = self.libraries()
        if name is None and len(names) == 1:
            return names[0]
        if name is None:
            raise wrong("library", "name a library", hint=f"they are: {', '.join(names)}" if names else "there is none here yet")
        if name not in names:
            near = suggest(name, names) if len(name) < 200 else None
            raise Refused(404, "library_not_found", "there is no such library", "library", near or "list_libraries tells which there are")
        return name

    def open(self, name: str, writer: Writer | None = None) -> AbstractContextManager[Library]:
        """A library, to be closed by `with`."""
        return self.runtime.shelf.open(name, writer, self.stop)

    def document(self, ident: str) -> tuple[str, Document, tuple[int, int] | None]:
        """The library and the document of an id, and the span that the id names. Raises `Refused` (404)."""
        library, _, rest = unquote(ident.removeprefix(SCHEME)).rpartition("/")
        match = _IDENT.fullmatch(rest)
        missing = Refused(404, "document_not_found", "there is no such document", "id", "search and list_documents give ids")
        if match is None or library not in self.libraries():
            raise missing
        with self.open(library) as opened:
            if not opened.store.has(match["document"]):
                raise missing
            found = opened.document(match["document"])
        return library, found, (int(match["start"]), int(match["end"])) if match["start"] else None


def search(reader: Reader, fields: Fields) -> dict[str, Any]:
    """Passages, best first. Without a library, those of all of them."""
    query, limit = fields.text("query", most=10_000), fields.whole("k", 8, least=1, most=50)
    filter, named = fields.maybe_text("filter"), fields.maybe_text("library")
    found: list[tuple[str, Hit]] = []
    notes: list[str] = []
    for name in reader.libraries() if named is None else [reader.one(named)]:
        with reader.open(name) as opened:
            got = opened.find(query, limit=limit, filter=filter)
            found += [(name, hit) for hit in got.hits]
            notes += [got.note] if got.note else []
    if named is None:  # scores order the hits of one library only
        found.sort(key=lambda each: -each[1].why.get("relevance", 0.0))
    return {"results": [_result(name, hit) for name, hit in found[:limit]], "notes": notes}


def ask(reader: Reader, fields: Fields) -> dict[str, Any]:
    """The checked answer to a question."""
    question, name = fields.text("question", most=100_000), reader.one(fields.maybe_text("library"))
    own = {key: value for key, value in fields.values.items() if key in ("filter", "mode")}
    options = asked(Fields(own), reader.runtime.parts.settings)
    models = reader.runtime.models
    if reader.fetches and options.mode != "extract":
        models.fetch()
    writer = None if options.mode == "extract" or models.default is None else models.chat(models.default)
    with reader.open(name, writer) as opened:
        answer = opened.ask(question, options=options)
    count_answer(reader.runtime, answer)
    return {
        "answer": marked_text(answer),
        "refused": answer.refused,
        "refusal_reason": answer.refusal_reason,
        "confidence": answer.confidence,
        "sentences": [sentence_json(sentence) for sentence in answer.sentences],
        "citations": [_citation(name, citation, answer) for citation in answer.citations],
        "notes": list(answer.notes),
        "model": answer.model.name,
    }


def fetch(reader: Reader, fields: Fields) -> dict[str, Any]:
    """A document with its text, or of a long one the part around the passage that the id names, or from `start` on."""
    ident = fields.text("id", most=1_000)
    library, document, span = reader.document(ident)
    chars = len(document.text)
    middle = span[0] - (_MOST_CHARS - min(span[1] - span[0], _MOST_CHARS)) // 2 if span else 0
    start = fields.whole("start", min(max(0, middle), max(0, chars - _MOST_CHARS)), least=0, most=chars)
    end = min(chars, start + _MOST_CHARS)
    metadata = {
        "library": library,
        "document": document.id,
        "media_type": document.media_type,
        "date": document.date,
        "pages": len(document.pages),
        "chars": chars,
        "start": start,
        "end": end,
        "passage": None if span is None else {"start": span[0], "end": span[1]},
        "next_start": end if end < chars else None,
    }
    return {
        "id": ident,
        "title": document.title,
        "text": document.text[start:end],
        "url": address(document.source),
        "metadata": metadata,
    }


def list_libraries(reader: Reader, fields: Fields) -> dict[str, Any]:
    """The libraries that are here."""
    rows = []
    for name in reader.libraries():
        with reader.open(name) as opened:
            rows.append({"name": name, "documents": len(opened.documents()), "embedder": opened.store.meta("embedder")})
    return {"libraries": rows}


def list_documents(reader: Reader, fields: Fields) -> dict[str, Any]:
    """The documents of a library, by title."""
    name = reader.one(fields.maybe_text("library"))
    limit, offset = fields.whole("limit", 100, least=1, most=1_000), fields.whole("offset", 0)
    with reader.open(name) as opened:
        found = opened.documents(filter=fields.maybe_text("filter"))
    rows = []
    for listed in found[offset : offset + limit]:
        kept = {key: value for key, value in asdict(listed).items() if key in ("title", "media_type", "chars", "pages", "date", "tags")}
        url = address(listed.sources[0]) if listed.sources else ""
        rows.append({"id": f"{name}/{listed.id}", "url": url, "resource": uri(name, listed.id), **kept})
    return {"library": name, "total": len(found), "documents": rows}


def uri(library: str, document: str) -> str:
    """The address of a document as a resource."""
    return f"{SCHEME}{quote(library, safe='')}/{document}"


def _result(library: str, hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    where = page_name(hit.page_label) if hit.page_label else hit.heading if hit.heading != hit.title else None
    return {
        "id": f"{library}/{chunk.document}:{chunk.start}-{chunk.end}",
        "title": f"{hit.title}, {where}" if where else hit.title,
        "url": address(hit.source),
        "text": chunk.text,
        "library": library,
        "resource": uri(library, chunk.document),
        "page": hit.page_label,
        "section": hit.heading,
        "start": chunk.start,
        "end": chunk.end,
        "score": hit.score,
    }


def _citation(library: str, citation: Citation, answer: Answer) -> dict[str, Any]:
    return {
        "marker": citation.marker,
        "id": f"{library}/{citation.document}:{citation.start}-{citation.end}",
        "title": place(citation, answer.citations),
        "url": address(citation.source),
        "resource": uri(library, citation.document),
        "page": None if citation.page is None else citation.page.label,
        "section": citation.section,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: `properties` are JSON schemas of its arguments, `gives` those of what comes back, of which all are there. `works` for one
    that needs a place in the line."""

    name: str
    title: str
    about: str
    run: Callable[[Reader, Fields], dict[str, Any]]
    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    gives: Mapping[str, Mapping[str, Any]]
    works: bool = False


_TEXT, _LIST, _FLAG, _OBJECT = {"type": "string"}, {"type": "array"}, {"type": "boolean"}, {"type": "object"}
_ROWS = {"type": "array", "items": {"type": "object"}}
_FILTER = {"type": "string", "description": 'only what this lets through, such as "type:pdf date>=2024 tag:work"'}


def _library(without: str) -> dict[str, Any]:
    return {"type": "string", "description": f"the name of a library; without it, {without}"}


TOOLS: tuple[Tool, ...] = (
    Tool(
        "search",
        "Search documents",
        "Find passages in the user's documents, best first. Each result has an id for fetch, a title with its page, and the passage.",
        search,
        {
            "query": {"type": "string", "description": "what to look for: a question, or words"},
            "library": _library("all are searched"),
            "k": {"type": "integer", "minimum": 1, "maximum": 50, "description": "at most so many passages (8)"},
            "filter": _FILTER,
        },
        ("query",),
        {"results": _ROWS, "notes": _LIST},
        works=True,
    ),
    Tool(
        "ask",
        "Ask documents",
        "Answer a question from a library of the user's documents. Every sentence is checked against the words it rests on, which are "
        "quoted as citations with their place; what the documents do not answer is refused.",
        ask,
        {
            "question": _TEXT,
            "library": _library("the only one there is"),
            "filter": _FILTER,
            "mode": {
                "enum": ["auto", "compact", "refine", "tree_summarize", "extract"],
                "description": '"extract" quotes the documents\' own sentences and is quick',
            },
        },
        ("question",),
        {"answer": _TEXT, "refused": _FLAG, "sentences": _ROWS, "citations": _ROWS, "notes": _LIST, "model": _TEXT},
        works=True,
    ),
    Tool(
        "fetch",
        "Read a document",
        "The text of a document, or of a passage's surroundings, by an id that search, ask or list_documents gave.",
        fetch,
        {
            "id": _TEXT,
            "start": {"type": "integer", "minimum": 0, "description": "the character to begin with, to read on in a long document"},
        },
        ("id",),
        {"id": _TEXT, "title": _TEXT, "text": _TEXT, "url": _TEXT, "metadata": _OBJECT},
    ),
    Tool("list_libraries", "List libraries", "The libraries of documents that are here.", list_libraries, {}, (), {"libraries": _ROWS}),
    Tool(
        "list_documents",
        "List documents",
        "The documents of a library, by title.",
        list_documents,
        {
            "library": _library("the only one there is"),
            "filter": _FILTER,
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "at most so many (100)"},
            "offset": {"type": "integer", "minimum": 0},
        },
        (),
        {"library": _TEXT, "total": {"type": "integer"}, "documents": _ROWS},
    ),
)
