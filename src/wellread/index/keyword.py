"""The keyword index: BM25 over the words of each chunk and its headings, by tantivy. Derived from the store, rebuilt when in doubt.

Words are made by `wellread.words` for texts and queries alike (NFKC, case folding, CJK bigrams), then stemmed as English by the
engine, which leaves other scripts alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

from wellread.errors import DiskFull, LibraryError
from wellread.index.store import Store
from wellread.words import asked_words, words

_LAYOUT = "keyword-1"
"""Changes when the fields or the analysis do, so that an older index is rebuilt."""

_HEAP_BYTES = 50_000_000
_ROOM_BYTES = 16_000_000


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
        _write_atomically(self._folder / "change", f"{identity} {change}")
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
        """(identity of the database, its change) that the files hold; (None, 0) when that is not known."""
        try:
            identity, change = (self._folder / "change").read_text(encoding="ascii").split(" ")
            return identity, int(change)
        except (FileNotFoundError, ValueError):
            return None, 0

    def _opened(self) -> Any:
        import tantivy

        if not self._is_whole():
            self._fresh_folder()
        try:
            index = tantivy.Index(self._schema, path=str(self._folder))
            index.searcher().doc_freq("words", "a")  # opens what is otherwise opened by the first search
        except BaseException as error:  # files missing or damaged: all of it is derived
            if not _is_damage(error):
                raise
            self._fresh_folder()
            index = tantivy.Index(self._schema, path=str(self._folder))
        index.register_tokenizer("wellread", self._analyzer)
        return index

    def _is_whole(self) -> bool:
        """Whether this is an index of our layout with its list of segments, without which tantivy would begin an empty one."""
        layout = self._folder / "layout"
        fits = layout.exists() and layout.read_bytes() == _LAYOUT.encode()
        return fits and ((self._folder / "meta.json").exists() or not (self._folder / "change").exists())

    def _fresh_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)  # an open reader may have put its lock file there meanwhile
        (self._folder / "meta.json").unlink(missing_ok=True)
        (self._folder / "layout").write_text(_LAYOUT)


def _ids(searcher: Any, found: list[Any]) -> list[int]:
    """The chunk ids of what a search found."""
    ids = searcher.fast_field_values("chunk", [address for _, address in found])
    if None in ids:
        raise ValueError("an entry has lost its number")
    return [int(chunk) for chunk in ids]


def _idf(frequency: int, total: int) -> float:
    """BM25's inverse document frequency, Robertson & Zaragoza 2009 with +1 inside the logarithm."""
    return log(1 + (total - frequency + 0.5) / (frequency + 0.5))


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)
