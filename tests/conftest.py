"""What the tests of several rooms need: libraries that run on models without weights, and the proof that one is in order."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tantivy
from hypothesis import settings as hypothesis_settings

import wellread
from wellread.cli import main
from wellread.config import Settings
from wellread.index.keyword import PASSAGE_BITS
from wellread.index.store import Store
from wellread.library import Library
from wellread.models.base import ChatModel, Embedder
from wellread.models.fake import HashEmbedder
from wellread.parts import Parts
from wellread.types import Chunk, Document

SHARED = Path(__file__).parents[1] / ".." / "shared"

# A busy machine is no failure, and a failure must come back on the next machine.
hypothesis_settings.register_profile("wellread", deadline=None, derandomize=True)
hypothesis_settings.load_profile("wellread")

OpenLibrary = Callable[..., Library]


@pytest.fixture
def docs_set() -> Path:
    """A folder of real documents beside the repository."""
    if not (SHARED / "docs-set").is_dir():
        pytest.skip("no set of documents here")
    return SHARED / "docs-set"


@pytest.fixture(scope="session")
def real_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library of copies of all real documents, in `files` beside it, each in a folder named after its kind. It is only looked at.

    It takes a minute to make: tests that use it belong to the `xdist_group` "real documents", so that one worker makes it.
    """
    if not (SHARED / "docs-set").is_dir():
        pytest.skip("no set of documents here")
    folder = tmp_path_factory.mktemp("real")
    entries = json.loads((SHARED / "docs-set" / "manifest.json").read_text())["files"]
    for kind in sorted({entry["kind"] for entry in entries} - {"zip"}):
        shutil.copytree(SHARED / "docs-set" / kind, folder / "files" / kind)
    parts = Parts(Settings(model="none", home=folder / "home"), embedder=HashEmbedder())
    with Library(folder / "real.wellread", parts) as library:
        library.add(folder / "files")
        yield library


@pytest.fixture(scope="session")
def real_documents(real_library: Library) -> Mapping[str, Document | str]:
    """What became of each real document, by "kind/name": what was read, or the reason why nothing was."""
    held = {source: real_library.document(listed.id) for listed in real_library.documents() for source in listed.sources}
    reasons = {path: failure.reason for path, failure in real_library.store.failures().items()}
    files = real_library.folder.parent / "files"
    return {str(Path(path).relative_to(files)): what for path, what in {**held, **reasons}.items()}


@pytest.fixture
def open_library(tmp_path: Path) -> Iterator[OpenLibrary]:
    """Opens libraries with a fake embedder and, if given, a fake chat model; closes them in the end."""
    opened: list[Library] = []

    def make(name: str = "test", *, chat: ChatModel | None = None, embedder: Embedder | None = None, **settings: Any) -> Library:
        parts = Parts(Settings(model="none", home=tmp_path / "home", **settings), embedder=embedder or HashEmbedder(), chat=chat)
        opened.append(Library(tmp_path / f"{name}.wellread", parts))
        return opened[-1]

    yield make
    for library in opened:
        library.close()


@pytest.fixture
def check_library() -> Callable[[Library], None]:
    """Checks everything that must hold of a library between two changes; see `_check`."""
    return _check


def _check(library: Library) -> None:
    """Every chunk is a span of its text, nothing is without an owner, and both indexes hold exactly the chunks of the store."""
    chunks = _tables_agree(library.folder / "library.db")
    _spans_hold(library.store, chunks)
    assert keyword_ids(library.folder / "index" / "keyword") == sorted(chunks)
    assert keyword_ids(library.folder / "index" / "passages") == sorted({chunk >> PASSAGE_BITS for chunk in chunks})
    assert vector_ids(library.folder) == sorted(chunks)


def _tables_agree(path: Path) -> list[int]:
    """The ids of all chunks, once the tables of the database are seen to fit together."""

    def column(query: str) -> list[object]:
        return [row[0] for row in db.execute(query)]

    with closing(sqlite3.connect(path)) as db:
        assert column("pragma foreign_key_check") == []
        chunks = [row[0] for row in db.execute("select id from chunks order by id")]
        documents = sorted(map(str, column("select id from documents")))
        assert column("select chunk from vectors order by chunk") == chunks
        assert sorted(map(str, column("select document from texts"))) == documents
        assert sorted(map(str, column("select distinct document from sources"))) == documents
        assert set(map(str, column("select distinct document from chunks"))) <= set(documents)
        assert not set(column("select chunk from removed")) & set(chunks)
        first, count = "(select min(id) from chunks where document = d.id)", "(select count(*) from chunks where document = d.id)"
        assert column(f"select id from documents d where first_chunk is not {first} or chunk_count != {count}") == []
    return chunks


def _spans_hold(store: Store, ids: list[int]) -> None:
    by_document: dict[str, list[Chunk]] = {}
    for chunk in store.chunks(ids).values():
        by_document.setdefault(chunk.document, []).append(chunk)
    assert sum(map(len, by_document.values())) == len(ids)
    for name, chunks in by_document.items():
        document = store.document(name)
        at = 0
        for chunk in sorted(chunks, key=lambda chunk: chunk.start):
            assert at <= chunk.start < chunk.end <= len(document.text)
            assert document.text[chunk.start : chunk.end] == chunk.text
            assert chunk.text.strip() == chunk.text
            at = chunk.end
            if chunk.page is not None:
                page = document.pages[chunk.page]
                assert page.index == chunk.page
                assert page.start <= chunk.start < chunk.end <= page.end
            if chunk.section is not None:
                section = document.sections[chunk.section]
                assert section.start < chunk.end
                assert chunk.section + 1 == len(document.sections) or chunk.end <= document.sections[chunk.section + 1].start
        assert sum(len(chunk.text.split()) for chunk in chunks) >= len(document.text.split())


def keyword_ids(folder: Path) -> list[int]:
    """The ids that lie in a keyword index, with repetitions."""
    if not (folder / "meta.json").exists():
        return []
    searcher = tantivy.Index.open(str(folder)).searcher()
    if not searcher.num_docs:
        return []
    found = searcher.search(tantivy.Query.all_query(), limit=searcher.num_docs).hits
    return sorted(searcher.fast_field_values("chunk", [address for _, address in found]))


def vector_ids(folder: Path) -> list[int]:
    """The chunks whose rows in a vector index are alive."""
    index = folder / "index" / "vector"
    if not (index / "state.json").exists():
        return []
    state = json.loads((index / "state.json").read_text())
    ids = np.fromfile(index / f"ids-{state['generation']}", np.int64, state["rows"]) if state["rows"] else np.zeros(0, np.int64)
    with closing(sqlite3.connect(folder / "library.db")) as db:
        gone = {row[0] for row in db.execute("select chunk from removed where change > ?", (state["written"],))}
    return sorted({int(one) for one in ids} - gone)  # a chunk that came back has two rows, and the last one counts


# --- the command, as a person runs it


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it wrote to stdout, which must be one JSON value."""
        return json.loads(self.out)

    def refuses(self, code: int, *words: str) -> None:
        """Check for this exit code, one sentence with a hint on stderr, all these words in the two, and nothing on stdout."""
        assert self.code == code, self
        assert self.out == ""
        told = self.err[self.err.rindex("wellread: ") :]
        sentence, _, hint = told.partition("\nhint: ")
        assert sentence.endswith((".", "?")), told
        assert hint.strip(), told
        for word in words:
            assert word in told


class Command:
    """Runs `wellread` in a process of its own, in `folder`, with models from `home` and no network. No traceback is ever right."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WELLREAD_", "PYTHON", "PIP_", "HF_"))}
        self.environ = {
            **kept,
            "PYTHONPATH": str(Path(wellread.__file__).parents[1]),
            "WELLREAD_HOME": str(home),
            "WELLREAD_OFFLINE": "1",
            "WELLREAD_THREADS": "1",
        }

    def __call__(self, *arguments: str | bytes | Path, stdin: str = "", environ: Mapping[str, str] | None = None, **how: Any) -> Ran:
        """Run it to its end. `how` goes to `Popen`."""
        with self.start(*arguments, environ=environ, **how) as process:
            try:
                out, err = process.communicate(stdin, timeout=300)
            except BaseException:
                process.kill()
                raise
        assert "Traceback" not in err, err
        return Ran(process.returncode, out or "", err)

    def here(self, *arguments: str | bytes | Path, stdin: str = "", environ: Mapping[str, str] | None = None) -> Ran:
        """Run it in this process: half a second quicker, for what does not depend on how a process starts and ends."""
        streams = [io.TextIOWrapper(io.BytesIO(given), encoding="utf-8") for given in (stdin.encode(), b"", b"")]
        before, mask = dict(os.environ), os.umask(0o022)
        os.environ.clear()
        os.environ.update({**self.environ, **(environ or {})})
        standard, sys.stdin = sys.stdin, streams[0]
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(streams[1]), contextlib.redirect_stderr(streams[2]):
                code = main(list(map(os.fsdecode, arguments)))
        except SystemExit as end:  # of --help
            code = int(end.code or 0)
        finally:
            sys.stdin = standard
            os.environ.clear()
            os.environ.update(before)
            os.umask(mask)
        out, err = (stream.detach().getvalue().decode() for stream in streams[1:])  # type: ignore[attr-defined]
        return Ran(code, out, err)

    def start(
        self,
        *arguments: str | bytes | Path,
        environ: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        python: Sequence[str] = (),
        **how: Any,
    ) -> subprocess.Popen[str]:
        """Start it; `before` is put before the interpreter, `python` holds options of it."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [*before, sys.executable, *python, "-m", "wellread", *arguments],
            env={**self.environ, **(environ or {})},
            text=True,
            encoding="utf-8",
            **{"cwd": self.folder, **streams, **how},
        )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are kept; shared by all tests, and the models by all workers, since to fetch and convert them takes a while."""
    made, base = tmp_path_factory.mktemp("home"), tmp_path_factory.getbasetemp()
    models = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "models"
    models.mkdir(exist_ok=True)
    (made / "cache").mkdir()
    (made / "cache" / "models").symlink_to(models, target_is_directory=True)
    return made


@pytest.fixture
def command(home: Path, tmp_path: Path) -> Command:
    return Command(home, tmp_path)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """A folder `papers` with three short documents, of which one names a person that another is about."""
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "optimizer.md").write_text(
        "# Decisions\n\nWe chose the Adam optimizer because it converged fastest in our trials. "
        "The learning rate is 0.0003 in every experiment.\n"
    )
    (folder / "solar.txt").write_text(
        "The solar panels on the roof of the library produce four kilowatts at noon. "
        "The installation of the solar panels was approved by Maria Keller in May 2021.\n"
    )
    (folder / "tea.txt").write_text("Green tea is steeped at eighty degrees for two minutes. Black tea needs boiling water.\n")
    return folder
