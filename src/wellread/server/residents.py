"""The chat models that are in memory: loaded when they are needed, counted while they are used, gone when nobody needs them any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wellread.models.base import Supervised, TextModel, Writer
from wellread.models.memory import TooBig, at_hand, at_hand_moves, gigabytes
from wellread.models.restarts import Restarts
from wellread.server.errors import Refused, wrong

_SOON_S = 2.0  # within which a model is asked that somebody has named


@dataclass(frozen=True, slots=True)
class Loading:
    """What is to be loaded: `window` is the context in tokens (None: the usual one), `free` the bytes that it may take (None: any)."""

    name: str
    window: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that has begun to load. `need` is what it takes in bytes when its context is full, `early` what of that it takes at once.

    `ours`: whether it is closed when it is no longer needed. `mark` tells it apart from another one that gets its name later.
    """

    writer: Writer
    need: int = 0
    early: int = 0
    ours: bool = True
    mark: object = None


@dataclass(frozen=True, slots=True)
class Row:
    """A model in memory; it stays for `left_s` seconds if nobody uses it (infinite: for ever)."""

    name: str
    need: int
    window: int
    left_s: float


@dataclass(slots=True)
class _Resident:
    opened: Opened
    keep_s: float
    uses: int = 0
    used_at: float = field(default_factory=time.monotonic)
    ready: bool = False
    leaving: bool = False

    @property
    def until(self) -> float:
        return self.used_at + self.keep_s


class Residents:
    """Chat models by name. Several threads may use one.

    open_: begins to load a model; raises `TooBig` where it does not fit. keep_s: how long a model stays after its last use, unless a
    request says otherwise. memory: what all of them together may take, in bytes; None for what is free.
    """

    def __init__(self, open_: Callable[[Loading], Opened], keep_s: float, memory: int | None) -> None:
        self._open = open_
        self._keep_s = keep_s
        self._memory = memory
        self._here: dict[str, _Resident] = {}
        self._leaving: list[_Resident] = []
        self._failing: dict[str, tuple[object, Restarts]] = {}
        self._changed = threading.Condition(threading.RLock())
        self._watching: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def hold(self, name: str, mark: object, *, keep_s: float | None = None, window: int | None = None) -> Iterator[Writer]:
        """A model, loaded, which stays until the end of the block and `keep_s` seconds more (None: as it was).

        It has a context of `window` tokens or more; where it has less, it is loaded anew. Least recently used models that nobody uses now
        make room. Raises `Refused` (503) while those in use leave too little memory, `TooBig` where there would be too little without
        them, what loading raises, and `ModelError` while a model rests that could not be loaded again and again.
        """
        resident = self._enter(name, mark, window)
        try:
            if not resident.ready:
                self._wait(name, resident)
            yield resident.opened.writer
        finally:
            with self._changed:
                resident.uses -= 1
                resident.used_at = time.monotonic()
                if keep_s is not None:
                    resident.keep_s = keep_s
                if resident.leaving and not resident.uses:
                    self._leaving.remove(resident)
                    self._end(resident)
                self._sweep()
                self._watch()

    def start(self, name: str, mark: object) -> Writer:
        """Begin to load a model that is soon needed, and return at once."""
        with self._changed:
            resident = self._enter(name, mark, None)
            resident.uses -= 1
            resident.used_at = time.monotonic() + _SOON_S
            self._watch()
            return resident.opened.writer

    def unload(self, name: str) -> bool:
        """Have a model go now, or when its last user is done. False where it is not loaded."""
        with self._changed:
            resident = self._here.get(name)
            if resident is not None:
                resident.keep_s, resident.used_at = 0.0, time.monotonic()
                self._sweep()
            return resident is not None

    def rows(self) -> list[Row]:
        """What is loaded, the latest used first."""
        with self._changed:
            self._sweep()
            now = time.monotonic()
            found = sorted(self._here.items(), key=lambda item: -item[1].used_at)
            return [
                Row(name, each.opened.need, each.opened.writer.model.context_window, each.keep_s if each.uses else each.until - now)
                for name, each in found
            ]

    def resting(self) -> list[str]:
        """The models that crashed so often, or could so often not be loaded, that they are not started for now."""
        with self._changed:
            failing = [name for name, (_, restarts) in self._failing.items() if restarts.resting]
            models = {name: each.opened.writer.model for name, each in self._here.items()}
            return sorted({*failing, *(name for name, model in models.items() if isinstance(model, Supervised) and model.resting)})

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            for resident in self._all():
                self._end(resident)
            self._here.clear()
            self._changed.notify_all()

    def _enter(self, name: str, mark: object, window: int | None) -> _Resident:
        """The model, with one more use counted."""
        with self._changed:
            if self._closed:
                raise Refused(503, "shutting_down", "the server is about to end")
            self._sweep()
            resident = self._here.get(name)
            if resident is not None and self._outdated(resident, mark, window):
                if resident.uses and resident.opened.mark == mark:
                    has = resident.opened.writer.model.context_window
                    raise Refused(
                        503, "model_busy", f"{name} is at work with {has} tokens of context", "options.num_ctx", "ask again", retry_after=5
                    )
                self._drop(name)
                resident = None
            if resident is None:
                self._restarts(name, mark).pause()  # which raises while it rests
                resident = _Resident(self._opened(name, mark, window), self._keep_s)
                self._here[name] = resident
            resident.uses += 1
            resident.used_at = time.monotonic()
            return resident

    def _outdated(self, resident: _Resident, mark: object, window: int | None) -> bool:
        if resident.opened.mark != mark:
            return True
        if window is None or window <= resident.opened.writer.model.context_window:
            return False
        if not resident.opened.ours:
            has = resident.opened.writer.model.context_window
            raise wrong("options.num_ctx", f"the window of this model holds {has} tokens, not {window}")
        return True

    def _opened(self, name: str, mark: object, window: int | None) -> Opened:
        """Begin to load a model; others go until it fits."""
        while True:
            try:
                return self._open(Loading(name, window, self._free()))
            except TooBig as error:
                idle = [each for each, resident in self._here.items() if not resident.uses and resident.opened.ours]
                if idle:
                    self._drop(min(idle, key=lambda each: self._here[each].used_at))
                    continue
                busy = sum(each.opened.need for each in self._all())
                if not busy:
                    raise
                raise Refused(
                    503,
                    "no_memory",
                    f"{error.message.rstrip('.')}; models that are at work now take {gigabytes(busy)}",
                    "model",
                    "ask again when they are done, or for one of them",
                    retry_after=5,
                ) from error

    def _free(self) -> int | None:
        """Bytes that a further model may take: what those that are here have not taken yet is theirs."""
        if self._memory is not None:
            return self._memory - sum(each.opened.need for each in self._all())
        free = at_hand()
        if free is None:
            return None
        moves = at_hand_moves()
        return free - sum(each.opened.need - (each.opened.early if moves and each.ready else 0) for each in self._all())

    def _all(self) -> list[_Resident]:
        return [*self._here.values(), *self._leaving]

    def _wait(self, name: str, resident: _Resident) -> None:
        """Until it is loaded. One that cannot be is not kept."""
        model = resident.opened.writer.model
        try:
            if isinstance(model, TextModel):
                model.count_text("")  # the first answer comes when all is loaded
        except BaseException:
            with self._changed:
                if self._here.get(name) is resident:
                    self._drop(name)
                    self._restarts(name, resident.opened.mark).crashed()
            raise
        with self._changed:
            resident.ready = True
            self._failing.pop(name, None)

    def _restarts(self, name: str, mark: object) -> Restarts:
        """How often a model could not be loaded, one after another; another one of that name begins anew."""
        known = self._failing.get(name)
        if known is None or known[0] != mark:
            known = self._failing[name] = (mark, Restarts())
        return known[1]

    def _sweep(self) -> None:
        """End what nobody uses and whose time is over."""
        now = time.monotonic()
        for name in [name for name, each in self._here.items() if not each.uses and each.until <= now]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        """Nobody gets it any more; who uses it now has it to the end."""
        resident = self._here.pop(name)
        if resident.uses:
            resident.leaving = True
            self._leaving.append(resident)
        else:
            self._end(resident)

    def _end(self, resident: _Resident) -> None:
        if resident.opened.ours:
            resident.opened.writer.model.close()

    def _watch(self) -> None:
        """Have a thread look when the next model's time is over."""
        if self._watching is None and not self._closed:
            self._watching = threading.Thread(target=self._keep_watch, name="wellread-residents", daemon=True)
            self._watching.start()
        self._changed.notify_all()

    def _keep_watch(self) -> None:
        with self._changed:
            while not self._closed:
                self._sweep()
                ends = [each.until for each in self._here.values() if not each.uses and each.until < float("inf")]
                self._changed.wait(max(0.0, min(ends) - time.monotonic()) if ends else None)
