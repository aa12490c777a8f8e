"""Task files of lm-evaluation-harness mean here what they mean there. `harness/expected.json` is what version 0.4.13 put and found."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.harness import judge

from wellread.errors import UsageError
from wellread.evaluate.examinee import Examinee, LogLikelihood
from wellread.evaluate.harness import read_harness_task
from wellread.evaluate.run import examine

FOLDER = Path(__file__).parent / "harness"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_prompts_and_scores_are_those_of_the_harness(name: str, tmp_path: Path) -> None:
    put: list[tuple[str, str]] = []

    def likelihood(prompt: str, text: str) -> LogLikelihood:
        put.append((prompt, text))
        return LogLikelihood(*judge.likely(prompt, text))

    with contextlib.chdir(FOLDER):
        task = read_harness_task(Path(f"{name}.yaml"))
    done = examine([task], Examinee("rule", lambda ask: judge.written(ask.prompt), likelihood), tmp_path)
    expected = EXPECTED[name]
    assert {key: score.mean for key, score in done.results.tasks[name].scores.items()} == pytest.approx(expected["scores"])
    for sample, theirs in zip(done.samples, expected["items"].values(), strict=True):
        if name == "rolling":
            assert ("", theirs["prompt"]) in put
            continue
        assert sample.prompt == theirs["prompt"]
        assert [text for prompt, text in put if prompt == sample.prompt] == theirs["asked"]
        ours = {key: sample.parts[key][0] if key in sample.parts else sample.scores[key] for key in theirs["scores"]}
        assert ours == pytest.approx(theirs["scores"])


def test_data_beside_the_task_file_is_found_and_said(tmp_path: Path) -> None:
    task = read_harness_task(FOLDER / "written.yaml")
    assert len(task.items) == 4
    assert any("beside the task file" in note for note in task.notes)


def test_an_item_is_never_its_own_example() -> None:
    task = read_harness_task(FOLDER / "chosen.yaml", shots=3)
    assert all(item.question not in {shot.question for shot in item.shots} for item in task.items)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("num_fewshots: 3", 'did you mean "num_fewshot"'),
        ("metric_list: [{metric: exact_mach}]", 'did you mean "exact_match"'),
        ("metric_list: [{metric: exact_match, ignore_cases: true}]", 'did you mean "ignore_case"'),
        ("metric_list: [{metric: exact_match, aggregation: median}]", "not aggregated"),
        ("filter_list: [{name: a, filter: [{function: regexp}]}]", 'did you mean "regex"'),
        ("generation_kwargs: {max_gen_tok: 3}", 'did you mean "max_gen_toks"'),
        ("output_type: generate_untill", 'did you mean "generate_until"'),
        ("process_docs: !function utils.process", "not run"),
        ("process_results: utils.process", "Python code"),
        ("num_fewshot: many", "a number"),
        ("test_split: dev", "no data for the split"),
        ("doc_to_text: '{{missing}}'", "the data has"),
        ("doc_to_text: '{{ question.__class__.__mro__ }}'", "fails"),
        ("doc_to_text: !!python/object/apply:os.system ['true']", "cannot be understood"),
        ("num_fewshot: 50\nfewshot_split: test", "50 examples are wanted"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"question": "a", "answer": "b"}\n{"question": "c", "answer": "d"}\n')
    base = {
        "task": "task: t",
        "dataset_path": "dataset_path: json",
        "dataset_kwargs": "dataset_kwargs: {data_files: {test: data.jsonl}}",
        "test_split": "test_split: test",
        "doc_to_text": "doc_to_text: question",
        "doc_to_target": "doc_to_target: answer",
    }
    file = tmp_path / "task.yaml"
    file.write_text("\n".join(base.values()))
    assert len(read_harness_task(file).items) == 2
    file.write_text("\n".join([*(value for key, value in base.items() if key != line.split(":")[0]), line]))
    with pytest.raises(UsageError) as caught:
        read_harness_task(file)
    assert said in str(caught.value)


def test_files_that_include_each_other(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    (tmp_path / "base.yaml").write_text(
        "dataset_path: json\ndataset_kwargs: {data_files: {test: data.jsonl}}\ntest_split: test\n"
        "doc_to_target: answer\ndoc_to_text: question\n"
    )
    (tmp_path / "top.yaml").write_text("include: base.yaml\ntask: top\ndoc_to_text: 'Q: {{question}}'\n")
    task = read_harness_task(tmp_path / "top.yaml")
    assert (task.name, task.items[0].question, task.items[0].answers) == ("top", "Q: a", ("b",))
    (tmp_path / "top.yaml").write_text("include: top.yaml\n")
    with pytest.raises(UsageError, match="without end"):
        read_harness_task(tmp_path / "top.yaml")
