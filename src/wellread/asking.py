"""A question on its way through the rooms: conversation, whole documents or search, answer, trace."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from wellread.answer import answer, is_chinese
from wellread.errors import LibraryError, UsageError
from wellread.evidence import readable
from wellread.followup import standalone
from wellread.index.filters import Filter, parse_filter
from wellread.index.index import Index
from wellread.index.store import Store
from wellread.index.unmatched import nothing_matches
from wellread.index.within import Within
from wellread.memory import Memory
from wellread.models.base import ChatModel, Embedder, Judges, Writer
from wellread.modes.call import Recorded
from wellread.options import Options
from wellread.parts import ENGLISH_EMBEDDER, MULTILINGUAL_EMBEDDER, Parts
from wellread.record import trace_json
from wellread.replay import Replay, asked_again, compared, request_of
from wellread.retrieve.find import Found, find
from wellread.trace import Recorder
from wellread.types import Answer, Delta
from wellread.whole.overview import not_whole, overview, whole_question

History = Sequence[tuple[str, str]]
"""(question, answer) turns, oldest first."""


@dataclass(frozen=True, slots=True)
class Asker:
    """What a library's questions are answered with. `embedder` is None for an empty library; `searching` gives the indexes, with the
    store held at one state, and `within` what a filter lets through then."""

    store: Store
    parts: Parts
    memory: Memory
    embedder: Callable[[], Embedder | None]
    searching: Callable[[], AbstractContextManager[tuple[Index, Embedder] | None]]
    within: Callable[[Filter | None], Within | None]
    version: str

    def stream(self, question: str, options: Options, history: History) -> Iterator[Delta | Answer]:
        """The answer's text as it is written, then the checked answer, whose trace is kept."""
        recorder = Recorder()
        for piece in self._stream(question, options, history, recorder):
            if isinstance(piece, Answer):
                try:
                    kept = trace_json(piece, recorder)
                    self.store.write_trace(recorder.id, "ask", question, kept, days=self.parts.settings.trace_days)
                except LibraryError as error:  # no reason to withhold the answer
                    piece = dataclasses.replace(piece, notes=(*piece.notes, f"no trace of this answer was kept: {error.message}"))
            yield piece

    def replay(self, trace: Mapping[str, Any]) -> Replay:
        """Ask the question of a trace again as it was asked then, and compare. No trace is kept of it."""
        question, options, history = asked_again(trace)
        recorder = Recorder()
        *_, last = self._stream(question, options, history, recorder)
        assert isinstance(last, Answer)  # a stream ends with one
        return compared(trace, json.loads(json.dumps(trace_json(last, recorder))), last)

    def _stream(self, question: str, options: Options, history: History, recorder: Recorder) -> Iterator[Delta | Answer]:
        if not question.strip():
            raise UsageError("the question is empty.", hint='ask something, as in: wellread ask "What is this about?"')
        embedder = self.embedder()
        if embedder is None:
            raise UsageError(f"the library {self.store.path.parent} is empty.", hint="add something with: wellread add PATH")
        filter = None if options.filter is None else parse_filter(options.filter)
        writer = None if options.mode == "extract" else self.parts.writer()
        recorder.request = request_of(
            question,
            options,
            history,
            None if writer is None else writer.model.ref(),
            (embedder.name, embedder.revision),
            (self.store.identity, self.store.change),
            self.version,
        )
        asked = self._standalone(question, options, history, writer, recorder)
        within = self.within(filter)
        whole = whole_question(question, self.store, options, within)
        seen = None if whole is None else overview(question, whole, self.store, embedder, writer, options, recorder, self.parts.checker)
        if seen is not None:
            yield Delta(seen.text)
            yield seen
            return
        yield from self._searched(question, asked, filter, writer, options, recorder)

    def _standalone(self, question: str, options: Options, history: History, writer: Writer | None, recorder: Recorder) -> str:
        """The question with what it takes from the conversation, as far as that is remembered."""
        if not history:
            return question
        model = writer.model if writer and not writer.small else None
        with recorder.step("memory") as data:
            condenser = None if model is None else Recorded(model, recorder, "memory")
            remembered = self.memory.remember(history, budget=options.memory_tokens, model=condenser)
            data |= {**dataclasses.asdict(remembered), "budget": options.memory_tokens}
        rewriter = None if model is None else Recorded(model, recorder, "follow-up")
        return standalone(question, remembered.turns, rewriter, summary=remembered.summary)

    def _searched(
        self, question: str, asked: str, filter: Filter | None, writer: Writer | None, options: Options, recorder: Recorder
    ) -> Iterator[Delta | Answer]:
        """The answer from the passages that a search finds for `asked`."""
        recipe = options.recipe
        with recorder.step("retrieve") as data:
            with self.searching() as found:
                assert found is not None  # a library keeps its embedder
                index, embedder = found
                within = self.within(filter)
                barred = filter is not None and within is not None and not within.count
                model = self._expander(options, writer, recorder)
                reranker = self.parts.reranker(recipe)
                got = (
                    Found([], ()) if barred else find(asked, index, embedder, recipe=recipe, within=within, model=model, reranker=reranker)
                )
            if filter is not None:
                data["filter"] = str(filter)
            data |= {
                "library_change": self.store.change,
                "query": asked,
                "queries": [query.text for query in got.queries],
                "recipe": dataclasses.asdict(recipe),
                "hits": [{"chunk": hit.chunk.id, "score": hit.score, **hit.why} for hit in got.hits],
            }
        english = readable(asked, [hit.chunk.text for hit in got.hits])
        judges = Judges(self.parts.reader(), None if writer is None else self.parts.checker()) if english else Judges()
        for piece in answer(asked, got.hits, self.store, embedder, writer, options, recorder, judges):
            if isinstance(piece, Answer):
                notes = (*piece.notes, *([got.note] if got.note else []), *not_whole(question, options), *_language_note(piece, embedder))
                piece = dataclasses.replace(piece, question=question, notes=notes)
                if filter is not None and barred:
                    why = nothing_matches(filter, self.store)
                    piece = dataclasses.replace(piece, refusal_reason=why.message.rstrip("."), notes=(why.hint or "",))
            yield piece

    def _expander(self, options: Options, writer: Writer | None, recorder: Recorder) -> ChatModel | None:
        """The chat model that writes other wordings, where some are wanted."""
        if options.recipe.expand == "none":
            return None
        writer = writer or self.parts.writer()
        return None if writer is None else Recorded(writer.model, recorder, "expand")


def _language_note(answer: Answer, embedder: Embedder) -> tuple[str, ...]:
    """A refusal that may come from the library's embedder not knowing the question's language says so."""
    if answer.refused and is_chinese(answer.question) and embedder.name == ENGLISH_EMBEDDER:
        return (f"this library was indexed for English; for Chinese questions make one with --embedder {MULTILINGUAL_EMBEDDER}",)
    return ()
