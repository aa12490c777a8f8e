"""What of the evidence a model is shown, and the account of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wellread.cite import Evidence
from wellread.errors import ContextOverflow
from wellread.evidence import Found
from wellread.models.base import Writer
from wellread.modes.run import Run
from wellread.prompts import answer_prompt
from wellread.types import Dropped, Ledger, Sent


@dataclass(frozen=True, slots=True)
class Source:
    """The sentences of one chunk that a model is shown together, in reading order, and their size in tokens."""

    chunk: int
    evidence: tuple[Evidence, ...]
    tokens: int

    @property
    def text(self) -> str:
        return "\n".join(one.text for one in self.evidence)


def budget(run: Run, writer: Writer, room: int) -> int:
    """How many tokens of evidence are shown at a time. Raises `ContextOverflow` when more was asked for than there is room for."""
    wanted = run.options.evidence_tokens
    if wanted is not None and wanted > room and run.options.overflow == "error":
        raise ContextOverflow(
            f"{wanted} tokens of evidence do not fit the {writer.model.context_window} tokens that {writer.model.name} can read.",
            hint=f'ask for at most {room}, or let it be cut with overflow="drop"',
        )
    return min(room, wanted or writer.evidence_tokens)


def best(run: Run, writer: Writer, found: Sequence[Found]) -> tuple[list[Evidence], Ledger]:
    """The best evidence within the budget, in reading order, and the account of what was sent and what was not."""
    model = writer.model
    room = run.room(model, answer_prompt(run.question, []))
    limit = budget(run, writer, room)
    taken: list[Evidence] = []
    tokens: dict[int, int] = {}
    for one in found:
        cost = _cost(writer, one.all)
        if sum(tokens.values()) + cost > limit:
            if taken:
                break
            continue
        taken.extend(one.all)
        tokens[one.evidence.chunk] = tokens.get(one.evidence.chunk, 0) + cost
    if not taken and _fits(run, writer, cost := _cost(writer, found[0].all), room):  # each is over the budget by itself
        taken, tokens = list(found[0].all), {found[0].evidence.chunk: cost}
    taken.sort(key=lambda one: (one.document, one.start))
    reasons = {one.evidence.chunk: f"over the evidence budget of {limit} tokens" for one in found}
    sent = model.count_tokens(answer_prompt(run.question, [one.text for one in taken]))
    return taken, account(run, writer, tokens, sent, reasons)


def sources(run: Run, writer: Writer, found: Sequence[Found], limit: int, room: int) -> list[Source]:
    """The evidence chunk by chunk, the best chunk first; of each, the best sentences that fit `limit` tokens, at least one."""
    by_chunk: dict[int, list[Found]] = {}
    for one in found:
        by_chunk.setdefault(one.evidence.chunk, []).append(one)
    result = []
    for chunk, here in by_chunk.items():
        taken = list(here[0].all)
        size = _cost(writer, taken)
        if size > limit and not _fits(run, writer, size, room):
            continue
        for one in here[1:]:
            together = [*taken, *one.all]
            cost = _cost(writer, together)
            if cost > limit:
                break
            taken, size = together, cost
        result.append(Source(chunk, tuple(sorted(taken, key=lambda evidence: evidence.start)), size))
    return result


def _cost(writer: Writer, evidence: Sequence[Evidence]) -> int:
    """What evidence adds to a prompt, in tokens."""
    shown = answer_prompt("", [one.text for one in evidence])
    return writer.model.count_tokens(shown) - writer.model.count_tokens(answer_prompt("", []))


def _fits(run: Run, writer: Writer, tokens: int, room: int) -> bool:
    """Whether a passage fits the window. Raises `ContextOverflow` for one that does not, unless it may be left out."""
    if tokens > room and run.options.overflow == "error":
        raise ContextOverflow(
            f"a passage of {tokens} tokens does not fit the {room} that {writer.model.name} has room for beside the question.",
            hint='choose a model with a larger window, or let it be left out with overflow="drop"',
        )
    return tokens <= room


def account(run: Run, writer: Writer, tokens: Mapping[int, int], largest: int, reasons: Mapping[int, str]) -> Ledger:
    """The ledger: `tokens` by chunk for what was sent, `largest` for the longest prompt, and why each other hit was not."""
    return Ledger(
        window=writer.model.context_window,
        sent_tokens=largest,
        sent=tuple(Sent(chunk, cost) for chunk, cost in tokens.items()),
        dropped=tuple(
            Dropped(hit.chunk.id, reasons.get(hit.chunk.id, "it holds no sentence that could answer"))
            for hit in run.hits
            if hit.chunk.id not in tokens
        ),
    )
