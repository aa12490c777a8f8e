"""The day that a file says it is of, whatever it writes it like; what cannot be true is not believed."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate

_LONGEST = 100
_ISO = re.compile(r"\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
_PDF = re.compile(r"\s*D:([0-9]{4})([0-9]{2})([0-9]{2})")


def day(*told: str | None) -> str | None:
    """The first of some texts that is a real day between the years 1000 and 2999, as "2024-03-05"; the time of day is left out.

    It may be written as in ISO 8601 ("2024-03-05T10:00:00Z"), in PDF ("D:20240305100000Z", ISO 32000-1, 7.9.4), or in mails
    ("Tue, 5 Mar 2024 10:00:00 +0100", RFC 5322).
    """
    for text in told:
        found = _day((text or "")[:_LONGEST])
        if found is not None:
            return found
    return None


def _day(text: str) -> str | None:
    written = _ISO.match(text) or _PDF.match(text)
    try:
        parts = tuple(map(int, written.groups())) if written else (parsedate(text) or ())[:3]
        found = date(*parts)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):  # the email package stumbles over odd dates
        return None
    return found.isoformat() if 1000 <= found.year <= 2999 else None
