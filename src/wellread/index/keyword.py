"""The keyword index: BM25 over the words of each chunk and its headings, by tantivy. Derived from the store, rebuilt when in doubt.

Words are made by `wellread.words` for texts and queries alike (NFKC, case folding, CJK bigrams), then stemmed as English by the
engine, which leaves other scripts alone. Their positions are kept for phrases, for 46 % more disk.

Beside the engine's files lies `state.json`, with the checksum of each: they are compared once when they are opened, which takes
0.1 s for a million chunks (128 MB).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from wellread.errors import DiskFull, LibraryError
from wellread.index import keyword_query
from wellread.index.keyword_query import DOCUMENT_BITS, Asked, KeywordHits, ids_of
from wellread.index.store import Store
from wellread.index.sums import file_sum, read_note, write_note
from wellread.index.within import Within
from wellread.words import asked_words, words

_LAYOUT = "keyword-4"
"""Changes when the fields or the analysis do, so that an older index is rebuilt."""

PASSAGE_BITS = 2
"""A passage is four chunks in a row, at most 2,000 characters. Measured beside the chunk's own words, the words of its passage gain .015
nDCG@10 on scientific claims, .03 on a manual, .01 on abstracts, and nothing on single paragraphs."""

_HEAP_BYTES = 50_000_000
_ROOM_BYTES = 16_000_000
_LISTS = ("meta.json", ".managed.json")
"""Files of the engine that are rewritten; all others are never changed once they are there."""


@dataclass(frozen=True, slots=True)
class State:
    """What `state.json` says: the database and its change that the files hold, and size and CRC-32 of each file.

    `writing` says that more was being written: some files may be gone, and more may be there. `commit` is the engine's own count of
    what was done (its opstamp), which only grows: a list of segments from before it is of a copy that was made file by file.
    """

    identity: str
    change: int
    files: Mapping[str, tuple[int, int]]
    commit: int = 0
    writing: bool = False


def read_state(folder: Path) -> State | None:
    """What is written in the folder of an index, or None when that cannot be believed."""
    note = read_note(folder / "state.json")
    if note is None or note["layout"] != _LAYOUT:
        return None
    files = {name: (size, crc) for name, (size, crc) in note["files"].items()}
    return State(note["identity"], note["change"], files, note["commit"], note["writing"])


def damaged_files(folder: Path, state: State, *, known: Mapping[str, tuple[int, int]]) -> list[str]:
    """The names of files that do not hold what was written. Of those that are `known` to be right only the size is looked at."""
    bad = [name for name, expected in state.files.items() if not _is_sound(folder / name, expected, known.get(name), state.writing)]
    return ["meta.json", *bad] if state.writing and state.change and _commit(folder) < state.commit else bad


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
            yield from ids_of(searcher, searcher.search(slice_, limit=count, count=False).hits)


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


def _commit(folder: Path) -> int:
    """The engine's count in its list of segments, or -1 when there is none that can be read."""
    try:
        return int(json.loads((folder / "meta.json").read_text(encoding="utf-8"))["opstamp"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1


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
    """The index in one folder. `catch_up` brings it level with the store; searching needs no store.

    An entry is a chunk or, with `bits`, the 2 ** `bits` chunks that follow one another and whose ids are the same but for so many of
    their lowest bits; the entry has the id without these.
    """

    def __init__(self, folder: Path, *, bits: int = 0) -> None:
        import tantivy

        self._folder = folder
        self._bits = bits
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("chunk", stored=False, indexed=True, fast=True)
        builder.add_integer_field("document", stored=False, indexed=True)
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
    def search(
        self,
        query: str,
        *,
        limit: int,
        within: Within | None = None,
        boosts: Mapping[str, float] = MappingProxyType({}),
        phrases: Sequence[str] = (),
    ) -> KeywordHits:
        """The best `limit` chunks for a query, of those that a filter lets through. One whose words are all unknown finds nothing.

        `boosts` are words that are asked for too, with what their weight is multiplied by; a chunk that holds one of the `phrases`, word
        for word, has the weight of its words twice.
        """
        asked = self._asked(query, boosts, phrases)
        return keyword_query.search(self._schema, self._index.searcher(), asked, limit, within)

    @_told()
    def scores(
        self, query: str, chunks: list[int], *, boosts: Mapping[str, float] = MappingProxyType({}), phrases: Sequence[str] = ()
    ) -> dict[int, float]:
        """BM25 of given chunks for a query, as `search` has it; chunks that share no word with it are left out."""
        return keyword_query.scores(self._schema, self._index.searcher(), self._asked(query, boosts, phrases), chunks)

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
            for entry in sorted({chunk >> self._bits for chunk in store.removed_since(since)}):
                writer.delete_documents_by_query(tantivy.Query.term_query(self._schema, "chunk", entry))
            for entry, group in groupby(store.index_rows(since), lambda row: row.chunk >> self._bits):
                rows = list(group)
                if since:
                    writer.delete_documents_by_query(tantivy.Query.term_query(self._schema, "chunk", entry))
                document = tantivy.Document()
                document.add_integer("chunk", entry)
                document.add_integer("document", entry >> (DOCUMENT_BITS - self._bits))
                document.add_text("words", " ".join(words("\n".join([rows[0].context, *(row.text for row in rows)]))))
                writer.add_document(document)
            writer.commit()
            writer.wait_merging_threads()
        finally:
            del writer  # or a traceback would keep it, and the lock that it holds

    def _asked(self, query: str, boosts: Mapping[str, float], phrases: Sequence[str]) -> Asked:
        terms = self._stemmed(asked_words(query))
        factors = {term: factor for word, factor in boosts.items() for term in self._stemmed(words(word))}
        in_a_row = []
        for phrase in phrases:
            stems = tuple(self._stemmed(words(phrase)))
            if len(stems) == 1:
                factors[stems[0]] = 2 * factors.get(stems[0], 1.0)
            elif stems:
                in_a_row.append(stems)
        return Asked(tuple(dict.fromkeys((*terms, *factors))), factors, tuple(in_a_row))

    def _stemmed(self, of: Sequence[str]) -> list[str]:
        return list(self._analyzer.analyze(" ".join(of)))

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
            {
                "layout": _LAYOUT,
                "identity": identity,
                "change": change,
                "files": files,
                "commit": _commit(self._folder),
                "writing": writing,
            },
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
