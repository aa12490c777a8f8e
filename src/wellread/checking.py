"""Any text held against a library: which of its sentences the documents support, and with which words.

Each sentence is searched for as if it were a question, and checked against the sentences of what is found as those of an answer are: see
`wellread.cite`. Who wrote the text does not matter: a person, another system, or a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wellread.cite import Evidence
from wellread.evidence import readable, units_of
from wellread.index.store import Store
from wellread.models.base import Embedder, Reranker
from wellread.modes.cited import marker_of
from wellread.modes.draft import Judge, Judged
from wellread.sentences import sentence_spans
from wellread.types import Citation, Document, Hit, Progress, Sentence, silent
from wellread.words import words

_LEANS = re.compile(r"\s*(?:(?:it|its|they|their|he|his|she|her|this|these|that|those|such)\b|[它他她其这该此])", re.IGNORECASE)
"""How a sentence begins that says of something named before it what it says: it is searched for together with the one before."""

_ASKS = re.compile(r"[?？][\"'”’)]*$")
_NOT_PROSE = ("code", "table")


@dataclass(frozen=True, slots=True)
class Checked:
    """A text and what became of each of its sentences: their spans are of the text of `document`. A sentence that claims nothing (a
    heading, a question, a line of code) is "uncited"."""

    document: Document
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]

    def count(self, status: str) -> int:
        """How many sentences have a status: "supported", "unsupported" or "uncited"."""
        return sum(sentence.status == status for sentence in self.sentences)


def checked(
    document: Document,
    find: Callable[[str], Sequence[Hit]],
    store: Store,
    embedder: Embedder,
    checker: Callable[[], Reranker | None],
    progress: Progress = silent,
) -> Checked:
    """Check every sentence of a document against what `find` finds for it in the library of `store`; `checker` is asked for once
    there is something English to read."""
    library = _Library(store, embedder)
    spans = sentence_spans(document.text)
    sentences: list[Sentence] = []
    citations: dict[tuple[str, int, int], Citation] = {}
    before = ""
    for at, (start, end) in enumerate(spans):
        text = document.text[start:end]
        if _claims(document, start, end):
            hits = find(f"{before} {text}" if _LEANS.match(text) else text)
            reads = checker() if readable(text, [hit.chunk.text for hit in hits]) else None
            judged = Judge("", embedder, library.pool(hits), reads).verdict(text)
            before = text
        else:
            judged = Judged(text, "uncited", 0.0)
        cited = sorted(judged.evidence, key=lambda one: one.start)
        markers = dict.fromkeys(marker_of(one, library.documents[one.document], citations) for one in cited)
        sentences.append(Sentence(text, start, end, judged.status, round(judged.support, 3), tuple(markers)))
        progress("checking", at + 1, len(spans))
    return Checked(document, tuple(sentences), tuple(citations.values()))


@dataclass(slots=True)
class _Library:
    """What was read and embedded before: claims of one text find the same passages again and again."""

    store: Store
    embedder: Embedder
    documents: dict[str, Document] = field(default_factory=dict)
    embedded: dict[tuple[str, int, int], Evidence] = field(default_factory=dict)

    def pool(self, hits: Sequence[Hit]) -> list[Evidence]:
        """The sentences of what was found, each once, those of the best hit first."""
        wanted: dict[tuple[str, int, int], Hit] = {}
        for hit in hits:
            document = self._document(hit.chunk.document)
            for start, end in units_of(document.text, hit.chunk.start, hit.chunk.end):
                wanted.setdefault((document.id, start, end), hit)
        self._embed({span: hit for span, hit in wanted.items() if span not in self.embedded})
        return [self.embedded[span] for span in wanted]

    def _document(self, document: str) -> Document:
        if document not in self.documents:
            self.documents[document] = self.store.document(document)
        return self.documents[document]

    def _embed(self, wanted: Mapping[tuple[str, int, int], Hit]) -> None:
        texts = [self.documents[document].text[start:end] for document, start, end in wanted]
        for (span, hit), text, vector in zip(wanted.items(), texts, self.embedder.embed(texts), strict=True):
            context = f"{hit.title} {hit.heading or ''} {hit.chunk.text}"
            self.embedded[span] = Evidence(hit.chunk.id, *span, text, vector, context)


def _claims(document: Document, start: int, end: int) -> bool:
    """Whether a stretch of text can claim anything: headings, questions, code and tables do not."""
    text = document.text[start:end]
    if not words(text) or _ASKS.search(text):
        return False
    if any(
        section.start <= start < section.start + len(section.title) + 12 and end - start <= len(section.title) + 12
        for section in document.sections
    ):
        return False
    return not any(region.kind in _NOT_PROSE and region.start <= start < region.end for region in document.regions)
