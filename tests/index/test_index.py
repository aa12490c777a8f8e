"""All indexes together: killed at any step between the database's commit and theirs, they end as if they were made anew."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import wellread
from wellread.index.index import Index, open_index
from wellread.index.keyword import PASSAGE_BITS
from wellread.index.store import Store
from wellread.models.fake import HashEmbedder
from wellread.types import Document

Put = Callable[..., Document]
QUESTIONS = ["a paragraph", "tides of the harbour", "which keeper lit the lamp", "salt on panels", "new rope", "灯塔 的 守护者"]

CATCHING_UP = """
import os, signal, sys, threading
from pathlib import Path
from wellread.index.index import open_index
from wellread.index.store import Store
library, how, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
folder, seen = library / "index", 0
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def watch(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder)):
        if seen == at:
            die()
        seen += 1
def look():
    # The engine of the keyword indexes writes where no Python hook sees it: halted once so many new files are there.
    before = set(folder.rglob("*"))
    while len(set(folder.rglob("*")) - before) < at:
        pass
    die()
store = Store(library / "library.db")
index = open_index(library, store, 64)
if how == "at a step":
    sys.addaudithook(watch)
else:
    threading.Thread(target=look, daemon=True).start()
index.catch_up()
"""


def text(number: int) -> str:
    """Some paragraphs, so that a document has several passages."""
    words = (
        f"The keeper {number} lit the lamp over the harbour. Tides {number % 7} rise and fall. Salt lies on panels. 灯塔{number}的守护者。"
    )
    return "\n\n".join(f"Paragraph {at}. {words * 3}" for at in range(6))


def results(index: Index) -> list[object]:
    """Everything that the three indexes find to a few questions: ids, and for vectors their cosines.

    BM25 counts words of removed chunks until the engine merges them away, so that its scores may differ a little from a fresh index's.
    """
    embedder = HashEmbedder(64)
    found: list[object] = []
    for question in QUESTIONS:
        vector = embedder.embed([question], query=True)[0]
        found.append(sorted(index.keyword.search(question, limit=200).scores))
        found.append(sorted(index.passages.search(question, limit=200).scores))
        found.append(sorted(index.vector.search(vector, index.store, limit=200).items()))
    return found


def held(index: Index) -> tuple[set[int], set[int]]:
    """The chunks that the store has, and the passages."""
    chunks = {int(chunk) for ids, _ in index.store.vectors_since(0, index.store.change) for chunk in ids}
    return chunks, {chunk >> PASSAGE_BITS for chunk in chunks}


@pytest.fixture
def changed(store: Store, put: Put, tmp_path: Path) -> Path:
    """A library whose indexes lag behind: of its documents one was removed, one replaced, and two are new."""
    for number in range(8):
        put(store, f"/{number}", text(number))
    index = open_index(tmp_path, store, 64)
    index.catch_up()
    store.unlink(["/1"])
    put(store, "/2", text(20))
    put(store, "/8", text(8) + "\n\nA new rope was bought.")
    put(store, "/9", text(9))
    shutil.copytree(tmp_path / "index", tmp_path / "before")
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
@pytest.mark.parametrize("how", ["at a step", "once files are there"])
def test_killed_at_every_step_it_ends_as_a_fresh_one(how: str, changed: Path, store: Store, tmp_path: Path) -> None:
    fresh = open_index(tmp_path / "fresh", store, 64)
    fresh.catch_up()
    expected = results(fresh)
    assert expected[:2] == [sorted(each) for each in held(fresh)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(wellread.__file__).parents[1]), *filter(None, sys.path)])}
    killed = 0
    for at in range(0, 120, 2) if how == "at a step" else range(12):
        shutil.rmtree(changed / "index")
        shutil.copytree(changed / "before", changed / "index")
        arguments = [sys.executable, "-c", CATCHING_UP, str(changed), how, str(at)]
        ended = subprocess.run(arguments, env=environ, check=False, timeout=60)
        killed += ended.returncode == -signal.SIGKILL
        again = open_index(changed, store, 64)
        again.catch_up()
        assert results(again) == expected, at
        if not ended.returncode and how == "at a step":
            break
        assert ended.returncode in (0, -signal.SIGKILL)
    assert killed >= (10 if how == "at a step" else 3)


def test_what_lags_catches_up_and_finds_what_a_fresh_one_does(changed: Path, store: Store, tmp_path: Path) -> None:
    lagging = open_index(changed, store, 64)
    lagging.catch_up()
    fresh = open_index(tmp_path / "fresh", store, 64)
    fresh.catch_up()
    assert results(lagging) == results(fresh)
    vector = HashEmbedder(64).embed([text(20)[:400]], query=True)[0]
    assert np.isfinite(list(lagging.vector.search(vector, store, limit=5).values())).all()
