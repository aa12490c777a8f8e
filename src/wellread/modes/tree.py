"""Answers of groups of sources, joined group by group until one is left ("tree_summarize", as LlamaIndex calls it)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from wellread.cite import Evidence
from wellread.errors import ContextOverflow
from wellread.evidence import Selection
from wellread.models.base import ChatModel, Writer
from wellread.modes.draft import Draft
from wellread.modes.fit import account, budget, sources
from wellread.modes.run import Call, Run, total
from wellread.prompts import answer_prompt
from wellread.types import Answer, Delta, Message, Usage


@dataclass(frozen=True, slots=True)
class Note:
    """A text that goes into a prompt together with others: a source, or what the model made of a group of them. `tokens` is its size,
    `evidence` what may be cited for it."""

    text: str
    tokens: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of a tree: the last call with the cost of all, how many calls there were, and the tokens of the longest prompt."""

    root: Call
    calls: int
    largest: int


def tree(run: Run, selection: Selection, writer: Writer) -> Iterator[Delta | Answer]:
    """The answer at the root of the tree, each sentence checked. What is not supported in a group's answer goes no further."""
    model, found = writer.model, selection.found
    room = run.room(model, answer_prompt(run.question, []))
    limit = budget(run, writer, room)
    shown = sources(run, writer, found, limit, room)
    groups = packed([Note(source.text, source.tokens, source.evidence) for source in shown], limit)
    leaves = groups[: most_leaves(run.options.max_calls, fan_in(run, model, limit, room))]
    read = shown[: sum(map(len, leaves))]
    joined = yield from join(run, model, leaves, lambda texts: answer_prompt(run.question, texts), limit, room)
    reasons = {source.chunk: f"over the budget of {run.options.max_calls} calls of the model" for source in shown[len(read) :]}
    ledger = account(run, writer, {source.chunk: source.tokens for source in read}, joined.largest, reasons)
    note = (f"{len(leaves)} groups of sources were answered by themselves and joined",) if len(leaves) > 1 else ()
    yield from run.written(joined.root, found, ledger, model, "tree_summarize", note)


def packed(notes: Sequence[Note], limit: int) -> list[list[Note]]:
    """Notes in their order, in groups of at most `limit` tokens; one that is longer by itself is a group of its own."""
    groups: list[list[Note]] = []
    size = limit
    for note in notes:
        if not groups or size + note.tokens > limit:
            groups.append([])
            size = 0
        groups[-1].append(note)
        size += note.tokens
    return groups


def fan_in(run: Run, model: ChatModel, limit: int, room: int) -> int:
    """How many answers are joined at a time: as many as surely fit the budget, at least two. Raises `ContextOverflow`."""
    if 2 * run.options.max_tokens > room:
        raise ContextOverflow(
            f"two answers of {run.options.max_tokens} tokens do not fit the {room} that {model.name} has room for, so none can be joined.",
            hint="lower max_tokens, or choose a model with a larger window",
        )
    return max(2, limit // run.options.max_tokens)


def most_leaves(max_calls: int, width: int) -> int:
    """The most groups that can be answered and then joined, `width` at a time, in `max_calls` calls; at least one."""
    leaves = max_calls
    while leaves > 1 and leaves + _inner(leaves, width) > max_calls:
        leaves -= 1
    return leaves


def _inner(leaves: int, width: int) -> int:
    """The calls above the leaves of a tree."""
    calls = 0
    while leaves > 1:
        leaves = -(-leaves // width)
        calls += leaves
    return calls


def join(
    run: Run,
    model: ChatModel,
    groups: Sequence[Sequence[Note]],
    prompt_of: Callable[[Sequence[str]], list[Message]],
    limit: int,
    room: int,
) -> Generator[Delta, None, Joined]:
    """Let the model answer each group, then groups of these answers, until one is left; that one is handed out as it is written.

    Each answer is held against what its group may cite, and only what is supported is passed on, with what supports it.
    """
    width = fan_in(run, model, limit, room)
    usages: list[Usage] = []
    largest = 0
    while True:
        notes: list[Note] = []
        call = Call(Draft(), None, Usage())
        for at, group in enumerate(groups):
            prompt = prompt_of([note.text for note in group])
            largest = max(largest, run.prompted(model, prompt, f"group {at + 1} of {len(groups)}"))
            pool = list({(one.document, one.start, one.end): one for note in group for one in note.evidence}.values())
            call = yield from run.call(model, prompt, pool, show=len(groups) == 1)
            usages.append(call.usage)
            if note := _note(model, call.draft):
                notes.append(note)
        if len(groups) <= 1 or not notes:
            return Joined(Call(call.draft, call.finish, total(*usages)), len(usages), largest)
        groups = [notes[at : at + width] for at in range(0, len(notes), width)]


def _note(model: ChatModel, draft: Draft) -> Note | None:
    kept = draft.only("supported")
    if not kept.sentences:
        return None
    evidence = tuple(one for sentence in kept.sentences for one in sentence.evidence)
    return Note(kept.text, model.count_tokens([Message("user", kept.text)]), evidence)
