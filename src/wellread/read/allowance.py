"""Processor time beyond a file's limit, for work that is known to be dear and bounded."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra_seconds(seconds: int) -> Iterator[None]:
    """Allow `seconds` of processor time more inside; what was used of them does not count for the file's own limit.

    Nothing happens in a process whose time is not limited.
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY:
        yield
        return
    began = time.process_time()
    _allow(soft + seconds, hard)
    try:
        yield
    finally:
        _allow(soft + min(seconds, int(time.process_time() - began) + 1), hard)


def _allow(soft: int, hard: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
