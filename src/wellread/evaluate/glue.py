"""The tasks of GLUE and SuperGLUE that are a choice between labels, as templates over the columns of the files they come in.

Sources: Wang et al. 2019, GLUE, https://arxiv.org/abs/1804.07461; Wang et al. 2019, SuperGLUE, https://arxiv.org/abs/1905.00537. The
templates are those of lm-evaluation-harness 0.4.13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.build import Data
from wellread.evaluate.rows import ENDINGS, Rows, find_file, read_rows

_GLUE = "Wang et al. 2019, GLUE, https://arxiv.org/abs/1804.07461"
_SUPERGLUE = "Wang et al. 2019, SuperGLUE, https://arxiv.org/abs/1905.00537"
_ASKED = ("dev", "val", "validation", "dev_matched", "validation_matched", "test")


@dataclass(frozen=True, slots=True)
class Shape:
    """A task as a template and its labels: what they are called in files (`labels`, in the order of `choices`).

    `columns` says which columns are needed, and under which other names they may stand.
    """

    name: str
    source: str
    text: str
    choices: tuple[str, ...] | str
    labels: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    metrics: tuple[str, ...] = ("acc",)

    def config(self) -> dict[str, Any]:
        """As the settings of a task."""
        return {
            "doc_to_text": self.text,
            "doc_to_choice": list(self.choices) if isinstance(self.choices, tuple) else self.choices,
            "doc_to_target": "label",
            "output_type": "multiple_choice",
            "metric_list": [{"metric": metric} for metric in self.metrics],
        }

    def read(self, path: Path) -> Sequence[tuple[str, Data]]:
        """The labelled rows of a file, or of the development split in a folder, and the training split to draw examples from."""
        file = path if path.is_file() else find_file(path, _ASKED)
        if file is None:
            raise UsageError(f"{self.name} was not found in {path}.", hint=f"it should hold dev{ENDINGS[-1]} or val{ENDINGS[0]}")
        train = find_file(path, ("train",)) if path.is_dir() else None
        return [(self.name, Data(self._rows(file), self._rows(train) if train is not None else []))]

    def _rows(self, file: Path) -> Rows:
        headless = self.name == "cola" and ".tsv" in file.name  # the only table of GLUE without a line of headings
        columns = ("source", "label", "mark", "sentence") if headless else None
        return [self._row(row, file) for row in read_rows(file, columns=columns, quoted=False)]

    def _row(self, row: dict[str, Any], file: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column, others in {**self.columns, "label": ("label", "gold_label", "is_duplicate", "Quality")}.items():
            name = next((one for one in (column, *others) if row.get(one) is not None), None)
            if name is None:
                raise UsageError(f"{file} has no column {column}.", hint=f"it has {', '.join(row)}")
            found[column] = row[name]
        label = str(found["label"]).lower()
        if label not in self.labels and not (label.isdigit() and int(label) < len(self.labels)):
            raise UsageError(
                f'{file}: "{found["label"]}" is no label of {self.name}.', hint="is it a test split, whose labels are kept back?"
            )
        return {**found, "label": self.labels.index(label) if label in self.labels else int(label)}


_ASKED_WITH: Mapping[str, str] = {
    "cola": "{{sentence}}\nQuestion: Does this sentence make sense?",
    "sst2": "{{sentence}}\nQuestion: Is this sentence positive or negative?",
    "mrpc": "Sentence 1: {{sentence1}}\nSentence 2: {{sentence2}}\nQuestion: Do both sentences mean the same thing?",
    "qqp": "Question 1: {{question1}}\nQuestion 2: {{question2}}\nQuestion: Do both questions ask the same thing?",
    "mnli": "{{premise}}\nQuestion: {{hypothesis.strip()}}{{'' if hypothesis.strip().endswith('.') else '.'}} True, False or Neither?",
    "qnli": "{{question}}\n{{sentence}}\nQuestion: Does this response answer the question?",
    "rte": "{{sentence1}}\nQuestion: {{sentence2}} True or False?",
    "wnli": "{{sentence1}}\nQuestion: {{sentence2}} True or False?",
    "boolq": "{{passage}}\nQuestion: {{question}}?",
    "cb": "{{premise}}\nQuestion: {{hypothesis}}. True, False, or Neither?",
    "copa": "{{premise.strip()[:-1]}} {{'because' if question == 'cause' else 'therefore'}}",
    "wic": "Sentence 1: {{sentence1}}\nSentence 2: {{sentence2}}\n"
    "Question: Is the word '{{sentence1[start1:end1]}}' used in the same way in the two sentences above?",
}
_YES = ("no", "yes")
_ENDS = "{{[choice1[0] | lower ~ choice1[1:], choice2[0] | lower ~ choice2[1:]]}}"


def _shape(name: str, source: str, choices: tuple[str, ...] | str, labels: str, columns: str, metrics: str = "acc") -> Shape:
    """A shape in short: labels and metrics with spaces between them, columns as "premise=sentence1|hypothesis"."""
    named = {one.split("=")[0]: tuple(one.split("=")[1:]) for one in columns.split("|")}
    text = _ASKED_WITH[name] + ("" if name == "copa" else "\nAnswer:")  # COPA is a sentence to be ended
    return Shape(name, source, text, choices, tuple(labels.split()), named, tuple(metrics.split()))


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        _shape("cola", _GLUE, _YES, "unacceptable acceptable", "sentence", "mcc acc"),
        _shape("sst2", _GLUE, ("negative", "positive"), "negative positive", "sentence=text"),
        _shape("mrpc", _GLUE, _YES, "not_equivalent equivalent", "sentence1=#1 String|sentence2=#2 String", "acc f1"),
        _shape("qqp", _GLUE, _YES, "not_duplicate duplicate", "question1|question2", "acc f1"),
        _shape("mnli", _GLUE, ("True", "Neither", "False"), "entailment neutral contradiction", "premise=sentence1|hypothesis=sentence2"),
        _shape("qnli", _GLUE, ("yes", "no"), "entailment not_entailment", "question|sentence"),
        _shape("rte", _GLUE, ("True", "False"), "entailment not_entailment", "sentence1=premise|sentence2=hypothesis"),
        _shape("wnli", _GLUE, ("False", "True"), "0 1", "sentence1|sentence2"),
        _shape("boolq", _SUPERGLUE, _YES, "false true", "passage|question"),
        _shape("cb", _SUPERGLUE, ("True", "False", "Neither"), "entailment contradiction neutral", "premise|hypothesis"),
        _shape("copa", _SUPERGLUE, _ENDS, "0 1", "premise|choice1|choice2|question"),
        _shape("wic", _SUPERGLUE, _YES, "false true", "sentence1|sentence2|start1|end1"),
    )
}
