"""All that is searched: the store, and the indexes derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wellread.index.keyword import PASSAGE_BITS, KeywordIndex
from wellread.index.store import Store
from wellread.index.vector import VectorIndex


@dataclass(frozen=True, slots=True)
class Index:
    """The store of a library, the words of its chunks and of its passages (four chunks in a row), and its vectors."""

    store: Store
    keyword: KeywordIndex
    passages: KeywordIndex
    vector: VectorIndex

    def catch_up(self) -> None:
        """Bring the indexes level with the store. Killed on the way, they are brought level the next time."""
        self.keyword.catch_up(self.store)
        self.passages.catch_up(self.store)
        self.vector.catch_up(self.store)

    def stay_behind(self) -> None:
        """Load what is written without catching up, for a disk that has no room for more."""
        self.keyword.stay_behind()
        self.passages.stay_behind()
        self.vector.stay_behind(self.store)


def open_index(library: Path, store: Store, dimensions: int) -> Index:
    """The indexes in the folder of a library, as they are; what is damaged is empty until they catch up."""
    folder = library / "index"
    return Index(
        store,
        KeywordIndex(folder / "keyword"),
        KeywordIndex(folder / "passages", bits=PASSAGE_BITS),
        VectorIndex(folder / "vector", dimensions),
    )
