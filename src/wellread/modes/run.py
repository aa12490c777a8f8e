"""One question on its way to an answer: what every mode needs, and how each of them ends."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeVar

from wellread.cite import Evidence
from wellread.errors import ContextOverflow
from wellread.evidence import Found, Located, lead
from wellread.models.base import ChatModel, Embedder, Judges
from wellread.modes.call import as_sent, generated
from wellread.modes.cited import marker_of
from wellread.modes.draft import Draft, Judge, Judged
from wellread.options import Options
from wellread.prompts import STOP, refusal
from wellread.trace import Recorder
from wellread.types import (
    Answer,
    Citation,
    Delta,
    Document,
    Dropped,
    Hit,
    Ledger,
    Message,
    ModelRef,
    Sampling,
    Sentence,
    ShortAnswer,
    Usage,
    one_line,
)
from wellread.words import cjk_share, content_words

T = TypeVar("T")

NOTHING_USED = Usage()

_CHINESE = 0.3
"""The share of CJK letters from which a question counts as Chinese."""

_LEAST_ROOM = 16
"""Tokens that must be left for evidence beside a question."""


def is_chinese(text: str) -> bool:
    """Whether a question is to be answered in Chinese."""
    return cjk_share(text) > _CHINESE


@dataclass(frozen=True, slots=True)
class Call:
    """What came of one call of the model: the judged draft, why it ended ("stop", "length", "repetition" or "unsupported") and its cost."""

    draft: Draft
    finish: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class Run:
    """One question on its way to an answer: `located` are the words that a reader found for it, `confidence` is how likely it is that the
    documents answer it."""

    question: str
    documents: Mapping[str, Document]
    hits: Sequence[Hit]
    embedder: Embedder
    options: Options
    recorder: Recorder
    judges: Judges = Judges()
    located: Located | None = None
    confidence: float | None = None

    def judge(self, pool: Sequence[Evidence]) -> Judge:
        """What sentences are held against, when they may cite `pool`."""
        return Judge(self.question, self.embedder, pool, self.judges.checker)

    # --- asking the model

    def call(
        self,
        model: ChatModel,
        prompt: Sequence[Message],
        pool: Sequence[Evidence],
        *,
        show: bool = False,
        until: Callable[[Draft], bool] = lambda draft: False,
        sampling: Sampling = Sampling(),
    ) -> Generator[Delta, None, Call]:
        """Let the model write, and judge each sentence against `pool` as it comes. Text is handed out where `show` says so.

        It is stopped when it repeats itself and when `until` says so; a sentence that was cut off counts only if there is no other.
        """
        draft, text, usage, finish = Draft(), "", Usage(), None
        judge = self.judge(pool)
        sampling = replace(sampling, max_tokens=self.options.max_tokens, stop=STOP)
        with closing(generated(model, prompt, sampling, self.recorder)) as deltas:
            for delta in deltas:
                text += delta.text
                usage, finish = delta.usage or usage, delta.finish or finish
                if delta.text and show:
                    self.recorder.shown()
                    yield Delta(delta.text)
                if not judge.read(text, draft, final=False):
                    finish = "repetition"
                    break
                if until(draft):
                    finish = "unsupported"
                    break
        if finish == "stop" or not draft.sentences:
            judge.read(text, draft, final=True)
        return Call(draft, finish, usage)

    def text(self, model: ChatModel, prompt: Sequence[Message]) -> tuple[str, Usage]:
        """What the model writes, unjudged, and what it cost."""
        text, usage = "", Usage()
        for delta in generated(model, prompt, Sampling(max_tokens=self.options.max_tokens, stop=STOP), self.recorder):
            text += delta.text
            usage = delta.usage or usage
        return text, usage

    def room(self, model: ChatModel, bare: Sequence[Message]) -> int:
        """Tokens left for evidence beside a prompt that holds none. Raises `ContextOverflow` when there are next to none."""
        room = model.context_window - self.options.max_tokens - model.count_tokens(bare)
        if room < _LEAST_ROOM:
            raise ContextOverflow(
                f"the question does not fit the {model.context_window} tokens that {model.name} can read.",
                hint="ask a shorter question, or choose a model with a larger window",
            )
        return room

    def prompted(self, model: ChatModel, prompt: Sequence[Message], why: str) -> int:
        """Record a prompt that is about to be sent; returns its tokens."""
        with self.recorder.step("prompt") as data:
            data |= as_sent(model, prompt, why)
            tokens: int = data["tokens"]
        return tokens

    # --- ends

    def refused(self, reason: str) -> Answer:
        """No answer, the reason, and the passages that came nearest."""
        ledger = Ledger(0, 0, (), tuple(Dropped(hit.chunk.id, "not close enough to the question") for hit in self.hits))
        empty = self.answer(Draft(), ledger, Usage(), ModelRef("none"), self.options.mode, ())
        return replace(empty, text=refusal(is_chinese(self.question)), refused=True, refusal_reason=reason, nearest=tuple(self.hits[:3]))

    def extracted(
        self, found: Sequence[Found], *, notes: tuple[str, ...], ledger: Ledger | None = None, usage: Usage = NOTHING_USED
    ) -> Iterator[Delta | Answer]:
        """The answer in the documents' own sentences; `ledger` and `usage` are those of a draft that was not kept, if there was one."""
        draft = Draft()
        with self.recorder.step("extract"):
            for one in lead(found):
                for evidence in one.all:
                    draft.add(Judged(one_line(evidence.text), "supported", 1.0, (evidence,)), "\n" if one.items else " ")
        if ledger is None:
            quoted = {evidence.chunk for sentence in draft.sentences for evidence in sentence.evidence}
            ledger = Ledger(0, 0, (), tuple(Dropped(hit.chunk.id, "not quoted") for hit in self.hits if hit.chunk.id not in quoted))
        self.recorder.shown()
        result = self.answer(draft, ledger, usage, ModelRef("extract"), "extract", tuple(filter(None, notes)))
        yield Delta(result.text)
        yield result

    def why_not(self, draft: Draft, *, finished: bool = True) -> str | None:
        """Why a draft is not the answer, or None when it is, or may become it."""
        statuses = [sentence.status for sentence in draft.sentences]
        if self.options.mode == "auto" and "unsupported" in statuses:
            return "the model wrote something that the documents do not support"
        if self.options.mode == "auto" and finished and self._left_out(draft):
            return "the model left out what seems to be the answer"
        if finished and "supported" not in statuses:
            return "nothing that the model wrote was supported"
        return None

    def _left_out(self, draft: Draft) -> bool:
        """Whether a draft does not say the words that a reader is sure of."""
        if self.located is None or self.located.score < 0:
            return False
        answer = self.documents[self.located.document].text[self.located.start : self.located.end]
        return not set(content_words(answer)) <= set(content_words(draft.text))

    def written(
        self, call: Call, found: Sequence[Found], ledger: Ledger, model: ChatModel, mode: str, notes: tuple[str, ...] = ()
    ) -> Iterator[Delta | Answer]:
        """The answer that a model wrote; quoted instead when what it wrote does not hold."""
        if why := self.why_not(call.draft):
            note = f"{why}, so these are the documents' own sentences"
            yield from self.extracted(found, notes=(*notes, note), ledger=ledger, usage=call.usage)
            return
        cut = (f"the model was stopped after {self.options.max_tokens} tokens",) if call.finish == "length" else ()
        kept = call.draft.only("supported", "uncited") if self.options.strict else call.draft
        yield self.answer(kept, ledger, call.usage, model.ref(), mode, (*notes, *cut))

    def answer(self, draft: Draft, ledger: Ledger, usage: Usage, model: ModelRef, mode: str, notes: tuple[str, ...]) -> Answer:
        """A draft as an answer: its citations are numbered in the order in which they come."""
        text, sentences, citations = "", [], dict[tuple[str, int, int], Citation]()
        for sentence, gap in zip(draft.sentences, draft.breaks, strict=True):
            text += (gap if text else "") + sentence.text
            evidence = sorted(sentence.evidence, key=lambda one: one.start)
            markers = dict.fromkeys(marker_of(one, self.documents[one.document], citations) for one in evidence)
            start = len(text) - len(sentence.text)
            sentences.append(Sentence(sentence.text, start, len(text), sentence.status, round(sentence.support, 3), tuple(markers)))
        return Answer(
            question=self.question,
            text=text,
            sentences=tuple(sentences),
            citations=tuple(citations.values()),
            refused=False,
            refusal_reason=None,
            ledger=ledger,
            usage=usage,
            model=model,
            mode=mode,
            timings=self.recorder.timings(),
            trace_id=self.recorder.id,
            notes=notes,
            confidence=self.confidence,
            short=_short(self.located, citations.values()),
        )


def _short(located: Located | None, citations: Iterable[Citation]) -> ShortAnswer | None:
    """The located words, if it is likelier than not that they answer, and a citation holds them."""
    if located is None or located.score < 0:
        return None
    for one in citations:
        if one.document == located.document and one.start <= located.start and located.end <= one.end:
            words = one.quote[located.start - one.start : located.end - one.start]
            return ShortAnswer(words, one.marker, located.start, located.end)
    return None


def silently(generation: Generator[Delta, None, T]) -> T:
    """What a generation comes to, when none of it is to be shown on the way."""
    while True:
        try:
            next(generation)
        except StopIteration as ended:
            result: T = ended.value
            return result


def total(*usages: Usage) -> Usage:
    """What several generations cost together."""
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.cached_tokens for usage in usages),
    )
