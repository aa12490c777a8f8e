"""A turn answered by whatever its model's name stands for: a chat model, or a library."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from wellread.library import Library
from wellread.models.base import Writer
from wellread.models.watched import Watched
from wellread.options import Options
from wellread.server.asked import asked
from wellread.server.body import Fields
from wellread.server.cited import marked
from wellread.server.converse import converse, last_question
from wellread.server.errors import unsupported, wrong
from wellread.server.exchange import Exchange
from wellread.server.given import Given
from wellread.server.runtime import Runtime
from wellread.server.turn import Ended, Found, Piece, Said, Turn
from wellread.types import Answer, Delta, Usage

LIBRARY = "library:"
"""What the names of libraries begin with; "library:NAME@MODEL" has MODEL write."""


def answering(exchange: Exchange, turn: Turn, stop: threading.Event) -> Iterator[Piece]:
    """The pieces of the answer to a turn. Raises `Refused` for a model that is not here, or cannot do what is asked."""
    runtime, tracing = exchange.runtime, exchange.tracing
    tracing.say(messages=turn.messages)
    if turn.model.startswith(LIBRARY):
        kind, pieces = "ask", _from_library(exchange, turn, stop)
    elif turn.own:
        raise wrong("wellread", "these are options of libraries", hint='choose a model "library:NAME"')
    else:
        kind, pieces = "chat", _from_model(exchange, turn, stop)
    how = turn.sampling
    text = ""
    with tracing.work(kind, turn.model, temperature=how.temperature, top_p=how.top_p, max_tokens=how.max_tokens or None, seed=how.seed):
        for piece in pieces:
            tracing.first()
            count(runtime, piece)
            if isinstance(piece, Ended):
                tracing.ended(piece.finish)
                if not tracing.answered:  # by a library, whose answer told it
                    tracing.spent(piece.usage, same=piece.index > 0)
            elif isinstance(piece, Said) and tracing.with_words:
                text += piece.text
            yield piece
        tracing.say(text=text)


def completing(exchange: Exchange, model: str, deltas: Iterator[tuple[int, Delta]], each: int) -> Iterator[tuple[int, Delta]]:
    """The pieces of texts that a model goes on from, noted as they pass; there are `each` answers to a prompt."""
    tracing = exchange.tracing
    with tracing.work("completion", model):
        for index, delta in deltas:
            tracing.first()
            if delta.finish:
                tracing.ended(delta.finish)
                usage = delta.usage or Usage()
                tracing.spent(usage, same=index % each > 0)
                count(exchange.runtime, Ended(index, delta.finish, usage))
            yield index, delta


def count(runtime: Runtime, piece: Piece) -> None:
    """Add a piece of an answer to the server's numbers."""
    if isinstance(piece, Ended):
        runtime.metrics.add("wellread_tokens_total", piece.usage.prompt_tokens, kind="prompt")
        runtime.metrics.add("wellread_tokens_total", piece.usage.completion_tokens, kind="completion")
    elif isinstance(piece, Found) and piece.answer.refused:
        runtime.metrics.add("wellread_refused_answers_total")


def count_answer(runtime: Runtime, answer: Answer) -> None:
    """Add the answer of a library to the server's numbers."""
    count(runtime, Found(0, answer))
    count(runtime, Ended(0, "stop", answer.usage))


def library_of(exchange: Exchange, name: str) -> tuple[str, Writer | None]:
    """The library and the chat model that "library:NAME" or "library:NAME@MODEL" stands for. Raises `Refused` (404)."""
    library, chat = name.removeprefix(LIBRARY), ""
    if library not in exchange.runtime.shelf.names():  # whose name may have an "@" itself
        library, _, chat = library.rpartition("@") if "@" in library else (library, "", "")
    exchange.runtime.shelf.folder(exchange.seen(library))
    wanted = chat or exchange.runtime.models.default
    return library, None if wanted is None else exchange.runtime.models.chat(wanted)


def _from_model(exchange: Exchange, turn: Turn, stop: threading.Event) -> Iterator[Piece]:
    with exchange.runtime.models.hold(turn.model) as writer:
        yield from converse(turn, writer.model, stop)


def from_documents(
    exchange: Exchange, turn: Turn, documents: Sequence[Given], notes: Sequence[str], stop: threading.Event
) -> Iterator[Piece]:
    """The pieces of the checked answer to a turn from documents that came with it, with `notes`. Raises `Refused` as `answering` does."""
    _check(turn, "an answer from documents with citations")
    options = _options(exchange, turn)
    question, history = last_question(turn.messages)
    writer = exchange.runtime.models.chat(turn.model)
    parts = exchange.runtime.parts.with_writer(replace(writer, model=Watched(writer.model, stop)))
    with exchange.runtime.given.open(exchange.caller.name, documents, parts, stop) as library, exchange.tracing.work("ask", turn.model):
        answer = library.ask(question, options=options, history=history)
    exchange.tracing.spent(answer.usage)
    for piece in _told(answer, (*notes, *_not_heeded(turn, "this answer is from the documents only"))):
        count(exchange.runtime, piece)
        yield piece


def _from_library(exchange: Exchange, turn: Turn, stop: threading.Event) -> Iterator[Piece]:
    """The checked answer, sentence by sentence: what a draft says before it is checked is not passed on."""
    _check(turn, "a library")
    options = _options(exchange, turn)
    name, writer = library_of(exchange, turn.model)
    question, history = last_question(turn.messages)
    answer = _asked(exchange, name, None if options.mode == "extract" else writer, (question, history), options, stop)
    yield from _told(answer, _not_heeded(turn, "a library answers from its documents only"))


def _options(exchange: Exchange, turn: Turn) -> Options:
    """How a turn wants its answer made, at most as long as it says."""
    options = asked(Fields(turn.own or {}, "wellread"), exchange.runtime.parts.settings)
    if turn.sampling.max_tokens and "max_tokens" not in (turn.own or {}):
        options = replace(options, max_tokens=min(options.max_tokens, turn.sampling.max_tokens))
    return options


def _told(answer: Answer, notes: tuple[str, ...]) -> Iterator[Piece]:
    text, places = marked(answer)
    at = 0
    for place in (*(each.end for each in places), len(text)):
        if place > at:
            yield Said(0, text[at:place])
            at = place
    yield Found(0, answer, notes)
    yield Ended(0, "stop", answer.usage)


def _asked(
    exchange: Exchange,
    name: str,
    writer: Writer | None,
    what: tuple[str, list[tuple[str, str]]],
    options: Options,
    stop: threading.Event,
) -> Answer:
    with ExitStack() as held:
        if writer is not None:
            held.enter_context(exchange.runtime.models.hold(writer.model.name))
        library = held.enter_context(exchange.runtime.shelf.open(name, writer, stop))
        answer = library.ask(what[0], options=options, history=what[1])
        note_answer(exchange, name, library, answer)
        return answer


def note_answer(exchange: Exchange, name: str, library: Library, answer: Answer) -> None:
    """Let the request's trace say which library answered, and how that went on."""
    kept = library.store.trace(answer.trace_id)
    exchange.tracing.from_library(name, answer, () if kept is None else kept["steps"])


def _check(turn: Turn, who: str) -> None:
    """Raise `Refused` for what an answer from documents cannot do."""
    if not turn.messages or turn.messages[-1].role != "user":
        raise wrong("messages", f"{who} answers the last message, which must be a user's")
    if turn.functions and turn.choice != "none":
        raise unsupported("tools", f"{who} answers from documents and calls no functions")
    if turn.schema is not None:
        raise unsupported("response_format", f"{who} answers in sentences", hint='the answer as JSON is in the field "wellread"')
    if turn.count > 1:
        raise unsupported("n", f"{who} is one answer")
    if turn.sampling.logprobs is not None or turn.sampling.logit_bias or turn.sampling.adapters is not None:
        raise unsupported("logprobs", f"{who} is quoted and checked, not drawn token by token")
    if turn.sampling.stop:
        raise unsupported("stop", f"{who} ends where it ends")


def _not_heeded(turn: Turn, why: str) -> tuple[str, ...]:
    """What clients send by habit and a library does not need; it is said, not passed over."""
    notes = []
    if any(message.role == "system" for message in turn.messages):
        notes.append(f"the system message was not used: {why}")
    sampling = turn.sampling
    if sampling.temperature > 0 or sampling.top_p < 1 or sampling.top_k or sampling.seed is not None or sampling.repeat_penalty != 1:
        notes.append("the sampling parameters were not used: such answers are not drawn by chance")
    return tuple(notes)
