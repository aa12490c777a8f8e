"""A stored trace run again: whether the same comes out, and what has changed if not."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellread.errors import UsageError
from wellread.options import Options
from wellread.recipe import Recipe
from wellread.types import Answer, ModelRef


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay: whether the answer is the same (text, verdicts and citations), what differs in it, and what it was made
    from that is no longer the same. `answer` is the new one."""

    same: bool
    differences: tuple[str, ...]
    changed: tuple[str, ...]
    answer: Answer
    record: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        """The replay as one JSON object, with the new answer as `wellread ask --json` shows it."""
        return {"same": self.same, "differences": list(self.differences), "changed": list(self.changed), "answer": self.record}


def request_of(
    question: str,
    options: Options,
    history: Sequence[tuple[str, str]],
    model: ModelRef | None,
    embedder: tuple[str, str],
    library: tuple[str, int],
    version: str,
) -> dict[str, Any]:
    """What a trace must hold for a replay: the request, and everything that decides on the answer.

    `embedder` is (name, revision) and `library` (identity, change). The documents need no list: their ids are digests of their bytes, and
    the change counter grows whenever one comes or goes.
    """
    return {
        "question": question,
        "history": [list(turn) for turn in history],
        "options": dataclasses.asdict(options),
        "model": None if model is None else {"name": model.name, "digest": model.digest},
        "embedder": {"name": embedder[0], "revision": embedder[1]},
        "library": {"identity": library[0], "change": library[1]},
        "version": version,
    }


def asked_again(trace: Mapping[str, Any]) -> tuple[str, Options, list[tuple[str, str]]]:
    """The question, options and history of a trace. Raises `UsageError` for a trace from before they were kept."""
    request = trace.get("request")
    if not request:
        raise UsageError("this trace does not hold what is needed to run it again.", hint="ask the question again; newer traces do")
    known = {field.name for field in dataclasses.fields(Options)}
    kept = {name: value for name, value in request["options"].items() if name in known}
    options = Options(**{**kept, "recipe": Recipe(**kept.get("recipe", {}))})
    return request["question"], options, [(asked, answered) for asked, answered in request["history"]]


def compared(before: Mapping[str, Any], after: Mapping[str, Any], answer: Answer) -> Replay:
    """Two traces of the same request side by side; `answer` is the one that `after` tells of."""
    old, new = before["answer"], after["answer"]
    differences = []
    if old["refused"] != new["refused"]:
        differences.append("it was refused before, and is not now" if old["refused"] else "it is refused now, and was not before")
    if old["answer"] != new["answer"]:
        differences.append("the text differs:")
        lines = difflib.unified_diff(old["answer"].splitlines(), new["answer"].splitlines(), "before", "now", lineterm="")
        differences += [f"  {line}" for line in lines]
    if _cited(old) != _cited(new):
        differences.append("it cites other places in the documents")
    if _verdicts(old) != _verdicts(new):
        differences.append("its sentences are judged otherwise")
    return Replay(not differences, tuple(differences), _changed(before, after), answer, new)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """What the answers were made from that is no longer the same."""
    old, new = before["request"], after["request"]
    changed = []
    if old["library"] != new["library"]:
        changes = new["library"]["change"] - old["library"]["change"]
        other = old["library"]["identity"] != new["library"]["identity"]
        changed.append("it is another library" if other else f"the library has changed {changes} time{'s' * (changes != 1)} since")
    if _found(before) != _found(after):
        changed.append("other passages were found or read")
    for what in ("model", "embedder"):
        if old[what] != new[what]:
            changed.append(f"the {what} is another: {_named(old[what])} before, {_named(new[what])} now")
    if old["version"] != new["version"]:
        changed.append(f"Wellread was {old['version']} then and is {new['version']} now")
    return tuple(changed)


def _cited(answer: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    return [(one["document"]["id"], one["start"], one["end"]) for one in answer["citations"]]


def _verdicts(answer: Mapping[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence["status"], tuple(sentence["citations"])) for sentence in answer["sentences"]]


def _found(trace: Mapping[str, Any]) -> list[Any]:
    """The chunks that were found, or read whole, in their order."""
    steps = [step["data"] for step in trace["steps"] if step["kind"] in ("retrieve", "read")]
    return [chunk for data in steps for chunk in (*(hit["chunk"] for hit in data.get("hits", ())), *data.get("passages", ()))]


def _named(part: Mapping[str, Any] | None) -> str:
    return "none" if part is None else " ".join(str(value) for value in part.values() if value)
