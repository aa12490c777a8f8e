"""Documents that come with a request, to be answered from and cited: texts, blocks of text, search results, PDF."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from wellread.config import Settings
from wellread.errors import ReadError
from wellread.library import limits_of
from wellread.server.errors import wrong
from wellread.types import Citation, Document

_BETWEEN = "\n\n"
"""What stands between two blocks: the end of a paragraph, and so of a sentence."""

_BLANK = str.maketrans({"\r": "\n", "\0": " "})


@dataclass(frozen=True, slots=True)
class Given:
    """A document of a request. `index` is its place among those of its sort: search results are counted by themselves.

    blocks: its texts, as they were given; a "text" has one. data: the bytes of a "pdf". cited: whether citations of it are wanted.
    context: what is said of it, beside its text.
    path: where it stands in the request.
    """

    kind: Literal["text", "content", "search", "pdf"]
    index: int
    path: str
    title: str | None = None
    source: str = ""
    context: str = ""
    cited: bool = False
    blocks: tuple[str, ...] = ()
    data: bytes = b""

    @property
    def ident(self) -> str:
        """The id of the document, which no other one of the request has."""
        own = hashlib.sha256(f"{self.kind} {self.index}\n".encode() + self.data)
        for block in self.blocks:
            own.update(hashlib.sha256(block.encode()).digest())
        return own.hexdigest()

    def location(self, citation: Citation) -> dict[str, Any]:
        """Where the words of a citation stand, as Anthropic's citations say it: characters of a text, blocks, or pages."""
        if self.kind == "pdf" and citation.page is not None:
            return self._named("page_location", citation.quote) | pages(citation)
        if self.kind in ("text", "pdf"):
            quote = self.blocks[0][citation.start : citation.end] if self.blocks else citation.quote
            return self._named("char_location", quote) | {"start_char_index": citation.start, "end_char_index": citation.end}
        first, last = self._block_at(citation.start), self._block_at(citation.end - 1)
        place = {"start_block_index": first, "end_block_index": last + 1}
        if self.kind == "content":
            return self._named("content_block_location", "".join(self.blocks[first : last + 1])) | place
        own = {"search_result_index": self.index, "source": self.source, "title": self.title}
        return {"type": "search_result_location", "cited_text": "".join(self.blocks[first : last + 1])} | own | place

    def _named(self, kind: str, quote: str) -> dict[str, Any]:
        return {"type": kind, "cited_text": quote, "document_index": self.index, "document_title": self.title, "file_id": None}

    def _block_at(self, at: int) -> int:
        """The block in which a place of the joined text lies."""
        starts, start = [], 0
        for block in self.blocks:
            starts.append(start)
            start += len(block) + len(_BETWEEN)
        return bisect_right(starts, at) - 1


def read(given: Sequence[Given], settings: Settings) -> dict[Given, Document]:
    """The documents. Raises `Refused` for a PDF that cannot be read."""
    pdfs = _pdfs([each for each in given if each.kind == "pdf"], settings)
    found = {}
    for each in given:
        document = pdfs[each] if each.kind == "pdf" else _written(each)
        title = each.title or document.title or f"Document {each.index + 1}"
        found[each] = replace(document, id=each.ident, source=f"{each.kind}:{each.index}", title=title)
    return found


def _written(given: Given) -> Document:
    """A document whose text is as long as what was given, so that places in it are places there."""
    text = _BETWEEN.join(given.blocks).replace("\r\n", " \n").translate(_BLANK)
    return Document("", "", "", "text/plain", text)


def _pdfs(given: Sequence[Given], settings: Settings) -> dict[Given, Document]:
    """PDF, read in a process of their own."""
    if not given:
        return {}
    from wellread.read import pool

    found: dict[Given, Document] = {}
    named = {each.path: each for each in given}
    with pool.ReaderPool(1, limits_of(settings)) as readers:
        for reading in readers.read_all(pool.Given(each.path, "document.pdf", each.data) for each in given):
            path = reading.origin
            if isinstance(reading.result, ReadError):
                raise wrong(path, f'"{path}" cannot be read: {reading.result.message.rstrip(".")}', hint=reading.result.hint)
            if reading.result is None or reading.result.media_type != "application/pdf":
                raise wrong(path, f'"{path}" is no PDF')
            found[named[path]] = reading.result
    return found


def pages(citation: Citation) -> dict[str, int]:
    """The pages of a citation, from 1; the end is the page after the last. A form feed parts two pages."""
    assert citation.page is not None
    first = citation.page.index + 1
    return {"start_page_number": first, "end_page_number": first + citation.quote.count("\f") + 1}
