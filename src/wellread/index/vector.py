"""The vector index: a scan over int8 codes, the best rescored with the stored vectors. Derived from the store.

Each vector is scaled so that its largest component becomes 127. Scanning codes reads a quarter of the memory that floats take
(0.4 ms for 20,000 vectors of 384 on one core, against 1.2 ms), and rescoring the top candidates removes what rounding did to the order.

Up to `clustered_from` rows every row is scanned. From there on the rows lie in the order of their clusters (see `clusters.py`) and a
search scans those near the query; rows that came since lie behind them and are all scanned, until they are a sixteenth of all and are
put in order too. The clusters themselves are made anew once the rows have grown by half. On a million vectors of 384 that finds 98 % of
what a scan of all rows finds, in 3 ms against 60.

The files of one generation only ever grow; rewriting makes the next generation, and `state.json` says which one holds. What is mapped by
another process is therefore never changed, and a process that is killed leaves the generation before. The files are read through once
when they are opened, and made anew if their checksums are not those in `state.json`: 0.13 s for a million rows.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from wellread.errors import LibraryError
from wellread.index.clusters import Clusters, Read, assigned, probes_needed, trained
from wellread.index.store import Store
from wellread.index.sums import read_note, write_note
from wellread.index.within import Within

_LAYOUT = "vector-3"
_FILES = ("codes", "scales", "ids", "centroids", "bounds")
_PIECE = 1 << 20
_OFF_LENGTH = 0.02
"""How far from 1 the length of a stored vector may be: ten times what half precision makes of it."""
_LOOKED_UP = 10_000
"""Stored vectors that are asked for at once: SQLite takes no more than 32,766 numbers in one statement."""
_ROWS = 1 << 17
"""Rows that are brought into another order at once, 50 MB of them."""
_AT_ONCE = 1 << 14
"""Rows of a file that are looked for at once."""
_MARGIN = 24
"""Rows that are rescored beyond those asked for and an eighth: what rounding does to a cosine is under a thousandth."""
_PER_RESULT = 64
"""Rows that are scanned for each result asked for, at least: who asks for many gets them from more clusters."""
_SPARSE = 0.3
"""Share of the rows below which those that a filter lets through are gathered, rather than all of them scanned."""


@dataclass(frozen=True, slots=True)
class State:
    """What `state.json` says: the database and its change that the files of a generation hold, their valid rows, and the change up to
    which removed rows are already gone from them.

    `clusters` is how many clusters there are (0: none), `trained` how many rows they were made from, `probes` how many a search looks
    into. `sums` are the CRC-32 of the valid part of each file.
    """

    identity: str
    generation: str = ""
    change: int = 0
    rows: int = 0
    written: int = 0
    clusters: int = 0
    trained: int = 0
    probes: int = 0
    sums: tuple[int, ...] = (0,) * len(_FILES)

    def path(self, folder: Path, name: str) -> Path:
        return folder / f"{name}-{self.generation}"

    def sizes(self, dimensions: int) -> tuple[int, ...]:
        """Bytes of each file that are valid."""
        bounds = self.clusters + 1 if self.clusters else 0
        return self.rows * dimensions, self.rows * 4, self.rows * 8, self.clusters * dimensions * 4, bounds * 8


def read_state(folder: Path, dimensions: int) -> State | None:
    """What is written in the folder of an index of vectors with so many components, or None when that cannot be believed."""
    note = read_note(folder / "state.json")
    if note is None or note.pop("layout", None) != f"{_LAYOUT}-{dimensions}":
        return None
    return State(**{**note, "sums": tuple(note["sums"])})


def damaged_files(folder: Path, state: State, dimensions: int, *, known: State | None = None) -> list[str]:
    """The names of files that do not hold what was written. What `known`, an earlier state, speaks of is taken for sound."""
    if known is None or known.generation != state.generation or known.rows > state.rows:
        known = State(state.identity)
    each = zip(_FILES, known.sizes(dimensions), state.sizes(dimensions), known.sums, state.sums, strict=True)
    return [
        state.path(folder, name).name
        for name, low, high, total, expected in each
        if high and not _holds(state.path(folder, name), low, high, total, expected)
    ]


def _holds(path: Path, low: int, high: int, total: int, expected: int) -> bool:
    """Whether the bytes from `low` to `high`, behind bytes that sum up to `total`, bring that to what is expected."""
    piece = memoryview(bytearray(_PIECE))  # read rather than mapped: what is mapped counts as memory of this process
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(low)
            while low < high:
                count = file.readinto(piece[: high - low])
                if not count:
                    return False
                total = zlib.crc32(piece[:count], total)
                low += count
    except OSError:
        return False
    return total == expected


def read_rows(
    folder: Path, state: State, dimensions: int, *, known: State | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The valid rows: codes int8 [n, d] (mapped), scales float32 [n], ids int64 [n]; None when they are not what was written.

    Where an id has several rows the last one counts; see `superseded`. `known` is as for `damaged_files`.
    """
    if damaged_files(folder, state, dimensions, known=known):
        return None
    try:
        return _mapped(folder, state, dimensions)
    except (OSError, ValueError):  # gone, or cut, since that was looked at
        return None


def superseded(ids: np.ndarray) -> np.ndarray:
    """The rows (int64) whose ids have another row further behind: those do not count."""
    order, known = _in_order(ids)
    return np.asarray(order[:-1][known[1:] == known[:-1]])


class VectorIndex:
    """The index in one folder: `codes` (int8 rows), `scales`, `ids`, the clusters' `centroids` and `bounds`, and `state.json`.

    From `clustered_from` rows on it is divided into clusters.
    """

    def __init__(self, folder: Path, dimensions: int, *, clustered_from: int = 50_000) -> None:
        self._folder = folder
        self._dimensions = dimensions
        self._clustered_from = clustered_from
        self._state = State("")
        self._take(_mapped(folder, self._state, dimensions), [])

    def catch_up(self, store: Store) -> bool:
        """Append what is new in the store and forget what went. Returns whether anything changed.

        Rows are appended first and counted in `state.json` last, so a torn append is never read. The state is read anew each time:
        another process may have written in between. Raises `LibraryError` for vectors of the store that are damaged.
        """
        change = store.change
        state = self._believed(store)
        if state == self._state and state.change == change and not self._overdue():
            return False
        removed = store.removed_since(state.written)
        if not self._load(state, removed):
            state = State(store.identity)
            removed = store.removed_since(0)
            self._load(state, removed)
        self._tidy()
        if state.change == change and not self._overdue():
            return False
        if state.change != change:
            self._append(store, change)
            self._take(_mapped(self._folder, self._state, self._dimensions), removed)
        if self._overdue():
            self._rewrite()
        return True

    def stay_behind(self, store: Store) -> None:
        """Load what is written without catching up, for a disk that has no room for more."""
        state = self._believed(store)
        if not self._load(state, store.removed_since(state.written)):
            self._load(State(store.identity), [])

    def search(self, vector: np.ndarray, store: Store, *, limit: int, within: Within | None = None) -> dict[int, float]:
        """Cosine of the best `limit` chunks, of all or of those `within`, to a query vector (float32 [d], L2-normalised)."""
        allowed = self._alive if within is None else self._allowed(within)
        share = 1.0 if within is None else int(np.count_nonzero(allowed)) / max(int(np.count_nonzero(self._alive)), 1)
        if not share or not len(allowed):
            return {}
        near = self._near(vector, limit, share)
        rows, rough = self._scan(vector, near, allowed, gather=share < _SPARSE)
        count = min(limit + limit // 8 + _MARGIN, len(rows))
        top = np.argpartition(-rough, count - 1)[:count] if count < len(rows) else np.arange(len(rows))
        exact = self.scores(vector, store, np.sort(self._ids[rows[top]]).tolist())
        return dict(sorted(exact.items(), key=lambda item: (-item[1], item[0]))[:limit])

    def scores(self, vector: np.ndarray, store: Store, chunks: list[int]) -> dict[int, float]:
        """Cosine of given chunks to a query vector. Raises `LibraryError` when a stored vector is damaged."""
        found: dict[int, float] = {}
        for low in range(0, len(chunks), _LOOKED_UP):
            try:
                stored = store.vectors(chunks[low : low + _LOOKED_UP])
            except ValueError as error:  # half a number
                raise _damaged(store) from error
            if any(len(one) != self._dimensions for one in stored.values()):
                raise _damaged(store)
            if stored:
                matrix = np.stack(list(stored.values()))
                _check(matrix, store)
                found.update(zip(stored, (matrix @ vector).tolist(), strict=True))
        return found

    def rough_scores(self, vector: np.ndarray, chunks: Sequence[int]) -> dict[int, float]:
        """About the cosine of given chunks to a query vector, within .01, without a look at the store; those not here are left out."""
        import numkong

        wanted = np.array(chunks, np.int64)
        at = np.searchsorted(self._known, wanted, side="right") - 1
        here = np.flatnonzero((at >= 0) & (self._known[at] == wanted)) if len(self._known) else np.zeros(0, np.int64)
        rows = self._order[at[here]]
        alive = self._alive[rows]
        here, rows = here[alive], rows[alive]
        if not len(rows):
            return {}
        code, scale = _quantised(vector[None, :])
        dots = np.asarray(numkong.cdist(code, self._codes[rows], metric="dot")).reshape(-1)
        return dict(zip(wanted[here].tolist(), (dots * self._scales[rows] * scale[0]).tolist(), strict=True))

    # --- searching

    def _allowed(self, within: Within) -> np.ndarray:
        """Which rows are alive and let through: bool [n]."""
        mask = np.zeros(len(self._ids), bool)
        first = np.searchsorted(self._known, within.first, side="left")
        last = np.searchsorted(self._known, within.last, side="right")
        mask[self._order[_ranges(first, last)]] = True
        mask &= self._alive
        return mask

    def _near(self, vector: np.ndarray, limit: int, share: float) -> np.ndarray:
        """The stretches of rows to look at, int64 [m, 2]: the clusters near the query, and what lies behind all clusters.

        The fewer rows count (`share` of all), the further away the best of them may be.
        """
        everything = np.array([[0, len(self._ids)]])
        if self._clusters is None:
            return everything
        count, rows = int(self._state.probes / share), int(limit * _PER_RESULT / share)
        if count >= self._state.clusters or rows >= len(self._ids):
            return everything
        chosen = np.sort(self._clusters.nearest(vector, count, rows))
        bounds = self._clusters.bounds
        return np.concatenate((np.stack((bounds[chosen], bounds[chosen + 1]), axis=1), [[bounds[-1], len(self._ids)]]))

    def _scan(self, vector: np.ndarray, near: np.ndarray, allowed: np.ndarray, *, gather: bool) -> tuple[np.ndarray, np.ndarray]:
        """The allowed rows in those stretches (int64 [k]), and about their cosine to the query."""
        import numkong

        code, scale = _quantised(vector[None, :])
        stretches = [slice(low, high) for low, high in near.tolist() if low < high]
        if gather:
            inside = np.zeros(len(allowed), bool)
            for stretch in stretches:
                inside[stretch] = allowed[stretch]
            rows = np.flatnonzero(inside)
            rough = np.asarray(numkong.cdist(code, self._codes[rows], metric="dot")).reshape(-1) if len(rows) else np.zeros(0)
        else:
            dots = [np.asarray(numkong.cdist(code, self._codes[stretch], metric="dot")).reshape(-1) for stretch in stretches]
            rows, rough = _ranges(near[:, 0], near[:, 1]), np.concatenate(dots)
            keep = allowed[rows]
            rows, rough = rows[keep], rough[keep]
        return rows, rough * self._scales[rows] * scale[0]

    # --- reading

    def _believed(self, store: Store) -> State:
        """Read anew how much is written of what this store holds: nothing, where it was made from another or an older database."""
        state = read_state(self._folder, self._dimensions)
        if state is None or state.identity != store.identity or state.change > store.change:
            return State(store.identity)
        return state

    def _load(self, state: State, removed: list[int]) -> bool:
        """Read what is written, if it is sound; what was read before is not looked through again."""
        arrays = read_rows(self._folder, state, self._dimensions, known=self._state)
        if arrays is None:
            return False
        self._state = state
        self._take(arrays, removed)
        return True

    def _take(self, arrays: tuple[np.ndarray, np.ndarray, np.ndarray], removed: list[int]) -> None:
        """Use what was read, of which some chunks went since it was written."""
        self._codes, self._scales, self._ids = arrays
        self._clusters = _clusters(self._folder, self._state, self._dimensions)
        self._order, self._known = _in_order(self._ids)
        self._alive = np.ones(len(self._ids), bool)
        self._alive[self._order[:-1][self._known[1:] == self._known[:-1]]] = False
        if len(self._ids):
            gone = np.array(removed, np.int64)
            at = np.maximum(np.searchsorted(self._known, gone, side="right") - 1, 0)
            self._alive[self._order[at[self._known[at] == gone]]] = False

    # --- writing

    def _append(self, store: Store, until: int) -> None:
        """Write the vectors that came after what the files hold."""
        state = self._state
        self._folder.mkdir(parents=True, exist_ok=True)
        if not state.rows:
            state = State(store.identity, generation=_new_generation(), written=state.written)
        rows, sums = state.rows, list(state.sums)
        with (
            state.path(self._folder, "codes").open("r+b" if rows else "xb") as codes,
            state.path(self._folder, "scales").open("r+b" if rows else "xb") as scales,
            state.path(self._folder, "ids").open("r+b" if rows else "xb") as ids,
        ):
            files = (codes, scales, ids)
            for file, size in zip(files, state.sizes(self._dimensions), strict=False):
                file.seek(size)
                file.truncate()
            for chunks, vectors in _batches(store, state.change, until):
                if vectors.shape[1] != self._dimensions:
                    raise _damaged(store)
                _check(vectors, store)
                for number, (file, array) in enumerate(zip(files, (*_quantised(vectors), chunks), strict=True)):
                    data = array.tobytes()
                    file.write(data)
                    sums[number] = zlib.crc32(data, sums[number])
                rows += len(chunks)
        self._save(replace(state, change=until, rows=rows, sums=tuple(sums)))

    def _overdue(self) -> bool:
        """Whether the files are to be written anew: too many rows went, or lie outside the clusters."""
        rows, alive = len(self._ids), int(np.count_nonzero(self._alive))
        if (rows - alive) * 5 > rows:
            return True
        return alive >= self._clustered_from if self._clusters is None else (rows - int(self._clusters.bounds[-1])) * 16 > rows

    def _rewrite(self) -> None:
        """Write the next generation: without the rows that went, and in the order of their clusters where there are enough."""
        rows = np.flatnonzero(self._alive)
        old, clusters, trained_on = self._state, None, 0
        if len(rows) >= self._clustered_from:
            centroids, labels, trained_on = self._labelled(rows)
            rows = rows[np.lexsort((self._ids[rows], labels))]
            clusters = Clusters(centroids, np.concatenate(([0], np.cumsum(np.bincount(labels, minlength=len(centroids))))))
        state = State(
            old.identity,
            _new_generation(),
            old.change,
            len(rows),
            old.change,
            0 if clusters is None else len(clusters.centroids),
            trained_on,
        )
        pieces = (rows[low : low + _ROWS] for low in range(0, len(rows), _ROWS))
        arrays: list[Iterable[np.ndarray]] = [map(self._read(old), pieces), [self._scales[rows]], [self._ids[rows]]]
        if clusters is not None:
            arrays += [[clusters.centroids], [clusters.bounds]]
        sums = [_write(state.path(self._folder, name), array) for name, array in zip(_FILES, arrays, strict=False)]
        if clusters is not None:
            state = replace(state, probes=probes_needed(self._read(state), self._scales[rows], clusters))
        sums += [0] * (len(_FILES) - len(sums))
        self._save(replace(state, sums=tuple(sums)))
        self._take(_mapped(self._folder, self._state, self._dimensions), [])

    def _labelled(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Centroids, the nearest one of each row, and how many rows they were trained on: the old ones while they are of an age."""
        old, before, read = self._clusters, self._state.trained, self._read(self._state)
        if old is None or not before / 2 <= len(rows) <= before * 1.5:
            centroids = trained(read, self._scales, rows)
            return centroids, assigned(read, rows, centroids), len(rows)
        placed = rows[rows < old.bounds[-1]]
        labels = np.searchsorted(old.bounds, placed, side="right") - 1
        return old.centroids, np.concatenate((labels, assigned(read, rows[len(placed) :], old.centroids))), before

    def _read(self, state: State) -> Read:
        """Reads rows of the codes of a generation."""
        path, shape = state.path(self._folder, "codes"), (state.rows, self._dimensions)

        def read(rows: np.ndarray) -> np.ndarray:
            found = np.empty((len(rows), self._dimensions), np.int8)
            order = np.argsort(rows)
            for low in range(0, len(rows), _AT_ONCE):
                some = order[low : low + _AT_ONCE]
                codes = np.memmap(
                    path, np.int8, "r", shape=shape
                )  # each time anew: what has been looked at takes memory while it is mapped
                found[some] = codes[rows[some]]
            return found

        return read

    def _save(self, state: State) -> None:
        """Make a state the one that holds, and delete the generation before."""
        note = {field.name: getattr(state, field.name) for field in fields(state)}
        write_note(self._folder / "state.json", {**note, "layout": f"{_LAYOUT}-{self._dimensions}", "sums": list(state.sums)})
        self._state = state
        self._codes = self._codes[:0].copy()  # no longer mapped: Windows deletes nothing that is
        self._tidy()

    def _tidy(self) -> None:
        """Delete the files of other generations: what a process that was killed has left, or Windows kept for one that had it mapped."""
        for path in self._folder.glob("*"):
            name, _, generation = path.name.partition("-")
            if name in _FILES and generation != self._state.generation:
                with suppress(OSError):
                    path.unlink()


def _new_generation() -> str:
    """A name that no file here ever had: an index that was put back from an older copy is not taken for a later one."""
    return secrets.token_hex(8)


def _write(path: Path, arrays: Iterable[np.ndarray]) -> int:
    """Write arrays one behind the other to a new file; returns its CRC-32."""
    total = 0
    with path.open("xb") as file:
        for array in arrays:
            data = array.tobytes()
            file.write(data)
            total = zlib.crc32(data, total)
    return total


def _mapped(folder: Path, state: State, dimensions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, scales and ids as they are; raises `OSError` or `ValueError` when the files are missing or shorter than that."""
    rows = state.rows
    if not rows:
        return np.zeros((0, dimensions), np.int8), np.zeros(0, np.float32), np.zeros(0, np.int64)
    codes = np.memmap(state.path(folder, "codes"), np.int8, "r", shape=(rows, dimensions))
    scales = np.fromfile(state.path(folder, "scales"), np.float32, rows)
    return np.asarray(codes), scales, np.fromfile(state.path(folder, "ids"), np.int64, rows)


def _clusters(folder: Path, state: State, dimensions: int) -> Clusters | None:
    if not state.clusters:
        return None
    centroids = np.fromfile(state.path(folder, "centroids"), np.float32, state.clusters * dimensions)
    return Clusters(centroids.reshape(-1, dimensions), np.fromfile(state.path(folder, "bounds"), np.int64, state.clusters + 1))


def _in_order(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows in the order of their ids, those of one id as they stand, and the ids in that order."""
    order = np.argsort(ids)
    known = ids[order]
    if np.any(known[1:] == known[:-1]):  # rare, and four times as slow
        order = np.argsort(ids, kind="stable")
    return order, known


def _ranges(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The numbers `first[i]` to `last[i]`, the last one left out, of each i in turn: int64."""
    lengths = last - first
    return np.repeat(last - np.cumsum(lengths), lengths) + np.arange(lengths.sum())


def _batches(store: Store, since: int, until: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    try:
        yield from store.vectors_since(since, until)
    except ValueError as error:  # bytes that are no vectors of one size
        raise _damaged(store) from error


def _check(vectors: np.ndarray, store: Store) -> None:
    """Raise `LibraryError` unless every row is of length 1: a flipped bit may make a vector the nearest to everything, or to nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", vectors, vectors)
    if not np.all(np.abs(squares - 1) <= 2 * _OFF_LENGTH):  # written so that NaN does not pass
        raise _damaged(store)


def _damaged(store: Store) -> LibraryError:
    return LibraryError(f"{store.path} is damaged: a vector is not what an embedder makes.", hint="run: wellread doctor --repair")


def _quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as int8 codes and the float32 scale that undoes each."""
    largest = np.abs(vectors).max(axis=1)
    scales = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales
