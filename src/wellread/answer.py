"""Hits and a question into a streamed answer whose every sentence is checked, or into an honest refusal."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wellread.cite import SUPPORTED, Evidence, check
from wellread.errors import ContextOverflow, UsageError
from wellread.evidence import Selection, lead, select
from wellread.index.store import Store
from wellread.models.base import Embedder, Writer
from wellread.options import Options
from wellread.prompts import STOP, answer_prompt, refusal
from wellread.sentences import sentence_spans
from wellread.trace import Recorder
from wellread.types import (
    Answer,
    Citation,
    Delta,
    Document,
    Dropped,
    Hit,
    Ledger,
    ModelRef,
    Sampling,
    Sent,
    Sentence,
    Usage,
    one_line,
)
from wellread.words import cjk_share, words

_CHINESE = 0.3
"""The share of CJK letters from which a question counts as Chinese."""

_MAX_SENTENCES = 12
NOTHING_USED = Usage()


@dataclass(slots=True)
class _Draft:
    """What has been written and checked so far."""

    sentences: list[tuple[str, str, float, tuple[Evidence, ...]]] = field(default_factory=list)
    """(text, status, support, evidence)"""
    breaks: list[str] = field(default_factory=list)
    """What stands before each sentence: a space or a line break."""


def answer(
    question: str,
    hits: Sequence[Hit],
    store: Store,
    embedder: Embedder,
    writer: Writer | None,
    options: Options,
    recorder: Recorder,
) -> Iterator[Delta | Answer]:
    """Yield the answer's text as it is written, then the whole checked `Answer`.

    Raises `UsageError` for an empty question and `ContextOverflow` for one that does not fit the model's window.
    """
    if not question.strip():
        raise UsageError("the question is empty.", hint='ask something, as in: wellread ask "What is this about?"')
    run = _Run(question, hits, embedder, options, recorder)
    with recorder.step("select") as data:
        selection = select(question, hits, store, embedder, widen=options.recipe.widen)
        data |= {
            "sentences": len(selection.found),
            "coverage": selection.coverage,
            "closeness": selection.closeness,
            "strength": selection.strength,
        }
    if not selection.found or selection.strength < options.min_strength:
        yield run.refused("nothing in the documents is close enough to the question", selection)
        return
    reason = _why_extract(question, selection, writer, options)
    if writer is None or reason is not None:
        yield from run.extracted(selection, notes=(reason,) if reason else ())
        return
    yield from run.written(selection, writer)


def is_chinese(text: str) -> bool:
    """Whether a question is to be answered in Chinese."""
    return cjk_share(text) > _CHINESE


def _why_extract(question: str, selection: Selection, writer: Writer | None, options: Options) -> str | None:
    """Why the documents' own sentences are the answer, or None when the model is to write."""
    if options.mode == "extract":
        return None if writer is None else ""
    if writer is None:
        return "no chat model is at hand, so these are the documents' own sentences"
    if is_chinese(question) and writer.languages is not None and "zh" not in writer.languages:
        return f"{writer.model.name} does not write Chinese, so these are the documents' own sentences"
    if options.mode == "auto" and selection.found[0].items:
        return "a list is quoted, not retold"
    return None


@dataclass(frozen=True, slots=True)
class _Run:
    """One question on its way to an answer."""

    question: str
    hits: Sequence[Hit]
    embedder: Embedder
    options: Options
    recorder: Recorder

    # --- quoting

    def extracted(
        self, selection: Selection, *, notes: tuple[str, ...], ledger: Ledger | None = None, usage: Usage = NOTHING_USED
    ) -> Iterator[Delta | Answer]:
        """The answer in the documents' own sentences; `ledger` and `usage` are those of a draft that was not kept, if there was one."""
        draft = _Draft()
        with self.recorder.step("extract"):
            for found in lead(selection.found):
                for one in found.all:
                    draft.breaks.append("\n" if found.items else " ")
                    draft.sentences.append((one_line(one.text), "supported", 1.0, (one,)))
        if ledger is None:
            quoted = {evidence.chunk for *_, cited in draft.sentences for evidence in cited}
            ledger = Ledger(0, 0, (), tuple(Dropped(hit.chunk.id, "not quoted") for hit in self.hits if hit.chunk.id not in quoted))
        result = self._answer(selection, draft, ledger, usage, ModelRef("extract"), "extract", tuple(filter(None, notes)))
        yield Delta(result.text)
        yield result

    # --- writing

    def written(self, selection: Selection, writer: Writer) -> Iterator[Delta | Answer]:
        """The answer in the model's words, each sentence checked; quoted instead when nothing it wrote is supported."""
        model = writer.model
        with self.recorder.step("prompt") as data:
            sources, ledger = self._fit(selection, writer)
            prompt = answer_prompt(self.question, [source.text for source in sources])
            data |= {
                "messages": [{"role": message.role, "content": message.content} for message in prompt],
                "tokens": ledger.sent_tokens,
            }
        pool = [one for found in selection.found for one in found.all]
        draft, usage = _Draft(), Usage()
        with self.recorder.step("generate") as data:
            text, finish = "", None
            for delta in model.stream(prompt, sampling=Sampling(max_tokens=self.options.max_tokens, stop=STOP)):
                if delta.text and "first_token_ms" not in data:
                    data["first_token_ms"] = self.recorder.elapsed_ms()
                text += delta.text
                usage, finish = delta.usage or usage, delta.finish or finish
                if delta.text:
                    yield Delta(delta.text)
                if not self._check_finished(text, draft, pool, final=False):
                    finish = "repetition"
                    break
                if self._why_not(draft, finished=False):
                    finish = "unsupported"
                    break
            if finish == "stop" or not draft.sentences:
                self._check_finished(text, draft, pool, final=True)
            data |= {"text": text, "finish": finish}
        if why := self._why_not(draft):
            note = f"{why}, so these are the documents' own sentences"
            yield from self.extracted(selection, notes=(note,), ledger=ledger, usage=usage)
            return
        cut = (f"the model was stopped after {self.options.max_tokens} tokens",) if finish == "length" else ()
        yield self._answer(selection, self._kept(draft), ledger, usage, model.ref(), "compact", cut)

    def _why_not(self, draft: _Draft, *, finished: bool = True) -> str | None:
        """Why a draft is not the answer, or None when it is, or may become it."""
        statuses = [status for _, status, _, _ in draft.sentences]
        if self.options.mode == "auto" and "unsupported" in statuses:
            return "the model wrote something that the documents do not support"
        if finished and "supported" not in statuses:
            return "nothing that the model wrote was supported"
        return None

    def _fit(self, selection: Selection, writer: Writer) -> tuple[list[Evidence], Ledger]:
        """The best evidence within the budget, in reading order, and the account of what was sent and what was not."""
        model = writer.model
        room = model.context_window - self.options.max_tokens - model.count_tokens(answer_prompt(self.question, []))
        if room < 16:
            raise ContextOverflow(
                f"the question does not fit the {model.context_window} tokens that {model.name} can read.",
                hint="ask a shorter question, or choose a model with a larger window",
            )
        budget = min(room, self.options.evidence_tokens or writer.evidence_tokens)
        bare = model.count_tokens(answer_prompt("", []))
        taken: list[Evidence] = []
        tokens: dict[int, int] = {}
        for found in selection.found:
            cost = model.count_tokens(answer_prompt("", [one.text for one in found.all])) - bare
            if sum(tokens.values()) + cost > budget:
                if taken:
                    break
                continue
            taken.extend(found.all)
            tokens[found.evidence.chunk] = tokens.get(found.evidence.chunk, 0) + cost
        taken.sort(key=lambda one: (one.document, one.start))
        reasons = {found.evidence.chunk: f"over the evidence budget of {budget} tokens" for found in selection.found}
        ledger = Ledger(
            window=model.context_window,
            sent_tokens=model.count_tokens(answer_prompt(self.question, [one.text for one in taken])),
            sent=tuple(Sent(chunk, cost) for chunk, cost in tokens.items()),
            dropped=tuple(
                Dropped(hit.chunk.id, reasons.get(hit.chunk.id, "it holds no sentence that could answer"))
                for hit in self.hits
                if hit.chunk.id not in tokens
            ),
        )
        return taken, ledger

    def _check_finished(self, text: str, draft: _Draft, pool: Sequence[Evidence], *, final: bool) -> bool:
        """Check the sentences that are complete by now. Returns False when the model has begun to repeat itself."""
        spans = sentence_spans(text)
        complete = spans if final else spans[:-1]
        for at in range(len(draft.sentences), len(complete)):
            start, end = complete[at]
            sentence = text[start:end]
            said = words(sentence)
            if any(words(before) == said for before, *_ in draft.sentences) or at == _MAX_SENTENCES:
                return False
            support = check(sentence, pool, self.embedder.embed([sentence])[0], question=self.question, unrelated=self.embedder.unrelated)
            status = "uncited" if not support.claims else "supported" if support.score >= SUPPORTED else "unsupported"
            draft.breaks.append("\n" if "\n" in text[complete[at - 1][1] if at else start : start] else " ")
            draft.sentences.append((sentence, status, support.score, support.evidence if status == "supported" else ()))
        return True

    def _kept(self, draft: _Draft) -> _Draft:
        """Under `strict`, the draft without what nothing supports."""
        if not self.options.strict:
            return draft
        keep = [at for at, (_, status, _, _) in enumerate(draft.sentences) if status != "unsupported"]
        return _Draft([draft.sentences[at] for at in keep], [draft.breaks[at] for at in keep])

    # --- results

    def refused(self, reason: str, selection: Selection) -> Answer:
        """No answer, the reason, and the passages that came nearest."""
        ledger = Ledger(0, 0, (), tuple(Dropped(hit.chunk.id, "not close enough to the question") for hit in self.hits))
        empty = self._answer(selection, _Draft(), ledger, Usage(), ModelRef("none"), self.options.mode, ())
        return replace(empty, text=refusal(is_chinese(self.question)), refused=True, refusal_reason=reason, nearest=tuple(self.hits[:3]))

    def _answer(
        self, selection: Selection, draft: _Draft, ledger: Ledger, usage: Usage, model: ModelRef, mode: str, notes: tuple[str, ...]
    ) -> Answer:
        text, sentences, citations = "", [], dict[tuple[str, int, int], Citation]()
        for (sentence, status, score, cited), gap in zip(draft.sentences, draft.breaks, strict=True):
            text += (gap if text else "") + sentence
            markers = [_marker(one, selection.documents, citations) for one in sorted(cited, key=lambda one: one.start)]
            start = len(text) - len(sentence)
            sentences.append(Sentence(sentence, start, len(text), status, round(score, 3), tuple(dict.fromkeys(markers))))  # type: ignore[arg-type]
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
            timings=self._timings(),
            trace_id=self.recorder.id,
            notes=notes,
        )

    def _timings(self) -> dict[str, float]:
        """retrieve_ms, first_token_ms and total_ms, from the steps taken so far."""
        first = next((step.data["first_token_ms"] for step in self.recorder.steps if "first_token_ms" in step.data), None)
        total = self.recorder.elapsed_ms()
        retrieve = sum(step.took_ms for step in self.recorder.steps if step.kind in ("retrieve", "select"))
        return {"retrieve_ms": round(retrieve, 1), "first_token_ms": round(first or total, 1), "total_ms": round(total, 1)}


def _marker(one: Evidence, documents: Mapping[str, Document], citations: dict[tuple[str, int, int], Citation]) -> int:
    """The number of the citation of a span, made when it is cited for the first time."""
    key = (one.document, one.start, one.end)
    if key not in citations:
        document = documents[one.document]
        page = bisect_right([page.start for page in document.pages], one.start) - 1
        section = bisect_right([section.start for section in document.sections], one.start) - 1
        citations[key] = Citation(
            marker=len(citations) + 1,
            document=document.id,
            title=document.title,
            source=document.source,
            media_type=document.media_type,
            page=document.pages[page] if page >= 0 else None,
            section=document.sections[section].title if section >= 0 else None,
            start=one.start,
            end=one.end,
            quote=document.text[one.start : one.end],
        )
    return citations[key].marker
