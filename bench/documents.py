"""Real files of every format: who finds the text that is known to be in them, refuses the right ones, and survives the hostile ones?

    python bench/documents.py [FOLDER] [--plain-python PATH] [--markitdown-python PATH] [--kreuzberg-python PATH] [--verbose] [--json FILE]

FOLDER holds `manifest.json` and the files it names. Every system reads one file at a time in a child process that lives on until a
file hangs (processor or wall time), takes too much memory, or kills it; the limits are the same for all. Texts are compared by their
letters and digits only, with and without the marks of Markdown, so that no system is judged by how it writes a link.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

SUBJECTS = Path(__file__).with_name("documents_subjects.py")
FOLDER = Path(__file__).parents[1] / ".." / "shared" / "docs-set"
MEGABYTE = 1_000_000
ANY_SECONDS, ANY_BYTES = 10.0, 1024**3
"""What a hostile file may cost: processor seconds, and bytes of memory."""

_LIMITS = {"timeout": "hung", "memory": "swelled", "crashed": "crashed"}
_REFUSALS = {  # what a refusal must say, in the words of any system
    "encrypted": re.compile("encrypt|password|decrypt", re.IGNORECASE),
    "error": re.compile(""),
    "empty": re.compile(""),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `ended` is "read", "refused", "hung", "swelled" or "crashed"; `memory` is the sampled peak in bytes."""

    ended: str
    text: str = ""
    message: str = ""
    warned: bool = False
    cpu: float = 0.0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold of one file."""

    file: str
    kind: str
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one system."""

    system: str
    checks: Sequence[Check]
    outcomes: Mapping[str, Outcome]
    start_cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--plain-python", type=Path, help="a Python with Wellread's dependencies, but without those for OCR")
    parser.add_argument("--markitdown-python", type=Path, help="a Python that has markitdown; without it that column is left out")
    parser.add_argument("--kreuzberg-python", type=Path, help="a Python that has kreuzberg; without it that column is left out")
    parser.add_argument("--kind", action="append", help="only files of this kind; may be repeated")
    parser.add_argument("--cpu-seconds", type=int, default=60, help="processor time for one file")
    parser.add_argument("--wall-seconds", type=float, default=600.0, help="a backstop: the machine may be busy")
    parser.add_argument("--memory-mb", type=int, default=2048)
    parser.add_argument("--verbose", action="store_true", help="name what each system missed")
    parser.add_argument("--json", type=Path, help="write every check here")
    arguments = parser.parse_args()
    if not (arguments.folder / "manifest.json").exists():
        print(f"{arguments.folder} has no manifest.json, so there is nothing to read.", file=sys.stderr)
        return
    entries = json.loads((arguments.folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    entries = [entry for entry in entries if (not arguments.kind or entry["kind"] in arguments.kind)]
    systems = [
        ("wellread", Path(sys.executable)),
        ("wellread", arguments.plain_python),
        ("markitdown", arguments.markitdown_python),
        ("kreuzberg", arguments.kreuzberg_python),
    ]
    results = [measured(name, python.absolute(), entries, arguments) for name, python in systems if python is not None]
    if arguments.json:
        told = [{"system": result.system, "checks": [asdict(check) for check in result.checks]} for result in results]
        arguments.json.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    report(results, len(entries))
    if arguments.verbose:
        missed(results)


def measured(name: str, python: Path, entries: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> Result:
    """One system on every file."""
    checks: list[Check] = []
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:  # some leave a cache where they stand
        reader = Reader(name, python, Path(folder), arguments)
        for at, entry in enumerate(entries, start=1):
            outcome = reader.read((arguments.folder / entry["file"]).absolute())
            outcomes[entry["file"]] = outcome
            checks.extend(judged(entry, outcome, ocr=reader.ocr))
            if at % 20 == 0:
                print(f"{name}: {at} of {len(entries)}", file=sys.stderr, flush=True)
        reader.end()
    return Result(reader.system, checks, outcomes, reader.start_cpu)


# --- reading


class Reader:
    """A system's process, and what it costs; started anew after a file that ended it."""

    def __init__(self, name: str, python: Path, folder: Path, arguments: argparse.Namespace) -> None:
        self.system, self.ocr, self.start_cpu = name, False, 0.0
        self._command = [str(python), str(SUBJECTS), name]
        self._folder = folder
        package = find_spec("wellread")
        assert package is not None and package.origin is not None
        self._path = str(Path(package.origin).parents[1]) if name == "wellread" else ""  # the same code under every Python
        self._cpu, self._wall, self._memory = arguments.cpu_seconds, arguments.wall_seconds, arguments.memory_mb * MEGABYTE
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> Outcome:
        process = self._process or self._started()
        assert process.stdin is not None
        before = cost(process.pid)[0]
        process.stdin.write(os.fsencode(path) + b"\n")
        process.stdin.flush()
        line, why, cpu, memory = self._waited(process, before)
        if line is None:
            self.end()
            return Outcome(why, cpu=cpu, memory=memory)
        said = json.loads(line)
        if "error" in said:
            ended = _LIMITS.get(said["error"], "refused")
            return Outcome(ended, message=f"{said['error']}: {said['message']}", cpu=cpu, memory=memory)
        return Outcome("read", said["text"], warned=bool(said["warnings"]), cpu=cpu, memory=memory)

    def end(self) -> None:
        if self._process is not None:
            for process in family(self._process.pid):
                process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        job = json.dumps({"cpu_seconds": self._cpu, "memory_bytes": self._memory})
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [*self._command, job],
            cwd=self._folder,
            env={**os.environ, **one, "PYTHONPATH": self._path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        line, why, cpu, _ = self._waited(self._process, 0.0)
        if line is None:
            raise SystemExit(f"{' '.join(self._command)} does not start: {why}.")
        hello = json.loads(line)
        self.system, self.ocr = hello["system"], hello["ocr"]
        self.start_cpu += cpu
        return self._process

    def _waited(self, process: subprocess.Popen[bytes], before: float) -> tuple[bytes | None, str, float, int]:
        """A line from the process, or None and why there is none; then processor seconds since `before`, and peak memory."""
        assert process.stdout is not None
        held, memory, cpu = bytearray(), 0, 0.0
        deadline = time.monotonic() + self._wall
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                ready = selector.select(0.05)
                cpu, now = cost(process.pid, before)
                memory = max(memory, now)
                if ready:
                    piece = os.read(process.stdout.fileno(), 1 << 20)
                    held += piece
                    if piece.endswith(b"\n"):
                        return bytes(held), "", cpu, memory
                    if not piece:
                        return None, "crashed", cpu, memory
                elif memory > self._memory:
                    return None, "swelled", cpu, memory
                elif cpu > self._cpu + 5 or time.monotonic() > deadline:  # the slack lets a system keep its own limit first
                    return None, "hung", cpu, memory


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cost(pid: int, before: float = 0.0) -> tuple[float, int]:
    """Processor seconds of a process and its descendants, dead ones too, less `before`; and the memory they hold, in bytes."""
    cpu, memory = 0.0, 0
    for process in family(pid):
        try:
            cpu += sum(process.cpu_times()[:4])
            memory += process.memory_info().rss
        except psutil.Error:
            continue
    return max(0.0, cpu - before), memory


# --- judging


def judged(entry: Mapping[str, Any], outcome: Outcome, *, ocr: bool) -> Iterator[Check]:
    """What the manifest promises of a file, and whether it held."""
    expect = entry["expect"]
    wanted = sought(entry)

    def check(name: str, passed: bool, detail: str = "") -> Check:
        told = f"{outcome.ended} {outcome.message}".strip().replace("\n", " ")[:160]
        return Check(entry["file"], entry["kind"], name, passed, f"{detail} [{told}, {len(outcome.text)} characters]".strip())

    if expect == "text":
        texts = variants(outcome.text)
        if any(wanted):
            yield check("text found", any(one in text for one in wanted for text in texts), entry.get("snippet", "")[:80])
        else:
            yield check("text found", any(texts), "any text")
        for pair in entry.get("flow", ()):
            joined = letters(pair["first"]) + letters(pair["then"])
            yield check("reading order", any(joined in text for text in texts), f"{pair['first'][-30:]} | {pair['then'][:30]}")
        for word in as_list(entry.get("must_not_contain", ())):
            yield check("left out", outcome.ended == "read" and not any(letters(word) in text for text in texts), word)
    elif expect in _REFUSALS:
        empty = expect == "empty" and outcome.ended == "read" and not outcome.text.strip()
        fits = outcome.ended == "refused" and bool(_REFUSALS[expect].search(outcome.message))
        yield check("refusal fits", empty or fits, expect)
    elif expect == "ocr":
        yield from scanned(entry, outcome, check, ocr)
    else:
        cheap = outcome.cpu <= ANY_SECONDS and outcome.memory <= ANY_BYTES
        detail = f"{outcome.cpu:.1f} s, {outcome.memory / MEGABYTE:.0f} MB"
        yield check("survived", outcome.ended in ("read", "refused") and cheap, detail)


def scanned(entry: Mapping[str, Any], outcome: Outcome, check: Any, ocr: bool) -> Iterator[Check]:
    """A picture of text is read, or it is said that there is something to read; an empty text says it, too."""
    snippet = letters(entry.get("snippet", ""))
    silent = outcome.ended == "read" and bool(letters(outcome.text)) and not outcome.warned
    told = outcome.ended in ("read", "refused") and not silent
    if snippet:
        seen = max((likeness(snippet, text) for text in variants(outcome.text)), default=0.0) >= 0.85
        yield check("scan told or read", told or seen, "told")
        yield check("scan recognised", seen, entry["snippet"])
    else:
        yield check("scan told or read", told or (ocr and outcome.ended == "read"), "told")


def letters(text: str) -> str:
    """What is compared: letters and digits, without the marks that PDFium puts at hyphens."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).replace("\ufffe", "").replace("\x02", "").lower())


def variants(text: str) -> set[str]:
    """The letters of a text as it is, and as somebody sees it who does not see the targets of Markdown links and HTML entities."""
    return {letters(one) for one in (text, shown(text), html.unescape(text), html.unescape(shown(text)))} - {""}


def shown(text: str) -> str:
    """A text without the targets and titles of its Markdown links."""
    return re.sub(r"\]\([^)]*\)", "]", text)


def sought(entry: Mapping[str, Any]) -> set[str]:
    """What stands for a snippet: some were noted as Markdown and begin or end inside the target of a link; nothing, if all of it does."""
    snippet = entry.get("snippet", "")
    if entry["kind"] not in ("html", "docx", "epub"):
        return variants(snippet)
    inner = re.sub(r'^[^\[\]]*"\)', "", re.sub(r"\]\([^)]*\)?", "]", snippet))
    return {*variants(snippet), *variants(inner)} if letters(inner) else set()


def likeness(part: str, text: str) -> float:
    """How like `part` the stretch of `text` is that is most like it, 0 to 1."""
    blocks = SequenceMatcher(None, part, text, autojunk=False).get_matching_blocks()
    starts = {max(0, block.b - block.a) for block in blocks}
    return max((SequenceMatcher(None, part, text[at : at + len(part)], autojunk=False).ratio() for at in starts), default=0.0)


def as_list(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value)


# --- telling


def report(results: Sequence[Result], files: int) -> None:
    print(f"{files} files; each cell: held / promised. A file counts by kind when everything promised of it held.\n")
    header = "| | " + " | ".join(result.system for result in results) + " |"
    print(f"{header}\n|---|{'---:|' * len(results)}")
    for kind in sorted({check.kind for result in results for check in result.checks}):
        print(row(kind, [whole_files(result, kind) for result in results]))
    print(row("**all files**", [whole_files(result, None) for result in results]))
    for name in ("text found", "reading order", "left out", "refusal fits", "scan told or read", "scan recognised", "survived"):
        cells = []
        for result in results:
            passed = [check.passed for check in result.checks if check.name == name]
            cells.append((sum(passed), len(passed)))
        if any(of for _, of in cells):
            print(row(f"*{name}*", cells))
    ended = [Counter(outcome.ended for outcome in result.outcomes.values()) for result in results]
    for name in ("hung", "swelled", "crashed"):
        print(f"| {name} | " + " | ".join(str(counter[name]) for counter in ended) + " |")
    cpu = [sum(outcome.cpu for outcome in result.outcomes.values()) for result in results]
    print("| processor seconds | " + " | ".join(f"{seconds:.1f}" for seconds in cpu) + " |")
    print("| and to start | " + " | ".join(f"{result.start_cpu:.1f}" for result in results) + " |")
    peaks = [max(outcome.memory for outcome in result.outcomes.values()) for result in results]
    print("| peak memory, MB | " + " | ".join(f"{peak / MEGABYTE:.0f}" for peak in peaks) + " |")


def whole_files(result: Result, kind: str | None) -> tuple[int, int]:
    """Of how many files everything held; recognising scans is only asked of who found some."""
    recognises = any(check.passed for check in result.checks if check.name == "scan recognised")
    held: dict[str, bool] = {}
    for check in result.checks:
        if (kind is None or check.kind == kind) and (recognises or check.name != "scan recognised"):
            held[check.file] = held.get(check.file, True) and check.passed
    return sum(held.values()), len(held)


def row(name: str, cells: Sequence[tuple[int, int]]) -> str:
    return f"| {name} | " + " | ".join(f"{passed} / {of} ({passed / of:.0%})" if of else "" for passed, of in cells) + " |"


def missed(results: Sequence[Result]) -> None:
    for result in results:
        print(f"\n{result.system} missed:")
        for check in result.checks:
            if not check.passed:
                print(f"  {check.file}: {check.name}: {check.detail}")


if __name__ == "__main__":
    main()
