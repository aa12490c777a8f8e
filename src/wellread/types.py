"""The nouns of Wellread: plain, frozen values that every room shares.

Offsets are half-open spans counted in Unicode code points of `Document.text`. They know nothing of storage: a value built in a test
equals one read from a library. Only the standard library is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Verdict = Literal["supported", "unsupported", "uncited"]

Progress = Callable[[str, int, int], None]
"""Told how far something is: (what, done, total), as `Bytes` where bytes are counted. `total` is 0 while it is not known."""


class Bytes(int):
    """A number of bytes, which is shown to people as such."""


def silent(what: str, done: int, total: int) -> None:
    """`Progress` that nobody watches."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of any kind: `index` counts from 0, `label` is what is printed on it ("iv") or what it is called ("slide 3", "sheet
    Sales", "00:01:02"), `size` is (width, height) in points.
    """

    index: int
    label: str
    start: int
    end: int
    size: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text it governs: `start` is where the heading begins, `end` where the next one of its level or above does."""

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of text that is no running prose: in a "table" a line is a row, "code" is cut at lines only, "ocr" is a line of a
    picture.

    `box` is where it stands on its page, for text whose place cannot be found again in the file: left, bottom, right, top in points,
    from the lower left corner of the page.
    """

    start: int
    end: int
    kind: str
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One immutable version of a text: `id` is the sha256 (hex) of the bytes it was read from.

    In `text` a blank line ends a paragraph, a single newline is a soft line break, and pages are joined by a form feed.
    It holds no NUL and no lone surrogate. `date` is the day ("2024-03-05") that the document says it is of, if it says one.
    """

    id: str
    source: str
    title: str
    media_type: str
    text: str
    pages: tuple[Page, ...] = ()
    sections: tuple[Section, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document that the splitter proposes as a chunk, before the library gives it an id."""

    start: int
    end: int
    page: int | None = None
    section: int | None = None
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document as the index holds it: `text` equals `document.text[start:end]`.

    `page` and `section` are positions in the document's `pages` and `sections`.
    """

    id: int
    document: str
    start: int
    end: int
    page: int | None
    section: int | None
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers a query: `score` orders the hits of one query, `why` names what each part of the score came from."""

    chunk: Chunk
    title: str
    source: str
    page_label: str | None
    heading: str | None
    score: float
    why: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool: `arguments` is the decoded JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one generation cost: tokens read, tokens written, and prompt tokens that a prefix cache made free."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A token, the natural logarithm of the model's probability for it (None for the first of a text), and the likeliest tokens at its
    place, likeliest first. `text` has U+FFFD where a token is a part of a character."""

    text: str
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed generation. The last one carries `finish` ("stop" or "length") and `usage`; one without anything says that
    work goes on."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str | None = None
    usage: Usage | None = None
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. The default is greedy, so that the same prompt gives the same text.

    min_p: tokens less likely than this share of the likeliest one are left out. repeat_penalty divides the logits of what the prompt or the
    answer has already (CTRL, https://arxiv.org/abs/1909.05858); presence_penalty and frequency_penalty are taken from those of what the
    answer has, once and for each time. logit_bias: (token number, what is added to its logit). logprobs: tell every token with its
    probability, and so many of the likeliest; None tells none. adapters: the scales of the model's adapters, in their order; None leaves
    them at 1.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    repeat_penalty: float = 1.0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: int | None = None
    adapters: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """The exact words a sentence rests on: `quote` equals `document.text[start:end]`, always."""

    marker: int
    document: str
    title: str
    source: str
    media_type: str
    page: Page | None
    section: str | None
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer, its place in the answer's text, and what it rests on.

    `status` is "supported" when a span carries it, "unsupported" when none does, "uncited" for text that claims nothing ("Here they
    are:"). `support` is the checker's score in 0..1 and `citations` holds citation markers.
    """

    text: str
    start: int
    end: int
    status: Verdict
    support: float
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """The words of a citation's quote that answer the question: `text` equals `document.text[start:end]`; `marker` is the citation's."""

    text: str
    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A passage that was put before the model, and what it cost there."""

    chunk: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A passage that was found and not put before the model, and why."""

    chunk: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that was found for a question: what the model saw and what it did not. `window` and `sent_tokens` count tokens."""

    window: int
    sent_tokens: int
    sent: tuple[Sent, ...] = ()
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which weights answered: a name, and the digest ("sha256:...") of the file where there is one."""

    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One typed record of a trace: what was done (`kind`), when it began (`at_ms` after the start), how long it took, and its data."""

    kind: str
    at_ms: float
    took_ms: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A question answered from documents, or refused.

    `confidence` is the probability, 0..1, that the documents answer the question (None where a whole document was read for it), and
    `short` the words that do, where they could be told. `nearest` holds the passages that came closest when the answer is a refusal.
    `print(answer)` shows it as the terminal does.
    """

    question: str
    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    refused: bool
    refusal_reason: str | None
    ledger: Ledger
    usage: Usage
    model: ModelRef
    mode: str
    timings: Mapping[str, float]
    trace_id: str
    nearest: Sequence[Hit] = ()
    notes: tuple[str, ...] = ()
    confidence: float | None = None
    short: ShortAnswer | None = None

    def __str__(self) -> str:
        lines = [marked_text(self)]
        for citation in self.citations:
            lines.append(f"  [{citation.marker}] {place(citation, self.citations)}  “{one_line(citation.quote)}”")
        return "\n".join(lines)


_CJK_LINE_END = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])[ \t]*\n[ \t]*(?=[\u3000-\u9fff\uff00-\uffef])")


def one_line(text: str) -> str:
    """Text as shown on a screen: every run of white space is one space, and none where a line of Chinese was broken."""
    return " ".join(_CJK_LINE_END.sub("", text).split())


def page_name(label: str) -> str:
    """A page's label as people say it: a number or a word needs "p." before it, "slide 3" and "00:01:02" speak for themselves."""
    return label if " " in label or ":" in label else f"p. {label}"


def place(citation: Citation, among: Sequence[Citation] = ()) -> str:
    """Where a citation stands, for people: title, then page or section; where one `among` others is of another document with the same
    title, also the name of the file."""
    twin = any(other.title == citation.title and other.document != citation.document for other in among)
    where = [f"{citation.title} ({citation.source.rstrip('/').rpartition('/')[2]})" if twin else citation.title]
    if citation.page is not None:
        where.append(page_name(citation.page.label))
    elif citation.section and citation.section != citation.title:
        where.append(citation.section)
    return ", ".join(where)


def marked_text(answer: Answer) -> str:
    """The answer's text with citation markers after each sentence and a plain mark on sentences that nothing supports."""
    pieces, at = [], 0
    for sentence in answer.sentences:
        pieces.append(answer.text[at : sentence.end])
        if sentence.citations:
            pieces.append(" " + "".join(f"[{marker}]" for marker in sentence.citations))
        elif sentence.status == "unsupported":
            pieces.append(" [no support found]")
        at = sentence.end
    pieces.append(answer.text[at:])
    return "".join(pieces)
