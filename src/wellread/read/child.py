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
from wellread.read.parse import kind, parse
from wellread.read.refuse import refusal
from wellread.read.unpack import ARCHIVES, UNPACKABLE, unpack

_LARGEST_LOG = 1_000_000


def main() -> None:
    """Answer tasks on standard input, until it closes."""
    tasks = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    threading.Thread(target=_end_with_parent, args=(tasks.fileno(),), daemon=True).start()
    while (task := wire.receive_task(tasks)) is not None:
        _limit(task.limits)
        _answer(answers, task)


def _answer(answers: BinaryIO, task: wire.Task) -> None:
    try:
        frame = wire.pack(_result(answers, task))
    except MemoryError:
        gc.collect()
        frame = wire.pack(wire.Result(refusal("memory", task.name)))
    wire.send(answers, frame)


def _result(answers: BinaryIO, task: wire.Task) -> wire.Result:
    """The result of a task, after the members of an archive have been sent."""
    container = False
    try:
        media_type = kind(task.data, task.name, task.limits)
        container = media_type in UNPACKABLE
        if container and task.unpack:
            for member in unpack(task.data, task.name, media_type, task.limits):
                wire.send(answers, wire.pack(member))
        if media_type in ARCHIVES:
            return wire.Result(None if task.unpack else _too_deep(task), container)
        return wire.Result(parse(task.data, task.name, task.source, task.limits), container)
    except ReadError as error:
        return wire.Result(error, container)
    except MemoryError:
        raise
    except RecursionError:
        return wire.Result(refusal("damaged", task.name, "it is nested too deeply"), container)
    except Exception as error:  # a reader's defect: it costs this file only, and is told
        return wire.Result(refusal("crashed", task.name, f"{type(error).__name__}: {error}"[:300]), container)


def _too_deep(task: wire.Task) -> ReadError:
    return refusal("too_large", task.name, f"archives lie in one another more than {task.limits.unpacked_depth} deep")


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
