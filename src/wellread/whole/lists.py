"""Lists and counts over whole documents."""

from __future__ import annotations

from collections.abc import Sequence

from wellread.cite import Evidence
from wellread.models.base import Writer
from wellread.modes.draft import Draft
from wellread.modes.run import Run
from wellread.whole.kinds import STRUCTURE, Kind
from wellread.whole.listed import Listing, listing
from wellread.whole.made import Made
from wellread.whole.mapped import itemized
from wellread.whole.meant import Meant
from wellread.whole.passages import Passages


def lists(run: Run, kind: Kind, meant: Meant, texts: Sequence[Passages], reader: Writer | None, made: Made) -> None:
    """Add what each document lists of what is asked for and, where that is asked, how many there are.

    Lists that stand in a document are quoted whole. Where none does, the model writes down the items; without it the sentences that
    speak of the matter are quoted, and nothing is counted.
    """
    with run.recorder.step("extract"):
        found = [(text, listing(text, run.question, meant.topic, run.embedder)) for text in texts]
    if kind == "count" and STRUCTURE["document"].search(run.question):
        _count_documents(made, [one for _, one in found if one is not None], len(texts))
        return
    unlisted = sum(one is None or one.how == "sentences" for _, one in found)
    for text, one in found:
        before = len(made.draft.sentences)
        if len(texts) > 1:
            made.title(text)
        titled = len(made.draft.sentences)
        if reader is not None and text.chunks and (one is None or one.how == "sentences"):
            mapped = itemized(run, reader, text, max(1, run.options.max_calls // unlisted))
            made.account(mapped)
            _add_items(kind, made, mapped.draft)
            one = None if mapped.draft.sentences else one
        if one is not None:
            _add_listing(kind, made, text, one)
        if len(made.draft.sentences) == titled:  # nothing to say of this one
            del made.draft.sentences[before:], made.draft.breaks[before:]


def _add_items(kind: Kind, made: Made, items: Draft) -> None:
    if kind == "count" and items.sentences:
        _count(made, len(items.sentences), tuple(sentence.evidence[0] for sentence in items.sentences))
        made.notes.append("the items were picked out by the model, part by part, and then counted")
    made.join(items)


def _add_listing(kind: Kind, made: Made, text: Passages, one: Listing) -> None:
    if one.how == "mentions":
        said = f"Mentioned {_times(one.count)}, in {one.total} sentence{'s' * (one.total != 1)}."
        made.count(said, f"提到{one.count}次，见于{one.total}句。", one.items)
        return
    if one.how == "pages":
        made.say(f"{one.count}页。" if made.chinese else f"{one.count} pages.")
        return
    if kind == "count" and one.how != "sentences":
        _count(made, one.count, one.items)
    if one.announced is not None:
        made.quote(one.announced)
    made.quote(*one.items)
    if one.how == "sentences":
        which = f"the first {len(one.items)} of {one.total} sentences" if one.total > len(one.items) else f"the {one.total} sentences"
        counted = ", and were not counted as if they were a list" if kind == "count" else ""
        made.notes.append(f"nothing in “{text.document.title}” lists them: these are {which} that speak of it{counted}")


def _count(made: Made, number: int, counted: tuple[Evidence, ...]) -> None:
    made.count(f"There are {number}:" if number != 1 else "There is one:", f"共{number}项：", counted)


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _count_documents(made: Made, found: Sequence[Listing], documents: int) -> None:
    """In how many documents something stands, with the first place in each."""
    places = tuple(one.items[0] for one in found if one.items)
    if places:
        made.count(f"{len(places)} of {documents} documents:", f"{documents}份文件中有{len(places)}份：", places)
        made.quote(*places)
