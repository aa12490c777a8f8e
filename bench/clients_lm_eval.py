"""Calls of lm-evaluation-harness: `local-completions`, on a task of eight questions that is made here."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
import requests

from clients_call import Absent, Call, Place, see

ITEMS = [
    ("The capital of France is", [" Paris", " Rome", " Oslo"]),
    ("The capital of Italy is", [" Lima", " Rome", " Cairo"]),
    ("Two plus two is", [" nine", " four", " zero"]),
    ("The opposite of hot is", [" cold", " warm", " tall"]),
    ("Water freezes to", [" stone", " ice", " gold"]),
    ("The sun rises in the", [" east", " west", " north"]),
    ("The colour of grass is", [" green", " purple", " silver"]),
    ("Bees make", [" milk", " bread", " honey"]),
]
TASK = """task: eight
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: question
doc_to_choice: choices
doc_to_target: answer
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""
ANSWERS = [0, 1, 1, 0, 1, 0, 0, 2]


@cache
def results(url: str, model: str) -> Any:
    """What the harness says of the task."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = folder
        rows = Path(folder) / "rows.jsonl"
        lines = [json.dumps({"question": ITEMS[n][0], "choices": ITEMS[n][1], "answer": ANSWERS[n]}) for n in range(len(ITEMS))]
        rows.write_text("\n".join(lines), encoding="utf-8")
        (Path(folder) / "eight.yaml").write_text(TASK.format(rows=rows), encoding="utf-8")
        how: Any = {"base_url": url + "/v1/completions", "model": model, "num_concurrent": 1, "max_retries": 1}
        manager = TaskManager(include_path=folder, include_defaults=False)
        return lm_eval.simple_evaluate(
            model="local-completions", model_args=how, tasks=["eight"], task_manager=manager, log_samples=True, bootstrap_iters=0
        )


def scored(at: Place, prompt: str, choice: str) -> float:
    """The log probability of a choice after a prompt, asked for directly."""
    body = {"model": at.chat, "prompt": prompt + choice, "max_tokens": 0, "echo": True, "logprobs": 1}
    told = requests.post(at.url + "/v1/completions", json=body, timeout=60).json()["choices"][0]["logprobs"]
    return float(sum(value for value, begin in zip(told["token_logprobs"], told["text_offset"], strict=True) if begin >= len(prompt)))


def multiple_choice(at: Place) -> str:
    tokenizer_of_the_server(at)
    found = results(at.url, at.chat)["results"]["eight"]["acc,none"]
    see(found >= 0.5, f"an accuracy of {found}, which is what guessing gives")
    return f"accuracy {found}"


def the_same_log_likelihoods(at: Place) -> str:
    tokenizer_of_the_server(at)
    worst = 0.0
    for sample in results(at.url, at.chat)["samples"]["eight"]:
        prompt, choices = ITEMS[sample["doc_id"]]
        told = [float(each[0]) for each in sample["filtered_resps"]]
        own = [scored(at, prompt, choice) for choice in choices]
        worst = max(worst, *(abs(one - other) for one, other in zip(told, own, strict=True)))
    see(worst < 0.01, f"they differ by {worst}")
    return f"24 within {worst:.4f}"


def tokenizer_of_the_server(at: Place) -> str:
    from lm_eval.utils import check_remote_tokenizer_support

    if not check_remote_tokenizer_support(at.url + "/v1/completions"):
        raise Absent("the harness must have a tokenizer of its own")
    return "the server's"


CALLS: tuple[Call, ...] = (tokenizer_of_the_server, multiple_choice, the_same_log_likelihoods)
