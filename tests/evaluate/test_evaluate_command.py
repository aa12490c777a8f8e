"""`wellread evaluate` from its arguments to its exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from wellread.errors import UsageError
from wellread.evaluate.command import OK, PARTIAL, Surroundings, evaluate
from wellread.models.base import ChatModel
from wellread.models.fake import EchoChat

MODULE = """
def echo(prompt):
    return prompt.split()[-1]

def fails(prompt):
    raise RuntimeError("no")
"""


def command(said: list[str] | None = None, chat: ChatModel | None = None, **given: Any) -> int:
    defaults = {
        "library": None,
        "sources": None,
        "function": None,
        "endpoint": None,
        "model": None,
        "limit": None,
        "shots": None,
        "out": None,
        "json": False,
        "seed": None,
    }
    arguments = argparse.Namespace(**{"evaluate": "run", "anyway": False, "items": 10, **defaults, **given})
    say = (said if said is not None else []).append
    return evaluate(arguments, Surroundings(lambda: chat, lambda what, done, total: None, say, "1.2.3"))


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"question": "Say yes", "answers": ["yes"]}\n{"question": "Say no", "answers": ["yes"]}\n')
    return path


def test_a_function_is_examined_compared_and_reported(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "examined_module.py").write_text(MODULE)
    said: list[str] = []
    with contextlib.chdir(tmp_path):
        assert command(said, tasks=[str(cases)], function="examined_module:echo") == OK
        first = Path("evaluations/examined_module-echo-cases")
        assert "answer_match  0.500" in capsys.readouterr().out
        assert str(first / "report.html") in said[0]
        assert command(tasks=[str(cases)], chat=EchoChat(), out="second", json=True) == OK
        found = json.loads(capsys.readouterr().out)
        assert found["versions"]["wellread"] == "1.2.3"
        assert (found["examinee"], found["tasks"]["cases"]["scores"]["answer_match"]["mean"]) == ("echo", 0)
        assert command(evaluate="compare", before=str(first), after="second") == OK
        told = capsys.readouterr().out
        assert "answer_match: 0.500 -> 0.000, n = 2" in told
        assert "1 items came out otherwise:\n  cases 1: 1 -> 0" in told
        (first / "report.html").unlink()
        assert command(evaluate="report", folder=str(first)) == OK
        assert (first / "report.html").exists()
        assert command(tasks=[str(cases)], function="examined_module:fails", out="third") == PARTIAL
        assert "2 items failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tasks": ["gsm8k"]}, "your own copy"),
        ({"tasks": ["gsm8k:nowhere"]}, "no file or folder"),
        ({"tasks": ["gsm9k"]}, "no task gsm9k"),
        ({"limit": 0}, "--limit cannot be 0"),
        ({"shots": -1}, "--shots cannot be -1"),
        ({"shots": 2}, "no examples to show"),
        ({"function": "a:b", "endpoint": "http://127.0.0.1:1/v1"}, "two examinees"),
        ({"function": "nomodule:x"}, "cannot be imported"),
        ({"function": "json"}, "names no function"),
        ({"endpoint": "http://127.0.0.1:1/v1"}, "which model"),
        ({}, "no model to examine"),
    ],
)
def test_mistakes_are_told(given: dict[str, Any], said: str, cases: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        command(**{"tasks": [str(cases)], "out": str(tmp_path / "out"), **given})
