"""How long until the first token and the whole answer: Wellread, its engines alone, and the classic LangChain pipeline.

    python bench/first_token.py [DOCUMENT] [--question Q ...] [--repeats 5] [--langchain-python PATH] [--json FILE]

Each subject runs in a fresh process, in turn, on one thread, with the same weights, the same number of new tokens and an index
that is already made. Its first question is the cold one (a cold process: files are in the system's cache), the others are warm.
The engines alone are given the prompts that Wellread sent. LangChain runs the same weights under transformers in bfloat16. Its
Python needs langchain-community, langchain-huggingface, sentence-transformers, faiss-cpu and pypdf, and accelerate and gguf to
unpack the weights once. Settings (WELLREAD_...) hold as they do on the command line; the model must be a GGUF from the catalogue.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from statistics import median
from typing import Any

import wellread
from wellread.config import load
from wellread.models.catalog import find
from wellread.models.engines import DEFAULT_WINDOW, LocalChat
from wellread.models.files import ModelStore
from wellread.types import Message

SUBJECTS = Path(__file__).with_name("first_token_subjects.py")
DOCUMENT = Path(__file__).parents[1] / ".." / "shared" / "data" / "docs_rag_survey" / "2312.10997.pdf"
QUESTIONS = [
    "What does HyDE focus on to improve retrieval relevance?",
    "What is the role of the Routing module in Modular RAG?",
    "What is the trade-off of larger chunks?",
    "What is a trade-off of larger chunks?",
]
"""The last one asks for what the one before it asks for, so that the sources are the same."""

STAGES = ("start", "import", "open", "model", "retrieve", "prompt", "prefill")
MEANING = """start: the interpreter · import · open: embedder and index · model: loading it (Wellread: starting its process, which
loads meanwhile) · retrieve: embed the question, search, select · prompt: count tokens and fit the sources (cold: and wait
for the model) · prefill: from the engine getting the prompt to its first text"""


@dataclass(frozen=True, slots=True)
class Run:
    """One question to one subject, in seconds. `first` and `whole` count from the process's start if `cold`, else from asking."""

    subject: str
    repeat: int
    question: int
    cold: bool
    kind: str
    stages: Mapping[str, float]
    first: float
    whole: float
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What is run, and with what: `job` is what every subject is told, `shared` the share of each prompt an earlier one had."""

    subjects: Sequence[tuple[str, str, str]]
    """(label, subject, engine)"""
    job: Mapping[str, Any]
    shared: Sequence[float]
    langchain_python: Path | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path, nargs="?", default=DOCUMENT)
    parser.add_argument("--question", action="append", help="the first is asked cold; four or so, the last two with the same sources")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--langchain-python", type=Path, help="a Python that has LangChain; without it that row is left out")
    parser.add_argument("--langchain-embedder", help="a folder or hub name of all-MiniLM-L6-v2 for it")
    parser.add_argument("--work", type=Path, help="keep what is prepared (library, index, weights) in this folder")
    parser.add_argument("--json", type=Path, help="write every run here")
    arguments = parser.parse_args()
    if not arguments.document.exists():
        print(f"{arguments.document} is not here, so there is nothing to ask.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.work or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        bench = prepared(arguments, folder)
        runs = measured(bench, arguments.repeats)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], ensure_ascii=False, indent=1), encoding="utf-8")
    report(runs, bench)


# --- preparing


def prepared(arguments: argparse.Namespace, folder: Path) -> Bench:
    """The library with the document in it, the models, and the prompts that Wellread makes of the questions."""
    os.environ |= {"WELLREAD_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    questions = arguments.question or QUESTIONS
    engines = ["openvino"] if find_spec("openvino_genai") else []
    made: dict[str, list[str]] = {}
    for engine in (*engines, "llamacpp"):
        os.environ["WELLREAD_ENGINE"] = engine
        settings = load().settings
        with wellread.Parts(settings) as parts, wellread.open(folder / "library", parts=parts) as library:
            library.add(arguments.document)
            made[engine] = [prompt_of(question, library, parts) for question in questions]
    prompts = made["llamacpp"]
    if any(other != prompts for other in made.values()):
        raise SystemExit("the engines were sent different prompts: they cannot be compared.")
    store = ModelStore(settings.models_folder)
    pulled = store.pull(find(settings.model), offline=True)
    folders = sorted(store.derived(pulled, "chat").glob("*/openvino_model.xml"), key=lambda path: path.stat().st_mtime)
    job = {
        "folder": str(folder),
        "library": str(folder / "library"),
        "document": str(arguments.document.absolute()),
        "gguf": str(pulled.paths["model"]),
        "openvino": str(folders[-1].parent) if folders else "",
        "window": settings.context_window or DEFAULT_WINDOW,
        "threads": 1,
        "max_tokens": arguments.max_tokens,
        "embedder": arguments.langchain_embedder,
        "questions": questions,
        "prompts": prompts,
    }
    subjects = [(f"Wellread, {engine}", "wellread", engine) for engine in made] + [(f"{engine} alone", engine, engine) for engine in made]
    if arguments.langchain_python:
        subjects.append(("LangChain", "langchain", ""))
    shared = [max((common(prompt, before) for before in prompts[:at]), default=0.0) for at, prompt in enumerate(prompts)]
    bench = Bench(subjects, job, shared, arguments.langchain_python)
    if arguments.langchain_python:
        print("unpacking the weights and making the index for LangChain ...", file=sys.stderr, flush=True)
        spoken("langchain-prepare", "", bench)
    return bench


def prompt_of(question: str, library: wellread.Library, parts: wellread.Parts) -> str:
    """The text that Wellread gives the model for a question."""
    answer = library.ask(question, options=wellread.Options(mode="compact", max_tokens=1, min_confidence=0.0))
    sent = [step["data"]["messages"] for step in library.trace(answer.trace_id)["steps"] if step["kind"] == "prompt"]
    writer = parts.writer()
    if not sent or writer is None or not isinstance(writer.model, LocalChat):
        raise SystemExit(f'"{question}" is not answered by a local model: {answer.refusal_reason}')
    return writer.model.prompt([Message(message["role"], message["content"]) for message in sent[0]])


def common(text: str, other: str) -> float:
    """The share of a text with which another one begins, too."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False))) / len(text)


# --- running


def measured(bench: Bench, repeats: int) -> list[Run]:
    """Every subject in turn, `repeats` times, beginning with another one each time."""
    print("once unmeasured, so that modules are compiled and files were read ...", file=sys.stderr, flush=True)
    short = replace(bench, job={**bench.job, "questions": bench.job["questions"][:2], "prompts": bench.job["prompts"][:2], "max_tokens": 2})
    for _, subject, engine in bench.subjects:
        spoken(subject, engine, short)
    runs = []
    for repeat in range(repeats):
        turn = repeat % len(bench.subjects)
        for label, subject, engine in (*bench.subjects[turn:], *bench.subjects[:turn]):
            print(f"{repeat + 1} of {repeats}: {label}", file=sys.stderr, flush=True)
            spawned, said = spoken(subject, engine, bench)
            runs.extend(as_runs(label, repeat, spawned, said))
    return runs


def spoken(subject: str, engine: str, bench: Bench) -> tuple[float, list[dict[str, Any]]]:
    """When a subject was started, and all that it said."""
    python = bench.langchain_python if subject.startswith("langchain") else Path(sys.executable)
    job = Path(bench.job["folder"]) / "job.json"
    job.write_text(json.dumps(bench.job), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"WELLREAD_ENGINE": engine or "auto", "WELLREAD_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPYCACHEPREFIX"] = str(job.parent / "compiled")  # the same for all, whether or not an installer compiled theirs
    spawned = time.time()
    done = subprocess.run([str(python), str(SUBJECTS), subject, str(job)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{subject} failed:\n{done.stderr[-3000:]}")
    return spawned, [json.loads(line) for line in done.stdout.splitlines() if line.startswith(('{"stage"', '{"kind"'))]


def as_runs(label: str, repeat: int, spawned: float, said: list[dict[str, Any]]) -> list[Run]:
    """A subject's words as runs; the stages of its start belong to the first."""
    runs: list[Run] = []
    start: dict[str, float] = {}
    before = spawned
    for one in said:
        if "stage" in one:
            start[one["stage"]] = one["at"] - before
            before = one["at"]
            continue
        cold = not runs
        since = spawned if cold else one["asked"]
        stages = dict(one["stages"])
        if cold:
            stages |= {**start, "open": stages.get("open", 0.0) + start.get("open", 0.0) + one["asked"] - before}
        runs.append(
            Run(
                label,
                repeat,
                len(runs),
                cold,
                one["kind"],
                stages,
                one["first"] - since,
                one["whole"] - since,
                one["tokens"],
                one["text"],
            )
        )
    return runs


# --- telling


def report(runs: list[Run], bench: Bench) -> None:
    new, same = groups(bench.shared)
    lengths = ", ".join(str(len(prompt)) for prompt in bench.job["prompts"])
    print(f"\nseconds; one thread; at most {bench.job['max_tokens']} new tokens; prompts of {lengths} characters\n{MEANING}")
    print("\ncold process: medians of the stages; min / median / max")
    header = "  ".join(f"{name:>8}" for name in STAGES)
    print(f"{'':<24}{header}  {'FIRST TEXT':>20}  {'WHOLE ANSWER':>20}")
    for label, *_ in bench.subjects:
        print(line(label, [run for run in runs if run.subject == label and run.cold]))
    for title, chosen in (("a new question", new), ("a new question on the same sources", same)):
        print(f"\nwarm, {title}")
        for label, subject, _ in bench.subjects:
            if subject != "langchain":
                print(line(label, [run for run in runs if run.subject == label and run.question in chosen]))
            elif title == "a new question":
                print(line(f"{label}, same prompt", [run for run in runs if run.subject == label and run.kind == "given"]))
    print("\nof each prompt, an earlier one begins with: " + ", ".join(f"{share:.0%}" for share in bench.shared))
    compare(runs, bench, new)


def groups(shared: Sequence[float]) -> tuple[list[int], list[int]]:
    """The warm questions whose prompt is mostly new, and those whose prompt is mostly not."""
    warm = range(1, len(shared))
    return [at for at in warm if shared[at] < 0.5], [at for at in warm if shared[at] >= 0.5]


def line(label: str, runs: list[Run]) -> str:
    if not runs:
        return f"{label:<24}none"
    stages = [median(run.stages.get(name, 0.0) for run in runs) if any(name in run.stages for run in runs) else None for name in STAGES]
    cells = "  ".join(f"{'':>8}" if value is None else f"{value:8.3f}" for value in stages)
    return f"{label:<24}{cells}  {spread([run.first for run in runs])}  {spread([run.whole for run in runs])}"


def spread(values: Iterable[float], form: str = "6.2f") -> str:
    """Minimum / median / maximum."""
    values = sorted(values)
    if not values:
        return "none"
    return " / ".join(f"{value:{form}}" for value in (values[0], median(values), values[-1]))


def compare(runs: list[Run], bench: Bench, new: list[int]) -> None:
    """Wellread against the engine alone (same prompt, same repeat) and against LangChain (same repeat): min / median / max."""
    found = {(run.subject, run.repeat, run.question): run for run in runs}
    repeats = sorted({run.repeat for run in runs})
    for engine in [engine for _, subject, engine in bench.subjects if subject == "wellread"]:
        mine, bare, label = f"Wellread, {engine}", f"{engine} alone", f"{engine}:"
        pairs = [(found[mine, repeat, at], found[bare, repeat, at]) for repeat in repeats for at in new]
        from_prompt = [(own.stages["prompt"] + own.stages["prefill"]) / alone.first - 1 for own, alone in pairs]
        first = [own.first / alone.first - 1 for own, alone in pairs]
        whole = [own.whole / alone.whole - 1 for own, alone in pairs if own.text.strip() == alone.text.strip()]
        cold = [found[mine, repeat, 0].first for repeat in repeats]
        print(f"\n{label:<10} warm, over the engine alone, prompt and prefill:   {spread(from_prompt, '+7.1%')}")
        print(f"{'':<10} the same with retrieval, to the first text:       {spread(first, '+7.1%')}")
        print(f"{'':<10} the same with retrieval, to the last word:        {spread(whole, '+7.1%')}")
        print(f"{'':<10} (the last word: of {len(whole)} pairs of {len(pairs)}, in which both wrote the same)")
        print(f"{'':<10} cold to the first text, seconds:                  {spread(cold, '7.2f')}")
        if bench.langchain_python:
            ratios = [found["LangChain", repeat, 0].first / found[mine, repeat, 0].first for repeat in repeats]
            print(f"{'':<10} LangChain, cold, takes so many times as long:     {spread(ratios, '7.1f')}")


if __name__ == "__main__":
    main()
