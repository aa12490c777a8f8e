"""Every error Wellread raises on purpose.

    WellreadError
    ├── UsageError            the request itself is wrong
    ├── ReadError             a file or page cannot be read (has a reason code)
    ├── LibraryError          a library cannot be opened or written
    │   ├── LibraryLocked
    │   ├── LibraryTooNew
    │   └── DiskFull
    └── ModelError            a model cannot be loaded or run
        ├── ModelMissing      it is not here and could not be fetched
        ├── ContextOverflow   the prompt does not fit the model's window
        └── RequestRefused    the model does not take what it was asked

Each is one sentence about what happened, and a hint about what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WellreadError(Exception):
    """Something a person can act on: `message` is one sentence, `hint` says what to try."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(WellreadError):
    """The request cannot be carried out as it was made."""

    exit_code = 2


class ReadError(WellreadError):
    """A document cannot be read. `reason` is a short stable code such as "encrypted" or "truncated"."""

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class LibraryError(WellreadError):
    """A library cannot be opened, read or written."""


class LibraryLocked(LibraryError):
    """Another process is writing to the library."""


class LibraryTooNew(LibraryError):
    """The library was made by a newer Wellread."""


class DiskFull(LibraryError):
    """There is no room left for what was to be written."""


class ModelError(WellreadError):
    """A model cannot be loaded or run."""


class ModelMissing(ModelError):
    """A model is not on this machine and could not be fetched."""


class ContextOverflow(ModelError):
    """A prompt does not fit the model's context window."""


class RequestRefused(ModelError):
    """A model, its template or its server does not take what it was asked, and would not the next time either."""


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to a mistyped one, as a hint: `did you mean "compact"?`."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else None
