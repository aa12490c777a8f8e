"""What happened, as typed steps with times."""

from __future__ import annotations

import time

import pytest

from wellread.trace import Recorder


def test_steps_are_timed_and_keep_their_data() -> None:
    recorder = Recorder()
    with recorder.step("retrieve") as data:
        time.sleep(0.02)
        data["hits"] = 3
    with recorder.step("generate"):
        pass
    first, second = recorder.steps
    assert (first.kind, first.data) == ("retrieve", {"hits": 3})
    assert first.took_ms >= 19
    assert second.at_ms >= first.at_ms + first.took_ms - 0.2
    assert recorder.elapsed_ms() >= second.at_ms - 0.1  # times of steps are rounded


def test_a_step_that_fails_is_kept_with_its_error() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="no"), recorder.step("parse") as data:
        data["at"] = 1
        raise ValueError("no")
    assert recorder.steps[0].data == {"at": 1, "error": "ValueError: no"}


def test_every_run_has_a_name_of_its_own() -> None:
    assert len({Recorder().id for _ in range(100)}) == 100
