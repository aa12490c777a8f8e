"""Well-known benchmarks, made of the user's own copy: nothing is fetched, and nothing of them is shipped.

Each recipe reads the layouts in which its benchmark is commonly found, and puts and scores it as lm-evaluation-harness 0.4.13 does by
default (lm_eval/tasks), so that figures can stand beside published ones. Where ours differs, `Recipe.differs` says so; that is kept
with the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellread.errors import UsageError, suggest
from wellread.evaluate import general, glue
from wellread.evaluate.build import FEWSHOT_SEED, Data, build
from wellread.evaluate.config import read_config
from wellread.evaluate.task import Task


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a benchmark is read and asked. `read` takes the user's file or folder and gives, for each task in it, its name and data."""

    source: str
    read: Callable[[Path], Sequence[tuple[str, Data]]]
    config: Mapping[str, Any] = field(default_factory=dict)
    differs: str = ""


RECIPES: Mapping[str, Recipe] = {
    "mmlu": Recipe(
        "Hendrycks et al. 2021, Measuring Massive Multitask Language Understanding, https://arxiv.org/abs/2009.03300",
        general.mmlu,
        {
            "description": 'The following are multiple choice questions (with answers) about {{subject.replace("_", " ")}}.\n\n',
            "doc_to_text": (
                "{{question.strip()}}\n{% for choice in choices %}{{letters[loop.index0]}}. {{choice}}\n{% endfor %}Answer:"
            ),
            "doc_to_choice": "letters",
            "doc_to_target": "answer",
            "output_type": "multiple_choice",
            "metric_list": [{"metric": "acc"}],
            "num_fewshot": 5,
            "fewshot_config": {"sampler": "first_n"},
            "metadata": {"category": "subject"},
        },
    ),
    "bbh": Recipe(
        "Suzgun et al. 2022, Challenging BIG-Bench Tasks and Whether Chain-of-Thought Can Solve Them, https://arxiv.org/abs/2210.09261",
        general.bbh,
        {
            "description": "{{description}}",
            "doc_to_text": "Q: {{input}}\nA: Let's think step by step.\n",
            "doc_to_target": "{{target}}",
            "target_delimiter": "",
            "generation_kwargs": {"until": ["</s>", "Q:", "\n\n"], "max_gen_toks": 1024, "temperature": 0.0},
            "filter_list": [
                {
                    "name": "get-answer",
                    "filter": [
                        {"function": "regex", "regex_pattern": r"(?<=the answer is )(.*?)(?=\.?\s*(?:\n|$))"},
                        {"function": "take_first"},
                    ],
                }
            ],
            "metric_list": [{"metric": "exact_match"}],
            "num_fewshot": 3,
            "fewshot_config": {"sampler": "first_n"},
            "metadata": {"category": "part"},
        },
        differs='writing ends at "Q:", not at any "Q", and the full stop after an answer may be missing',
    ),
    "gsm8k": Recipe(
        "Cobbe et al. 2021, Training Verifiers to Solve Math Word Problems, https://arxiv.org/abs/2110.14168",
        general.gsm8k,
        {
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "max_gen_toks": 256, "temperature": 0.0},
            "filter_list": [
                {"name": "strict-match", "filter": [{"function": "regex", "regex_pattern": r"#### (\-?[0-9\.\,]+)"}]},
                {
                    "name": "flexible-extract",
                    "filter": [{"function": "regex", "group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"}],
                },
            ],
            "metric_list": [{"metric": "exact_match", "ignore_case": True, "regexes_to_ignore": [",", r"\$", "(?s).*#### ", r"\.$"]}],
            "num_fewshot": 5,
            "fewshot_config": {"sampler": "first_n"},
        },
        differs="examples are the first of the training set instead of drawn for each question",
    ),
    "arc": Recipe(
        "Clark et al. 2018, Think you have Solved Question Answering? Try ARC, https://arxiv.org/abs/1803.05457",
        general.arc,
        {
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "output_type": "multiple_choice",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        },
    ),
    "truthfulqa": Recipe(
        "Lin, Hilton and Evans 2022, TruthfulQA: Measuring How Models Mimic Human Falsehoods, https://arxiv.org/abs/2109.07958",
        general.truthfulqa,
        {
            "doc_to_text": general.TRUTHFULQA_PRIMER + "\n\nQ: {{question}}\nA:",
            "doc_to_choice": "choices",
            "doc_to_target": "right",
            "output_type": "multiple_choice",
            "metric_list": [{"metric": "acc"}],
        },
    ),
    "squad": Recipe(
        "Rajpurkar et al. 2016 and 2018, SQuAD, https://arxiv.org/abs/1606.05250 and https://arxiv.org/abs/1806.03822",
        general.squad,
        {
            "description": "hint",
            "doc_to_text": "Title: {{title}}\n\nBackground: {{context}}\n\nQuestion: {{question}}\n\nAnswer:",
            "doc_to_target": "answers",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 48, "temperature": 0.0},
            "metric_list": [{"metric": "exact"}, {"metric": "f1"}],
        },
        differs='whether there is an answer is told by what is written ("unanswerable"), not by likelihood',
    ),
    **{name: Recipe(shape.source, shape.read, shape.config()) for name, shape in glue.SHAPES.items()},
}  # fmt: skip


def named(name: str) -> Recipe:
    """The recipe of a name. Raises `UsageError` when there is none."""
    if name not in RECIPES:
        raise UsageError(f'there is no recipe "{name}".', hint=suggest(name, RECIPES) or f"there are {', '.join(RECIPES)}")
    return RECIPES[name]


def tasks_of(name: str, path: Path, *, shots: int | None = None, seed: int = FEWSHOT_SEED) -> list[Task]:
    """The tasks of a benchmark in the user's copy at `path`. `shots` takes the place of the usual number of examples.

    Raises `UsageError` where the copy has none of the layouts that are read.
    """
    recipe = named(name)
    tasks = []
    for part, data in recipe.read(path):
        values = {**recipe.config, **general.PARTS.get(part, {}), "task": part}
        config = read_config(values, f"the recipe {part}")
        wanted = min(config.num_fewshot, _least(data)) if shots is None else shots
        notes = [recipe.differs] if recipe.differs else []
        if shots is None and wanted < config.num_fewshot:
            notes.append(f"{wanted} examples instead of {config.num_fewshot}: this copy has no more")
        tasks.append(build(config, data, shots=wanted, seed=seed, source=recipe.source, notes=notes))
    return tasks


def _least(data: Data) -> int:
    """How many examples there are for the row that has fewest."""
    if data.by is None:
        return len(data.examples) - data.same
    counts = dict.fromkeys((row[data.by] for row in data.asked), 0)
    for row in data.examples:
        if row[data.by] in counts:
            counts[row[data.by]] += 1
    return min(counts.values(), default=0) - data.same
