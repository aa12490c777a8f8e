"""Errors in the shape of Anthropic's API: https://platform.claude.com/docs/en/api/errors"""

from __future__ import annotations

from typing import Any

from wellread.server.errors import Refused
from wellread.server.request_id import REQUEST_ID

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def anthropic_error(refused: Refused) -> dict[str, Any]:
    """An error object. `code` and `param` are additions: a stable word, and the field that is at fault."""
    kind = _TYPES.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
    error = {"type": kind, "message": str(refused), "code": refused.code, "param": refused.param}
    return {"type": "error", "error": error, "request_id": REQUEST_ID.get()}
