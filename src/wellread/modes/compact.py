"""One prompt with the best of the evidence, one answer; or the best of several drafts of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from wellread.cite import Evidence
from wellread.evidence import Selection
from wellread.models.base import ChatModel, Writer
from wellread.modes.call import as_sent
from wellread.modes.fit import best
from wellread.modes.run import Call, Run, silently, total
from wellread.prompts import answer_prompt
from wellread.types import Answer, Delta, Message, Sampling

_TEMPERATURE = 0.7
_TOP_P = 0.9


def compact(run: Run, selection: Selection, writer: Writer) -> Iterator[Delta | Answer]:
    """The answer in the model's words, each sentence checked; quoted instead when nothing it wrote is supported."""
    model, found = writer.model, selection.found
    with run.recorder.step("prompt") as data:
        shown, ledger = best(run, writer, found)
        prompt = answer_prompt(run.question, [one.text for one in shown])
        data |= as_sent(model, prompt, "answer")
    pool = [one for each in found for one in each.all]
    if run.options.drafts > 1:
        call, note = yield from _best_draft(run, model, prompt, pool)
        yield from run.written(call, found, ledger, model, "compact", (note,))
        return
    call = yield from run.call(model, prompt, pool, show=True, until=lambda draft: run.why_not(draft, finished=False) is not None)
    yield from run.written(call, found, ledger, model, "compact")


def _best_draft(
    run: Run, model: ChatModel, prompt: Sequence[Message], pool: Sequence[Evidence]
) -> Generator[Delta, None, tuple[Call, str]]:
    """The draft with the best citation recall, as ALCE reranks (Gao et al. 2023, section 5), and a note on how it was chosen.

    The first is greedy, so that what it costs to ask for more is known; the others are sampled with seeds 1, 2, and so on. A draft that
    is supported throughout ends the search, since none can be better.
    """
    drafts: list[Call] = []
    for seed in range(run.options.drafts):
        sampling = Sampling(temperature=_TEMPERATURE, top_p=_TOP_P, seed=seed) if seed else Sampling()
        drafts.append(silently(run.call(model, prompt, pool, sampling=sampling)))
        if drafts[-1].draft.recall == 1.0:
            break
    chosen = max(drafts, key=lambda each: each.draft.recall)
    with run.recorder.step("rank") as data:
        data |= {"recall": [each.draft.recall for each in drafts], "chosen": drafts.index(chosen) + 1}
    if not run.why_not(chosen.draft):
        run.recorder.shown()
        yield Delta(chosen.draft.text)
    note = f"draft {drafts.index(chosen) + 1} of {len(drafts)}, chosen by citation recall"
    return Call(chosen.draft, chosen.finish, total(*(each.usage for each in drafts))), note
