"""One source after another: the model answers from the first, and revises its answer with each further one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wellread.errors import ContextOverflow
from wellread.evidence import Selection
from wellread.models.base import Writer
from wellread.modes.draft import Draft
from wellread.modes.fit import Source, account, budget, sources
from wellread.modes.run import Call, Run, silently, total
from wellread.prompts import answer_prompt, refine_prompt
from wellread.types import Answer, Delta, Message, Usage


def refine(run: Run, selection: Selection, writer: Writer) -> Iterator[Delta | Answer]:
    """The answer after the last source, each sentence checked.

    A revision takes the place of the answer before it only if as much of it is supported, by evidence that fits the question as well: a
    model that begins to make things up is not followed, nor one that forgets the answer over the next source.
    """
    model, found = writer.model, selection.found
    room = run.room(model, refine_prompt(run.question, "", ""))
    shown = sources(run, writer, found, budget(run, writer, room), room)
    read, later = shown[: run.options.max_calls], shown[run.options.max_calls :]
    reasons = {source.chunk: f"over the budget of {run.options.max_calls} calls of the model" for source in later}
    pool = [one for each in found for one in each.all]
    fit = {(one.document, one.start): each.score for each in found for one in each.all}
    kept: Call | None = None
    usages: list[Usage] = []
    tokens: dict[int, int] = {}
    largest = 0
    for at, source in enumerate(read):
        prompt = _prompt(run, source, kept)
        size = model.count_tokens(prompt)
        if size + run.options.max_tokens > model.context_window:
            if run.options.overflow == "error":
                raise ContextOverflow(
                    f"the answer so far and the next source do not fit the {model.context_window} tokens that {model.name} can read.",
                    hint='lower max_tokens, or let the source be left out with overflow="drop"',
                )
            reasons[source.chunk] = "it did not fit the window beside the answer so far"
            continue
        largest = max(largest, run.prompted(model, prompt, f"source {at + 1} of {len(read)}"))
        tokens[source.chunk] = source.tokens
        call = silently(run.call(model, prompt, pool))
        usages.append(call.usage)
        if kept is None or _worth(call.draft, fit) >= _worth(kept.draft, fit):
            kept = call
    ledger = account(run, writer, tokens, largest, reasons)
    last = Call(Draft(), None, Usage()) if kept is None else kept
    if not run.why_not(last.draft):
        run.recorder.shown()
        yield Delta(last.draft.text)
    note = f"revised over {len(tokens)} sources" if len(tokens) > 1 else ""
    yield from run.written(Call(last.draft, last.finish, total(*usages)), found, ledger, model, "refine", (note,) if note else ())


def _prompt(run: Run, source: Source, kept: Call | None) -> list[Message]:
    if kept is None or not kept.draft.supported:
        return answer_prompt(run.question, [source.text])
    return refine_prompt(run.question, kept.draft.only("supported", "uncited").text, source.text)


def _worth(draft: Draft, fit: Mapping[tuple[str, int], float]) -> tuple[float, float, int]:
    """What an answer is worth: its citation recall, how well the best of what it cites fits the question, how much of it is supported."""
    cited = [fit[one.document, one.start] for sentence in draft.sentences for one in sentence.evidence]
    return draft.recall, max(cited, default=0.0), draft.supported
