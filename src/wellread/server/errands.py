"""What jobs do: bring a library into step with its files, take files that were sent, examine a library."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wellread.evaluate.cases import read_cases
from wellread.evaluate.run import examine
from wellread.evaluate.sample import Sample
from wellread.evaluate.subject import Subject
from wellread.evaluate.task import Task
from wellread.index.rows import Failure, Source
from wellread.library import Library
from wellread.options import Options
from wellread.recipe import Recipe
from wellread.server.errors import Refused
from wellread.server.jobs import Job
from wellread.server.runner import Do
from wellread.server.served import Served
from wellread.server.shelf import Shelf
from wellread.server.uploads import incoming, sweep, take, uploads
from wellread.sync import SyncReport
from wellread.types import Progress

Examined = Callable[[Library, Sequence[Task], Options], Subject]
"""Makes a library ready to be examined: `wellread.scoreboard.examinee.subject`."""

_MOST_TOLD = 10_000


class Errands:
    """The work of each kind of job. `folder` is for files that a job needs while it goes on."""

    def __init__(self, shelf: Shelf, models: Served, folder: Path, examined: Examined | None) -> None:
        self._shelf = shelf
        self._models = models
        self._folder = folder
        self._examined = examined
        self.kinds: Mapping[str, Do] = {"add": self._add, "sync": self._sync, "evaluate": self._evaluate}

    def _add(self, job: Job, progress: Progress, stop: threading.Event) -> Mapping[str, Any]:
        """Files that were sent."""
        names = list(job.request["names"])
        with self._shelf.open(job.library, None, stop) as library:
            taken = take(library, job.id, names)
            before = library.store.sources()
            report = library.add(uploads(library.folder), progress=progress)
            if job.request["tags"]:
                library.add(*taken, tags=job.request["tags"], progress=progress)
            return _told(report, before, library.store.sources(), under=taken)

    def _sync(self, job: Job, progress: Progress, stop: threading.Event) -> Mapping[str, Any]:
        """All files that the library follows, or a folder that it is to follow from now on."""
        path = job.request["path"]
        with self._shelf.open(job.library, None, stop) as library:
            before = library.store.sources()
            report = library.sync(progress) if path is None else library.add(path, tags=job.request["tags"], progress=progress)
            return _told(report, before, library.store.sources())

    def _evaluate(self, job: Job, progress: Progress, stop: threading.Event) -> Mapping[str, Any]:
        """Questions with what is right. What was answered before an interruption is not asked again; the answers go with the job's end."""
        if self._examined is None:
            raise Refused(501, "not_here", "this server examines nothing")
        folder = self._folder / job.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cases = folder / "questions.jsonl"
        cases.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in job.request["questions"]), encoding="utf-8")
        given = dict(job.request["options"])
        options = Options(**{**given, "recipe": Recipe(**given.pop("recipe"))})
        default = self._models.default
        writer = None if options.mode == "extract" or default is None else self._models.chat(default)
        tasks = [read_cases(cases)]
        with self._shelf.open(job.library, writer, stop) as library:
            subject = self._examined(library, tasks, options)
            done = examine(subject.tasks, subject.examinee, folder / "run", scorers=subject.scorers, progress=progress)
        return asdict(done.results) | {"questions": [_scored(sample) for sample in done.samples]}

    def clear(self, job: Job) -> None:
        """Delete the files that a job needed, now that it is over."""
        shutil.rmtree(self._folder / job.id, ignore_errors=True)
        with contextlib.suppress(Refused):  # its library is gone
            shutil.rmtree(incoming(self._shelf.folder(job.library), job.id), ignore_errors=True)

    def sweep(self, unfinished: Sequence[Job]) -> None:
        """Delete what a server that died has left, but for what jobs that go on need."""
        kept = {job.id for job in unfinished}
        if self._folder.is_dir():
            for path in list(self._folder.iterdir()):
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)
        for name in self._shelf.names():
            with contextlib.suppress(Refused):
                sweep(self._shelf.folder(name), kept)


def _scored(sample: Sample) -> dict[str, Any]:
    """How a question went, without the answer: a report outlives the documents that it was of."""
    return {"id": sample.id, "scores": dict(sample.scores), "refused": sample.refused, "failed": sample.error is not None}


def _told(report: SyncReport, before: Mapping[str, Source], after: Mapping[str, Source], under: Sequence[Path] = ()) -> dict[str, Any]:
    """What a sync did, in numbers and file by file; with `under`, also of these what was there before."""
    files = [*_files(before, after, {str(path) for path in under}), *map(_failed, report.failed)]
    return {
        "added": report.added,
        "updated": report.updated,
        "moved": report.moved,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
        "files": files[:_MOST_TOLD],
        "files_left_out": max(0, len(files) - _MOST_TOLD),
    }


def _files(before: Mapping[str, Source], after: Mapping[str, Source], shown: set[str]) -> Iterator[dict[str, Any]]:
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if new is None:
            yield {"path": path, "state": "removed", "document": None}
        elif old is None:
            yield {"path": path, "state": "added", "document": new.document}
        elif old.document != new.document:
            yield {"path": path, "state": "updated", "document": new.document}
        elif path in shown:
            yield {"path": path, "state": "unchanged", "document": new.document}


def _failed(failure: Failure) -> dict[str, Any]:
    told = {"path": failure.path, "state": "failed", "document": None}
    return told | {"error": {"code": failure.reason, "message": failure.message, "hint": failure.hint}}
