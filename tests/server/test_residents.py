"""What is in memory: loaded when it is needed, counted while it is used, gone in time, and never more than fits."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.test_damaged import whole

from wellread.config import Settings
from wellread.errors import ModelError, UsageError
from wellread.models.base import Writer
from wellread.models.fake import EchoChat
from wellread.models.files import ModelStore
from wellread.models.memory import TooBig
from wellread.models.origins import origin_of
from wellread.parts import Parts
from wellread.server.errors import Refused
from wellread.server.keep_alive import FOREVER, seconds
from wellread.server.residents import Loading, Opened, Residents
from wellread.server.served import Served

SIZE = {"small": 10, "middle": 40, "large": 70}


class Sized(EchoChat):
    """A model that says whether it is open."""

    def __init__(self, name: str, window: int) -> None:
        super().__init__(name=name, context_window=window)
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Shop:
    """Opens models of known sizes, and remembers them."""

    def __init__(self, keep_s: float = 300, memory: int = 100) -> None:
        self.opened: list[Sized] = []
        self.residents = Residents(self.open, keep_s, memory)

    def open(self, loading: Loading) -> Opened:
        need = SIZE[loading.name]
        if loading.free is not None and need > loading.free:
            raise TooBig(f"{loading.name} needs {need}, and {loading.free} are free.")
        self.opened.append(Sized(loading.name, loading.window or 512))
        return Opened(Writer(self.opened[-1]), need, mark="first")

    def names(self) -> list[str]:
        return [row.name for row in self.residents.rows()]


def test_the_least_recently_used_make_room() -> None:
    shop = Shop()
    for name in ("small", "middle"):
        with shop.residents.hold(name, "first"):
            pass
    with shop.residents.hold("small", "first"):
        assert shop.names() == ["small", "middle"]
    with shop.residents.hold("large", "first") as writer:
        assert shop.names() == ["large", "small"]
        assert [model.closed for model in shop.opened] == [False, True, False]
        with pytest.raises(Refused, match="middle needs 40, and 30 are free") as busy, shop.residents.hold("middle", "first"):
            pass  # small went, which did not help; large is at work
        assert (busy.value.status, busy.value.retry_after) == (503, 5)
        assert not writer.model.closed  # type: ignore[attr-defined]
    with shop.residents.hold("middle", "first"):
        assert shop.names() == ["middle"]
    with pytest.raises(TooBig), Shop(memory=5).residents.hold("small", "first"):
        pass
    shop.residents.close()
    assert all(model.closed for model in shop.opened)
    with pytest.raises(Refused, match="about to end"), shop.residents.hold("small", "first"):
        pass


def test_what_nobody_uses_goes_in_time() -> None:
    shop = Shop(keep_s=0.05)
    with shop.residents.hold("small", "first"):
        time.sleep(0.1)
        assert shop.names() == ["small"]
    until = time.monotonic() + 5
    while not shop.opened[0].closed and time.monotonic() < until:  # by itself: nobody asks
        time.sleep(0.01)
    assert shop.opened[0].closed
    with shop.residents.hold("small", "first", keep_s=FOREVER):
        pass
    time.sleep(0.1)
    assert shop.residents.rows()[0].left_s == FOREVER
    with shop.residents.hold("small", "first", keep_s=0):
        with shop.residents.hold("small", "first"):
            pass
        assert shop.names() == ["small"]
    assert shop.names() == []
    with shop.residents.hold("small", "first"):
        assert shop.residents.unload("small")
        assert not shop.opened[-1].closed
    assert shop.opened[-1].closed
    assert not shop.residents.unload("small")
    shop.residents.start("small", "first")
    assert shop.residents.unload("small")
    assert shop.names() == []
    shop.residents.close()


def test_another_model_of_the_same_name_and_more_context() -> None:
    shop = Shop()
    with shop.residents.hold("small", "first") as old:
        with shop.residents.hold("small", "other") as new:
            assert new.model is not old.model
        assert not old.model.closed  # type: ignore[attr-defined]  # who uses it has it to the end
    assert shop.opened[0].closed
    shop = Shop()
    with shop.residents.hold("small", "first", window=256) as writer:
        assert writer.model.context_window == 512 or shop.opened[0].context_window == 256
    with shop.residents.hold("small", "first", window=1024) as writer:
        assert (writer.model.context_window, len(shop.opened), shop.opened[0].closed) == (1024, 2, True)
        with pytest.raises(Refused, match="at work"), shop.residents.hold("small", "first", window=4096):
            pass
    with shop.residents.hold("small", "first") as writer:
        assert writer.model.context_window == 1024
    shop.residents.close()


def test_one_that_cannot_be_loaded_is_not_kept() -> None:
    class Broken(Sized):
        def count_text(self, prompt: str) -> int:
            raise ModelError("it does not load.")

    residents = Residents(lambda loading: Opened(Writer(Broken(loading.name, 512)), 1), 300, 100)
    for _ in range(2):
        with pytest.raises(ModelError, match="does not load"), residents.hold("small", None):
            pass
        assert residents.rows() == []
    residents.close()


@given(st.lists(st.tuples(st.sampled_from(list(SIZE)), st.integers(0, 3)), max_size=12))
def test_never_more_than_fits(steps: list[tuple[str, int]]) -> None:
    """Held or let go in any order: what is open never takes more than there is, and what is held is open."""
    shop = Shop()
    held: list[Any] = []
    for name, ended in steps:
        for _ in range(min(ended, len(held))):
            held.pop(0)[0].__exit__(None, None, None)
        context = shop.residents.hold(name, "first")
        with contextlib.suppress(Refused):
            held.append((context, context.__enter__()))
        assert sum(SIZE[model.name] for model in shop.opened if not model.closed) <= 100
        assert not any(writer.model.closed for _, writer in held)
    for context, _ in held:
        context.__exit__(None, None, None)
    shop.residents.close()


def test_many_threads_share_one_model() -> None:
    shop, failed = Shop(), []

    def use(name: str) -> None:
        try:
            for _ in range(20):
                with shop.residents.hold(name, "first") as writer:
                    assert "".join(delta.text for delta in writer.model.stream([])) == ""
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=use, args=(name,)) for name in ("small", "middle") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(shop.opened) == 2
    shop.residents.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), ("300ms", 0.3), (0, 0), ("0", 0), ("0s", 0), (-1, FOREVER), ("-1", FOREVER),
     ("-1m", FOREVER), (90, 90), ("90", 90), (2.5, 2.5), ("87600h1s", FOREVER), (1e300, FOREVER)],
)  # fmt: skip
def test_a_keep_alive_is_read(text: object, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "5x", "1h 30m", "--1", "1m-", True, None, [], float("nan"), "9" * 100, "+-5", "."])
def test_what_is_no_keep_alive_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="keep-alive"):
        seconds(text)


@pytest.mark.slow
def test_real_models_share_what_there_is(tmp_path: Path) -> None:
    """Two models of 80 MB each, and 130 MB: one goes for the other, whichever is asked for; a third one is too large."""
    settings = Settings(model="none", home=tmp_path, offline=True, max_memory_mb=130, engine="llamacpp", threads=1)
    store = ModelStore(settings.models_folder)
    store.pull(origin_of(str(whole(tmp_path / "one.gguf"))).entry, offline=True)
    store.copy("one", "two")
    with Parts(settings) as parts:
        served = Served(parts)
        for name in ("one", "two", "one"):
            model = served.chat(name).model
            assert [row.name for row in served.loaded()] == [f"{name}:latest"]
            assert 70e6 < served.loaded()[0].need < 90e6
            assert model.context_window == 512
        with pytest.raises(Refused, match="trained for 512"), served.hold("one", window=600):
            pass
        assert served.loaded() != []
        served.close()
    with Parts(Settings(model="none", home=tmp_path, offline=True, max_memory_mb=50)) as parts:
        served = Served(parts)
        with pytest.raises(TooBig, match="50 MB are free"), served.hold("one"):
            pass
        served.close()
