"""A request that is refused, and how each protocol says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wellread.errors import (
    ContextOverflow,
    DiskFull,
    LibraryLocked,
    ModelError,
    ModelMissing,
    ReadError,
    RequestRefused,
    UsageError,
    WellreadError,
)


@dataclass(eq=False)
class Refused(Exception):
    """A request that gets no answer, and why: `status` is HTTP's, `code` a stable word for programs, `param` the field that is at fault,
    `retry_after` the seconds after which to ask again."""

    status: int
    code: str
    message: str
    param: str | None = None
    hint: str | None = None
    retry_after: int | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def wrong(param: str | None, message: str, *, hint: str | None = None, code: str = "invalid_value") -> Refused:
    """A 400: a field of the request cannot be taken as it is."""
    return Refused(400, code, message, param, hint)


def unsupported(param: str, what: str, *, hint: str | None = None) -> Refused:
    """A 400: something is asked for that the model's engine, or a library, cannot do. It is never ignored."""
    return Refused(400, "unsupported_parameter", f'"{param}": {what}', param, hint)


def refusal(error: Exception) -> Refused:
    """Any error as a refusal. What is none of Wellread's own tells nothing of itself: its words may be a document's."""
    if isinstance(error, Refused):
        return error
    if not isinstance(error, WellreadError):
        return Refused(500, "internal_error", "the server failed", hint="its log says where")
    status, code = next(known for kind, known in _STATUS if isinstance(error, kind))
    again = 1 if status == 503 else None
    return Refused(status, code, error.message.rstrip("."), hint=error.hint, retry_after=again)


def refusal_headers(refused: Refused) -> dict[str, str]:
    """The headers that go with a refusal."""
    extra = {"www-authenticate": "Bearer"} if refused.status == 401 else {}
    return extra | ({"retry-after": str(refused.retry_after)} if refused.retry_after else {})


_STATUS: tuple[tuple[type[WellreadError], tuple[int, str]], ...] = (
    (ContextOverflow, (400, "context_length_exceeded")),
    (RequestRefused, (400, "refused_by_model")),
    (ModelMissing, (404, "model_not_found")),
    (ModelError, (503, "model_failed")),
    (LibraryLocked, (503, "library_locked")),
    (DiskFull, (507, "disk_full")),
    (UsageError, (400, "invalid_value")),
    (ReadError, (422, "unreadable")),
    (WellreadError, (500, "failed")),
)

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def openai_error(refused: Refused) -> dict[str, Any]:
    """The error object of OpenAI's API, https://platform.openai.com/docs/guides/error-codes"""
    kind = _TYPES.get(refused.status, "server_error" if refused.status >= 500 else "invalid_request_error")
    return {"error": {"message": str(refused), "type": kind, "param": refused.param, "code": refused.code}}
