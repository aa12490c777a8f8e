"""The id of the request that is being answered, for errors that name it."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set for each request before anything looks at it; also in the header `x-request-id`, and in the log."""
