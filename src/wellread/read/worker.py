"""One reading child, as its parent sees it: started when needed, replaced when it dies, and killed when it is silent too long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from wellread.errors import ReadError
from wellread.read import wire
from wellread.read.limits import Limits
from wellread.read.refuse import refusal

_FILES_PER_LIFE = 2_000
_BYTES_PER_LIFE = 400_000_000  # read in one life: memory that libraries do not give back stays bounded


class Worker:
    """A child process that parses one file at a time. Threads that share it take turns; `abandon` and `end` may come from any."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._files = 0
        self._bytes = 0
        self._overdue = False
        self._ended = False
        self._turn = threading.RLock()  # held while a file is parsed
        self._starting = threading.Lock()  # held while `_process` changes

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def parse(self, task: wire.Task, keep: Callable[[wire.Packed], None] = lambda member: None) -> wire.Result:
        """What comes of a task; the members of an archive are given to `keep` as they are unpacked.

        A child that died over it is replaced for the next file. Raises what `keep` raises.
        """
        with self._turn:
            kept = 0

            def count(member: wire.Packed) -> None:
                nonlocal kept
                kept += 1
                keep(member)

            result = self._parse(task, count)
            if isinstance(result.outcome, ReadError) and result.outcome.reason == "memory":
                alone = self._files <= 1
                self._drop()
                if not alone and not kept:  # what earlier files left behind is not this one's fault
                    result = self._parse(task, keep)
        return result

    def abandon(self) -> None:
        """Kill the child, if there is one: whoever waits for it sees it die, and the next file starts another."""
        with self._starting:
            if self._process is not None:
                _kill(self._process)

    def end(self) -> None:
        """Kill the child for good; no other will be started."""
        with self._starting:
            self._ended = True
        self.abandon()
        with self._turn:
            self._drop()

    def _parse(self, task: wire.Task, keep: Callable[[wire.Packed], None]) -> wire.Result:
        limits = task.limits
        process = self._ready(task.name)
        self._overdue = False
        watch = threading.Timer(limits.wall_seconds, self._out_of_time, (process,))
        watch.daemon = True
        watch.start()
        try:
            result = self._exchange(process, task, keep)
        except BaseException:
            self._drop()  # its answer, still to come, must not be taken for that of another file
            raise
        finally:
            watch.cancel()
        if result is None:
            return wire.Result(self._death(process, task.name, limits))
        self._files += 1
        self._bytes += len(task.data)
        if self._overdue or self._files >= _FILES_PER_LIFE or self._bytes >= _BYTES_PER_LIFE:
            self._drop()
        return result

    def _drop(self) -> None:
        """End the child, if there is one, and forget it."""
        with self._starting:
            process, self._process = self._process, None
            log, self._log = self._log, None
        if process is not None:
            _kill(process)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # what was left to write has no reader any more
                        stream.close()
        if log is not None:
            log.close()

    def _ready(self, name: str) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._drop()  # it died between two files, which costs neither
        with self._starting:
            if self._ended:
                raise refusal("crashed", name, "the reader was closed")
            if self._process is None:
                self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the child)
                self._process = _start(self._log)
                self._files = self._bytes = 0
            return self._process

    def _exchange(self, process: subprocess.Popen[bytes], task: wire.Task, keep: Callable[[wire.Packed], None]) -> wire.Result | None:
        """The child's result, or None when it died."""
        assert process.stdin is not None and process.stdout is not None
        try:
            wire.send_task(process.stdin, task)
        except (OSError, ValueError):  # it died while it was spoken to
            return None
        while True:
            try:
                frame = wire.receive(process.stdout)
            except (OSError, ValueError):
                frame = None
            if frame is None:
                return None
            try:
                reply = wire.unpack(frame)
            except (ValueError, KeyError, TypeError):
                self._drop()
                return wire.Result(refusal("crashed", task.name, "its answer made no sense"))
            if isinstance(reply, wire.Result):
                return reply
            keep(reply)

    def _out_of_time(self, process: subprocess.Popen[bytes]) -> None:
        self._overdue = True
        _kill(process)

    def _death(self, process: subprocess.Popen[bytes], name: str, limits: Limits) -> ReadError:
        """Why the child died, as far as its end tells."""
        _kill(process)
        code = process.wait()
        last_words = self._last_words()
        self._drop()
        if self._overdue:
            return refusal("timeout", name, f"there was no answer in {limits.wall_seconds:g} seconds")
        if sys.platform != "win32" and code == -signal.SIGXCPU:
            return refusal("timeout", name, f"it used more than {limits.cpu_seconds} seconds of processor time")
        if "MemoryError" in last_words or "bad_alloc" in last_words:
            return refusal("memory", name)
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return refusal("crashed", name, f"{how}, {last_words}" if last_words else how)

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 2000))
        lines = self._log.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def _start(log: IO[bytes]) -> subprocess.Popen[bytes]:
    package = str(Path(__file__).parents[2])
    # the child finds modules where this process does, but never in the folder it happens to stand in
    paths = [*dict.fromkeys(str(Path(entry).absolute()) for entry in sys.path if entry), package]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "wellread.read.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,  # Ctrl-C is the parent's affair, and the child's own children die with it
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
