"""Rows of data and the settings of a task become items, with their examples drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.config import Config
from wellread.evaluate.rows import Rows, data_digest
from wellread.evaluate.task import Item, Shot, Task, digest
from wellread.evaluate.template import Renderer, Row, literal

FEWSHOT_SEED = 1234
"""The seed with which lm-evaluation-harness draws examples."""


@dataclass(frozen=True, slots=True)
class Data:
    """Rows to ask, and rows to draw examples from; `same` when these are one. Where `by` names a field, examples of a row are drawn
    from those that have the same value there.
    """

    asked: Rows
    examples: Rows
    same: bool = False
    by: str | None = None


def build(
    config: Config, data: Data, *, shots: int | None = None, seed: int = FEWSHOT_SEED, source: str = "", notes: Sequence[str] | None = None
) -> Task:
    """The task that settings make of data. `shots` takes the place of `num_fewshot`.

    Examples are drawn as lm-evaluation-harness draws them, so that the same seed gives the same prompts. Raises `UsageError` where
    there are fewer examples than wanted, or where a row does not give what the templates ask for.
    """
    wanted = config.num_fewshot if shots is None else shots
    if wanted < 0:
        raise UsageError(f"there cannot be {wanted} examples.", hint="give 0 or more shots")
    drawer = _Drawer(config, data, wanted, seed)
    maker = _Maker(config, data)
    ids = _ids(data.asked)
    items = tuple(maker.item(id, row, drawer.draw(row)) for id, row in zip(ids, data.asked, strict=True))
    template = {key: value for key, value in asdict(config).items() if key.startswith("doc_to") or key == "description"}
    return Task(
        name=config.task,
        kind=config.output_type,
        items=items,
        metrics=config.metrics,
        extractions=config.extractions,
        until=config.until,
        max_tokens=config.max_gen_toks,
        temperature=config.temperature,
        delimiter=config.target_delimiter,
        between=config.fewshot_delimiter,
        template=digest([template, wanted, config.first_n, seed if wanted and not config.first_n else None]),
        data=data_digest([*data.asked, "examples", *(data.examples if wanted else [])]),
        source=source,
        notes=config.notes if notes is None else tuple(notes),
    )


class _Drawer:
    """Draws the examples of one row after another. The draws follow each other, so rows must come in their order."""

    def __init__(self, config: Config, data: Data, wanted: int, seed: int) -> None:
        self._config = config
        self._data = data
        self._wanted = wanted
        self._random = Random(seed)

    def draw(self, row: Row) -> Rows:
        if not self._wanted:
            return []
        pool, by = self._data.examples, self._data.by
        if by is not None:
            pool = [one for one in pool if one[by] == row[by]]
        others = [one for one in pool if one != row] if self._data.same else pool
        if len(others) < self._wanted:
            of = f" of {row[by]}" if by is not None else ""
            raise UsageError(
                f"{self._config.where}: {self._wanted} examples are wanted and {len(others)}{of} are there.", hint="want fewer shots"
            )
        if self._config.first_n:
            return others[: self._wanted]
        # One more than wanted is drawn and the row itself thrown out, as the harness does it: that keeps the draws the same.
        drawn = self._random.sample(pool, min(len(pool), self._wanted + self._data.same))
        drawn = [one for one in drawn if not self._data.same or one != row][: self._wanted]
        return drawn if len(drawn) == self._wanted else self._random.sample(others, self._wanted)


class _Maker:
    """Makes items and examples of rows."""

    def __init__(self, config: Config, data: Data) -> None:
        self._config = config
        self._render = Renderer(config.where, frozenset(name for row in data.asked[:1] for name in row))

    def item(self, id: str, row: Row, shots: Rows) -> Item:
        config = self._config
        choices = self._choices(row)
        target = self._target(row, bool(choices))
        answers, right = _golds(config, target, choices)
        answerable = row.get("answerable")
        return Item(
            id=id,
            question=self._text(row),
            answers=answers,
            choices=choices,
            right=right,
            category=str(row[config.category]) if config.category else "",
            answerable=answerable if isinstance(answerable, bool) else None,
            before=str(self._render.value(config.description, row)) if config.description else "",
            shots=tuple(self._shot(one) for one in shots),
        )

    def _shot(self, row: Row) -> Shot:
        choices = self._choices(row)
        answers, right = _golds(self._config, self._target(row, bool(choices)), choices)
        return Shot(self._text(row), answers[0] if answers else "", choices, right)

    def _text(self, row: Row) -> str:
        text = self._render.value(self._config.doc_to_text, row) if self._config.doc_to_text else ""
        if isinstance(text, int) or (self._config.output_type == "multiple_choice" and str(text).isdigit()):
            raise UsageError(
                f"{self._config.where}: doc_to_text gives a number, which asks for one prompt for each choice; that is not supported."
            )
        return str(text)

    def _choices(self, row: Row) -> tuple[str, ...]:
        return () if self._config.doc_to_choice is None else self._render.choices(self._config.doc_to_choice, row)

    def _target(self, row: Row, choose: bool) -> Any:
        target = self._config.doc_to_target
        if not isinstance(target, str):
            return target
        found = self._render.value(target, row)
        if target in row or not isinstance(found, str):
            return found
        if (choose and found.isdigit()) or (found.startswith("[") and found.endswith("]")):
            return literal(found)
        return found


def _golds(config: Config, target: Any, choices: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """All answers that count, and where they stand among the choices."""
    targets = target if isinstance(target, list) else [target]
    if not choices:
        return tuple(str(one) for one in targets), ()
    right = []
    for one in targets:
        at = int(one) if isinstance(one, int) else choices.index(one) if one in choices else -1
        if not 0 <= at < len(choices):
            raise UsageError(f"{config.where}: the answer {one!r} is none of the choices {list(choices)}.", hint="check doc_to_target")
        right.append(at)
    return tuple(choices[at] for at in right), tuple(right)


def _ids(rows: Rows) -> list[str]:
    """The rows' own ids where each has another one, or else their numbers from 0."""
    ids = [str(row["id"]) if isinstance(row.get("id"), (str, int)) else "" for row in rows]
    unique = ids and "" not in ids and max(Counter(ids).values()) == 1
    return ids if unique else [str(number) for number in range(len(rows))]
