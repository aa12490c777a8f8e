"""Libraries of documents that come with requests. They are kept for a while, since the next turn of a conversation sends the same again."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wellread.library import Library
from wellread.models.watched import Stopped
from wellread.parts import Parts
from wellread.server.errors import wrong
from wellread.server.given import Given, read


@dataclass(slots=True)
class _Kept:
    """A library that nobody uses just now, and until when it is there."""

    key: str
    folder: tempfile.TemporaryDirectory[str]
    until: float = 0.0


class GivenShelf:
    """Libraries of the documents of requests, in temporary folders: the last `most` of them, each for `keep_s` seconds after its last use.

    Several threads may use one. Documents that are asked at the same time by several requests have a library for each.
    """

    def __init__(self, parts: Parts, *, most: int = 4, keep_s: float = 300.0) -> None:
        self._parts = parts
        self._most = most
        self._keep_s = keep_s
        self._idle: list[_Kept] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    @contextmanager
    def open(self, owner: str, given: Sequence[Given], parts: Parts, stop: threading.Event) -> Iterator[Library]:
        """The library of some documents of `owner`, with the models of `parts`. Raises `Refused` for a PDF that cannot be read and where
        there is no word in any of them, and `Stopped` when `stop` is set while it is made."""
        named = "\n".join([owner, *(f"{each.ident} {each.title!r}" for each in given)])
        key = hashlib.sha256(named.encode()).hexdigest()
        kept = self._take(key) or self._made(key, given, stop)
        try:
            with Library(_place(kept), parts) as library:
                yield library
        except BaseException:
            kept.folder.cleanup()
            raise
        self._give(kept)

    def close(self) -> None:
        """Remove what is kept."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self._drop(0, time.monotonic() + 2 * self._keep_s)

    def _made(self, key: str, given: Sequence[Given], stop: threading.Event) -> _Kept:
        def watched(what: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped("the request was stopped.")

        documents = read(given, self._parts.settings).values()
        if not any(document.text.strip() for document in documents):
            raise wrong("messages", "the documents hold no text", hint="a PDF of pictures needs its words beside it")
        kept = _Kept(key, tempfile.TemporaryDirectory(prefix="wellread-given-"))
        try:
            with Library(_place(kept), self._parts) as library:
                library.put(*documents, progress=watched)
        except BaseException:
            kept.folder.cleanup()
            raise
        return kept

    def _take(self, key: str) -> _Kept | None:
        with self._lock:
            for kept in self._idle:
                if kept.key == key:
                    self._idle.remove(kept)
                    return kept
        return None

    def _give(self, kept: _Kept) -> None:
        kept.until = time.monotonic() + self._keep_s
        with self._lock:
            self._idle.append(kept)
        self._look()

    def _look(self) -> None:
        """Remove what has been kept for long enough, and look again when the next one has: there is one timer, however many come."""
        self._drop(self._most, time.monotonic())
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if self._idle:
                wait_s = max(0.0, min(kept.until for kept in self._idle) - time.monotonic()) + 0.1
                self._timer = threading.Timer(wait_s, self._look)
                self._timer.daemon = True
                self._timer.start()

    def _drop(self, most: int, now: float) -> None:
        """Remove all but the last `most`, and what has been kept for long enough."""
        with self._lock:
            stays = [kept for kept in self._idle[max(0, len(self._idle) - most) :] if kept.until > now]
            gone = [kept for kept in self._idle if kept not in stays]
            self._idle = stays
        for kept in gone:
            kept.folder.cleanup()


def _place(kept: _Kept) -> Path:
    return Path(kept.folder.name) / "given.wellread"
