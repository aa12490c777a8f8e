"""The supervised child process, with an engine that needs no model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from wellread.errors import ContextOverflow, ModelError
from wellread.models.restarts import Restarts
from wellread.models.worker import EngineFailed, EngineProcess
from wellread.types import Delta, Sampling

ECHO = {"engine": "echo", "threads": 1, "context_window": 1000, "room": 1000, "slots": 4}


@pytest.fixture
def echo() -> Iterator[EngineProcess]:
    process = EngineProcess(ECHO, silence_s=30, load_s=60)
    yield process
    process.close()


def said(process: EngineProcess, prompt: str, **sampling: int) -> tuple[str, Delta]:
    deltas = list(process.generate(prompt, sampling=Sampling(**sampling)))
    return "".join(delta.text for delta in deltas), deltas[-1]


def gone(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_requests_are_answered_by_one_process(echo: EngineProcess) -> None:
    echo.start()
    assert echo.wait_ready() == ("echo",)
    text, last = said(echo, "one two\n  три 你好🎉")
    assert text == "one two\n  три 你好🎉"
    assert (last.finish, last.usage) == ("stop", last.usage)
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (4, 4)
    pid = echo.pid
    assert said(echo, "a b c d", max_tokens=2)[1].finish == "length"
    assert echo.count("a b c") == 3
    assert echo.pid == pid


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_generated(echo: EngineProcess) -> None:
    with pytest.raises(ContextOverflow, match="takes 990 tokens and the answer up to 20, the model's window holds 1000"):
        said(echo, "x " * 990, max_tokens=20)
    assert said(echo, "x " * 980, max_tokens=20)[1].finish == "length"


def test_a_large_prompt_passes_the_pipe_whole() -> None:
    process = EngineProcess({**ECHO, "context_window": 10**9, "room": 10**9})
    text = "é" * 3_000_000
    assert said(process, text)[0] == text
    process.close()


def test_closing_the_stream_stops_the_generation(echo: EngineProcess) -> None:
    stream = echo.generate("!wait " * 500, sampling=Sampling(max_tokens=500))
    assert next(stream).text == "!wait"
    stream.close()
    began = time.monotonic()
    assert said(echo, "next")[0] == "next"
    assert time.monotonic() - began < 10  # the whole would have taken 25 s


def test_a_crash_fails_one_request_and_the_next_gets_a_new_process(echo: EngineProcess) -> None:
    stream = echo.generate("before !crash after", sampling=Sampling())
    assert next(stream).text == "before"
    first = echo.pid
    with pytest.raises(ModelError, match=r"stopped unexpectedly \(exit code 9\)") as caught:
        list(stream)
    assert caught.value.hint == "ask again: it is started anew"
    assert "echo Delta" in caught.value.message  # what it printed last
    assert said(echo, "again")[0] == "again"
    assert echo.pid != first


def test_an_engine_that_raises_is_replaced(echo: EngineProcess) -> None:
    echo.wait_ready()
    first = echo.pid
    with pytest.raises(ModelError, match="the model engine failed: RuntimeError: told to raise"):
        said(echo, "!raise")
    assert said(echo, "again")[0] == "again"
    assert echo.pid != first


def test_killed_from_outside_while_idle(echo: EngineProcess) -> None:
    echo.wait_ready()
    pid = echo.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while echo.pid is not None:
        time.sleep(0.01)
    assert said(echo, "again")[0] == "again"


def test_a_hung_engine_is_killed_and_replaced() -> None:
    process = EngineProcess(ECHO, silence_s=1)
    process.wait_ready()
    pid = process.pid
    assert pid is not None
    with pytest.raises(ModelError, match="said nothing for 1 seconds and was stopped"):
        said(process, "a !hang b")
    assert gone(pid)
    assert said(process, "again")[0] == "again"
    process.close()


def test_waiting_behind_another_request_is_no_hang() -> None:
    process = EngineProcess(ECHO, silence_s=1)
    process.wait_ready()
    slow = threading.Thread(target=said, args=(process, "!wait " * 50))
    slow.start()
    time.sleep(0.2)
    assert said(process, "second")[0] == "second"
    slow.join()
    process.close()


def test_an_engine_that_cannot_load_says_why() -> None:
    process = EngineProcess({**ECHO, "engine": "steam"})
    for _ in range(2):
        with pytest.raises(EngineFailed, match='no engine called "steam"'):
            process.wait_ready()
    process.close()


def test_a_closed_process_is_gone_with_its_folder(echo: EngineProcess) -> None:
    echo.wait_ready()
    pid = echo.pid
    folders = set(Path(tempfile.gettempdir()).glob("wellread-*"))
    echo.close()
    assert pid is not None
    assert gone(pid)
    assert len(folders - set(Path(tempfile.gettempdir()).glob("wellread-*"))) >= 1
    with pytest.raises(ModelError, match="closed"):
        said(echo, "x")


def test_the_child_ends_when_its_parent_is_killed() -> None:
    program = f"""
import time
from wellread.models.restarts import Restarts
from wellread.models.worker import EngineProcess
process = EngineProcess({ECHO!r})
process.wait_ready()
print(process.pid, flush=True)
from wellread.types import Sampling
list(process.generate("!hang", sampling=Sampling()))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert gone(pid)


def test_requests_are_worked_on_side_by_side(echo: EngineProcess) -> None:
    slow = echo.generate("!wait " * 300, sampling=Sampling(max_tokens=300))
    assert next(slow).text
    began = time.monotonic()
    assert said(echo, "a short one")[0] == "a short one"
    assert time.monotonic() - began < 10  # the other one takes 15 s
    slow.close()


@pytest.mark.slow
def test_what_does_not_fit_beside_the_others_waits() -> None:
    process = EngineProcess({**ECHO, "context_window": 100, "room": 150})
    first = process.generate("!wait " * 60, sampling=Sampling(max_tokens=40))
    assert next(first).text
    order: list[str] = []

    def ask(prompt: str, tokens: int) -> None:
        said(process, prompt, max_tokens=tokens)
        order.append(prompt)

    large = threading.Thread(target=ask, args=("large " * 50, 50))
    large.start()
    time.sleep(0.3)
    small = threading.Thread(target=ask, args=("small", 5))
    small.start()  # it came later, so it waits although there is room
    time.sleep(0.3)
    assert order == []
    list(first)
    large.join()
    small.join()
    assert len(order) == 2
    process.close()


def test_a_request_that_is_refused_leaves_the_others_alone(echo: EngineProcess) -> None:
    other = echo.generate("!wait " * 20, sampling=Sampling(max_tokens=20))
    assert next(other).text
    pid = echo.pid
    with pytest.raises(ModelError, match="refused the request: told to refuse"):
        said(echo, "!refuse")
    assert list(other)[-1].finish == "length"
    assert echo.pid == pid


def test_an_engine_that_always_crashes_is_left_alone_for_a_while() -> None:
    restarts = Restarts(most=3, first_s=0.05, longest_s=0.1, rest_s=0.5)
    process = EngineProcess(ECHO, restarts=restarts)
    for _ in range(3):
        with pytest.raises(ModelError, match="stopped unexpectedly"):
            said(process, "!crash")
        while process.pid is not None:
            time.sleep(0.01)
    with pytest.raises(ModelError, match="crashed 3 times in a row") as caught:
        said(process, "hello")
    assert process.resting
    assert caught.value.hint is not None and caught.value.hint.startswith("ask again in")
    time.sleep(0.6)
    assert said(process, "hello")[0] == "hello"
    assert not process.resting
    process.close()
