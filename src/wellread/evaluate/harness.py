"""Task files of lm-evaluation-harness: the part of its YAML that needs neither Python code nor a hub of data sets.

What is read here runs unchanged there and puts the same prompts (docs/task_guide.md of
https://github.com/EleutherAI/lm-evaluation-harness; the tests hold us to prompts and scores of its version 0.4.13). What is not
understood is refused: a task that is half read would be another task under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.build import FEWSHOT_SEED, Data, build
from wellread.evaluate.config import Config, read_config
from wellread.evaluate.rows import ENDINGS, Rows, read_rows
from wellread.evaluate.task import Task

_INCLUDES = 8  # files that include one another without end


def read_harness_task(path: Path, *, shots: int | None = None, seed: int = FEWSHOT_SEED) -> Task:
    """The task in a YAML file with its data. `shots` takes the place of the file's `num_fewshot`, `seed` draws the examples.

    Raises `UsageError` for keys and values that are not understood, and for data that is not there.
    """
    config = read_config(_yaml(path), str(path))
    asked = config.test_split or config.validation_split
    if asked is None:
        raise UsageError(f"{path} does not say what is asked.", hint="name it as test_split or validation_split")
    notes = list(config.notes)
    splits = _Splits(path, config, notes)
    rows = splits.read(asked)
    few = config.fewshot_split or config.training_split or config.validation_split or asked
    wanted = config.num_fewshot if shots is None else shots
    if config.samples is not None:
        data = Data(rows, list(config.samples))
    elif wanted:
        data = Data(rows, rows if few == asked else splits.read(few), same=few == asked)
        if not config.fewshot_split and few == asked:
            notes.append(f"examples are drawn from {asked}, never the item itself; lm-evaluation-harness does not leave that one out")
    else:
        data = Data(rows, [])
    return build(config, data, shots=wanted, seed=seed, notes=tuple(notes))


class _Splits:
    """Where the rows of each split are."""

    def __init__(self, path: Path, config: Config, notes: list[str]) -> None:
        self._path = path
        self._notes = notes
        self._files = self._named(config)

    def read(self, split: str) -> Rows:
        """All rows of a split, with None for what only other rows have, as the `datasets` library gives them."""
        if split not in self._files:
            known = ", ".join(sorted(self._files)) or "none"
            raise UsageError(f'{self._path}: there is no data for the split "{split}".', hint=f"the splits are {known}")
        rows = [row for file in self._files[split] for row in read_rows(file)]
        if not rows:
            raise UsageError(f'{self._path}: the split "{split}" is empty.')
        fields = dict.fromkeys(name for row in rows for name in row)
        return [{name: row.get(name) for name in fields} for row in rows]

    def _named(self, config: Config) -> dict[str, list[Path]]:
        if config.dataset_path == "json":
            files = config.dataset_kwargs.get("data_files")
            if files is None:
                raise UsageError(
                    f"{self._path}: dataset_path: json needs its files.", hint="dataset_kwargs: {data_files: {test: FILE.jsonl}}"
                )
            by_split: Mapping[str, Any] = files if isinstance(files, dict) else {"train": files}
            return {
                str(split): [self._file(str(name)) for name in (named if isinstance(named, list) else [named])]
                for split, named in by_split.items()
            }
        folder = self._file(config.dataset_path)
        if not folder.is_dir():
            raise UsageError(
                f"{self._path}: {config.dataset_path} is no folder.", hint="for files, write dataset_path: json and dataset_kwargs"
            )
        return {file.name.split(".")[0]: [file] for file in sorted(folder.iterdir()) if file.name.removesuffix(".gz").endswith(ENDINGS)}

    def _file(self, name: str) -> Path:
        """A path as the harness takes it, from the current folder, or else from the folder of the task file."""
        if Path(name).exists():
            return Path(name)
        beside = self._path.parent / name
        if not beside.exists():
            raise UsageError(
                f"{self._path}: there is no {name}, neither here nor beside the task file.",
                hint="data sets of the Hugging Face hub are not fetched: save your copy as JSON lines and name it with data_files",
            )
        note = "data was found beside the task file; lm-evaluation-harness looks in the current folder only"
        if not Path(name).is_absolute() and note not in self._notes:
            self._notes.append(note)
        return beside


def _yaml(path: Path, depth: int = 0) -> dict[str, Any]:
    """What a file says, on top of the file that it includes."""
    import yaml

    if depth > _INCLUDES:
        raise UsageError(f"{path} includes files without end.", hint="take out the include that leads back")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.") from error
    except yaml.YAMLError as error:
        calls_code = "!function" in str(error)
        hint = "what is computed by Python code is not run; write a template instead" if calls_code else None
        raise UsageError(f"{path} cannot be understood: {' '.join(str(error).split())}.", hint=hint) from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no task file: it holds no keys.")
    included = found.pop("include", None)
    if included is None:
        return found
    if not isinstance(included, str):
        raise UsageError(f"{path}: include names one file.")
    return _yaml(path.parent / included, depth + 1) | found
