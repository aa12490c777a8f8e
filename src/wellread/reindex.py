"""Everything in a library split and embedded anew, by another embedder or after an upgrade."""

from __future__ import annotations

from wellread.index.rows import Source
from wellread.index.store import Store
from wellread.ingest import embedded
from wellread.models.base import Embedder
from wellread.split import split
from wellread.types import Progress


def reindex(store: Store, embedder: Embedder, progress: Progress) -> int:
    """Replace all chunks and vectors by those of `embedder`, in one transaction; returns how many documents there are.

    A library never holds the vectors of two embedders: stopped on the way, it is as it was. No file is read again.
    """
    documents = store.documents()
    sources = store.sources()
    with store.together():
        for done, listed in enumerate(documents, start=1):
            document = store.document(listed.id)
            spans = split(document)
            kept: Source = sources[listed.sources[0]]
            store.put(document, spans, embedded(embedder, [(document, spans)], progress), kept, reader=store.reader_of(document.id))
            progress("reindexing", done, len(documents))
        store.set_meta("embedder", embedder.name)
    return len(documents)
