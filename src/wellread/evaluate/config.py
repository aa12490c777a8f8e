"""The settings of a task, under the names of lm-evaluation-harness, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from wellread.errors import UsageError, suggest
from wellread.evaluate.score import CHECKED_OPTIONS, DEFAULT_METRICS, EXTRACTION_OPTIONS, KNOWN, ONLY_OURS, aggregation
from wellread.evaluate.task import AS_IT_IS, Extraction, Kind, Metric, Step

_IGNORED = (
    "group", "tag", "task_alias", "dataset_name", "should_decontaminate", "doc_to_decontamination_query", "metadata", "repeats",
)  # fmt: skip
_REFUSED = {
    "process_docs": "is Python code",
    "process_results": "is Python code",
    "custom_dataset": "is Python code",
    "unsafe_code": "runs what a model wrote",
    "use_prompt": "needs promptsource",
    "doc_to_image": "needs a model that sees",
    "doc_to_audio": "needs a model that hears",
    "gen_prefix": "is not supported",
}


@dataclass(frozen=True, slots=True)
class Config:
    """A checked task file. Names and meanings are the harness's; `category` is our own, from `metadata`: the field to report by."""

    where: str
    task: str
    output_type: Kind
    doc_to_text: str
    doc_to_target: str | int | list[Any]
    doc_to_choice: str | list[Any] | dict[str, Any] | None
    dataset_path: str
    dataset_kwargs: Mapping[str, Any]
    training_split: str | None
    validation_split: str | None
    test_split: str | None
    fewshot_split: str | None
    first_n: bool
    samples: tuple[dict[str, Any], ...] | None
    num_fewshot: int
    description: str
    target_delimiter: str
    fewshot_delimiter: str
    until: tuple[str, ...]
    max_gen_toks: int
    temperature: float
    metrics: tuple[Metric, ...]
    extractions: tuple[Extraction, ...]
    category: str | None
    notes: tuple[str, ...] = field(default=())


def read_config(values: Mapping[str, Any], where: str) -> Config:
    """The checked form of what a task file says; `where` names the file in errors. Raises `UsageError`."""
    reader = _Reader(dict(values), where)
    return reader.config()


class _Reader:
    """Takes keys out of a mapping one at a time, so that what is left over at the end is what was not understood."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values = values
        self._where = where
        self._known: list[str] = [*_IGNORED, *_REFUSED]
        self._notes: list[str] = []

    def config(self) -> Config:
        for key, why in _REFUSED.items():
            if self._values.pop(key, None) is not None:
                raise UsageError(f"{self._where}: {key} {why}.", hint="such tasks run in lm-evaluation-harness itself")
        category, repeats = self._metadata(), self._values.get("repeats")
        if repeats not in (None, 1):
            raise UsageError(f"{self._where}: repeats: {repeats} is not supported.", hint="each question is asked once")
        ignored = [key for key in _IGNORED if self._values.pop(key, None) is not None]
        if plain := [key for key in ignored if key not in ("metadata", "repeats")]:
            self._notes.append(f"ignored: {', '.join(plain)}")
        kind = self._one_of("output_type", get_args(Kind), "generate_until")
        between = self._text("fewshot_delimiter", "\n\n")
        until, longest, temperature = self._generation(between)
        shots, first_n, samples = self._fewshot()
        text_default = "" if kind == "loglikelihood_rolling" else None
        config = Config(
            where=self._where,
            task=self._text("task"),
            output_type=kind,
            doc_to_text=self._text("doc_to_text", text_default),
            doc_to_target=self._typed("doc_to_target", (str, int, list)),
            doc_to_choice=self._typed("doc_to_choice", (str, list, dict), None),
            dataset_path=self._text("dataset_path", "json"),
            dataset_kwargs=self._typed("dataset_kwargs", (dict,), {}),
            training_split=self._typed("training_split", (str,), None),
            validation_split=self._typed("validation_split", (str,), None),
            test_split=self._typed("test_split", (str,), None),
            fewshot_split=self._typed("fewshot_split", (str,), None),
            first_n=first_n,
            samples=samples,
            num_fewshot=shots,
            description=self._text("description", ""),
            target_delimiter=self._text("target_delimiter", " "),
            fewshot_delimiter=between,
            until=until,
            max_gen_toks=longest,
            temperature=temperature,
            metrics=self._metrics(kind),
            extractions=self._extractions(),
            category=category,
            notes=tuple(self._notes),
        )
        self._nothing_left(self._values, self._known, self._where)
        if kind == "multiple_choice" and config.doc_to_choice is None:
            raise UsageError(f"{self._where}: multiple_choice needs doc_to_choice.")
        return config

    # --- parts

    def _metadata(self) -> str | None:
        found = self._values.get("metadata")
        category = found.get("category") if isinstance(found, dict) else None
        return category if isinstance(category, str) else None

    def _generation(self, between: str) -> tuple[tuple[str, ...], int, float]:
        given = dict(self._typed("generation_kwargs", (dict,), {}))
        until = given.pop("until", [between])
        longest, temperature, drawn = given.pop("max_gen_toks", 256), given.pop("temperature", 0.0), given.pop("do_sample", None)
        where = f"{self._where}: generation_kwargs"
        self._nothing_left(given, ["until", "max_gen_toks", "temperature", "do_sample"], where)
        if isinstance(until, str):
            until = [until]
        if not isinstance(until, list) or not all(isinstance(stop, str) for stop in until):
            raise UsageError(f"{where}: until is a list of texts.")
        if not isinstance(longest, int) or longest < 1:
            raise UsageError(f"{where}: max_gen_toks is a number from 1 on.")
        if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or temperature < 0:
            raise UsageError(f"{where}: temperature is a number from 0 on.")
        return tuple(until), longest, 0.0 if drawn is False else float(temperature)

    def _fewshot(self) -> tuple[int, bool, tuple[dict[str, Any], ...] | None]:
        shots = self._typed("num_fewshot", (int,), 0)
        given = dict(self._typed("fewshot_config", (dict,), {}))
        sampler, samples = given.pop("sampler", "default"), given.pop("samples", None)
        if (split := given.pop("split", None)) is not None:
            self._values["fewshot_split"] = split
        self._nothing_left(given, ["sampler", "samples", "split"], f"{self._where}: fewshot_config")
        if sampler not in ("default", "first_n"):
            raise UsageError(f"{self._where}: there is no sampler {sampler!r}.", hint='it is "default" (drawn) or "first_n"')
        if samples is not None and (not isinstance(samples, list) or not all(isinstance(row, dict) for row in samples)):
            raise UsageError(f"{self._where}: samples of fewshot_config is a list of rows.")
        return shots or 0, sampler == "first_n", None if samples is None else tuple(samples)

    def _metrics(self, kind: Kind) -> tuple[Metric, ...]:
        given = self._typed("metric_list", (list,), None)
        if not given:
            return tuple(Metric(name) for name in DEFAULT_METRICS[kind])
        return tuple(self._metric(dict(entry) if isinstance(entry, dict) else {"metric": entry}, kind) for entry in given)

    def _metric(self, entry: dict[str, Any], kind: Kind) -> Metric:
        name = entry.pop("metric", None)
        where = f"{self._where}: the metric {name}"
        if name not in KNOWN[kind]:
            hint = suggest(str(name), KNOWN[kind]) or f"for {kind} there are {', '.join(KNOWN[kind])}"
            raise UsageError(f"{where} is not known for {kind}.", hint=hint)
        entry.pop("higher_is_better", None)
        if (wanted := entry.pop("aggregation", None)) not in (None, aggregation(name)):
            raise UsageError(f"{where} is not aggregated as {wanted!r} here.", hint=f'its aggregation is "{aggregation(name)}"')
        if name in ONLY_OURS or (name == "f1" and kind == "generate_until"):
            self._notes.append(f"lm-evaluation-harness has no metric {name} for {kind}")
        options = CHECKED_OPTIONS.get(name, ())
        self._nothing_left({key: value for key, value in entry.items() if key not in options}, options, where)
        return Metric(name, entry)

    def _extractions(self) -> tuple[Extraction, ...]:
        given = self._typed("filter_list", (list,), None)
        return tuple(self._extraction(entry) for entry in given) if given else AS_IT_IS

    def _extraction(self, entry: object) -> Extraction:
        if not isinstance(entry, dict) or not isinstance(entry.get("filter"), list) or set(entry) != {"name", "filter"}:
            raise UsageError(f"{self._where}: an entry of filter_list has a name and a filter (a list of functions).")
        steps = []
        for step in entry["filter"]:
            options = dict(step) if isinstance(step, dict) else {}
            function = options.pop("function", None)
            if function not in EXTRACTION_OPTIONS:
                hint = suggest(str(function), EXTRACTION_OPTIONS) or f"there are {', '.join(EXTRACTION_OPTIONS)}"
                raise UsageError(f"{self._where}: there is no filter {function!r}.", hint=hint)
            left = {key: value for key, value in options.items() if key not in EXTRACTION_OPTIONS[function]}
            self._nothing_left(left, EXTRACTION_OPTIONS[function], f"{self._where}: filter {function}")
            steps.append(Step(function, options))
        return Extraction(str(entry["name"]), tuple(steps))

    # --- keys

    def _text(self, key: str, default: str | None = None) -> str:
        found = self._typed(key, (str,), default)
        if found is None:
            raise UsageError(f"{self._where}: {key} is missing.", hint="every task file needs it")
        return str(found)

    def _one_of(self, key: str, allowed: Sequence[Kind], default: Kind) -> Kind:
        found = self._typed(key, (str,), default)
        for kind in allowed:
            if kind == found:
                return kind
        raise UsageError(
            f"{self._where}: {key}: {found} is not known.", hint=suggest(str(found), allowed) or f"one of {', '.join(allowed)}"
        )

    def _typed(self, key: str, types: tuple[type, ...], default: Any = ...) -> Any:
        self._known.append(key)
        found = self._values.pop(key, None)
        if found is None:
            if default is ...:
                raise UsageError(f"{self._where}: {key} is missing.", hint="every task file needs it")
            return default
        if not isinstance(found, types) or (isinstance(found, bool) and bool not in types):
            kinds = {"str": "a text", "int": "a number", "list": "a list", "dict": "a mapping"}
            raise UsageError(f"{self._where}: {key} is {' or '.join(kinds[one.__name__] for one in types)}, not {found!r}.")
        return found

    def _nothing_left(self, left: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        for key in left:
            hint = suggest(str(key), known) or f"known are {', '.join(known)}"
            raise UsageError(f'{where}: the key "{key}" is not known.', hint=hint)
