"""The process in which files are parsed: `python -m wellread.read.child`, started and fed by `pool`.

It may be killed at any moment and holds nothing that is missed. Processor time and address space are limited where the system can
do that, core dumps and large files are off, and it ends when its parent is gone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import sys
import threading
from typing import BinaryIO

from wellread.errors import ReadError
from wellread.read import wire
from wellread.read.limits import Limits
from wellread.read.parse import parse
from wellread.read.refuse import refusal
from wellread.types import Document

_LARGEST_LOG = 1_000_000


def main() -> None:
    """Answer tasks on standard input, until it closes."""
    tasks = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    threading.Thread(target=_end_with_parent, args=(tasks.fileno(),), daemon=True).start()
    while (task := wire.receive_task(tasks)) is not None:
        data, name, source, limits = task
        _limit(limits)
        _answer(answers, data, name, source, limits)


def _answer(answers: BinaryIO, data: bytes, name: str, source: str, limits: Limits) -> None:
    try:
        frame = wire.pack(_result(data, name, source, limits))
    except MemoryError:
        gc.collect()
        frame = wire.pack(refusal("memory", name))
    wire.send(answers, frame)


def _result(data: bytes, name: str, source: str, limits: Limits) -> Document | ReadError:
    try:
        return parse(data, name, source, limits)
    except ReadError as error:
        return error
    except MemoryError:
        raise
    except RecursionError:
        return refusal("damaged", name, "it is nested too deeply")
    except Exception as error:  # a reader's defect: it costs this file only, and is told
        return refusal("crashed", name, f"{type(error).__name__}: {error}"[:300])


def _limit(limits: Limits) -> None:
    """Allow this file its share of processor time from now on, and the process its memory."""
    if sys.platform == "win32":  # the parent's wall clock is the only limit there
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    for what, allowed in (
        (resource.RLIMIT_CPU, int(spent) + 1 + max(1, limits.cpu_seconds)),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, _LARGEST_LOG),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        soft = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
        with contextlib.suppress(ValueError, OSError):  # some systems know a limit by name and refuse to set it
            resource.setrlimit(what, (soft, hard))


def _end_with_parent(stdin: int) -> None:
    """End the process when the other end of standard input is closed, even in the midst of a file."""
    if sys.platform == "win32":  # there the end of input is seen between files only
        return
    poll = select.poll()
    poll.register(stdin, 0)  # nothing is asked for, so only a hang-up wakes it
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
