"""The keyword index: BM25 over the words of each chunk and its headings, by tantivy. Derived from the store, rebuilt when in doubt.

Words are made by `wellread.words` for texts and queries alike (NFKC, case folding, CJK bigrams), then stemmed as English by the
engine, which leaves other scripts alone.

Beside the engine's files lies `state.json`, with the checksum of each: they are compared once when they are opened.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wellread.errors import DiskFull, LibraryError
from wellread.index.store import Store
from wellread.index.sums import file_sum, read_note, write_note
from wellread.words import asked_words, words

_LAYOUT = "keyword-2"
"""Changes when the fields or the analysis do, so that an older index is rebuilt."""

_HEAP_BYTES = 50_000_000
_ROOM_BYTES = 16_000_000
_LISTS = ("meta.json", ".managed.json")
"""Files of the engine that are rewritten; all others are never changed once they are there."""


@dataclass(frozen=True, slots=True)
class State:
    """What `state.json` says: the database and its change that the files hold, and size and CRC-32 of each file.

    `writing` says that more was being written: some files may be gone, and more may be there.
    """

    identity: str
    change: int
    files: Mapping[str, tuple[int, int]]
    writing: bool = False


def read_state(folder: Path) -> State | None:
    """What is written in the folder of an index, or None when that cannot be believed."""
    note = read_note(folder / "state.json")
    if note is None or note["layout"] != _LAYOUT:
        return None
    return State(note["identity"], note["change"], {name: (size, crc) for name, (size, crc) in note["files"].items()}, note["writing"])


def damaged_files(folder: Path, state: State, *, known: Mapping[str, tuple[int, int]]) -> list[str]:
    """The names of files that do not hold what was written. Of those that are `known` to be right only the size is looked at."""
    return [name for name, expected in state.files.items() if not _is_sound(folder / name, expected, known.get(name), state.writing)]


def held_ids(folder: Path, around: Sequence[int], *, slice_length: int = 20_000) -> Iterator[int]:
    """The chunk ids in an index that is sound, with repetitions, in slices between every `slice_length`th of the ids `around` (sorted)."""
    import tantivy

    linked = _linked(folder)
    index = tantivy.Index.open(linked.name if linked else str(folder))
    searcher = index.searcher()
    bounds = [-(1 << 62), *around[slice_length::slice_length], 1 << 62]
    for low, high in pairwise(bounds):
        slice_ = tantivy.Query.range_query(
            index.schema, "chunk", tantivy.FieldType.Integer, low, high, include_lower=True, include_upper=False
        )
        count = searcher.search(slice_, limit=1, count=True).count
        if count:
            yield from _ids(searcher, searcher.search(slice_, limit=count, count=False).hits)


def _linked(folder: Path) -> TemporaryDirectory[str] | None:
    """Where nothing may be written, a folder of links to the files: tantivy makes a lock file beside them even to read. Else None."""
    if os.access(folder, os.W_OK):
        return None
    linked = TemporaryDirectory(prefix="wellread-", ignore_cleanup_errors=True)
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".lock":
            (Path(linked.name) / path.name).symlink_to(path.absolute())
    return linked


def _is_sound(path: Path, expected: tuple[int, int], known: tuple[int, int] | None, may_be_gone: bool) -> bool:
    try:
        return path.stat().st_size == expected[0] if known == expected else file_sum(path) == expected
    except FileNotFoundError:
        return may_be_gone
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class KeywordHits:
    """What a query found: BM25 scores by chunk id, and `coverage`: the share of the query's weight (idf) that the best chunk holds."""

    scores: dict[int, float]
    coverage: float


def _is_damage(error: BaseException) -> bool:
    """tantivy raises ValueError for damage that it looks for, and panics (which is no Exception) over the rest."""
    return isinstance(error, (ValueError, OSError)) or type(error).__name__ == "PanicException"


@contextmanager
def _told() -> Iterator[None]:
    """Damage that a search comes upon, as an error of ours."""
    try:
        yield
    except BaseException as error:
        if not _is_damage(error):
            raise
        raise LibraryError(
            f"the keyword index is damaged: {error}.", hint="delete the folder `index` in the library: it is made anew from the rest"
        ) from error


class KeywordIndex:
    """The index in one folder. `catch_up` brings it level with the store; searching needs no store."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._folder = folder
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("chunk", stored=False, indexed=True, fast=True)
        builder.add_text_field("words", stored=False, tokenizer_name="wellread")
        self._schema = builder.build()
        self._analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).filter(tantivy.Filter.stemmer("english")).build()
        self._level: tuple[str, int] | None = None
        self._sound: Mapping[str, tuple[int, int]] = {}
        self._linked: TemporaryDirectory[str] | None = None
        self._index = self._opened()

    def catch_up(self, store: Store) -> bool:
        """Add and delete what changed in the store since this index was written. Returns whether anything did.

        Killed at any point, it is run again from the old counter; deleting a chunk before adding it makes that harmless.
        """
        identity, change = store.identity, store.change
        made_from, since = self._written()
        if (made_from, since) == (identity, change):
            if self._level != (identity, change):  # by another process
                self._index = self._opened()
            if self._written() == (identity, change):  # or opening found damage
                self._level = (identity, change)
                return False
        if made_from != identity or since > change:  # nothing yet, or the database was replaced by another or an older one
            self._fresh_folder()
        self._index = self._opened()
        _, since = self._written()  # nothing, where opening found damage
        try:
            self._write(store, since)
        except ValueError as error:  # what tantivy raises for anything that goes wrong with its files
            self._write_anew(store, error)
        self._index.reload()
        self._note(identity, change)
        self._level = (identity, change)
        return True

    def stay_behind(self) -> None:
        """Open what is written without catching up, for a disk that has no room for more."""
        self._index, self._level = self._opened(), None

    @_told()
    def search(self, query: str, *, limit: int) -> KeywordHits:
        """The best `limit` chunks for a query. A query whose words are all unknown finds nothing."""
        import tantivy

        terms = self._terms(query)
        searcher = self._index.searcher()
        total = searcher.num_docs
        if not terms or not total:
            return KeywordHits({}, 0.0)
        weights = {term: _idf(searcher.doc_freq("words", term), total) for term in terms}
        known = [term for term in terms if searcher.doc_freq("words", term)]
        parts = [(tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "words", term, index_option="freq")) for term in known]
        if not parts:
            return KeywordHits({}, 0.0)
        found = searcher.search(tantivy.Query.boolean_query(parts), limit=limit, count=False).hits
        if not found:
            return KeywordHits({}, 0.0)
        ids = _ids(searcher, found)
        scores = {int(chunk): float(score) for chunk, (score, _) in zip(ids, found, strict=True)}
        best = self._matched(searcher, known, int(ids[0]))
        return KeywordHits(scores, sum(weights[term] for term in best) / sum(weights.values()))

    @_told()
    def scores(self, query: str, chunks: list[int]) -> dict[int, float]:
        """BM25 of given chunks for a query; chunks that share no word with it are left out."""
        import tantivy

        terms = self._terms(query)
        if not terms or not chunks:
            return {}
        any_term = tantivy.Query.boolean_query(
            [(tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "words", term, index_option="freq")) for term in terms]
        )
        only = tantivy.Query.const_score_query(tantivy.Query.term_set_query(self._schema, "chunk", chunks), 0.0)
        searcher = self._index.searcher()
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, any_term), (tantivy.Occur.Must, only)])
        found = searcher.search(both, limit=len(chunks), count=False).hits
        ids = _ids(searcher, found)
        return {int(chunk): float(score) for chunk, (score, _) in zip(ids, found, strict=True)}

    def _write_anew(self, store: Store, error: ValueError) -> None:
        """Start over where adding failed: the files may be damaged. Where there is little room that is the cause, and they are kept."""
        try:
            if shutil.disk_usage(self._folder).free < _ROOM_BYTES:
                raise error
            self._fresh_folder()
            self._index = self._opened()
            self._write(store, 0)
        except ValueError as again:
            raise DiskFull(
                f"the keyword index in {self._folder} could not be written: {again}.",
                hint="the disk may be full; free some space and run the same command again",
            ) from again

    def _write(self, store: Store, since: int) -> None:
        import tantivy

        self._note(store.identity, since, writing=True)
        writer = self._index.writer(_HEAP_BYTES, num_threads=1)
        try:
            for chunk in store.removed_since(since):
                writer.delete_documents_by_query(tantivy.Query.term_query(self._schema, "chunk", chunk))
            for row in store.index_rows(since):
                if since:
                    writer.delete_documents_by_query(tantivy.Query.term_query(self._schema, "chunk", row.chunk))
                document = tantivy.Document()
                document.add_integer("chunk", row.chunk)
                document.add_text("words", " ".join(words(f"{row.context}\n{row.text}")))
                writer.add_document(document)
            writer.commit()
            writer.wait_merging_threads()
        finally:
            del writer  # or a traceback would keep it, and the lock that it holds

    def _matched(self, searcher: Any, terms: list[str], chunk: int) -> list[str]:
        """Which of the terms a chunk holds."""
        import tantivy

        held = []
        this = tantivy.Query.term_query(self._schema, "chunk", chunk)
        for term in terms:
            query = tantivy.Query.term_query(self._schema, "words", term, index_option="basic")
            both = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, this)])
            if searcher.search(both, limit=1, count=False).hits:
                held.append(term)
        return held

    def _terms(self, query: str) -> list[str]:
        """The distinct terms of a query."""
        return list(dict.fromkeys(self._analyzer.analyze(" ".join(asked_words(query)))))

    def _written(self) -> tuple[str | None, int]:
        """(identity of the database, its change) that the files hold; (None, 0) when that is not known or they hold nothing yet."""
        state = read_state(self._folder)
        return (state.identity, state.change) if state is not None and state.change else (None, 0)

    def _note(self, identity: str, change: int, *, writing: bool = False) -> None:
        """Write down what the files hold from now on or, before more is written, that they may hold more."""
        state = read_state(self._folder)
        files = {name: known for name, known in state.files.items() if name not in _LISTS} if state is not None else {}
        if not writing:
            listed = json.loads((self._folder / "meta.json").read_text(encoding="utf-8"))["segments"]
            segments = {segment["segment_id"].replace("-", "") for segment in listed}
            live = [path for path in self._folder.iterdir() if path.name in _LISTS or path.name.partition(".")[0] in segments]
            files = {path.name: files.get(path.name) or file_sum(path) for path in live}
        write_note(
            self._folder / "state.json",
            {"layout": _LAYOUT, "identity": identity, "change": change, "files": files, "writing": writing},
        )
        self._sound = files

    def _opened(self) -> Any:
        import tantivy

        if not self._is_whole():
            self._fresh_folder()
        self._linked = _linked(self._folder)
        try:
            index = tantivy.Index(self._schema, path=self._linked.name if self._linked else str(self._folder))
            index.searcher().doc_freq("words", "a")  # opens what is otherwise opened by the first search
        except BaseException as error:  # files missing or damaged: all of it is derived
            if not _is_damage(error):
                raise
            self._fresh_folder()
            index = tantivy.Index(self._schema, path=str(self._folder))
        index.register_tokenizer("wellread", self._analyzer)
        return index

    def _is_whole(self) -> bool:
        """Whether this is an index of our layout, as it was written, with its list of segments (without it, tantivy begins anew)."""
        state = read_state(self._folder)
        if state is None or not (self._folder / "meta.json").exists() or damaged_files(self._folder, state, known=self._sound):
            return False
        self._sound = state.files
        return True

    def _fresh_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)  # an open reader may have put its lock file there meanwhile
        (self._folder / "meta.json").unlink(missing_ok=True)
        (self._folder / "state.json").unlink(missing_ok=True)
        self._sound = {}


def _ids(searcher: Any, found: list[Any]) -> list[int]:
    """The chunk ids of what a search found."""
    ids = searcher.fast_field_values("chunk", [address for _, address in found])
    if None in ids:
        raise ValueError("an entry has lost its number")
    return [int(chunk) for chunk in ids]


def _idf(frequency: int, total: int) -> float:
    """BM25's inverse document frequency, Robertson & Zaragoza 2009 with +1 inside the logarithm."""
    return log(1 + (total - frequency + 0.5) / (frequency + 0.5))
