"""Wellread: ask questions of your own documents, on your own computer, and see exactly where each answer comes from.

import wellread

library = wellread.open("papers.wellread")
library.add("~/papers")
answer = library.ask("Which optimizer did we settle on, and why?")
print(answer)
for citation in answer.citations:
    print(citation.marker, citation.title, citation.page, repr(citation.quote))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wellread.config import Settings
    from wellread.errors import WellreadError
    from wellread.library import Library, open
    from wellread.options import Options
    from wellread.parts import Parts
    from wellread.recipe import Recipe
    from wellread.sync import SyncReport
    from wellread.types import Answer, Chunk, Citation, Delta, Document, Hit, Message, Sentence

__version__ = "0.1.0"

_HOME = {
    "Answer": "types",
    "Chunk": "types",
    "Citation": "types",
    "Delta": "types",
    "Document": "types",
    "Hit": "types",
    "Library": "library",
    "Message": "types",
    "Options": "options",
    "Parts": "parts",
    "Recipe": "recipe",
    "Sentence": "types",
    "Settings": "config",
    "SyncReport": "sync",
    "WellreadError": "errors",
    "open": "library",
}

__all__ = [
    "Answer",
    "Chunk",
    "Citation",
    "Delta",
    "Document",
    "Hit",
    "Library",
    "Message",
    "Options",
    "Parts",
    "Recipe",
    "Sentence",
    "Settings",
    "SyncReport",
    "WellreadError",
    "__version__",
    "open",
]


def __getattr__(name: str) -> Any:
    """The public names are imported when they are first used, so that `import wellread` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'wellread' has no attribute {name!r}")
    return getattr(import_module(f"wellread.{_HOME[name]}"), name)
