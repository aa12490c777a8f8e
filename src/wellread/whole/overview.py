"""Questions about whole documents, answered from all of their text, with the account of what was read and what was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wellread.evidence import readable
from wellread.index.store import Store
from wellread.index.within import Within
from wellread.models.base import Embedder, Judges, Reranker, Writer
from wellread.modes.run import Run, is_chinese
from wellread.options import Options
from wellread.trace import Recorder
from wellread.types import Answer, Dropped, Hit, Ledger, ModelRef, Sent
from wellread.whole.kinds import Kind, kind_of
from wellread.whole.lists import lists
from wellread.whole.made import Made
from wellread.whole.meant import MOST_DOCUMENTS, Meant, documents_meant
from wellread.whole.parts import parts
from wellread.whole.passages import Passages, passages_of

_ROUTED = ("auto", "tree_summarize", "extract")
"""The modes in which such questions are answered from whole documents; the others say themselves how an answer is made."""

_TOLD_BY = 20
"""How many passages tell the language of the documents."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A question about whole documents: what it wants, of which ones, and what of those a filter lets through."""

    kind: Kind
    meant: Meant
    within: Within | None


def whole_question(question: str, store: Store, options: Options, within: Within | None) -> Whole | None:
    """What a question wants of whole documents, when it does and they are known; else a search should answer it."""
    kind = kind_of(question) if options.whole and options.mode in _ROUTED else None
    meant = documents_meant(question, kind, store.documents(within), filtered=within is not None) if kind else None
    return Whole(kind, meant, within) if kind and meant else None


def not_whole(question: str, options: Options) -> tuple[str, ...]:
    """What to say of a question that seems to be about whole documents and was answered by a search."""
    if options.whole and options.mode in _ROUTED and kind_of(question) in ("summarize", "list", "count"):
        return ("answered from the passages that a search found; to have a document read whole, name it by its title, or use a filter",)
    return ()


def overview(
    question: str,
    whole: Whole,
    store: Store,
    embedder: Embedder,
    writer: Writer | None,
    options: Options,
    recorder: Recorder,
    checker: Callable[[], Reranker | None] = lambda: None,
) -> Answer | None:
    """The answer from whole documents, or None when they say nothing of what is asked and a search may do better.

    The model reads every passage, part by part (map-reduce), in at most `options.max_calls` calls. Where there is none, or a small one
    in mode "auto", nothing but the documents' own sentences is used. `checker` is asked for where a model writes English.
    """
    with recorder.step("read") as data:
        texts = [passages_of(one.id, store, whole.within) for one in whole.meant.documents]
        data |= {
            "kind": whole.kind,
            "documents": [text.document.id for text in texts],
            "topic": list(whole.meant.topic),
            "passages": [chunk.id for text in texts for chunk in text.chunks],
        }
    hits = [Hit(chunk, text.document.title, text.document.source, None, None, 0.0, {}) for text in texts for chunk in text.chunks]
    reader = writer if writer is not None and _may_read(writer, question, options) else None
    english = reader is not None and readable(question, [hit.chunk.text for hit in hits[:_TOLD_BY]])
    judges = Judges(checker=checker()) if english else Judges()
    run = Run(question, {text.document.id: text.document for text in texts}, hits, embedder, options, recorder, judges)
    made = Made(is_chinese(question))
    if whole.kind in ("summarize", "compare"):
        parts(run, whole.meant, texts, reader, made)
    else:
        lists(run, whole.kind, whole.meant, texts, reader, made)
    if not made.draft.supported and not (made.draft.sentences and len(texts) == 1):
        return None
    recorder.shown()
    ledger = Ledger(
        window=reader.model.context_window if reader else 0,
        sent_tokens=made.largest,
        sent=tuple(Sent(chunk, tokens) for chunk, tokens in made.read.items()),
        dropped=_unread(made, hits, reader, options),
    )
    by_model = reader is not None and bool(made.read)
    ref = reader.model.ref() if reader is not None and by_model else ModelRef("extract")
    notes = (_coverage(texts, whole, made, writer, reader), *made.notes)
    return run.answer(made.draft, ledger, made.usage, ref, "tree_summarize" if by_model else "extract", notes)


def _may_read(writer: Writer, question: str, options: Options) -> bool:
    """Whether the model reads the documents. A small one only where that was asked for: what it makes of a text is worse than quotes."""
    writes = not is_chinese(question) or writer.languages is None or "zh" in writer.languages
    return writes and (options.mode == "tree_summarize" or (options.mode == "auto" and not writer.small))


def _unread(made: Made, hits: Sequence[Hit], reader: Writer | None, options: Options) -> tuple[Dropped, ...]:
    """What the model was not shown: read all the same, and quoted or not."""
    quoted = {one.chunk for sentence in made.draft.sentences for one in sentence.evidence}
    budget = f"over the budget of {options.max_calls} calls of the model" if reader is not None and made.read else "read, and not quoted"
    return tuple(
        Dropped(hit.chunk.id, "read, and quoted without the model" if hit.chunk.id in quoted else budget)
        for hit in hits
        if hit.chunk.id not in made.read
    )


def _coverage(texts: Sequence[Passages], whole: Whole, made: Made, writer: Writer | None, reader: Writer | None) -> str:
    """What was read, by whom, and what was not."""
    passages = sum(len(text.chunks) for text in texts)
    there = sum(one.chunks for one in whole.meant.documents)
    said = f"read {passages} of {there} passages of {len(texts)} document{'s' * (len(texts) != 1)}"
    if passages < there:
        said += ", the others being left out by the filter"
    if whole.meant.left_out:
        said += f"; {whole.meant.left_out} more documents were left out, since at most {MOST_DOCUMENTS} are read for one answer"
    if reader is not None and made.read and len(made.read) < passages:
        return f"{said}; {reader.model.name} read {len(made.read)} of them, for more a larger max_calls is needed"
    if reader is None and writer is not None and writer.small:
        said += f", and quoted, since {writer.model.name} is too small to retell a document"
    return said
