"""What a kept response rests on, and whether that is still there: with a document go the answers that hold words of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from wellread.errors import WellreadError
from wellread.server.answering import LIBRARY
from wellread.server.errors import Refused
from wellread.server.runtime import Runtime
from wellread.server.stored import Rest, Stored


def rests_of(runtime: Runtime, library: str, answer: Mapping[str, Any]) -> frozenset[Rest]:
    """The documents that the model read for an answer, or that are quoted in it."""
    ids = {each["document"]["id"] for each in answer["citations"]} | {each["document"] for each in answer["nearest"]}
    with runtime.shelf.open(library, None, threading.Event()) as opened:
        ids |= {chunk.document for chunk in opened.store.chunks([sent["chunk"] for sent in answer["ledger"]["sent"]]).values()}
    return frozenset((library, ident) for ident in ids)


def named(runtime: Runtime, model: str) -> str:
    """The library in the name of a model that is one."""
    library = model.removeprefix(LIBRARY)
    return library if library in runtime.shelf.names() or "@" not in library else library.rpartition("@")[0]


def holds(runtime: Runtime, stored: Stored) -> bool:
    """Whether all that a response, and those before it, rest on is still there; one of which that is known not to be is forgotten."""
    removed = _removed(runtime, stored.rests)
    for rest in removed:
        runtime.stored.forget(*rest)
    return not removed and {library for library, _ in stored.rests} <= set(runtime.shelf.names())


def forget_what_rests_on_nothing(runtime: Runtime) -> int:
    """Delete the responses that rest on a document which is no longer in its library; returns how many there were. A library that this
    server does not serve is left alone."""
    return sum(runtime.stored.forget(*rest) for rest in _removed(runtime, runtime.stored.rests()))


def _removed(runtime: Runtime, rests: Iterable[Rest]) -> list[Rest]:
    wanted: dict[str, list[str]] = {}
    for library, document in rests:
        wanted.setdefault(library, []).append(document)
    found: list[Rest] = []
    for library, documents in wanted.items():
        try:
            with runtime.shelf.open(library, None, threading.Event()) as opened:
                found += [(library, document) for document in documents if not opened.store.has(document)]
        except (Refused, WellreadError):  # not served here, or not to be read now: nothing is known of its documents
            continue
    return found
